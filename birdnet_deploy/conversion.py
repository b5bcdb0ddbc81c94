"""What ``convert`` joins: settings, recordings, the converter, the report, the gates, the bundle's files."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from birdnet_deploy import artifacts, lock
from birdnet_deploy.artifacts import SourceModel
from birdnet_deploy.errors import CalibrationError, CheckFailed, GatesNotMet
from birdnet_deploy.model.beside import ModelHints
from birdnet_deploy.requests import ConvertRequest
from birdnet_deploy.settings import Settings, find_settings
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.progress import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from birdnet_deploy.calibration.collect import CalibrationSet, WindowRef
    from birdnet_deploy.quantization.convert import QuantizedModel
    from birdnet_deploy.quantization.options import QuantizeOptions

SYNTHETIC = "synthetic"
_LEVELS = ("basic", "full")


def settings_for(model: Path | None) -> Settings:
    """Gives the nearest settings of the current folder, else those of the model's folder."""
    settings = find_settings()
    if settings.path is None and model is not None and model.parent.is_dir():
        return find_settings(model.parent)
    return settings


def with_settings(hints: ModelHints, model: Path, settings: Settings) -> ModelHints:
    """Adds labels and config of the settings, which belong to the model of the settings."""
    if settings.model is None or model.resolve() != settings.model.resolve():
        return hints
    labels, config = settings.get_path("labels"), settings.get_path("config")
    return replace(hints, labels=hints.labels or labels, config=hints.config or config)


def options_of(request: ConvertRequest, settings: Settings) -> QuantizeOptions:
    """Gives what the converter is asked for: what was typed, else the settings, else the defaults.

    The full report of a conversion without a prologue also measures what the cuts would recover.
    """
    from birdnet_deploy.quantization.options import QuantizeOptions

    default = QuantizeOptions()
    values = {
        "prologue": _first(request.prologue, settings.values.get("convert.prologue"), default.prologue),
        "ranges": _first(request.ranges, settings.values.get("convert.ranges"), default.ranges),
        "folds": _first(request.folds, settings.values.get("convert.folds"), default.folds),
        "max_cpu_macs": _first(request.max_cpu_macs, settings.values.get("convert.max_cpu_macs"), default.max_cpu_macs),
        "min_cosine": _first(request.min_cosine, settings.values.get("gates.min_cosine")),
        "min_agreement": _first(request.min_agreement, settings.values.get("gates.min_agreement")),
    }
    return QuantizeOptions(
        head=request.head, io=request.io, sample_norm=request.sample_norm, simplify=request.simplify,
        frontier=is_full(request, settings) and request.simplify and values["prologue"] == "none", **values,
    )  # fmt: skip


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def is_full(request: ConvertRequest, settings: Settings) -> bool:
    """Says whether the full report is asked for, which is the default."""
    return bool(_first(request.fidelity, settings.values.get("convert.fidelity"), "full") == "full")


def calibration_windows(
    request: ConvertRequest, source: SourceModel, settings: Settings, progress: Progress
) -> CalibrationSet:
    """Gives the windows that calibrate and those that evaluate.

    Raises: CalibrationError, AudioError (exit 3), UsageError (exit 2).
    """
    from birdnet_deploy.calibration.collect import collect_windows, synthetic_windows

    asked, evaluation = recordings_asked(request, source.path, settings)
    if asked is None:
        raise CalibrationError(
            "no recordings to calibrate on", where=source.path,
            fix=f"birdnet-deploy convert {shlex.quote(str(source.path))} --calibration FOLDER_OF_RECORDINGS",
        )  # fmt: skip
    if asked == SYNTHETIC:
        return synthetic_windows(source.config)
    most = request.max_windows or int(settings.values.get("convert.max_windows", 256))
    return collect_windows(
        Path(asked), source.config, max_windows=most, strict=request.strict, progress=progress, evaluation=evaluation
    )


def recordings_asked(
    request: ConvertRequest, model: Path, settings: Settings
) -> tuple[str | Path | None, Path | None]:  # fmt: skip
    """Gives where the recordings are that calibrate and those that evaluate: as typed, else as the settings say, else
    in ``calibration/`` beside the model."""
    asked = request.calibration or settings.get_path("convert.calibration")
    beside = model.parent / "calibration"
    if asked is None and beside.is_dir():
        asked = beside
    return asked, request.evaluation or settings.get_path("convert.evaluation")


