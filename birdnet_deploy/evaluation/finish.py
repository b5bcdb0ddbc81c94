"""From journals to what people read: ``results.*``, ``files.csv`` and ``summary.json``, the same bytes from the same
records, however many runs, workers or shards made them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from birdnet_deploy.evaluation.archive import Archive
from birdnet_deploy.evaluation.intervals import Bootstrap
from birdnet_deploy.evaluation.jobs import job_from_json
from birdnet_deploy.evaluation.journal import Journal
from birdnet_deploy.evaluation.labels import Truth
from birdnet_deploy.evaluation.metrics import TEMPERATURE, THRESHOLDS, Pooling
from birdnet_deploy.evaluation.output import FILES_FILE, FORMATS, RESULTS, SUMMARY_FILE, Format, written
from birdnet_deploy.evaluation.records import decode
from birdnet_deploy.evaluation.results import OK, FileResult
from birdnet_deploy.evaluation.summary import Summary, SummaryOptions, summarise
from birdnet_deploy.model.config import config_from_mapping
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.files import replaced_text
from birdnet_deploy.support.progress import Progress
from birdnet_deploy.support.publish import free_name

JOURNAL = "journal.bin"
_SHOWN = 20  # recordings without results that are named

Places = Iterable[tuple[Journal, int]]  # in the order of the tables


@dataclass(frozen=True)
class SummaryRequest:
    """How figures are computed; ``labels_from`` are label files, or folders of them, beside what the archive has."""

    labels_from: tuple[Path, ...] = ()
    pooling: Pooling = "mean"
    temperature: float = TEMPERATURE
    thresholds: tuple[float, ...] = THRESHOLDS
    bootstrap: Bootstrap = field(default_factory=Bootstrap)
    form: Format = "parquet"
    strict: bool = False


@dataclass(frozen=True)
class Finish:
    """What was written, and what it says; ``lost`` are the first recordings without results: (name, status, why)."""

    written: tuple[Path, ...]
    summary: Summary
    windows: int
    statuses: Mapping[str, int]
    lost: Sequence[tuple[str, str, str]]


def truth_of(archive: Archive, header: Mapping[str, Any], request: SummaryRequest) -> Truth:
    """Gives what is truly in the recordings of an archive, as far as somebody says it.

    Raises: LabelsError (exit 3) for a label file that is wrong.
    """
    config = config_from_mapping(header["job"]["config"])
    manifest = [archive.manifest] if archive.manifest is not None and archive.labelled else []
    return Truth(
        header["labels"], archive.root, [*request.labels_from, *manifest],
        window_s=config.chunk_duration, strict=request.strict,
    )  # fmt: skip


def finish(
    folder: Path, places: Places, header: Mapping[str, Any], truth: Truth, request: SummaryRequest, progress: Progress
) -> Finish:
    """Gives what was written of the records at ``places``; memory does not grow with them.

    Raises: OutputRefused (exit 5) where it cannot be written; as ``summarise``.
    """
    counted = _Counted()
    config = config_from_mapping(header["job"]["config"])
    options = SummaryOptions(
        window_s=config.chunk_duration, pooling=request.pooling, temperature=request.temperature,
        thresholds=request.thresholds, bootstrap=request.bootstrap,
        calibrated=None if header.get("calibrated") is None else frozenset(header["calibrated"]),
    )  # fmt: skip
    results = counted.passed(_results(places, header))
    with written(results, folder, request.form, header["fingerprint"]["lock"]) as passed:
        summary = summarise(passed, truth, options, progress)
    with replaced_text(folder / SUMMARY_FILE) as file:
        file.write(jsonfile.dumps({**summary.data, "fingerprint": header["fingerprint"]}))
    names = (f"{RESULTS}.{request.form}", FILES_FILE, SUMMARY_FILE)
    return Finish(
        tuple(folder / name for name in names), summary, counted.windows, dict(sorted(counted.statuses.items())),
        tuple(counted.lost),
    )  # fmt: skip


def _results(places: Places, header: Mapping[str, Any]) -> Iterator[FileResult]:
    job = job_from_json(header["job"])
    for journal, place in places:
        yield decode(journal.record_at(place), job, header["kernels"])


class _Counted:
    """Counts results as they go by."""

    def __init__(self) -> None:
        self.windows = 0
        self.statuses: Counter[str] = Counter()
        self.lost: list[tuple[str, str, str]] = []

    def passed(self, results: Iterable[FileResult]) -> Iterator[FileResult]:
        """Gives the results again."""
        for result in results:
            self.windows += result.windows
            self.statuses[result.status] += 1
            if result.status != OK and len(self.lost) < _SHOWN:
                self.lost.append((result.file, result.status, result.detail))
            yield result


def keep_copies(folder: Path) -> None:
    """Puts what an evaluation would replace in ``folder`` aside, as ``<name>.bak-N``."""
    tables = (f"{RESULTS}.{form}" for form in FORMATS)
    for name in (JOURNAL, *tables, FILES_FILE, SUMMARY_FILE):
        path = folder / name
        if path.exists() or path.is_symlink():
            path.rename(free_name(path))
