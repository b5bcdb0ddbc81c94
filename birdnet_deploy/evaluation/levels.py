"""The figures of all classes and engines over the same rows (files, or windows), and how engines differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.evaluation.intervals import Array, Bootstrap, bounds, estimate, ratios, resamples
from birdnet_deploy.evaluation.metrics import Ranked, measure_names, measures
from birdnet_deploy.evaluation.spool import portions

_BLOCK_VALUES = 2**20  # scores in memory at once


@dataclass(frozen=True)
class Level:
    """Scores float32 ``[rows, engines, classes]``, truth bool ``[rows, classes]``, and the recording ``[rows]`` of each
    row, of ``recordings``."""

    engines: tuple[str, ...]
    scores: NDArray[np.float32]
    truth: NDArray[np.bool_]
    units: NDArray[np.int64]
    recordings: int

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Which engines are compared: each with each one before it."""
        return list(combinations(range(len(self.engines)), 2))


@dataclass
class _Macro:
    """Sums over the classes in which a figure has a meaning, ``[resamples, engines, measures]``."""

    total: Array
    count: Array

    def add(self, values: Array) -> None:
        self.total += np.nan_to_num(values).sum(axis=-1)
        self.count += (~np.isnan(values)).sum(axis=-1)

    @property
    def mean(self) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.total / self.count


def measure_level(
    level: Level, labels: Sequence[str], thresholds: Sequence[float], bootstrap: Bootstrap
) -> dict[str, Any]:
    """Gives the object of a level in ``summary.json``: figures and intervals by engine and class, and differences.

    A class without a positive row has no figures. ``macro`` is the mean over the classes in which a figure has a
    meaning, in a resample over those of that resample. A difference is of the second engine from the first on the same
    rows and the same resamples.
    """
    names = measure_names(thresholds)
    positives = np.sum([part.sum(axis=0) for part in portions(level.truth, _BLOCK_VALUES)], axis=0)
    classes = np.flatnonzero(positives)
    found = _Figures(level, labels, names, positives)
    shape = (len(level.engines), len(names))
    points, drawn = (_Macro(np.zeros((n, *shape)), np.zeros((n, *shape))) for n in (1, bootstrap.replicates))
    for block in _blocks(level, classes):
        values, resampled = _block_figures(level, block, thresholds, bootstrap)
        found.add_classes(block, values, resampled)
        points.add(values[None])
        drawn.add(resampled)
    found.add_macro(points.mean[0], drawn.mean)
    found.add_top1(*_top1(level, bootstrap))
    return {
        "rows": len(level.scores),
        "recordings": level.recordings,
        "classes_with_positives": len(classes),
        "engines": found.engines,
        "differences": found.differences,
    }


def _blocks(level: Level, classes: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Gives the classes in portions whose rankings fit into memory."""
    at_once = max(1, _BLOCK_VALUES // max(1, len(level.scores) * len(level.engines)))
    return [classes[start : start + at_once] for start in range(0, len(classes), at_once)]


def _block_figures(
    level: Level, block: NDArray[np.intp], thresholds: Sequence[float], bootstrap: Bootstrap
) -> tuple[Array, Array]:
    """Gives the figures ``[engines, measures, block]`` and those of resamples ``[resamples, engines, measures,
    block]``."""
    scores = np.concatenate([part[:, :, block] for part in portions(level.scores, _BLOCK_VALUES)])
    scores = np.ascontiguousarray(scores.transpose(1, 2, 0))
    truth = np.concatenate([part[:, block] for part in portions(level.truth, _BLOCK_VALUES)]).T.copy()
    points = np.array([[measures(t, s, thresholds) for t, s in zip(truth, found, strict=True)] for found in scores])
    ranked = [[Ranked(t, s, level.units, thresholds) for t, s in zip(truth, found, strict=True)] for found in scores]
    parts = []
    for drawn in resamples(level.recordings, bootstrap):
        figures = np.array([[one.figures(drawn) for one in engine] for engine in ranked])
        parts.append(figures.transpose(3, 0, 2, 1))
    return points.transpose(0, 2, 1), np.concatenate(parts)


def _top1(level: Level, bootstrap: Bootstrap) -> tuple[Array, Array]:
    """Gives the share ``[engines]`` of the rows with a label whose best class is one of theirs, and of resamples; of
    equal scores the first class counts."""
    right = np.zeros((level.recordings, len(level.engines)))
    known = np.zeros((level.recordings, 1))
    first = 0
    for scores in portions(level.scores, _BLOCK_VALUES):
        truth, units = level.truth[first : first + len(scores)], level.units[first : first + len(scores)]
        rows, first = truth.any(axis=1), first + len(scores)
        found = np.take_along_axis(truth[rows], scores[rows].argmax(axis=2), axis=1)
        np.add.at(right, units[rows], found)
        np.add.at(known[:, 0], units[rows], 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return right.sum(axis=0) / known.sum(axis=0), ratios(right, known, bootstrap)


class _Figures:
    """Collects estimates in the form of ``summary.json``."""

    def __init__(self, level: Level, labels: Sequence[str], names: Sequence[str], positives: NDArray[np.int64]) -> None:
        self._level, self._labels, self._names, self._positives = level, labels, names, positives
        self.engines: dict[str, Any] = {name: {"macro": {}, "classes": {}} for name in level.engines}
        self.differences: list[dict[str, Any]] = [
            {"from": level.engines[a], "to": level.engines[b], "macro": {}, "classes": {}} for a, b in level.pairs
        ]

    def add_classes(self, block: NDArray[np.intp], values: Array, resampled: Array) -> None:
        low, high = bounds(resampled)
        for number, engine in enumerate(self._level.engines):
            for place, index in enumerate(block):
                self.engines[engine]["classes"][self._labels[index]] = {
                    "positives": int(self._positives[index]),
                    **self._named(*(part[number, :, place] for part in (values, low, high))),
                }
        for entry, (a, b) in zip(self.differences, self._level.pairs, strict=True):
            low, high = bounds(resampled[:, b] - resampled[:, a])
            change = values[b] - values[a]
            for place, index in enumerate(block):
                entry["classes"][self._labels[index]] = self._named(
                    *(part[:, place] for part in (change, low, high))
                )  # fmt: skip

    def add_macro(self, values: Array, resampled: Array) -> None:
        low, high = bounds(resampled)
        for number, engine in enumerate(self._level.engines):
            self.engines[engine]["macro"] = self._named(values[number], low[number], high[number])
        for entry, (a, b) in zip(self.differences, self._level.pairs, strict=True):
            entry["macro"] = self._named(values[b] - values[a], *bounds(resampled[:, b] - resampled[:, a]))

    def add_top1(self, values: Array, resampled: Array) -> None:
        low, high = bounds(resampled)
        for number, engine in enumerate(self._level.engines):
            self.engines[engine]["top1"] = estimate(values[number], low[number], high[number])
        for entry, (a, b) in zip(self.differences, self._level.pairs, strict=True):
            entry["top1"] = estimate(values[b] - values[a], *bounds(resampled[:, b] - resampled[:, a]))

    def _named(self, values: Array, low: Array, high: Array) -> dict[str, Any]:
        return {name: estimate(*part) for name, *part in zip(self._names, values, low, high, strict=True)}