def convert_windows(
    source: SourceModel, request: ConvertRequest, settings: Settings, options: QuantizeOptions, progress: Progress
) -> tuple[CalibrationSet, QuantizedModel]:
    """Gives the windows and the model quantized with them; TensorFlow starts in its child while features are computed.

    Raises: as ``calibration_windows``; ModelError (exit 3); GatesNotMet (exit 4) with the frontier.
    """
    from birdnet_deploy.audio.frontend import features_of_windows
    from birdnet_deploy.quantization.convert import start_conversion

    with start_conversion(source, options, progress=progress) as conversion:
        windows = calibration_windows(request, source, settings, progress)
        for warning in windows.warnings:
            progress.warn(warning)
        features: list[NDArray[Any]] = []
        for name, sounds in (("calibration", windows.calibration), ("evaluation", windows.evaluation)):
            progress.step(f"computing input features for {name}")
            features.append(conversion.hold(name, features_of_windows(sounds.pcm, source.config, progress)))
        files = recordings_of(windows)
        windows = windows.held(conversion.hold)
        try:
            quantized = conversion.finish(features[0], features[1], files=files)
        except GatesNotMet as error:
            frontier = _with_files(error.frontier, windows.calibration.refs)
            best = next(point for point in frontier if point["name"] == error.best)
            worst = best["worst_window"]
            raise GatesNotMet(
                f"{error.what}; worst window {worst['file']} at sample {worst['start']}, cosine {best['cosine_min']}",
                frontier=frontier, best=error.best, min_cosine=error.min_cosine, where=error.where, fix=error.fix,
            ) from error  # fmt: skip
    return windows, quantized


def recordings_of(windows: CalibrationSet) -> list[str]:
    """Gives the recording of each calibrating window, of copies the first, so that no copy is in another fold."""
    first: dict[str, str] = {}
    known = {
        entry["file"]: first.setdefault(entry["sha256"], entry["file"])
        for entry in windows.manifest.get("files", ())
        if entry["role"] == "calibration"
    }
    return [known.get(ref.file, ref.file) for ref in windows.calibration.refs]


def _with_files(frontier: Sequence[Mapping[str, Any]], refs: Sequence[WindowRef]) -> list[dict[str, Any]]:
    """Gives the frontier with the recording and start of each worst window instead of its number."""
    points = []
    for point in frontier:
        ref = refs[point["worst_window"]]
        points.append({**point, "worst_window": {"file": ref.file, "start": int(ref.start)}})
    return points


