"""What ``board-test`` does, in order: card, board, what is missing asked for, the verdict, the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from birdnet_deploy import pipeline
from birdnet_deploy.artifacts import Bundle
from birdnet_deploy.board.card import Card, CardFile, prepare_card
from birdnet_deploy.board.sdcard import STAGES_ON, Place, fill_card
from birdnet_deploy.boardtest.drive import DriveOptions, Driver
from birdnet_deploy.boardtest.folder import Folder
from birdnet_deploy.boardtest.heard import Heard
from birdnet_deploy.boardtest.judge import DEFAULT_TARGET, bundle_tolerance, failure_of, judge, open_subject, target_of
from birdnet_deploy.boardtest.link import EMULATED, Link, emulated_link, line_link
from birdnet_deploy.boardtest.reference import Reference, by_name, open_reference
from birdnet_deploy.errors import DeployError, UsageError
from birdnet_deploy.model.beside import ModelHints
from birdnet_deploy.model.labels import folder_label
from birdnet_deploy.readback.ports import Port
from birdnet_deploy.readback.session import golden_failure
from birdnet_deploy.readback.sources import LineOptions
from birdnet_deploy.report.predictions import FileResult, file_results
from birdnet_deploy.report.tables import EMULATED as EMULATED_SAYS
from birdnet_deploy.report.tables import file_json, totals
from birdnet_deploy.report.verdict import Verdict
from birdnet_deploy.settings import Settings, find_settings
from birdnet_deploy.support.process import scratch_folder
from birdnet_deploy.support.progress import Progress, Silent
from birdnet_deploy.toolchain.build import open_firmware
from birdnet_deploy.toolchain.find import find_tools

SCHEMA_VERSION = 1
_AGAIN = "run it again with --resume: what is there is kept"


@dataclass(frozen=True)
class BoardTestRequest:
    """What ``board-test`` is asked for.

    ``port`` is ``emulated`` or what ``monitor --port`` takes; ``inserted`` says that a card of these recordings is in
    the board already.
    """

    audio: Path
    path: Path | None = None
    card: Path | None = None
    port: str = EMULATED
    save: Path | None = None
    resume: bool = False
    inserted: bool = False
    stages: bool = False
    log: bool = False
    tolerance: str | int = "auto"
    target: str | None = None
    top_k: int = 3
    wait_s: float = 60.0
    silence_s: float = 60.0
    reconnect_s: float = 30.0
    serial: str | None = None
    strict: bool = False
    line: LineOptions = LineOptions()


@dataclass(frozen=True)
class BoardTestResult:
    """What a board test came to; ``verdict`` is None where it was interrupted."""

    target: str
    folder: Path
    saved: Path | None
    place: Place | None
    heard: Heard
    verdict: Verdict | None
    files: tuple[FileResult, ...]
    skipped: tuple[tuple[str, str], ...]
    total: int
    interrupted: bool = False

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps the readback from being whole."""
        said = [f"the board says: {error}" for error in self.heard.errors]
        return (*self.heard.problems, *said, *(["interrupted"] if self.interrupted else []))

    @property
    def failure(self) -> DeployError | None:
        """The error to end with: 8 where something is missing, 4 where it differs; None where all is well."""
        if self.heard.golden_missed:
            return golden_failure(self.heard.golden_missed)
        return None if self.verdict is None else failure_of(self.verdict, self.problems, _AGAIN)


def prepare(request: BoardTestRequest, progress: Progress | None = None) -> list[str]:
    """Gives what the card of ``request`` holds now, one statement a line.

    Raises: as ``board_test``.
    """
    progress, settings = progress or Silent(), find_settings()
    if request.card is None:
        raise UsageError("no card to prepare", fix="name its folder by --card")
    bundle, _ = open_subject(_subject(request, settings), request.target, settings.target)
    with scratch_folder() as scratch:
        card = prepare_card(request.audio, bundle.config, scratch / "card", strict=request.strict, progress=progress)
        place = _fill(card, request, True, progress)
    skipped = f", {len(card.skipped)} unreadable recordings skipped" if card.skipped else ""
    return [f"{len(card.files)} recordings on {request.card}{skipped}", f"card {place.text}"]


