"""Golden vectors: from samples to int8 outputs, by the kernels that the engine must equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.quantization.convert import QuantizedModel
from birdnet_deploy.quantization.fidelity import Ref, WindowSets
from birdnet_deploy.tflite.interpreter import Int8Interpreter

GOLDEN_WINDOWS = 16


def make_golden(quantized: QuantizedModel, windows: WindowSets) -> dict[str, NDArray[Any]]:
    """Gives the arrays of ``golden.npz``.

    ``pcm`` int16 ``[n, samples]``, ``features`` float32 ``[n, *shape]``, ``input`` int8 of the same shape,
    ``output`` int8 ``[n, classes]`` of ``BUILTIN_REF``. ``n`` is 16, or the number of windows where there are
    fewer; files take turns, in the order of their names.
    """
    refs = [*windows.calibration.refs, *windows.evaluation.refs]
    chosen = choose_golden(refs)
    pcm = _rows(chosen, windows.calibration.pcm, windows.evaluation.pcm)
    features = _rows(chosen, quantized.calibration_features, quantized.evaluation_features)
    interpreter = Int8Interpreter(quantized.tflite, kernels="reference")
    quantization = interpreter.input_quantization
    inputs = quantize_input(features, quantization.scale, quantization.zero_point)
    return {"pcm": pcm, "features": features, "input": inputs, "output": interpreter.run(inputs)}


def choose_golden(refs: Sequence[Ref], count: int = GOLDEN_WINDOWS) -> list[int]:
    """Gives the indices of at most ``count`` windows: every file's first, every file's second, and so on."""
    order = sorted(range(len(refs)), key=lambda i: (refs[i].file, refs[i].start, i))
    turns: dict[str, int] = {}
    ranked = []
    for index in order:
        file = refs[index].file
        turns[file] = turns.get(file, -1) + 1
        ranked.append((turns[file], file, index))
    return [index for _, _, index in sorted(ranked)[:count]]


def _rows(indices: Sequence[int], first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """Gives the rows of two arrays as if they were one, without joining them."""
    rows = [first[i] if i < len(first) else second[i - len(first)] for i in indices]
    return np.stack(rows)