def write_files(
    staging: Path, source: SourceModel, windows: CalibrationSet, quantized: QuantizedModel,
    options: QuantizeOptions, *, full: bool, progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    """Writes all files of a bundle but its lock; gives its report."""
    import numpy as np

    from birdnet_deploy.model.labels import format_labels
    from birdnet_deploy.quantization.detail import worst_arrays
    from birdnet_deploy.quantization.fidelity import measure_fidelity
    from birdnet_deploy.quantization.golden import make_golden

    (staging / artifacts.MODEL_FILE).write_bytes(quantized.tflite)
    _write_prologue(staging, quantized)
    (staging / artifacts.LABELS_FILE).write_text(format_labels(source.labels), encoding="utf-8", newline="\n")
    config = source.config.with_(output_activation=quantized.output_activation, class_names=source.labels)
    jsonfile.write(staging / artifacts.CONFIG_FILE, config.to_json())
    golden: dict[str, Any] = make_golden(quantized, windows)
    progress.step("measuring what int8 changed")
    report = measure_fidelity(quantized, windows, config, golden, full=full)
    golden |= worst_arrays(report["detail"], windows.evaluation.pcm, quantized.evaluation_features)
    np.savez(staging / artifacts.GOLDEN_FILE, **golden)
    report["frontier"] = _with_files(_judged(quantized, options), windows.calibration.refs)
    report["auto"] = _auto(quantized, options)
    if full:
        report["layers"] = _layers(quantized)
    jsonfile.write(staging / artifacts.REPORT_FILE, report)
    return report


def _write_prologue(staging: Path, quantized: QuantizedModel) -> None:
    if quantized.npu_tflite is None or quantized.prologue_tflite is None:
        return
    from birdnet_deploy.prologue.file import write_prologue
    from birdnet_deploy.prologue.reading import prologue_from_tflite

    (staging / artifacts.NPU_MODEL_FILE).write_bytes(quantized.npu_tflite)
    write_prologue(staging / artifacts.PROLOGUE_FILE, prologue_from_tflite(quantized.prologue_tflite))


def _judged(quantized: QuantizedModel, options: QuantizeOptions) -> list[dict[str, Any]]:
    """Gives the frontier as JSON; where nothing was cut, each point says what ``auto`` would make of it."""
    from birdnet_deploy.quantization.frontier import judged

    asked = options if options.prologue != "none" else replace(options, prologue="auto")
    return [point.to_json() for point in judged(quantized.frontier, asked)]


def _auto(quantized: QuantizedModel, options: QuantizeOptions) -> dict[str, Any] | None:
    """Gives which cut ``--prologue auto`` would take and what it would recover; None where that was not measured."""
    points = _judged(quantized, options)
    if options.prologue != "none" or len(points) < 2:
        return None
    whole = points[0]
    taken = next((point for point in points if point["meets"] and point["within_budget"]), None)
    best = taken or max(points, key=lambda point: float(point["cosine_mean"]))
    keys = ("cosine_mean", "confident_agreed", "confident_windows")
    return {
        "cut": None if taken is None else taken["name"],
        "best": best["name"],
        "cpu_macs": best["cpu_macs"],
        "now": {key: whole[key] for key in keys},
        "then": {key: best[key] for key in keys},
    }


def _layers(quantized: QuantizedModel) -> list[dict[str, Any]]:
    """Gives the ranked layers of the network that runs, from the model's input or from the cut on."""
    from birdnet_deploy.quantization.layer_loss import layer_figures, spread_windows
    from birdnet_deploy.tflite.cut import cut_model
    from birdnet_deploy.tflite.floats import run_float
    from birdnet_deploy.tflite.reader import read_model

    model = quantized.float_tflite
    if model is None:
        return []
    windows = spread_windows(quantized.evaluation_features, quantized.calibration_features)
    if quantized.cut is not None and quantized.prologue_tflite is not None:
        read = read_model(model)
        index = next(tensor.index for tensor in read.tensors if tensor.name == quantized.cut.tensor)
        model, windows = cut_model(model, (index,), read.outputs), run_float(quantized.prologue_tflite, windows)
    cuts = {point.cut.name: point.cut.tensor for point in quantized.frontier if point.cut is not None}
    return layer_figures(model, quantized.network, windows, cuts)


def check_gates(report: Mapping[str, Any], options: QuantizeOptions) -> None:
    """Holds a conversion without a choice of the cut to its gates on the evaluation windows too (F17).

    ``auto`` decides on folds alone: a choice that the evaluation windows could refuse would be made on them.

    Raises: CheckFailed (exit 4) with metric, threshold and worst window.
    """
    fidelity = report["fidelity"]
    if options.prologue == "auto" or fidelity is None:
        return
    wanted = (("cosine_mean", options.min_cosine), ("confident_top1_agreement", options.min_agreement))
    for metric, least in wanted:
        if least is not None and fidelity[metric] is not None and fidelity[metric] < least:
            worst = fidelity["worst_window"]
            raise CheckFailed(
                f"{metric} {fidelity[metric]} is below the gate {least}; worst window {worst['file']} at sample "
                f"{worst['start']}, cosine {worst['cosine']}",
                where="the evaluation windows",
                fix="--prologue auto, better calibration recordings, or lower the gate",
            )


def write_lock(
    staging: Path, source: SourceModel, windows: CalibrationSet, quantized: QuantizedModel,
    options: QuantizeOptions, *, full: bool,
) -> None:  # fmt: skip
    """Writes the lock of a conversion: its options, and the cut that they led to."""
    told = {
        **options_told(options, full=full),
        "sample_norm": quantized.sample_norm,
        "cut": None if quantized.cut is None else {"name": quantized.cut.name, "tensor": quantized.cut.tensor},
    }
    lock.write_lock(staging, source, windows.manifest, told)


def options_told(options: QuantizeOptions, *, full: bool) -> dict[str, Any]:
    """Gives the options of a conversion as its lock has them, before anything was decided by measuring."""
    return {
        "head": options.head,
        "io": options.io,
        "simplify": options.simplify,
        "ranges": options.ranges,
        "fidelity": _LEVELS[full],
        "folds": options.folds,
        "prologue": options.prologue,
        "max_cpu_macs": options.max_cpu_macs,
        "min_cosine": options.min_cosine,
        "min_agreement": options.min_agreement,
    }
