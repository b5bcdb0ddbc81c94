"""Device against host: what ``compare`` does with a readback, and ``board-test`` with what it has just read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from birdnet_deploy.artifacts import Bundle
from birdnet_deploy.board.card import Card, CardFile, prepare_card
from birdnet_deploy.boardtest.reference import Reference, by_name, open_reference, told
from birdnet_deploy.boardtest.saved import Readback, SavedWindow, read_saved
from birdnet_deploy.bundle import is_bundle, open_bundle
from birdnet_deploy.errors import CheckFailed, DeployError, ProtocolError, UsageError
from birdnet_deploy.npu.data import read_target, target_names
from birdnet_deploy.project.open import open_project
from birdnet_deploy.readback.stage import Stage
from birdnet_deploy.report.card_names import read_manifest
from birdnet_deploy.report.compare import DeviceWindow, compare_windows
from birdnet_deploy.report.stages import StageCheck
from birdnet_deploy.report.tables import EMULATED
from birdnet_deploy.report.verdict import AgreementCount, Tolerance, Verdict, tolerance_of
from birdnet_deploy.settings import find_settings
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.support.process import scratch_folder
from birdnet_deploy.support.progress import Progress, Silent

SCHEMA_VERSION = 1
DEFAULT_TARGET = "qemu-an547"  # no NPU: the generated engine, to the bit


@dataclass(frozen=True)
class CompareRequest:
    """What ``compare`` is asked for: a bundle or project, a saved readback of it, and the recordings."""

    path: Path
    readback: Path
    audio: Path
    manifest: Path | None = None
    tolerance: str | int = "auto"
    target: str | None = None
    top_k: int = 3
    strict: bool = False


@dataclass(frozen=True)
class CompareResult:
    """The verdict, and what keeps the readback from being whole."""

    target: str
    verdict: Verdict
    problems: tuple[str, ...]

    def lines(self) -> list[str]:
        """Gives the verdict, one statement a line."""
        says = [EMULATED] if self.target == DEFAULT_TARGET else []
        return [*self.verdict.lines(), *(f"problem: {problem}" for problem in self.problems), *says]

    @property
    def failure(self) -> DeployError | None:
        """The error to end with: 8 where windows are missing, 4 where some differ, None where all is well."""
        return failure_of(self.verdict, self.problems, "run again")


def compare_readback(request: CompareRequest, progress: Progress | None = None) -> CompareResult:
    """Gives the verdict over a saved readback, window by window.

    Raises: UsageError (2), ModelError, AudioError (3), CheckFailed where the bundle differs from its lock (4),
    ToolchainError without a C compiler (6), BoardError (7) where the readback is of another model, ProtocolError
    where it is none (8). What differs or is missing is the result's ``failure``.
    """
    progress = progress or Silent()
    settings = find_settings()
    bundle, target = open_subject(request.path, request.target, settings.target)
    with open_reference(bundle, tools=settings.tools, progress=progress) as reference, scratch_folder() as scratch:
        readback = read_saved(request.readback, reference.identity, bundle.config.sample_rate)
        target = request.target or target_of(readback.fw) or target
        card = prepare_card(request.audio, bundle.config, scratch / "card", strict=request.strict, progress=progress)
        names = by_name(card) if request.manifest is None else _named(card, request.manifest)
        windows, stages = renamed(readback, names)
        tolerance = bundle_tolerance(bundle, request.tolerance, target)
        progress.step("comparing with the host")
        verdict = judge(reference, card, card.files, windows, stages, tolerance, top_k=request.top_k, progress=progress)
    return CompareResult(target, verdict, readback.problems)


def open_subject(path: Path, target: str | None, default: str | None = None) -> tuple[Bundle, str]:
    """Gives the bundle at ``path``, or the copy inside a project, and the target that is meant."""
    if target is not None:
        read_target(target)
    if is_bundle(path) or not (path / "project.json").is_file():
        return open_bundle(path), target or default or DEFAULT_TARGET
    project = open_project(path)
    return project.bundle, target or project.target


def target_of(fw: str | None) -> str | None:
    """Gives the target that a hello's ``fw`` ends with, None where it names none."""
    last = fw.split(" ")[-1] if fw else ""
    return last if last in target_names() else None


