"""The figures of an evaluation: what engines find, how they differ and agree; ``summary.json``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from birdnet_deploy.evaluation.collect import Collector
from birdnet_deploy.evaluation.intervals import LEVEL, Bootstrap
from birdnet_deploy.evaluation.labels import MIN_OVERLAP_S, Truth
from birdnet_deploy.evaluation.levels import Level, measure_level
from birdnet_deploy.evaluation.metrics import TEMPERATURE, THRESHOLDS, Pooling
from birdnet_deploy.evaluation.results import FileResult
from birdnet_deploy.support.progress import Progress, Silent

SCHEMA_VERSION = 1
_SHOWN = 50  # labels that the model lacks


@dataclass(frozen=True)
class SummaryOptions:
    """How files are scored and figures computed; ``window_s`` is the length of the model's window in seconds.

    ``calibrated`` are the SHA-256 of the recordings that calibrated the model, None where that is not known.
    """

    window_s: float
    pooling: Pooling = "mean"
    temperature: float = TEMPERATURE
    thresholds: tuple[float, ...] = THRESHOLDS
    overlap_s: float = MIN_OVERLAP_S
    bootstrap: Bootstrap = field(default_factory=Bootstrap)
    calibrated: frozenset[str] | None = None


@dataclass(frozen=True)
class Summary:
    """The content of ``summary.json``."""

    data: dict[str, Any]

    @property
    def engines(self) -> list[str]:
        """The engines that ran."""
        return list(self.data["engines"])


def summarise(
    results: Iterable[FileResult], truth: Truth, options: SummaryOptions, progress: Progress | None = None
) -> Summary:
    """Gives the figures of results that come one recording at a time; the same results give the same figures.

    Memory does not grow with recordings: scores of labelled ones go through temporary files.

    Raises: CheckFailed (exit 4) where recordings were evaluated by different engines or models; LabelsError (exit 3)
    for a table beside a recording where the truth is strict.
    """
    progress = progress or Silent()
    calibrated = options.calibrated or frozenset()
    with Collector(
        truth, options.pooling, options.temperature, options.window_s, options.overlap_s, calibrated
    ) as collected:
        progress.step("reading results")
        collected.take(results)
        progress.step("computing figures and intervals")
        files, windows = collected.levels()
        agreement = [] if collected.agreement is None else collected.agreement.figures(options.bootstrap)
        return Summary({
            "schema_version": SCHEMA_VERSION,
            "engines": list(collected.engines),
            "kernels": collected.kernels,
            "files": dict(sorted(collected.statuses.items())),
            "windows": collected.windows,
            "calibrated": None if options.calibrated is None else collected.calibrated,
            "truth": _coverage(truth, collected.labelled),
            "pooling": _pooling(options),
            "bootstrap": {**asdict(options.bootstrap), "level": LEVEL, "method": "percentile", "unit": "recording"},
            "thresholds": list(options.thresholds),
            "by_file": _measured(files, truth, options),
            "by_window": _measured(windows, truth, options),
            "agreement": agreement,
        })  # fmt: skip


def _pooling(options: SummaryOptions) -> dict[str, Any]:
    return {"name": options.pooling, "temperature": options.temperature if options.pooling == "lme" else None}


def _measured(level: Level | None, truth: Truth, options: SummaryOptions) -> dict[str, Any] | None:
    return None if level is None else measure_level(level, truth.labels, options.thresholds, options.bootstrap)


def _coverage(truth: Truth, labelled: int) -> dict[str, Any]:
    coverage = truth.coverage
    unknown = sorted(coverage.unknown.items(), key=lambda item: (-item[1], item[0]))
    return {
        "labelled": labelled,
        "unlabelled": coverage.unlabelled,
        "only_unknown_labels": coverage.only_unknown,
        "unknown_labels": len(unknown),
        "most_unknown": [{"label": label, "lines": lines} for label, lines in unknown[:_SHOWN]],
        "broken_tables": coverage.broken_tables,
        "broken": coverage.broken,
    }
