"""What int8 changed, measured against the float model on files that did not calibrate: ``report.json``.

Every figure is rounded to a stated number of digits, so that the same inputs give the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.model.config import ModelConfig
from birdnet_deploy.quantization.convert import QuantizedModel
from birdnet_deploy.support.hashes import sha256_bytes
from birdnet_deploy.tflite.interpreter import Int8Interpreter, QuantParams, operator_counts
from birdnet_deploy.tflite.reader import read_model
from birdnet_deploy.tflite.scores import activate

SCHEMA_VERSION = 1
DIGITS = 4  # of cosines, agreements and score errors
DB_DIGITS = 2
CONFIDENT = 0.25  # float score above which a changed top species hurts
TOP = 5
SPREAD_WINDOWS = 16
MAX_SPREAD = 25  # int8 steps of an output; XNNPACK and the reference differ by up to 10 on a sound model


class Ref(Protocol):
    """Where a window came from."""

    @property
    def file(self) -> str:
        """The recording."""

    @property
    def start(self) -> int:
        """The first sample."""


class Windows(Protocol):
    """Windows of sound, int16 ``[n, samples]``, with one ref each."""

    @property
    def pcm(self) -> NDArray[np.int16]:
        """The samples."""

    @property
    def refs(self) -> Sequence[Ref]:
        """The refs."""


class WindowSets(Protocol):
    """The windows that calibrated and the windows that evaluate."""

    @property
    def calibration(self) -> Windows:
        """The windows whose ranges the model has."""

    @property
    def evaluation(self) -> Windows:
        """Windows of other files."""

    @property
    def synthetic(self) -> bool:
        """Whether the calibrating sound was made up."""

    @property
    def warnings(self) -> Sequence[str]:
        """Sentences for the user."""


@dataclass(frozen=True)
class Comparison:
    """Scores of float and int8, ``[windows, classes]``, one ref each, and the raw outputs behind them."""

    float_outputs: NDArray[np.float32]
    int8_outputs: NDArray[np.float32]
    activation: str
    refs: Sequence[Ref]


def measure_fidelity(quantized: QuantizedModel, windows: WindowSets, config: ModelConfig) -> dict[str, Any]:
    """Gives the content of ``report.json``; ``fidelity`` in it is None without evaluation windows.

    All evaluation windows run on optimized kernels; ``reference_spread_steps`` is the largest difference of an
    int8 output to the reference kernels, which the device equals, on 16 of them.
    """
    fidelity = _fidelity(quantized, windows.evaluation.refs) if len(quantized.evaluation_features) else None
    warnings = list(windows.warnings)
    if fidelity is not None and fidelity["reference_spread_steps"] > MAX_SPREAD:
        warnings.append(
            f"reference and optimized kernels differ by up to {fidelity['reference_spread_steps']} steps: the "
            "figures, measured with the optimized ones, do not hold for the device"
        )
    return {
        "schema_version": SCHEMA_VERSION,
        "model": _model_facts(quantized),
        "simplifications": [dict(step) for step in quantized.simplifications],
        "calibration": {
            "synthetic": windows.synthetic,
            "windows": len(windows.calibration.refs),
            "files": len({ref.file for ref in windows.calibration.refs}),
        },
        "frontend": {
            "name": config.audio_frontend,
            "weights_layout": quantized.layout,
            "divides_by_sample_maximum": quantized.sample_norm,
            "statistics": None if quantized.variant is None else dict(quantized.variant),
        },
        "fidelity": fidelity,
        "warnings": warnings,
    }


def _model_facts(quantized: QuantizedModel) -> dict[str, Any]:
    model = read_model(quantized.tflite)
    interpreter = Int8Interpreter(quantized.tflite)
    return {
        "sha256": sha256_bytes(quantized.tflite),
        "bytes": len(quantized.tflite),
        "head": quantized.head,
        "io": quantized.io,
        "output_activation": quantized.output_activation,
        "input": _port_facts(interpreter.input_quantization, interpreter.input_shape),
        "output": _port_facts(interpreter.output_quantization, (interpreter.classes,)),
        "operators": operator_counts(model),
        "operator_count": len(model.operators),
        "tensor_count": len(model.tensors),
    }


def _port_facts(quantization: QuantParams, shape: Sequence[int]) -> dict[str, Any]:
    return {"shape": list(shape), "scale": quantization.scale, "zero_point": quantization.zero_point}


def _fidelity(quantized: QuantizedModel, refs: Sequence[Ref]) -> dict[str, Any]:
    threads = min(4, os.cpu_count() or 1)
    interpreter = Int8Interpreter(quantized.tflite, kernels="optimized", threads=threads)
    scale, zero_point = interpreter.input_quantization.scale, interpreter.input_quantization.zero_point
    inputs = quantize_input(quantized.evaluation_features, scale, zero_point)
    outputs = interpreter.run(inputs)
    few = np.linspace(0, len(inputs) - 1, min(SPREAD_WINDOWS, len(inputs))).astype(int)
    reference = Int8Interpreter(quantized.tflite, kernels="reference").run(inputs[few])
    spread = int(np.abs(reference.astype(int) - outputs[few]).max())
    comparison = Comparison(
        float_outputs=quantized.float_outputs,
        int8_outputs=interpreter.output_quantization.dequantize(outputs),
        activation=quantized.output_activation,
        refs=refs,
    )
    return {"kernels": "optimized", "reference_spread_steps": spread, **compare(comparison)}


def compare(comparison: Comparison) -> dict[str, Any]:
    """Gives the figures of one comparison.

    ``cosine_*`` are of the score vectors of a window; ``top5_agreement`` is the mean share of the float
    model's best classes among int8's; ``sqnr_db`` is the energy of the float outputs over that of the error,
    not centred.
    """
    wanted = activate(comparison.float_outputs, comparison.activation)
    got = activate(comparison.int8_outputs, comparison.activation)
    cosines = _cosines(wanted, got)
    agrees = wanted.argmax(axis=1) == got.argmax(axis=1)
    confident = wanted.max(axis=1) > CONFIDENT
    worst = int(cosines.argmin())
    ref = comparison.refs[worst]
    return {
        "windows": len(wanted),
        "files": len({ref.file for ref in comparison.refs}),
        "cosine_mean": _rounded(cosines.mean()),
        "cosine_p5": _rounded(np.percentile(cosines, 5)),
        "cosine_min": _rounded(cosines.min()),
        "top1_agreement": _rounded(agrees.mean()),
        "top5_agreement": _rounded(_top_agreement(wanted, got)),
        "confident_above": CONFIDENT,
        "confident_windows": int(confident.sum()),
        "confident_top1_agreement": _rounded(agrees[confident].mean()) if confident.any() else None,
        "max_score_error": _rounded(np.abs(wanted - got).max()),
        "sqnr_db": _sqnr_db(comparison.float_outputs, comparison.int8_outputs),
        "worst_window": {"file": ref.file, "start": int(ref.start), "cosine": _rounded(cosines[worst])},
    }


def _rounded(value: Any) -> float:
    return round(float(value), DIGITS)


def _cosines(wanted: NDArray[np.float64], got: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gives the cosine of each row; two rows of zeros are alike, one row of zeros is unlike any other."""
    norms = np.linalg.norm(wanted, axis=1) * np.linalg.norm(got, axis=1)
    both_zero = ~wanted.any(axis=1) & ~got.any(axis=1)
    products = (wanted * got).sum(axis=1)
    return np.where(both_zero, 1.0, np.divide(products, norms, out=np.zeros_like(norms), where=norms > 0))


def _top_agreement(wanted: NDArray[np.float64], got: NDArray[np.float64]) -> float:
    top = min(TOP, wanted.shape[1])
    best = [np.argsort(-scores, axis=1, kind="stable")[:, :top] for scores in (wanted, got)]
    shares = [len(set(a.tolist()) & set(b.tolist())) / top for a, b in zip(*best, strict=True)]
    return float(np.mean(shares))


def _sqnr_db(wanted: NDArray[np.float32], got: NDArray[np.float32]) -> float | None:
    """Gives the signal to quantization noise ratio in dB; None where there is no signal or no noise."""
    signal = float(np.square(wanted.astype(np.float64)).sum())
    noise = float(np.square(wanted.astype(np.float64) - got).sum())
    return round(10.0 * float(np.log10(signal / noise)), DB_DIGITS) if signal > 0 and noise > 0 else None
