"""From what the child converted to the quantized model: prepared, cut where asked, held to full int8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.artifacts import SourceModel
from birdnet_deploy.quantization.check import check_full_int8, dead_channels, degenerate_scales
from birdnet_deploy.quantization.folds import assign_folds
from birdnet_deploy.quantization.frontier import (
    Cut,
    FrontierPoint,
    choose_cut,
    measure_frontier,
    require_cut,
    split_at,
)
from birdnet_deploy.quantization.judge import Judge
from birdnet_deploy.quantization.options import NONE, QuantizeOptions
from birdnet_deploy.quantization.prepare import Prepared, prepare
from birdnet_deploy.support.progress import Progress
from birdnet_deploy.tflite.reader import read_model

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class QuantizedModel:
    """A full-int8 model and what it was measured with.

    ``tflite`` starts from the model's own input. With a ``cut``, ``npu_tflite`` is the full-int8 network from there to
    the outputs and ``prologue_tflite`` the float one before it; ``float_tflite`` is the whole in float.
    ``output_activation`` is what the host still has to apply to its outputs. ``float_outputs`` are the float
    model's, for the same head, one row for each of ``evaluation_features``. ``simplifications`` and ``corrections``
    have one record a step, ``ranges`` the method of each group and the folds' evidence, ``frontier`` what was measured
    at each cut, ``notes`` lines for the user. ``sample_norm`` says whether a hybrid frontend divides by the sample's
    maximum (None: no hybrid frontend), ``variant`` how well that fits the model's statistics (`variant.check_variant`).
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
    float_tflite: bytes | None = None
    cut: Cut | None = None
    npu_tflite: bytes | None = None
    prologue_tflite: bytes | None = None
    frontier: tuple[FrontierPoint, ...] = ()
    ranges: Mapping[str, Any] = field(default_factory=dict)
    corrections: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def network(self) -> bytes:
        """The int8 network that runs on the device: behind the cut, where there is one."""
        return self.tflite if self.npu_tflite is None else self.npu_tflite


@dataclass(frozen=True, eq=False)
class Converted:
    """What the child wrote."""

    floats: bytes
    int8: bytes | None
    float_outputs: Floats
    calibration_outputs: Floats
    result: Mapping[str, Any]
    log: str


def assemble(
    converted: Converted, options: QuantizeOptions, source: SourceModel, calibration: Floats, evaluation: Floats,
    files: Sequence[str], progress: Progress,
) -> QuantizedModel:  # fmt: skip
    result = converted.result
    judge = Judge(converted.calibration_outputs, result["output_activation"], assign_folds(files, options.folds))
    if converted.int8 is not None and options.prologue == NONE and not options.frontier:
        return _as_converted(converted, options, source, calibration, evaluation)
    require_cut(converted.floats, result["layers"], options)
    prepared = prepare(
        converted.floats, result["layers"], calibration, judge, options, progress, where=source.path,
        whole=converted.int8,
    )  # fmt: skip
    progress.step("quantizing")
    tflite = converted.int8 or prepared.quantize(float_ends=options.io == "float32")
    frontier = measure_frontier(prepared, calibration, judge, options, progress)
    cut = choose_cut(frontier, options)
    prologue, npu = _at_cut(prepared, cut)
    told = judged_on_itself(frontier, judge, whole=converted.int8 is not None)
    return QuantizedModel(
        **_common(converted, options, source, calibration, evaluation, (tflite, *([npu] if npu else [])), told),
        simplifications=(*result["simplifications"], *prepared.simplifications),
        float_tflite=prepared.model,
        cut=cut,
        npu_tflite=npu,
        prologue_tflite=prologue,
        frontier=frontier,
        ranges=prepared.evidence,
        corrections=prepared.corrections,
    )


def _as_converted(
    converted: Converted, options: QuantizeOptions, source: SourceModel, calibration: Floats, evaluation: Floats
) -> QuantizedModel:
    """Gives what TensorFlow's own quantizer made."""
    assert converted.int8 is not None
    return QuantizedModel(
        **_common(converted, options, source, calibration, evaluation, (converted.int8,)),
        simplifications=tuple(converted.result["simplifications"]),
        float_tflite=converted.floats,
        ranges={"method": "minmax", "quantizer": "TensorFlow"},
    )


def _common(
    converted: Converted, options: QuantizeOptions, source: SourceModel, calibration: Floats, evaluation: Floats,
    models: Sequence[bytes], told: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """Gives the fields that every way of quantizing has; ``models`` are held to full int8, ``told`` are first notes."""
    notes = list(told)
    for model in models:
        read = read_model(model)
        check_full_int8(read, io=options.io, where=source.path, scales=options.simplify)
        notes += [*dead_channels(read), *degenerate_scales(read)]
    result = converted.result
    return {
        "tflite": models[0],
        "output_activation": result["output_activation"],
        "float_outputs": converted.float_outputs,
        "calibration_features": calibration,
        "evaluation_features": evaluation,
        "layout": result["layout"],
        "sample_norm": result["sample_norm"],
        "head": options.head,
        "io": options.io,
        "log": converted.log,
        "variant": result["variant"],
        "notes": tuple(dict.fromkeys(notes)),
    }


def judged_on_itself(frontier: Sequence[FrontierPoint], judge: Judge, *, whole: bool) -> list[str]:
    """Gives a note where figures of the frontier, and gates with them, are not of windows that were held out.

    ``whole`` says that TensorFlow quantized the whole graph, which it does once, not for each fold.
    """
    if not frontier:
        return []
    if judge.count == 1:
        return ["one recording cannot hold anything out: cuts and gates were judged on the windows that calibrated"]
    if whole:
        return ["TensorFlow quantized the whole graph, once: 'none' was judged on the windows that calibrated it"]
    return []


def _at_cut(prepared: Prepared, cut: Cut | None) -> tuple[bytes | None, bytes | None]:
    """Gives the float model before a cut and the int8 one behind it."""
    if cut is None:
        return None, None
    before, behind = split_at(prepared.model, cut, prepared.plain)
    return before, prepared.quantize(behind)
