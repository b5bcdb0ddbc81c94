"""The stages in the order of the data. Read this first: each function is one command of the command line.

convert -> validate -> generate -> build -> run
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from birdnet_deploy import artifacts, bundle, lock
from birdnet_deploy.artifacts import BuiltFirmware, Bundle, Project, SourceModel
from birdnet_deploy.errors import CalibrationError, CheckFailed, UsageError
from birdnet_deploy.model.beside import ModelHints
from birdnet_deploy.model.published import find_tflite, is_converted
from birdnet_deploy.requests import ConvertRequest, DeployRequest
from birdnet_deploy.settings import Settings, find_settings
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.process import scratch_folder
from birdnet_deploy.support.progress import Progress, Silent
from birdnet_deploy.support.publish import published

if TYPE_CHECKING:
    from birdnet_deploy.calibration.collect import CalibrationSet
    from birdnet_deploy.device_run import RunRequest, RunResult
    from birdnet_deploy.npu.finding import ValidationResult
    from birdnet_deploy.quantization.convert import QuantizedModel

__all__ = ["ConvertRequest", "DeployRequest", "build", "convert", "deploy", "find_bundle", "generate", "run"]
DEFAULT_TARGET = "qemu-an547"
SYNTHETIC = "synthetic"
PROJECT_KEEPS = ("build", "user")


def convert(request: ConvertRequest, progress: Progress | None = None) -> Bundle:
    """Gives the bundle of a trained ``.keras``: calibrated, quantized to full int8, measured, locked.

    Raises: UsageError, ConfigError (2), ModelError, LabelsError, CalibrationError, AudioError (3), CheckFailed where
    a gate of the settings is not met (4), OutputRefused (5). A failure leaves what was there.
    """
    from birdnet_deploy.audio.frontend import features_of_windows
    from birdnet_deploy.model.source import open_source
    from birdnet_deploy.quantization.convert import quantize_model

    progress = progress or Silent()
    settings = _settings_for(request.model)
    model = request.model or settings.model
    if model is None:
        raise UsageError("no model named", fix="birdnet-deploy convert MODEL.keras")
    source = open_source(model, hints=_with_settings(request.hints, model, settings), progress=progress)
    output = request.output or settings.bundle or Path(f"{source.path.stem}_bundle")
    with published(output, kind="bundle", force=request.force) as staging:
        windows = _calibration_windows(request, source, settings, progress)
        for warning in windows.warnings:
            progress.warn(warning)
        progress.step("computing input features")
        calibration = features_of_windows(windows.calibration.pcm, source.config)
        evaluation = features_of_windows(windows.evaluation.pcm, source.config)
        quantized = quantize_model(
            source, calibration, evaluation, head=request.head, io=request.io,
            sample_norm=request.sample_norm, progress=progress,
        )  # fmt: skip
        _write_bundle(staging, source, windows, quantized, request, settings, progress)
    return bundle.open_bundle(output)


def _settings_for(model: Path | None) -> Settings:
    """The nearest settings of the current folder, else those of the model's folder."""
    settings = find_settings()
    if settings.path is None and model is not None and model.parent.is_dir():
        return find_settings(model.parent)
    return settings


def _with_settings(hints: ModelHints, model: Path, settings: Settings) -> ModelHints:
    """Adds labels and config of the settings, which belong to the model of the settings."""
    if settings.model is None or model.resolve() != settings.model.resolve():
        return hints
    labels, config = settings.get_path("labels"), settings.get_path("config")
    return replace(hints, labels=hints.labels or labels, config=hints.config or config)


def _calibration_windows(
    request: ConvertRequest, source: SourceModel, settings: Settings, progress: Progress
) -> CalibrationSet:
    from birdnet_deploy.calibration.collect import collect_windows, synthetic_windows

    asked = request.calibration or settings.get_path("convert.calibration")
    beside = source.path.parent / "calibration"
    if asked is None and beside.is_dir():
        asked = beside
    if asked is None:
        raise CalibrationError(
            "no recordings to calibrate on", where=source.path,
            fix=f"birdnet-deploy convert {shlex.quote(str(source.path))} --calibration FOLDER_OF_RECORDINGS",
        )  # fmt: skip
    if asked == SYNTHETIC:
        return synthetic_windows(source.config)
    most = request.max_windows or int(settings.values.get("convert.max_windows", 256))
    return collect_windows(
        Path(asked), source.config, max_windows=most, strict=request.strict, progress=progress,
        evaluation=request.evaluation or settings.get_path("convert.evaluation"),
    )  # fmt: skip


