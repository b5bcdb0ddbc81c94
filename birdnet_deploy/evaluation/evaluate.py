"""An evaluation from the archive to the tables: what is new is evaluated and kept, then everything is written in order.

The journal is the only state. Tables are made of it when all recordings are in it, so that they do not know how often a
run was killed, how many workers there were, or which shard evaluated what.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.errors import AudioError, CheckFailed, DeployError, ModelError, OutputRefused
from birdnet_deploy.evaluation.archive import Archive, names_sha256, open_archive, shard_of
from birdnet_deploy.evaluation.finish import JOURNAL, Finish, SummaryRequest, finish, keep_copies, truth_of
from birdnet_deploy.evaluation.jobs import Job, check_told, differences, fingerprint
from birdnet_deploy.evaluation.journal import Journal, create_journal, held, open_journal
from birdnet_deploy.evaluation.pool import Pool
from birdnet_deploy.evaluation.prepare import PREPARED, Prepared, Wanted, prepared
from birdnet_deploy.evaluation.records import GONE, Head, encode, head_of, shown_name
from birdnet_deploy.evaluation.results import OK, STATUSES
from birdnet_deploy.support.machine import physical_cores
from birdnet_deploy.support.progress import Progress, Silent

TIMEOUT_S = 120.0


class Runner(Protocol):
    """What evaluates recordings: worker processes of this machine, or a cluster."""

    @property
    def kernels(self) -> Mapping[str, str]:
        """What computes each engine."""

    def run(self, names: Iterable[str]) -> Iterator[bytes]:
        """Yields the record of each recording, in any order."""


StartRunner = Callable[[Job, Path], AbstractContextManager[Runner]]


@dataclass(frozen=True)
class EvaluateRequest:
    """What ``evaluate`` is asked for.

    ``shard`` is (i, n), the i-th of n parts from 1 on; ``workers`` None is one a physical core; ``timeout_s`` is the
    longest silence of a worker on a recording. ``start`` begins what evaluates, None for workers of this machine.
    """

    wanted: Wanted
    archive: Path
    output: Path
    shard: tuple[int, int] | None = None
    resume: bool = False
    force: bool = False
    strict: bool = False
    workers: int | None = None
    timeout_s: float = TIMEOUT_S
    summary: SummaryRequest = field(default_factory=SummaryRequest)
    start: StartRunner | None = None


@dataclass(frozen=True)
class Evaluation:
    """What a run did: recordings that were evaluated now and before, and what was written; ``finish`` is None of a
    shard, which ``merge`` finishes."""

    output: Path
    files: int
    evaluated: int
    statuses: Mapping[str, int]
    unentered: Sequence[str]
    finish: Finish | None
    shard: tuple[int, int] | None = None


def evaluate(request: EvaluateRequest, progress: Progress | None = None) -> Evaluation:
    """Gives the evaluation of an archive, resumed where asked for; a shard leaves its journal, a whole one its tables.

    Raises: UsageError, ConfigError (2), ModelError, LabelsError (3), AudioError with ``strict`` at the first recording
    that gave nothing (3), CheckFailed where what is to be resumed is another evaluation (4), OutputRefused (5),
    ToolchainError where the device twin needs a compiler (6).
    """
    progress = progress or Silent()
    archive = open_archive(request.archive)
    names = [name for name in archive.names if _is_mine(name, request.shard)]
    folder = request.output
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputRefused(f"cannot write here ({error.strerror})", where=folder, fix="choose another -o") from error
    with held(folder):
        _refuse_foreign(request)
        with prepared(request.wanted, folder / PREPARED, progress) as ready:
            header = _header(request, ready)
            truth_of(archive, header, request.summary)  # label files that are wrong are told before the work
            start = request.start or _local(request)
            with ExitStack() as stack:
                runner = stack.enter_context(start(ready.job, archive.root))
                with _journal(request, ready, header, runner) as journal:
                    recorded = _run(request, archive, names, journal, runner, progress)
                    stack.close()  # what evaluates needs no memory while tables are written
                    return _finished(request, archive, recorded, journal, progress)


def _is_mine(name: str, shard: tuple[int, int] | None) -> bool:
    return shard is None or shard_of(name, shard[1]) == shard[0]


def _local(request: EvaluateRequest) -> StartRunner:
    workers = request.workers or physical_cores()
    return lambda job, root: Pool(job, root, workers=workers, timeout_s=request.timeout_s)


def _refuse_foreign(request: EvaluateRequest) -> None:
    """Refuses a folder that holds something else, or an evaluation that nobody asked to go on with."""
    folder = request.output
    has_journal = (folder / JOURNAL).exists()
    if has_journal and not (request.resume or request.force):
        raise OutputRefused("holds an evaluation", where=folder, fix="--resume goes on with it, --force begins anew")
    others = [path.name for path in folder.iterdir() if not path.name.startswith(".") and path.name != PREPARED]
    if not has_journal and others and not request.force:
        listed = ", ".join(sorted(others)[:5])
        raise OutputRefused(f"holds other files ({listed})", where=folder, fix="choose another -o, or --force")


def _header(request: EvaluateRequest, ready: Prepared) -> dict[str, Any]:
    """Gives what a journal says of itself, but for what computes, which the workers know."""
    shard = list(request.shard) if request.shard else None
    told = {"job": ready.job.portable().to_json(), "labels": list(ready.labels), "shard": shard}
    return {**told, "calibrated": None if ready.calibrated is None else list(ready.calibrated)}


def _journal(request: EvaluateRequest, ready: Prepared, header: dict[str, Any], runner: Runner) -> Journal:
    """Gives the journal to go on with, or a new one.

    Raises: CheckFailed (exit 4) where the one that is there is of another evaluation.
    """
    path = request.output / JOURNAL
    kernels = dict(runner.kernels)
    told = {**header, "fingerprint": fingerprint(ready.job, ready.models, kernels), "kernels": kernels}
    if request.force and not request.resume:
        keep_copies(request.output)
    if not path.exists():
        return create_journal(path, told)
    journal = open_journal(path, append=True)
    try:
        check_told(journal.header, None, path)
    except DeployError:
        journal.close()
        raise
    found = differences(journal.header["fingerprint"], told["fingerprint"])
    found += [f"{name} differ" for name in ("labels", "shard") if journal.header[name] != told[name]]
    if found:
        journal.close()
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise CheckFailed(
            f"begun with other parameters: {'; '.join(found[:3])}{more}",
            where=request.output, fix="choose another -o, or --force to begin anew",
        )  # fmt: skip
    return journal


def _run(
    request: EvaluateRequest, archive: Archive, names: list[str], journal: Journal, runner: Runner, progress: Progress
) -> _Recorded:
    """Evaluates what the journal does not have; gives where it has each recording."""
    recorded = _recorded(journal, archive, names)
    plan = {
        "archive": str(request.archive.absolute()), "names": len(archive.names),
        "names_sha256": names_sha256(archive.names), "shard": journal.header["shard"], "files": len(names),
    }  # fmt: skip
    if journal.plan != plan:
        journal.set_plan(plan)
    missing = recorded.missing
    if request.strict:
        for place in recorded.lost:
            _refuse(head_of(journal.record_at(place)))
    done = len(names) - missing
    progress.step(f"evaluating {missing} recordings" + (f", {done} done before" if done else ""))
    waiting = (name for index, name in enumerate(names) if recorded.places[index] < 0)
    for record in runner.run(waiting):
        head = head_of(record)
        index = bisect_left(names, head.file)
        if recorded.places[index] >= 0:
            continue  # a cluster may compute one twice; the first counts
        recorded.note(index, journal.append(record), head.status)
        if request.strict:
            _refuse(head)
        progress.advance(missing - recorded.missing, missing)
    if recorded.missing:
        raise ModelError(f"{recorded.missing} recordings gave no record", where=request.output, fix="--resume")
    recorded.evaluated = missing
    return recorded


def _finished(
    request: EvaluateRequest, archive: Archive, recorded: _Recorded, journal: Journal, progress: Progress
) -> Evaluation:
    finished = None
    if request.shard is None:
        truth = truth_of(archive, journal.header, request.summary)
        where = ((journal, int(place)) for place in recorded.places)
        finished = finish(request.output, where, journal.header, truth, request.summary, progress)
    return Evaluation(
        request.output, len(recorded.places), recorded.evaluated, recorded.statuses, archive.unentered, finished,
        request.shard,
    )  # fmt: skip


class _Recorded:
    """Where the journal has each of ``count`` recordings (-1: nowhere), and what became of it."""

    def __init__(self, count: int) -> None:
        self.places: NDArray[np.int64] = np.full(count, -1, np.int64)
        self._kinds = np.zeros(count, np.int8)
        self.missing = count
        self.evaluated = 0  # in this run

    def note(self, index: int, place: int, status: str) -> None:
        """Notes where a recording is."""
        self.missing -= self.places[index] < 0
        self.places[index], self._kinds[index] = place, STATUSES.index(status)

    def forget(self, index: int) -> None:
        """Notes that a recording has to be evaluated again."""
        self.missing += self.places[index] >= 0
        self.places[index] = -1

    @property
    def statuses(self) -> dict[str, int]:
        """How many recordings have each status."""
        counts = np.bincount(self._kinds[self.places >= 0], minlength=len(STATUSES))
        return {kind: int(count) for kind, count in sorted(zip(STATUSES, counts, strict=True)) if count}

    @property
    def lost(self) -> list[int]:
        """The places of recordings without results."""
        return [int(place) for place in self.places[(self.places >= 0) & (self._kinds != STATUSES.index(OK))]]


def _recorded(journal: Journal, archive: Archive, names: list[str]) -> _Recorded:
    """Gives what the journal has; a file that has changed since counts as not evaluated.

    Recordings that are not in the archive any more are noted as gone.
    """
    recorded = _Recorded(len(names))
    stray: set[str] = set()
    for place, record in journal.records():
        head = head_of(record)
        index = bisect_left(names, head.file)
        if index == len(names) or names[index] != head.file:
            (stray.discard if head.status == GONE else stray.add)(head.file)
        elif head.status == GONE or _has_changed(archive.path(head.file), head):
            recorded.forget(index)
        else:
            recorded.note(index, place, head.status)
    journal.cut()
    for name in sorted(stray):
        journal.append(encode(Head(name, "", GONE)))
    return recorded


def _has_changed(path: Path, head: Head) -> bool:
    try:
        found = path.stat()
    except OSError:
        return bool(head.bytes or head.mtime_ns)
    return (found.st_size, found.st_mtime_ns) != (head.bytes, head.mtime_ns)


def _refuse(head: Head) -> None:
    if head.status != OK:
        raise AudioError(
            f"{head.status}: {head.detail}", where=shown_name(head.file), fix="mend or remove it, or leave --strict out"
        )