def bundle_tolerance(bundle: Bundle, asked: str | int, target: str) -> Tolerance:
    """Gives the tolerance for a bundle's outputs on a target."""
    try:
        report = json.loads(bundle.report.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        report = {}
    return tolerance_of(asked, read_target(target).processor, report if isinstance(report, dict) else {})


def judge(
    reference: Reference, card: Card, files: Sequence[CardFile], windows: Iterable[DeviceWindow],
    stages: Sequence[Stage], tolerance: Tolerance, *, top_k: int, progress: Progress, whole: bool = False,
) -> Verdict:  # fmt: skip
    """Gives the verdict over the windows of ``files``, which are named as the originals.

    With ``whole`` stages of every window are expected; else those that came are compared.
    """
    check = StageCheck(stages, partial=not whole) if stages or whole else None
    count = AgreementCount(min(top_k, len(reference.bundle.labels)), reference.scores)
    expected = told(reference.windows(card, files, check), reference.count(files), progress)
    comparison = compare_windows(expected, windows, count.take)
    found = check.result() if check is not None else None
    return Verdict(comparison, tolerance, count.result(), found, reference.bundle.labels)


def renamed(readback: Readback, names: dict[str, CardFile]) -> tuple[list[SavedWindow], list[Stage]]:
    """Gives the windows and stages of a readback, named as the originals are."""

    def original(name: str) -> str:
        return names[name].original if name in names else name

    windows = [replace(window, file=original(window.file)) for window in readback.windows]
    return windows, [replace(stage, file=original(stage.file)) for stage in readback.stages]


def _named(card: Card, manifest: Path) -> dict[str, CardFile]:
    """Gives the files by the names of a card that was made before; the recordings must be those of then."""
    names = read_manifest(manifest)
    hashes: dict[str, Any] = {
        entry["original"]: entry.get("sha256") for entry in json.loads(manifest.read_text(encoding="utf-8"))["files"]
    }
    here = {file.original: file for file in card.files}
    found = dict(here)
    for name, original in names.originals.items():
        file = here.get(original)
        if file is None:
            raise UsageError(f"{original} is not in --audio", where=manifest, fix="name the folder that it was made of")
        if hashes[original] not in (None, sha256_file(file.source)):
            raise UsageError(f"{original} has changed since", where=manifest, fix="prepare the card again")
        found[name] = file
    return found


def failure_of(verdict: Verdict, problems: Sequence[str], fix: str) -> DeployError | None:
    """Gives the error of a verdict: 8 where the readback is not whole, 4 where something differs, None else."""
    found, all_problems = verdict.comparison, list(problems)
    for what, windows in (("never came", found.missing), ("came unasked", found.unexpected)):
        if windows:
            all_problems.append(f"{len(windows)} windows {what}, first window {windows[0][1]} of {windows[0][0]}")
    if verdict.stages is not None and verdict.stages.missing:
        all_problems.append(f"{verdict.stages.missing} of {verdict.stages.compared} stages never came")
    differs = None if verdict.passed else _differs(verdict)
    if all_problems:
        also = [] if differs is None else [f"besides, {differs}"]
        return ProtocolError(f"incomplete readback: {'; '.join([*all_problems, *also])}", where="board", fix=fix)
    if differs is None:
        return None
    return CheckFailed(differs, where="board", fix=_fix(verdict))


def _differs(verdict: Verdict) -> str:
    if not verdict.beyond:
        return f"the outputs agree, but {verdict.blame}"
    worst = max(found.max_lsb for found in verdict.beyond)
    more = f" (tolerance {verdict.tolerance.lsb})" if verdict.tolerance.lsb else ""
    return (
        f"{len(verdict.beyond)} of {verdict.comparison.expected} windows differ from the host by up to {worst} "
        f"LSB{more}; {verdict.blame}"
    )


def _fix(verdict: Verdict) -> str:
    if verdict.part is None:
        return "read it again with stages: board-test, run --stages, or monitor --raw of a card with STAGES.ON"
    return "generate and build again; report it if it stays"


def result_json(result: CompareResult) -> dict[str, Any]:
    """Gives a comparison as the object that ``--output-format json`` shows."""
    return {
        "schema_version": SCHEMA_VERSION,
        "target": result.target,
        **result.verdict.to_json(),
        "problems": list(result.problems),
        "error": None if result.failure is None else result.failure.line,
    }