def _write_bundle(
    staging: Path, source: SourceModel, windows: CalibrationSet, quantized: QuantizedModel,
    request: ConvertRequest, settings: Settings, progress: Progress,
) -> None:  # fmt: skip
    import numpy as np

    from birdnet_deploy.model.labels import format_labels
    from birdnet_deploy.quantization.fidelity import measure_fidelity
    from birdnet_deploy.quantization.golden import make_golden

    (staging / artifacts.MODEL_FILE).write_bytes(quantized.tflite)
    (staging / artifacts.LABELS_FILE).write_text(format_labels(source.labels), encoding="utf-8", newline="\n")
    config = source.config.with_(output_activation=quantized.output_activation, class_names=source.labels)
    jsonfile.write(staging / artifacts.CONFIG_FILE, config.to_json())
    progress.step("measuring what int8 changed")
    report = measure_fidelity(quantized, windows, config)
    _check_gates(report, settings)
    jsonfile.write(staging / artifacts.REPORT_FILE, report)
    golden: dict[str, Any] = make_golden(quantized, windows)
    np.savez(staging / artifacts.GOLDEN_FILE, **golden)
    options = {"head": request.head, "io": request.io, "sample_norm": quantized.sample_norm}
    lock.write_lock(staging, source, windows.manifest, options)


def _check_gates(report: Mapping[str, Any], settings: Settings) -> None:
    """Refuses a bundle that does not meet the gates that the settings name (F17)."""
    fidelity = report.get("fidelity") or {}
    for key, metric in (("gates.min_cosine", "cosine_mean"), ("gates.min_agreement", "top1_agreement")):
        wanted = settings.values.get(key)
        if wanted is None:
            continue
        if metric not in fidelity:
            raise CheckFailed(f"{key} is {wanted} but nothing was measured", fix="add recordings or --evaluation DIR")
        if fidelity[metric] < wanted:
            raise CheckFailed(
                f"{metric} {fidelity[metric]} is below {key} {wanted}; worst window {fidelity['worst_window']}",
                where=settings.path, fix="better calibration recordings, or lower the gate",
            )  # fmt: skip


def generate(
    bundle_path: Path | None = None, *, target: str | None = None, output: Path | None = None,
    force: bool = False, top_k: int = 3, hints: ModelHints | None = None, progress: Progress | None = None,
) -> Project:  # fmt: skip
    """Gives the rendered firmware project of a bundle: complete, self-contained, the same bytes each time.

    ``bundle_path`` may be a full-int8 ``.tflite`` that others converted, or a folder that holds one; ``hints`` is
    what was said of it.

    Raises: UsageError (2), ModelError (3), CheckFailed where the bundle differs from its lock (4), OutputRefused (5).
    """
    from birdnet_deploy.codegen.frontend_tables import frontend_files
    from birdnet_deploy.codegen.memory_plan import describe_memory
    from birdnet_deploy.codegen.network import generate_network
    from birdnet_deploy.imported import open_or_import
    from birdnet_deploy.project.generate import generate_project
    from birdnet_deploy.project.open import open_project
    from birdnet_deploy.tflite.reader import read_model

    progress = progress or Silent()
    settings = find_settings()
    path = find_bundle(bundle_path, settings)
    name = target or settings.target or DEFAULT_TARGET
    with open_or_import(path, _with_settings(hints or ModelHints(), path, settings), progress) as opened:
        _check_lock(opened)
        progress.step("generating C")
        network = generate_network(read_model(opened.model))
        quantization = network.input_quantization
        frontend = frontend_files(opened.config, quantization.scale, quantization.zero_point)
        output = output or settings.project or _project_name(path, name)
        with published(output, kind="project", force=force, keep=PROJECT_KEEPS) as staging:
            plan = describe_memory(network)
            generate_project(opened, name, network, frontend, staging, top_k=top_k, memory_plan=plan)
    return open_project(output)


def _check_lock(opened: Bundle) -> None:
    stale = bundle.stale_lines(opened.path, opened.lock)
    if stale:
        raise CheckFailed("; ".join(stale), where=opened.path, fix="run convert and generate again")


def _project_name(path: Path, target: str) -> Path:
    return Path(f"{path.stem if path.is_file() else path.resolve().name.removesuffix('_bundle')}_{target}")


