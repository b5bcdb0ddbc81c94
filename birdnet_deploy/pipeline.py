"""The stages in the order of the data. Read this first: each function is one command of the command line.

convert -> validate -> generate -> build -> run, and ``evaluate``; ``deploy`` is the whole way.

The others begin in a module of their own: ``flash`` in ``flashing.run``, ``monitor`` in ``monitoring``,
``board-test`` in ``boardtest.run``, ``compare`` in ``boardtest.judge``, ``report`` in ``showing.write``, ``doctor`` in
``toolchain.doctor``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from birdnet_deploy import bundle, locked
from birdnet_deploy.artifacts import GENERATE_LOCK, BuiltFirmware, Bundle, Project
from birdnet_deploy.conversion import (
    check_gates,
    convert_windows,
    is_full,
    options_of,
    settings_for,
    with_settings,
    write_files,
    write_lock,
)
from birdnet_deploy.errors import CheckFailed, UsageError
from birdnet_deploy.model.beside import ModelHints
from birdnet_deploy.model.published import find_tflite, is_converted
from birdnet_deploy.places import find_bundle, find_project, project_name, refuse_npu
from birdnet_deploy.project_locks import NOT_RENDERED, write_build_lock, write_generate_lock
from birdnet_deploy.requests import ConvertRequest, DeployRequest
from birdnet_deploy.settings import find_settings
from birdnet_deploy.support.process import scratch_folder
from birdnet_deploy.support.progress import Progress, Silent
from birdnet_deploy.support.publish import published

if TYPE_CHECKING:
    from birdnet_deploy.device_run import RunRequest, RunResult
    from birdnet_deploy.evaluation.evaluate import EvaluateRequest, Evaluation
    from birdnet_deploy.npu.finding import ValidationResult
    from birdnet_deploy.project.choices import Choices

__all__ = [
    "ConvertRequest", "DeployRequest", "build", "convert", "deploy", "evaluate", "find_bundle", "generate", "run",
    "validate",
]  # fmt: skip
DEFAULT_TARGET = "qemu-an547"


def convert(
    request: ConvertRequest, progress: Progress | None = None, *, unmet: Callable[[Bundle, str], None] | None = None
) -> Bundle:
    """Gives the bundle of a trained ``.keras``: calibrated, quantized to full int8, measured, locked.

    With a prologue the bundle also holds the float part in front and the int8 network behind it. ``unmet`` is told a
    bundle that misses its gates, and its name, before it vanishes.

    Raises: UsageError, ConfigError (2), ModelError, LabelsError, CalibrationError, AudioError (3), CheckFailed where
    a gate is not met, GatesNotMet with the frontier where no cut meets them (4), OutputRefused (5). A failure leaves
    what was there.
    """
    from birdnet_deploy.model.source import open_source

    progress = progress or Silent()
    settings = settings_for(request.model)
    model = request.model or settings.model
    if model is None:
        raise UsageError("no model named", fix="birdnet-deploy convert MODEL.keras")
    source = open_source(model, hints=with_settings(request.hints, model, settings), progress=progress)
    output = request.output or settings.bundle or Path(f"{source.path.stem}_bundle")
    options, full = options_of(request, settings), is_full(request, settings)
    if request.locked:
        locked.check_conversion(output, source, request, settings, options, full=full)
    with published(output, kind="bundle", force=request.force) as staging:
        windows, quantized = convert_windows(source, request, settings, options, progress)
        report = write_files(staging, source, windows, quantized, options, full=full, progress=progress)
        write_lock(staging, source, windows, quantized, options, full=full)
        try:
            check_gates(report, options)
        except CheckFailed:
            if unmet is not None:
                unmet(bundle.open_bundle(staging), output.resolve().name)
            raise
        if request.locked:
            locked.check_same(staging, output)
    return bundle.open_bundle(output)


def validate(
    path: Path | None = None, *, target: str | None = None, select: Sequence[str] = (), ignore: Sequence[str] = (),
    profile: Path | None = None, is_locked: bool = False,
) -> ValidationResult:  # fmt: skip
    """Gives what the rules find in a bundle, project, ``.tflite``, ``.keras`` or stedgeai output, worst first.

    Raises: UsageError, ConfigError (2), ModelError where the model cannot be read (3), CheckFailed where it is to be
    as its lock says and is not (4).
    """
    from birdnet_deploy.npu.request import default_path, validate_path

    settings = find_settings()
    if is_locked:
        locked.check_locked(path if path is not None else default_path(settings), settings)
    return validate_path(
        path, settings, target=target, select=select, ignore=ignore, profile=profile, rendered_for=DEFAULT_TARGET
    )


def generate(
    bundle_path: Path | None = None, *, target: str | None = None, output: Path | None = None,
    force: bool = False, choices: Choices | None = None, network_dir: Path | None = None, ioc: Path | None = None,
    hints: ModelHints | None = None, is_locked: bool = False, progress: Progress | None = None,
) -> Project:  # fmt: skip
    """Gives the rendered firmware project of a bundle: complete, self-contained, the same bytes each time.

    ``bundle_path`` may be a full-int8 ``.tflite`` that others converted, or a folder that holds one; ``hints`` is
    what was said of it. ``choices`` are what predictions name and where sound comes from. For a board with an NPU,
    ``network_dir`` has what stedgeai made of the network elsewhere, ``ioc`` is a CubeMX project to complete.

    With ``is_locked`` everything that the locks name must be as they say, and the project that is there the same.

    Raises: UsageError (2), ModelError (3), CheckFailed where the bundle differs from its lock or ``network_dir`` is
    of another model (4), OutputRefused (5).
    """
    from birdnet_deploy.imported import open_or_import
    from birdnet_deploy.networks import added_of, parts_of
    from birdnet_deploy.project.choices import Choices
    from birdnet_deploy.project.generate import generate_project
    from birdnet_deploy.project.open import open_project

    progress = progress or Silent()
    settings = find_settings()
    path = find_bundle(bundle_path, settings)
    name = target or settings.target or DEFAULT_TARGET
    if is_locked:
        locked.check_locked(path, settings)
    with open_or_import(path, with_settings(hints or ModelHints(), path, settings), progress) as opened:
        bundle.check_lock(opened)
        progress.step("generating C")
        parts = parts_of(opened, name)
        output = output or settings.project or project_name(path, name)
        added = added_of(opened, name, network_dir, ioc, parts.prologue_bytes, output, progress)
        choices = choices or Choices()
        with published(output, kind="project", force=force, keep=NOT_RENDERED) as staging:
            generate_project(
                opened, name, parts.network, parts.frontend_files, staging, prologue=parts.prologue, choices=choices,
                memory_plan=parts.memory_plan, added=added,
            )  # fmt: skip
            write_generate_lock(staging, opened, name, choices.to_json())
            if is_locked:
                locked.check_same(staging, output, GENERATE_LOCK)
    return open_project(output)


def build(
    project_path: Path | None = None, *, is_locked: bool = False, progress: Progress | None = None
) -> BuiltFirmware:
    """Gives the ELF of a project, built with arm-none-eabi-gcc, and leaves a ``build.lock`` beside it.

    For an NPU its network is compiled first.

    Raises: UsageError (2), CheckFailed where the project's bundle differs from its lock, or with ``is_locked`` anything
    from the locks (4), ToolchainError and BuildError (6).
    """
    from birdnet_deploy.npu.data import read_target
    from birdnet_deploy.npu_build import build_npu, find_builders
    from birdnet_deploy.project.open import open_project
    from birdnet_deploy.toolchain.build import BUILDERS, build_project
    from birdnet_deploy.toolchain.find import find_tools

    settings = find_settings()
    path = find_project(project_path, settings)
    project = open_project(path)
    bundle.check_lock(project.bundle)
    on_npu = read_target(project.target).is_npu
    if on_npu:
        find_builders(project, settings)  # all that is missing, at once
    compilers = {name: tool.version for name, tool in find_tools(BUILDERS, settings.tools).items()}
    held = locked.held_build(project)
    if is_locked:
        locked.check_locked(path, settings, compilers=compilers)
    told = progress or Silent()
    firmware: BuiltFirmware
    if on_npu:
        firmware = build_npu(project, settings, told)
    else:
        firmware = build_project(project, tools=settings.tools, progress=told)
    if is_locked:
        locked.check_built(firmware, held, compilers)
    write_build_lock(firmware, compilers)
    return firmware


def run(request: RunRequest, progress: Progress | None = None, *, is_locked: bool = False) -> RunResult:
    """Gives the predictions of a built firmware on the emulated board, every window checked against the host.

    Raises: UsageError (2), AudioError (3), CheckFailed where a lock is stale (4), OutputRefused (5), ToolchainError
    (6), BoardError (7), ProtocolError (8); what differs or is missing is the result's ``failure``.
    """
    from birdnet_deploy.device_run import HOST, run_device
    from birdnet_deploy.toolchain.build import open_firmware
    from birdnet_deploy.toolchain.find import find_tools
    from birdnet_deploy.toolchain.host import build_host_firmware, build_host_frontend

    progress = progress or Silent()
    settings = find_settings()
    on_host = request.target == HOST
    if on_host and (request.icount or request.line is not None):
        asked = "--icount" if request.icount else "--serial"
        raise UsageError(
            f"the host twin has no {'instructions to count' if request.icount else 'serial line'}", where=asked,
            fix=f"leave out {asked}, or --target host",
        )  # fmt: skip
    found = find_tools(("cc",) if on_host else ("qemu-system-arm", "cc"), settings.tools)
    path = find_project(request.project, settings)
    if is_locked:
        locked.check_locked(path, settings)
    with runnable(path, request.hints, progress, builds=not on_host) as project:
        refuse_npu(project.target, path)
        if on_host:
            firmware = build_host_firmware(project, tools=settings.tools, progress=progress)
        else:
            firmware = open_firmware(project)
        bundle.check_lock(project.bundle)
        library = build_host_frontend(firmware.project, tools=settings.tools, progress=progress)
        qemu = None if on_host else found["qemu-system-arm"].path
        return run_device(firmware, request, qemu=qemu, frontend_library=library, progress=progress)


@contextmanager
def runnable(path: Path, hints: ModelHints, progress: Progress, *, builds: bool = True) -> Iterator[Project]:
    """Gives the project at ``path``, or one made and built of the model there that lives as long as the body.

    Raises: what ``generate`` and ``build`` raise.
    """
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
    from birdnet_deploy.npu.request import validate_path
    from birdnet_deploy.toolchain.find import find_tools

    settings = settings_for(request.convert.model)
    find_tools(("arm-none-eabi-gcc", "make", "qemu-system-arm", "cc"), settings.tools)  # before any work
    find_recordings(request.audio)
    is_locked = request.convert.locked
    model = request.convert.model or settings.model
    output = request.output or Path(f"{model.stem if model else 'model'}_deployed")
    target = request.target or settings.target or DEFAULT_TARGET
    refuse_npu(target, "deploy")
    folder, project = output / "bundle", output / "project"
    if model is not None and is_converted(model):
        with published(folder, kind="bundle", force=request.convert.force) as staging:
            write_imported(model, staging, with_settings(request.convert.hints, model, settings), progress)
            if is_locked:
                locked.check_same(staging, folder)
    else:
        convert(replace(request.convert, output=folder), progress)
    progress.step("validating")
    checked = validate_path(folder, settings, target=target)
    show_findings(checked)
    if checked.errors:
        raise CheckFailed(f"{checked.errors} findings are errors", where=folder, fix="mend them, worst first")
    force = request.convert.force
    generate(folder, target=target, output=project, force=force, is_locked=is_locked, progress=progress)
    build(project, is_locked=is_locked, progress=progress)
    wanted = RunRequest(
        audio=request.audio, project=project, save=output / "predictions.jsonl", strict=request.convert.strict
    )
    return run(wanted, progress, is_locked=is_locked)


def evaluate(request: EvaluateRequest, progress: Progress | None = None) -> Evaluation:
    """Gives what float, int8 and device twin make of a whole archive; what a killed run did is kept and resumed.

    Raises: UsageError (2), ModelError, LabelsError, AudioError with ``strict`` (3), CheckFailed (4), OutputRefused (5),
    ToolchainError (6).
    """
    from birdnet_deploy.evaluation import evaluate as evaluation

    settings = find_settings()
    wanted = replace(request.wanted, hints=with_settings(request.wanted.hints, request.wanted.model, settings))
    return evaluation.evaluate(replace(request, wanted=replace(wanted, tools=settings.tools)), progress)