def _subject(request: BoardTestRequest, settings: Settings) -> Path:
    return request.path or settings.project or settings.bundle or Path()


def _fill(card: Card, request: BoardTestRequest, board: bool, progress: Progress) -> Place:
    assert request.card is not None
    return fill_card(card, request.card, stages=request.stages, log=request.log, board=board, progress=progress)


def board_test(
    request: BoardTestRequest, progress: Progress | None = None, *,
    choose: Callable[[Sequence[Port]], Port] | None = None,
) -> BoardTestResult:  # fmt: skip
    """Gives what a board makes of recordings, each window held against the host; all of it is saved as it comes.

    Ctrl-C ends it: QEMU ends, the port is free, what has come is kept and marked.

    Raises: UsageError (2), ModelError, AudioError (3), CheckFailed where the bundle differs from its lock (4),
    OutputRefused where card or folder are not ours (5), ToolchainError (6), BoardError (7), ProtocolError of another
    protocol (8). What is missing or differs is the result's ``failure``.
    """
    progress = progress or Silent()
    settings = find_settings()
    path = _subject(request, settings)
    bundle, target = open_subject(path, request.target, settings.target)
    with ExitStack() as stack:
        scratch = stack.enter_context(scratch_folder())
        folder = Folder(request.save or Path(f"{path.resolve().name.removesuffix('_bundle')}_board_test"))
        card = prepare_card(request.audio, bundle.config, scratch / "card", strict=request.strict, progress=progress)
        kept = folder.kept(bundle, card) if request.resume else []
        place = None if request.card is None else _fill(card, request, request.port != EMULATED, progress)
        reference = stack.enter_context(open_reference(bundle, tools=settings.tools, progress=progress))
        folder.begin(bundle, card, kept)
        heard = Heard(by_name(card), card.sample_rate, reference.scores, folder.line)
        heard.keep(kept)
        test = _Test(request, settings, path, target, reference, card, heard, progress)
        verdict, interrupted = None, False
        try:
            verdict = test.run(choose)
        except KeyboardInterrupt:
            interrupted = True
        return _finish(test, folder, place, verdict, interrupted)


class _Test:
    """One test of one board."""

    def __init__(
        self, request: BoardTestRequest, settings: Settings, path: Path, target: str, reference: Reference, card: Card,
        heard: Heard, progress: Progress,
    ) -> None:  # fmt: skip
        self.request, self._settings, self._path, self._target = request, settings, path, target
        self.reference, self.card, self.heard, self._progress = reference, card, heard, progress

    @property
    def target(self) -> str:
        """What the board is: as it was said, else as its hello says, else as the project was made for."""
        return self.request.target or target_of(self.heard.fw) or self._target

    def run(self, choose: Callable[[Sequence[Port]], Port] | None) -> Verdict:
        """Gives the verdict once the board has given what it can."""
        request = self.request
        emulated = request.port == EMULATED
        has_card = emulated or request.inserted or request.card is not None
        options = DriveOptions(request.wait_s, request.silence_s, has_card, request.stages)
        driver = Driver(self.reference, self.card, self.heard, options, self.judge, self._progress)
        if driver.missing:
            with self._link(choose) if not emulated else self._emulated() as link:
                driver.run(link)
        return driver.verdict or self.judge(self.card.files)

    def judge(self, files: Sequence[CardFile]) -> Verdict:
        """Gives the verdict over what has come of some files."""
        self._progress.step("comparing with the host")
        tolerance = bundle_tolerance(self.reference.bundle, self.request.tolerance, self.target)
        return judge(
            self.reference, self.card, files, self.heard.all(), self.heard.stages, tolerance,
            top_k=self.request.top_k, progress=self._progress,
        )  # fmt: skip

    @contextmanager
    def _emulated(self) -> Iterator[Link]:
        qemu = find_tools(("qemu-system-arm",), self._settings.tools)["qemu-system-arm"].path
        with pipeline.runnable(self._path, ModelHints(), self._progress) as project:
            elf = open_firmware(project).elf
            folder = self.request.card or self.card.folder
            if self.request.stages:
                (folder / STAGES_ON).touch()
            with emulated_link(elf, folder, qemu=qemu, line=self.request.serial, name="the emulated board") as link:
                yield link

    def _link(self, choose: Callable[[Sequence[Port]], Port] | None) -> Any:
        request = self.request
        return line_link(request.port, request.line, reconnect_s=request.reconnect_s, choose=choose)


