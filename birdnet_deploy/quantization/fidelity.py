"""What int8 changed, measured against the float model on files that did not calibrate: ``report.json``.

Every figure is rounded to a stated number of digits, so that the same inputs give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.model.config import ModelConfig
from birdnet_deploy.quantization.by_file import file_figures, labelled_accuracy
from birdnet_deploy.quantization.convert import QuantizedModel
from birdnet_deploy.quantization.detail import detail_of
from birdnet_deploy.support.alike import (
    CONFIDENT,
    by_confidence,
    cosines,
    counted,
    rounded,
    sqnr_db,
    ties,
    top_agreement,
)
from birdnet_deploy.support.hashes import sha256_bytes
from birdnet_deploy.tflite.floats import THREADS, run_float
from birdnet_deploy.tflite.interpreter import Int8Interpreter, QuantParams, input_port, operator_counts
from birdnet_deploy.tflite.macs import count_macs
from birdnet_deploy.tflite.reader import read_model
from birdnet_deploy.tflite.scores import activate

SCHEMA_VERSION = 2
SPREAD_WINDOWS = 64  # beside the golden ones
ERROR_DIGITS = 6  # of the mean score error, which is far below the greatest
MAX_SPREAD = 25  # int8 steps of an output; XNNPACK and the reference differ by up to 10 on a sound model
BATCH = 16  # windows whose float values are in memory at once


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
    labels: Sequence[str] = ()


def measure_fidelity(
    quantized: QuantizedModel, windows: WindowSets, config: ModelConfig, golden: Mapping[str, NDArray[Any]],
    *, full: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Gives the content of ``report.json``; ``fidelity`` in it is None without evaluation windows.

    All evaluation windows run on optimized kernels, through the prologue first where there is one; with a prologue
    ``without_prologue`` has the same figures of ``model.tflite``. ``detail`` is what single windows and classes show.
    ``reference`` says how far the reference kernels, which the device equals, are from them: on the ``golden`` windows
    and, in a ``full`` report, on 64 more.
    """
    fidelity = whole = detail = None
    if len(quantized.evaluation_features):
        found, step = _compared(quantized, windows.evaluation.refs, config, prologue=quantized.cut is not None)
        fidelity = _fidelity(found)
        outputs = (found.float_outputs, found.int8_outputs)
        detail = detail_of(*outputs, found.activation, step, found.refs, found.labels)
        if quantized.cut is not None:
            whole = _fidelity(_compared(quantized, windows.evaluation.refs, config, prologue=False)[0])
    reference = reference_spread(quantized, golden, SPREAD_WINDOWS if full else 0)
    warnings = list(windows.warnings)
    if reference["max_steps"] > MAX_SPREAD:
        warnings.append(
            f"reference and optimized kernels differ by up to {reference['max_steps']} steps: the "
            "figures, measured with the optimized ones, do not hold for the device"
        )
    return {
        "schema_version": SCHEMA_VERSION,
        "level": "full" if full else "basic",
        "model": model_facts(quantized),
        "simplifications": [dict(step) for step in quantized.simplifications],
        "ranges": None if quantized.ranges is None else dict(quantized.ranges),
        "corrections": [dict(step) for step in quantized.corrections],
        "notes": list(quantized.notes),
        "frontier": [],
        "auto": None,
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
        "without_prologue": whole,
        "detail": detail,
        "reference": reference,
        "layers": None,
        "warnings": warnings,
    }


def model_facts(quantized: QuantizedModel) -> dict[str, Any]:
    """Gives what runs: size, ends, operators and MACs; with a prologue those of the part behind it."""
    network = quantized.network
    model = read_model(network)
    interpreter = Int8Interpreter(network)
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
        "macs": count_macs(model).total,
        "prologue": None if quantized.cut is None else {
            "cut": quantized.cut.name,
            "tensor": quantized.cut.tensor,
            "shape": list(quantized.cut.shape),
            "macs": count_macs(quantized.prologue_tflite or b"", sparse=True).total,
            "network_sha256": sha256_bytes(network),
            "network_bytes": len(network),
        },
    }  # fmt: skip


def _port_facts(quantization: QuantParams, shape: Sequence[int]) -> dict[str, Any]:
    return {"shape": list(shape), "scale": quantization.scale, "zero_point": quantization.zero_point}


def network_inputs(quantized: QuantizedModel, features: NDArray[np.float32], *, prologue: bool) -> NDArray[np.int8]:
    """Gives the int8 input of ``model.tflite``, or behind the prologue that of the network that runs."""
    network = read_model(quantized.network if prologue else quantized.tflite)
    shape, port = network.tensors[network.inputs[0]].shape[1:], input_port(network).quantization
    inputs = np.empty((len(features), *shape), np.int8)
    for start in range(0, len(features), BATCH):
        values = features[start : start + BATCH]
        if prologue:
            values = run_float(quantized.prologue_tflite or b"", values).reshape(len(values), *shape)
        inputs[start : start + BATCH] = quantize_input(values, port.scale, port.zero_point)
    return inputs