def find_bundle(path: Path | None, settings: Settings) -> Path:
    """Gives the bundle that is named, else the settings' one, else the current folder's, else the settings' .tflite.

    Raises: UsageError (exit 2) with the command to type.
    """
    if path is not None:
        return path
    if settings.bundle is not None:
        return settings.bundle
    here = Path()
    if bundle.is_bundle(here):
        return here
    if settings.model is not None and settings.model.suffix == ".tflite":
        return settings.model
    raise UsageError("no bundle named, and none in the current folder", fix="birdnet-deploy generate BUNDLE")


def find_project(path: Path | None, settings: Settings) -> Path:
    """Gives the project that is named, else the settings' one, else the current folder."""
    return path or settings.project or Path()


def build(project_path: Path | None = None, *, progress: Progress | None = None) -> BuiltFirmware:
    """Gives the ELF of a project, built with arm-none-eabi-gcc.

    Raises: UsageError (2), ToolchainError and BuildError (6).
    """
    from birdnet_deploy.project.open import open_project
    from birdnet_deploy.toolchain.build import build_project

    settings = find_settings()
    project = open_project(find_project(project_path, settings))
    return build_project(project, tools=settings.tools, progress=progress or Silent())


def run(request: RunRequest, progress: Progress | None = None) -> RunResult:
    """Gives the predictions of a built firmware on the emulated board, every window checked against the host.

    Raises: UsageError (2), AudioError (3), OutputRefused (5), ToolchainError (6), BoardError (7), ProtocolError (8);
    what differs or is missing is the result's ``failure``.
    """
    from birdnet_deploy.device_run import HOST, run_device
    from birdnet_deploy.toolchain.build import open_firmware
    from birdnet_deploy.toolchain.find import find_tools
    from birdnet_deploy.toolchain.host import build_host_firmware, build_host_frontend

    progress = progress or Silent()
    settings = find_settings()
    on_host = request.target == HOST
    found = find_tools(("cc",) if on_host else ("qemu-system-arm", "cc"), settings.tools)
    path = find_project(request.project, settings)
    with _runnable(path, request.hints, progress, builds=not on_host) as project:
        if on_host:
            firmware = build_host_firmware(project, tools=settings.tools, progress=progress)
        else:
            firmware = open_firmware(project)
        _check_lock(project.bundle)
        library = build_host_frontend(firmware.project, tools=settings.tools, progress=progress)
        qemu = None if on_host else found["qemu-system-arm"].path
        return run_device(firmware, request, qemu=qemu, frontend_library=library, progress=progress)


@contextmanager
def _runnable(path: Path, hints: ModelHints, progress: Progress, *, builds: bool = True) -> Iterator[Project]:
    """Gives the project at ``path``, or one made and built of the model there that lives as long as the body."""
    from birdnet_deploy.project.open import open_project

    if not bundle.is_bundle(path) and find_tflite(path) is None:
        yield open_project(path)
        return
    with scratch_folder() as folder:
        project = generate(path, output=folder / "project", hints=hints, progress=progress)
        if builds:
            build(project.path, progress=progress)
        yield project


def deploy(request: DeployRequest, progress: Progress, show_findings: Callable[[ValidationResult], None]) -> RunResult:
    """Gives the result of the whole way: convert, validate, generate, build, run.

    Raises: what those raise; CheckFailed (exit 4) where ``validate`` finds an error for the target.
    """
    from birdnet_deploy.audio.reading import find_recordings
    from birdnet_deploy.device_run import RunRequest
    from birdnet_deploy.imported import write_imported
    from birdnet_deploy.npu.check import check_path
    from birdnet_deploy.toolchain.find import find_tools

    settings = _settings_for(request.convert.model)
    find_tools(("arm-none-eabi-gcc", "make", "qemu-system-arm", "cc"), settings.tools)  # before any work
    find_recordings(request.audio)
    model = request.convert.model or settings.model
    output = request.output or Path(f"{model.stem if model else 'model'}_deployed")
    target = request.target or settings.target or DEFAULT_TARGET
    folder, project = output / "bundle", output / "project"
    if model is not None and is_converted(model):
        with published(folder, kind="bundle", force=request.convert.force) as staging:
            write_imported(model, staging, _with_settings(request.convert.hints, model, settings), progress)
    else:
        convert(replace(request.convert, output=folder), progress)
    progress.step("validating")
    checked = check_path(folder, target=target, select=settings.rules_select, ignore=settings.rules_ignore)
    show_findings(checked)
    if checked.errors:
        raise CheckFailed(f"{checked.errors} findings are errors", where=folder, fix="mend them, worst first")
    generate(folder, target=target, output=project, force=request.convert.force, progress=progress)
    build(project, progress=progress)
    return run(RunRequest(audio=request.audio, project=project, save=output / "predictions.jsonl"), progress)