def _finish(
    test: _Test, folder: Folder, place: Place | None, verdict: Verdict | None, interrupted: bool
) -> BoardTestResult:
    bundle, heard, card = test.reference.bundle, test.heard, test.card
    known = [(file.original, folder_label(file.source.absolute().as_posix(), bundle.labels)) for file in card.files]
    saved = heard.saved()
    result = BoardTestResult(
        target=test.target,
        folder=folder.path,
        saved=None,
        place=place,
        heard=heard,
        verdict=verdict,
        files=file_results(known, saved, bundle.labels, test.request.top_k),
        skipped=card.skipped,
        total=test.reference.count(card.files),
        interrupted=interrupted,
    )
    whole = verdict is not None and not result.problems and not verdict.comparison.missing
    path = folder.end(saved, complete=whole)
    folder.report(result_json(result, bundle), summary_lines(result))
    return BoardTestResult(**{**vars(result), "saved": path})


def summary_lines(result: BoardTestResult) -> list[str]:
    """Gives a board test as text, one statement a line."""
    sums, heard = totals(result.files), result.heard
    lines = [f"{sums.files} files, {len(heard.windows)} of {result.total} windows, on {result.target}"]
    if heard.kept:
        lines.append(f"{heard.kept} windows of an earlier test were kept")
    if result.skipped:
        lines.append(f"{len(result.skipped)} unreadable recordings skipped")
    if sums.labelled and heard.windows:
        lines.append(f"top-1 {sums.right}/{sums.labelled}")
    if result.place is not None:
        lines.append(f"card {result.place.text}")
    if result.verdict is not None:
        lines += result.verdict.lines()
    lines += [f"problem: {problem}" for problem in result.problems]
    return [*lines, EMULATED_SAYS] if result.target == DEFAULT_TARGET else lines


def result_json(result: BoardTestResult, bundle: Bundle | None = None) -> dict[str, Any]:
    """Gives a board test as the object of ``report.json`` and ``--output-format json``."""
    heard = result.heard
    timed = [found.us for copies in heard.windows.values() for found in copies[:1] if found.us]
    return {
        "schema_version": SCHEMA_VERSION,
        "target": result.target,
        "firmware": heard.fw,
        **({} if bundle is None else {"model": bundle.model_sha256, "lock": bundle.lock_sha256}),
        "card": None if result.place is None else asdict(result.place),
        "windows": {"total": result.total, "came": len(heard.windows), "kept": heard.kept},
        "files": [file_json(file, None) for file in result.files],
        "totals": {**asdict(totals(result.files)), "skipped": len(result.skipped)},
        "median_us": {key: _median([us[key] for us in timed if key in us]) for key in ("fe", "nn")},
        "comparison": None if result.verdict is None else result.verdict.to_json(),
        "readback": dict(sorted(heard.counts.items())),
        "problems": list(result.problems),
        "complete": result.verdict is not None and not result.problems,
        "interrupted": result.interrupted,
        "error": None if result.failure is None else result.failure.line,
    }


def _median(values: list[int]) -> int | None:
    return sorted(values)[len(values) // 2] if values else None
