"""Shards to one evaluation: the tables that a single run over the whole archive would have written."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from birdnet_deploy.errors import CheckFailed, OutputRefused, UsageError
from birdnet_deploy.evaluation.archive import Archive, names_sha256, open_archive
from birdnet_deploy.evaluation.finish import JOURNAL, Finish, SummaryRequest, finish, keep_copies, truth_of
from birdnet_deploy.evaluation.jobs import check_told, differences
from birdnet_deploy.evaluation.journal import Journal, held, open_journal
from birdnet_deploy.evaluation.records import GONE, head_of
from birdnet_deploy.support.progress import Progress, Silent

_SHOWN = 10  # missing shards that are named
_FIX_RUN = "run that shard again with --resume"


@dataclass(frozen=True)
class MergeRequest:
    """What ``merge`` is asked for; ``archive`` None is where the shards found it (its labels are looked up there)."""

    shards: tuple[Path, ...]
    output: Path
    archive: Path | None = None
    force: bool = False
    summary: SummaryRequest = field(default_factory=SummaryRequest)


@dataclass(frozen=True)
class _Shard:
    """One shard: its journal, and where each of its recordings is, sorted by name."""

    path: Path
    journal: Journal
    names: list[str]
    places: Any
    plan: dict[str, Any]


def merge(request: MergeRequest, progress: Progress | None = None) -> Finish:
    """Gives the tables of shards ``1/n`` to ``n/n`` of one evaluation.

    Raises: UsageError (2), ModelError where a folder has no journal (3), CheckFailed where a shard is missing, twice,
    not whole, or of another bundle, model, archive or tool (4), OutputRefused (5).
    """
    progress = progress or Silent()
    if not request.shards:
        raise UsageError("no shards named", fix="birdnet-deploy evaluate merge SHARD_1 SHARD_2 -o FOLDER")
    with ExitStack() as stack:
        progress.step(f"reading {len(request.shards)} shards")
        shards = []
        for path in request.shards:
            journal = stack.enter_context(open_journal(path / JOURNAL))
            shards.append(_read(path, journal))
        _check(shards)
        first = shards[0]
        archive = open_archive(request.archive or Path(first.plan["archive"]))
        _check_archive(archive, first)
        _prepare(request)
        stack.enter_context(held(request.output))
        truth = truth_of(archive, first.journal.header, request.summary)
        return finish(
            request.output, _in_order(shards, archive.names), first.journal.header, truth, request.summary, progress
        )


def _read(path: Path, journal: Journal) -> _Shard:
    """Gives what a journal holds; of a recording that it has twice the last counts."""
    found: dict[str, int] = {}
    check_told(journal.header, None, path)
    for place, record in journal.records():
        head = head_of(record)
        if head.status == GONE:
            found.pop(head.file, None)
        else:
            found[head.file] = place
    if journal.plan is None:
        raise CheckFailed("has not begun", where=path, fix=_FIX_RUN)
    check_told(journal.header, journal.plan, path)
    names = sorted(found)
    return _Shard(path, journal, names, np.array([found[name] for name in names], np.int64), journal.plan)


def _check(shards: Sequence[_Shard]) -> None:
    """Refuses shards that are not the parts of one evaluation."""
    first = shards[0]
    for other in shards[1:]:
        found = differences(first.journal.header["fingerprint"], other.journal.header["fingerprint"])
        if found:
            mixed = "mixed locks: " if any(line.startswith("lock ") for line in found) else "another evaluation: "
            raise CheckFailed(
                mixed + "; ".join(found[:3]), where=other.path, fix=f"merge shards of one bundle ({first.path} began)"
            )
        if other.plan["names_sha256"] != first.plan["names_sha256"]:
            raise CheckFailed(
                f"saw an archive of {other.plan['names']} recordings, not the {first.plan['names']} of {first.path}",
                where=other.path, fix="run the shards on the same archive, with --resume",
            )  # fmt: skip
    whole = [tuple(shard.plan["shard"] or (1, 1)) for shard in shards]
    count = whole[0][1]
    for shard, (number, of) in zip(shards, whole, strict=True):
        if of != count or whole.count((number, of)) > 1:
            what = f"is shard {number}/{of}" + (", which came before" if of == count else f", the first is of {count}")
            raise CheckFailed(what, where=shard.path, fix=f"name each of the {count} shards once")
    there = {number for number, _ in whole}
    missing = list(islice((f"{n}/{count}" for n in range(1, count + 1) if n not in there), _SHOWN))
    if missing:
        more = f" and {count - len(there) - _SHOWN} more" if count - len(there) > _SHOWN else ""
        raise CheckFailed(
            f"missing shards: {', '.join(missing)}{more}", where="merge", fix="name them too, or run them"
        )
    for shard in shards:
        if len(shard.names) != shard.plan["files"]:
            what = f"has {len(shard.names)} of {shard.plan['files']} recordings"
            raise CheckFailed(what, where=shard.path, fix=_FIX_RUN)


def _check_archive(archive: Archive, first: _Shard) -> None:
    if names_sha256(archive.names) != first.plan["names_sha256"]:
        raise CheckFailed(
            f"holds {len(archive.names)} recordings that are not the {first.plan['names']} of the shards",
            where=archive.root, fix="name the archive that the shards evaluated by --archive",
        )  # fmt: skip


def _prepare(request: MergeRequest) -> None:
    folder = request.output
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise OutputRefused(f"cannot write here ({error.strerror})", where=folder, fix="choose another -o") from error
    if others and not request.force:
        raise OutputRefused(f"holds {', '.join(others[:5])}", where=folder, fix="choose another -o, or --force")
    if request.force:
        keep_copies(folder)


def _in_order(shards: Sequence[_Shard], names: Sequence[str]) -> Iterator[tuple[Journal, int]]:
    """Yields where each recording of the archive is."""
    for name in names:
        for shard in shards:
            index = bisect_left(shard.names, name)
            if index < len(shard.names) and shard.names[index] == name:
                yield shard.journal, int(shard.places[index])
                break