def _compared(
    quantized: QuantizedModel, refs: Sequence[Ref], config: ModelConfig, *, prologue: bool
) -> tuple[Comparison, float]:
    """Gives the outputs of both models on all evaluation windows, and what an int8 step of them is worth."""
    network = quantized.network if prologue else quantized.tflite
    interpreter = Int8Interpreter(network, kernels="optimized", threads=THREADS)
    inputs = network_inputs(quantized, quantized.evaluation_features, prologue=prologue)
    comparison = Comparison(
        float_outputs=quantized.float_outputs,
        int8_outputs=interpreter.output_quantization.dequantize(interpreter.run(inputs)),
        activation=quantized.output_activation,
        refs=refs,
        labels=config.class_names or (),
    )
    return comparison, interpreter.output_quantization.scale


def _fidelity(comparison: Comparison) -> dict[str, Any]:
    return {"kernels": "optimized", **compare(comparison)}


def reference_spread(quantized: QuantizedModel, golden: Mapping[str, NDArray[Any]], more: int) -> dict[str, Any]:
    """Gives by how many int8 steps an output differs between reference and optimized kernels.

    On the windows of ``golden``, whose reference outputs are there, and on ``more`` others, evenly spread over the
    evaluation windows (the calibration windows where there are none).
    """
    network = quantized.network
    optimized = Int8Interpreter(network, kernels="optimized", threads=THREADS)
    shape = optimized.input_shape
    inputs = golden["npu_input"] if "npu_input" in golden else golden["input"]
    pairs = [(golden["output"], optimized.run(inputs.reshape(-1, *shape)))]
    features = quantized.evaluation_features if len(quantized.evaluation_features) else quantized.calibration_features
    few = np.linspace(0, len(features) - 1, min(more, len(features))).astype(int)
    if len(few):
        others = network_inputs(quantized, features[few], prologue=quantized.cut is not None)
        pairs.append((Int8Interpreter(network, kernels="reference").run(others), optimized.run(others)))
    steps = np.concatenate([np.abs(a.astype(int) - b.astype(int)).ravel() for a, b in pairs])
    return {
        "windows": sum(len(a) for a, _ in pairs),
        "max_steps": int(steps.max()),
        "p99_9_steps": int(np.percentile(steps, 99.9, method="higher")),
        "differing": rounded((steps > 0).mean()),
    }


def compare(comparison: Comparison) -> dict[str, Any]:
    """Gives the figures of one comparison.

    ``cosine_*`` are of the score vectors of a window; ``top5_agreement`` is the mean share of the float
    model's best classes among int8's; ``sqnr_db`` and ``sqnr_centred_db`` are of the outputs before the activation
    (`alike.sqnr_db`).
    """
    wanted = activate(comparison.float_outputs, comparison.activation)
    got = activate(comparison.int8_outputs, comparison.activation)
    cosine = cosines(wanted, got)
    agrees = wanted.argmax(axis=1) == got.argmax(axis=1)
    confident = wanted.max(axis=1) > CONFIDENT
    error = np.abs(wanted - got)
    files = [ref.file for ref in comparison.refs]
    worst = int(cosine.argmin())
    return {
        "windows": len(wanted),
        "files": len(set(files)),
        "cosine_mean": rounded(cosine.mean()),
        "cosine_p5": rounded(np.percentile(cosine, 5)),
        "cosine_min": rounded(cosine.min()),
        "top1_agreement": rounded(agrees.mean()),
        "top1": counted(agrees),
        "top5_agreement": rounded(top_agreement(wanted, got)),
        "confident_above": CONFIDENT,
        "confident_windows": int(confident.sum()),
        "confident_top1_agreement": rounded(agrees[confident].mean()) if confident.any() else None,
        "confident_top1": counted(agrees[confident]),
        "by_confidence": by_confidence(wanted, agrees),
        "ties": ties(wanted, got),
        "max_score_error": rounded(error.max()),
        "mean_score_error": round(float(error.mean()), ERROR_DIGITS),
        "sqnr_db": sqnr_db(comparison.float_outputs, comparison.int8_outputs),
        "sqnr_centred_db": sqnr_db(comparison.float_outputs, comparison.int8_outputs, centred=True),
        "worst_window": {
            "file": files[worst], "start": int(comparison.refs[worst].start), "cosine": rounded(cosine[worst]),
        },
        "by_file": file_figures(wanted, got, cosine, files),
        "labelled": labelled_accuracy(wanted, got, files, comparison.labels),
    }  # fmt: skip
