"""What ``run`` does, in order: card, emulated board, readback, the host's expectation, the verdict."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from birdnet_deploy.artifacts import Bundle, Firmware
from birdnet_deploy.audio.host_frontend import HostFrontend
from birdnet_deploy.audio.windows import window_starts
from birdnet_deploy.board.card import Card, prepare_card
from birdnet_deploy.board.host import native
from birdnet_deploy.board.lines import default_line
from birdnet_deploy.board.qemu import Emulation, emulated
from birdnet_deploy.boardtest.reference import expected_windows, told
from birdnet_deploy.errors import CheckFailed, DeployError, ProtocolError, UsageError
from birdnet_deploy.model.beside import ModelHints
from birdnet_deploy.model.labels import folder_label
from birdnet_deploy.readback.identity import Identity, identity_of
from birdnet_deploy.readback.records import AnyRecord, Inference, scores_of
from birdnet_deploy.readback.session import SessionResult, golden_failure, read_session
from birdnet_deploy.report.compare import Comparison, compare_windows
from birdnet_deploy.report.predictions import FileResult, Prediction, file_results, write_predictions
from birdnet_deploy.report.stages import StageCheck, StageComparison
from birdnet_deploy.report.tables import comparison_json, file_json, totals
from birdnet_deploy.support.process import scratch_folder
from birdnet_deploy.support.progress import Progress
from birdnet_deploy.tflite.limited import LimitedInterpreter

DEFAULT_TIMEOUT_S = 60.0
STAGES_FILE = "STAGES.ON"  # on the card: the firmware sends stage records (firmware_stub/app/stages.h)
HOST = "host"  # the target of `run` that needs no emulator
SCHEMA_VERSION = 1
_DIFFERS_FIX = "generate and build again; report it if it stays"


@dataclass(frozen=True)
class RunRequest:
    """What ``run`` is asked for.

    ``threshold`` hides detections below it from tables (never from ``save``), ``timeout_s`` is the longest
    silence between two records, ``line`` is ``pty`` or ``tcp`` (None: what the system has), ``target`` may be ``host``
    (None: the project's own). With ``stages`` the tensors before the network are compared too. ``project`` may be a
    model, ``hints`` what was said of it.
    """

    audio: Path
    project: Path | None = None
    save: Path | None = None
    threshold: float | None = None
    top_k: int = 1
    timeout_s: float = DEFAULT_TIMEOUT_S
    line: str | None = None
    icount: bool = False
    strict: bool = False
    stages: bool = False
    target: str | None = None
    hints: ModelHints = ModelHints()


@dataclass(frozen=True)
class RunResult:
    """What a run gave; ``failure`` is the error to end with, None where every window is bit-exact."""

    request: RunRequest
    target: str
    files: tuple[FileResult, ...]
    predictions: tuple[Prediction, ...]
    skipped: tuple[tuple[str, str], ...]
    session: SessionResult
    comparison: Comparison
    failure: DeployError | None
    stages: StageComparison | None = None

    @property
    def exit_code(self) -> int:
        """0, or that of the failure: 4 where a window differs, 8 where something is missing."""
        return 0 if self.failure is None else self.failure.exit_code


def run_device(
    firmware: Firmware, request: RunRequest, *, qemu: Path | None, frontend_library: Path, progress: Progress
) -> RunResult:
    """Gives the predictions of the emulated board for all recordings, each window checked against the host.

    Without ``qemu`` the firmware is a program of this machine. ``frontend_library`` is the host build of the project's
    own frontend. Predictions are saved as they came,
    also where windows differ or are missing.

    Raises: UsageError (2), AudioError (3), OutputRefused (5), ToolchainError (6), BoardError (7) where the
    firmware carries another model or lock, ProtocolError (8) where it speaks another protocol.
    """
    if request.save is not None and not request.save.absolute().parent.is_dir():
        raise UsageError("no such folder to save in", where=request.save.parent, fix="make it first")
    bundle = firmware.project.bundle
    with LimitedInterpreter(bundle.network) as interpreter, scratch_folder() as scratch:
        behind = None if bundle.prologue is None else interpreter.input_shape
        frontend = HostFrontend(frontend_library, bundle.config, behind=behind)
        card = prepare_card(request.audio, bundle.config, scratch / "card", strict=request.strict, progress=progress)
        if request.stages:
            (card.folder / STAGES_FILE).touch()
        session = _read_board(firmware, card, identity_of(bundle), request, qemu=qemu, progress=progress)
        progress.step("comparing with the host")
        check = _stage_check(session, card) if request.stages else None
        expected = expected_windows(card, card.files, bundle.config.window_samples, frontend, interpreter, check)
        predictions = _predictions(session, card)
        comparison = compare_windows(told(expected, _count(card, bundle), progress), predictions)
    stages = check.result() if check is not None else None
    failure = _failure(session, comparison, stages)
    if request.save is not None:
        incomplete = isinstance(failure, ProtocolError)
        write_predictions(request.save, predictions, complete=not incomplete)
    known = [(file.original, folder_label(file.source.absolute().as_posix(), bundle.labels)) for file in card.files]
    return RunResult(
        request=request,
        target=request.target or firmware.project.target,
        files=file_results(known, predictions, bundle.labels, request.top_k),
        predictions=predictions,
        skipped=card.skipped,
        session=session,
        comparison=comparison,
        failure=failure,
        stages=stages,
    )


def _count(card: Card, bundle: Bundle) -> int:
    return sum(len(window_starts(file.samples, bundle.config.window_samples)) for file in card.files)


def _read_board(
    firmware: Firmware, card: Card, identity: Identity, request: RunRequest, *, qemu: Path | None, progress: Progress
) -> SessionResult:
    total, came = _count(card, firmware.project.bundle), 0

    def tell(record: AnyRecord) -> None:
        nonlocal came
        if isinstance(record, Inference):
            came += 1
            progress.advance(came, total)

    progress.step(f"running {total} windows on {request.target or firmware.project.target}")
    with _booted(firmware, card, request, qemu) as board:
        return read_session(board.port, identity, silence_s=request.timeout_s, ended=board.ended, on_record=tell)


def _booted(
    firmware: Firmware, card: Card, request: RunRequest, qemu: Path | None
) -> AbstractContextManager[Emulation]:
    if qemu is None:
        return native(firmware.elf, card.folder)
    line = request.line or default_line()
    return emulated(firmware.elf, card.folder, qemu=qemu, line=line, icount=request.icount)


def _stage_check(session: SessionResult, card: Card) -> StageCheck:
    originals = {file.name: file.original for file in card.files}
    return StageCheck(replace(stage, file=originals.get(stage.file, stage.file)) for stage in session.stages)


def _predictions(session: SessionResult, card: Card) -> tuple[Prediction, ...]:
    """Gives the windows in the order of the card, with the names of the originals where the card has the file."""
    if session.hello is None:
        return ()
    originals = {file.name: file.original for file in card.files}
    return tuple(
        Prediction(
            file=originals.get(record.file, record.file),
            win=record.win,
            start=record.start,
            start_s=record.start / card.sample_rate,
            seq=record.seq,
            boot=record.boot,
            outputs=record.outputs,
            scores=scores_of(record.outputs, session.hello),
            us=record.us,
        )
        for record in sorted(session.inferences, key=lambda record: (record.file, record.win))
    )


def _failure(
    session: SessionResult, comparison: Comparison, stages: StageComparison | None = None
) -> DeployError | None:
    if session.golden_missed:
        return golden_failure(session.golden_missed)
    problems = [*session.problems, *(f"the board says: {error.text}" for error in session.errors)]
    for what, windows in (("never came", comparison.missing), ("came unasked", comparison.unexpected)):
        if windows:
            file, win, _ = windows[0]
            problems.append(f"{len(windows)} windows {what}, first window {win} of {file}")
    if stages is not None and stages.missing:
        problems.append(f"{stages.missing} of {stages.compared} stages never came")
    if problems:
        return ProtocolError(f"incomplete readback: {'; '.join(problems)}", where="board", fix=session.fix)
    if comparison.differences:
        first, number = comparison.differences[0], len(comparison.differences)
        where = f"; {stages.line}" if stages is not None else ""
        return CheckFailed(
            f"{number} of {comparison.expected} windows differ from the host by up to {comparison.max_lsb} "
            f"LSB, first window {first.win} of {first.file} in {first.values} outputs{where}",
            where="board",
            fix=_DIFFERS_FIX,
        )
    if stages is not None and stages.differences:
        return CheckFailed(f"the outputs agree, but {stages.line}", where="board", fix=_DIFFERS_FIX)
    return None


def result_json(result: RunResult) -> dict[str, Any]:
    """Gives a run as the object that ``--output-format json`` shows."""
    sums, session = totals(result.files), result.session
    return {
        "schema_version": SCHEMA_VERSION,
        "target": result.target,
        "files": [file_json(file, result.request.threshold) for file in result.files],
        "totals": {**asdict(sums), "skipped": len(result.skipped)},
        "comparison": comparison_json(result.comparison),
        **({} if result.stages is None else {"stages": result.stages.to_json()}),
        "readback": {**asdict(session.counts), "complete": session.complete},
        "error": None if result.failure is None else result.failure.line,
    }
