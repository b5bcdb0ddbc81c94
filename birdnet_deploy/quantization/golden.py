"""Golden vectors: from samples to int8 outputs, by the kernels that the engine must equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.prologue.reading import prologue_from_tflite
from birdnet_deploy.prologue.reference import run_reference
from birdnet_deploy.quantization.convert import QuantizedModel
from birdnet_deploy.quantization.fidelity import Ref, WindowSets
from birdnet_deploy.tflite.interpreter import Int8Interpreter

GOLDEN_WINDOWS = 16


def make_golden(quantized: QuantizedModel, windows: WindowSets) -> dict[str, NDArray[Any]]:
    """Gives the arrays of ``golden.npz``.

    ``pcm`` int16 ``[n, samples]``, ``features`` float32 ``[n, *shape]``, ``input`` int8 of the same shape,
    ``output`` int8 ``[n, classes]`` of ``BUILTIN_REF`` and the network that runs. With a prologue also ``npu_input``
    int8, what that network takes: with the arithmetic of the generated C, not of LiteRT, whose last bits are others.
    ``n`` is 16, or the number of windows where there are fewer; files take turns, in the order of their names.

    Raises: ModelError (exit 3) for a prologue without kernels.
    """
    refs = [*windows.calibration.refs, *windows.evaluation.refs]
    chosen = choose_golden(refs)
    pcm = _rows(chosen, windows.calibration.pcm, windows.evaluation.pcm)
    features = _rows(chosen, quantized.calibration_features, quantized.evaluation_features)
    interpreter = Int8Interpreter(quantized.tflite, kernels="reference")
    golden: dict[str, NDArray[Any]] = {"pcm": pcm, "features": features, "input": _quantized(features, interpreter)}
    if quantized.prologue_tflite is None or quantized.npu_tflite is None:
        return {**golden, "output": interpreter.run(golden["input"])}
    network = Int8Interpreter(quantized.npu_tflite, kernels="reference")
    values = run_reference(prologue_from_tflite(quantized.prologue_tflite), features)
    inputs = _quantized(values.reshape(len(values), *network.input_shape), network)
    return {**golden, "npu_input": inputs, "output": network.run(inputs)}


def _quantized(values: NDArray[np.float32], interpreter: Int8Interpreter) -> NDArray[np.int8]:
    quantization = interpreter.input_quantization
    return quantize_input(values, quantization.scale, quantization.zero_point)


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
