"""From a trained model and calibration windows to a full-int8 ``.tflite``; TensorFlow runs in a child.

The parent checks what goes in and what comes out, so that a converter that crashes, hangs, or "succeeds" with
float tensors ends as one error with nothing left behind.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.artifacts import SourceModel
from birdnet_deploy.errors import CalibrationError, InternalError, ModelError
from birdnet_deploy.quantization.variant import contradicts, misfit
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.process import (
    JOB_FILE,
    LOG_FILE,
    RESULT_FILE,
    STEPS_FILE,
    run_worker,
    scratch_folder,
)
from birdnet_deploy.support.progress import Progress, Silent
from birdnet_deploy.tflite.interpreter import input_port, output_port
from birdnet_deploy.tflite.model import Tensor, TfliteModel
from birdnet_deploy.tflite.reader import read_model

Head = Literal["logits", "probabilities"]
Io = Literal["int8", "float32"]
Floats = NDArray[np.float32]
TIMEOUT_S = 3600.0
_MAX_FEATURE = 1e3
# Shapes, axes and biases; everything that carries sound is int8.
_INTEGER_CONSTANTS = frozenset({"int32", "int64"})
_SCALES = (1e-7, 1e3)  # of activations


@dataclass(frozen=True)
class QuantizedModel:
    """A full-int8 model and what it was measured with.

    ``output_activation`` is what the host still has to apply to its outputs. ``float_outputs`` are the float
    model's, for the same head, one row for each of ``evaluation_features``. ``simplifications`` has one
    record a step. ``sample_norm`` says whether a hybrid frontend divides by the sample's maximum (None: no
    hybrid frontend), ``variant`` how well that fits the model's statistics (`variant.check_variant`).
    """

    tflite: bytes
    output_activation: str
    float_outputs: Floats
    calibration_features: Floats
    evaluation_features: Floats
    simplifications: tuple[Mapping[str, Any], ...]
    layout: str
    sample_norm: bool | None
    head: str
    io: str
    log: str
    variant: Mapping[str, Any] | None = None


def quantize_model(
    source: SourceModel,
    calibration: Floats,
    evaluation: Floats,
    *,
    head: Head = "logits",
    io: Io = "int8",
    sample_norm: bool | None = None,
    timeout_s: float = TIMEOUT_S,
    progress: Progress | None = None,
) -> QuantizedModel:
    """Gives the full-int8 model of ``source``; features are float32 ``[n, *input_shape]``.

    ``head`` ``logits`` cuts the final softmax or sigmoid off, ``probabilities`` keeps it in the graph. ``io``
    ``float32`` keeps float ends around the int8 graph. ``sample_norm`` overrides what the file's layout says.

    Raises: CalibrationError (exit 3) for features that are missing, of another shape or not finite;
    ModelError (exit 3) where the model cannot be loaded, the converter fails, crashes or hangs, or a float
    tensor remains.
    """
    progress = progress or Silent()
    for name, features in (("calibration", calibration), ("evaluation", evaluation)):
        _check_features(name, features, source)
    if not len(calibration):
        raise CalibrationError("no calibration windows", where=source.path, fix="name recordings with --calibration")
    if head not in ("logits", "probabilities") or io not in ("int8", "float32"):
        raise InternalError(f"head {head!r} or io {io!r} is not known", where="quantize_model")
    with scratch_folder() as folder:
        np.save(folder / "calibration.npy", calibration)
        np.save(folder / "evaluation.npy", evaluation)
        job: Mapping[str, Any] = {
            "model": str(source.path.resolve()), "shown": str(source.path), "head": head, "io": io,
            "sample_norm": sample_norm, "output_activation": source.config.output_activation,
        }  # fmt: skip
        jsonfile.write(folder / JOB_FILE, job)
        progress.step("starting TensorFlow")
        run_worker(
            "birdnet_deploy.quantization.worker", folder, name="the converter", where=source.path,
            timeout_s=timeout_s, on_tick=_teller(folder / STEPS_FILE, progress),
        )  # fmt: skip
        quantized = _collect(folder, job, source, calibration, evaluation)
    check_full_int8(read_model(quantized.tflite), io=io, where=source.path)
    if contradicts(quantized.variant):
        progress.warn(f"the choice of --sample-norm does not fit the model: {misfit(quantized.variant)}")
    for step in quantized.simplifications:
        if not step["applied"]:
            progress.warn(f"{step['step']}: not applied, changes logits by {step['max_logit_difference']:g}")
    return quantized


def _check_features(name: str, features: Floats, source: SourceModel) -> None:
    """Refuses what would make the converter write a float model, a scale of 1e27, or crash (F10 to F12)."""
    expected = source.config.shape
    if features.dtype != np.float32 or features.shape[1:] != expected:
        found = f"{features.dtype} {list(features.shape[1:])}"
        raise CalibrationError(
            f"{name} features are {found}, expected float32 {list(expected)}",
            where=source.path, fix="compute them with this model's config",
        )  # fmt: skip
    for index, window in enumerate(features):
        peak = float(np.abs(window).max())
        if not peak <= _MAX_FEATURE:  # NaN compares false
            raise CalibrationError(
                f"{name} window {index} reaches {peak:g}",
                where=source.path,
                fix="mend or remove its recording",
            )


def _teller(steps: Path, progress: Progress) -> Callable[[], None]:
    told = 0

    def tell() -> None:
        nonlocal told
        if steps.is_file():
            lines = steps.read_text(encoding="utf-8").splitlines(keepends=True)
            for line in lines[told:]:
                if line.endswith("\n"):
                    progress.step(line.rstrip())
                    told += 1

    return tell


def _collect(
    folder: Path, job: Mapping[str, Any], source: SourceModel, calibration: Floats, evaluation: Floats
) -> QuantizedModel:
    outputs = (folder / RESULT_FILE, folder / "model.tflite", folder / "float_outputs.npy")
    missing = [path.name for path in outputs if not path.is_file()]
    if missing:
        raise ModelError(f"the converter wrote no {', '.join(missing)}", where=source.path, fix="report this")
    result = json.loads(outputs[0].read_text(encoding="utf-8"))
    return QuantizedModel(
        tflite=outputs[1].read_bytes(),
        output_activation=result["output_activation"],
        float_outputs=np.load(outputs[2]),
        calibration_features=calibration,
        evaluation_features=evaluation,
        simplifications=tuple(result["simplifications"]),
        layout=result["layout"],
        sample_norm=result["sample_norm"],
        head=job["head"],
        io=job["io"],
        variant=result["variant"],
        log=(folder / LOG_FILE).read_text(encoding="utf-8", errors="replace"),
    )


def check_full_int8(model: TfliteModel, *, io: str, where: object) -> None:
    """Holds a model to full int8: int8 activations and weights, int32 biases and shapes, static shapes, sane scales.

    Raises: ModelError (exit 3) naming the first tensor that is not.
    """
    input_port(model), output_port(model)
    ends = {*model.inputs, *model.outputs} if io == "float32" else set()
    for tensor in model.tensors:
        if tensor.shape_signature is not None and -1 in tensor.shape_signature:
            raise ModelError(f"tensor {tensor.name!r} has a dynamic shape", where=where, fix="report this")
        if tensor.dtype == "int8":
            _check_scale(tensor, where)
        elif not (tensor.data and tensor.dtype in _INTEGER_CONSTANTS) and not (
            tensor.index in ends and tensor.dtype == "float32"
        ):
            raise ModelError(
                f"tensor {tensor.name!r} stayed {tensor.dtype}, the model is not full int8",
                where=where, fix="simplify the layer that it belongs to",
            )  # fmt: skip


def _check_scale(tensor: Tensor, where: object) -> None:
    """Refuses an activation without a range: at a scale of 7.8e-9 kernels disagree between 0 and saturation."""
    if tensor.data or tensor.quantization is None:
        return
    scale = tensor.quantization.scales[0]
    if not _SCALES[0] <= scale <= _SCALES[1]:
        what = "hardly moves" if scale < _SCALES[0] else "has no usable range"
        raise ModelError(
            f"activation {tensor.name!r} {what} on the calibration windows (scale {scale:.3g})",
            where=where, fix="train the model, calibrate on more varied recordings, or remove the dead branch",
        )  # fmt: skip
