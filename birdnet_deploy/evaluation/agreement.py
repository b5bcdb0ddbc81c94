"""How alike the outputs of two engines are, over all windows, labelled or not; intervals by recording."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.evaluation.intervals import Array, Bootstrap, bounds, estimate, ratios
from birdnet_deploy.evaluation.spool import Spool
from birdnet_deploy.support.alike import CONFIDENCE_EDGES, CONFIDENT, confidence_bins, cosines, rounded
from birdnet_deploy.support.closing import Closing

_BINS = len(CONFIDENCE_EDGES) + 1
_WINDOWS, _AGREED, _CONFIDENT, _CONFIDENT_AGREED, _COSINE, _EQUAL = range(6)
_SUMS = 6 + 2 * _BINS  # behind these: the windows of each bin, and those that agree
_WINDOWS_AT_ONCE = 4096


class Agreement(Closing):
    """Sums over the windows of each recording, for every pair of engines; memory does not grow with recordings.

    The first engine of a pair is the measure: a window is confident where its best score is above 0.25, and its bin is
    that of its best score (`support/alike.py`, which ``convert`` reports with too).
    """

    def __init__(self, engines: Sequence[str]) -> None:
        self.engines = tuple(engines)
        self._pairs = list(combinations(range(len(engines)), 2))
        self._sums = Spool((len(self._pairs), _SUMS), np.float64)
        self._least = np.ones(len(self._pairs))
        self._steps: list[int | None] = [None] * len(self._pairs)
        self._held: list[tuple[NDArray[Any], list[NDArray[np.int8] | None]]] = []

    def close(self) -> None:
        """Lets go of the sums."""
        self._sums.close()

    def add(self, scores: NDArray[np.float32], outputs: list[NDArray[np.int8] | None]) -> None:
        """Takes the windows of one recording: scores ``[engines, windows, classes]``, int8 outputs where there are."""
        self._held.append((scores, outputs))
        if sum(held.shape[1] for held, _ in self._held) >= _WINDOWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if not self._held or not self._pairs:
            self._held = []
            return
        scores = np.concatenate([held for held, _ in self._held], axis=1)
        counts = [held.shape[1] for held, _ in self._held]
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        sums = np.empty((len(counts), len(self._pairs), _SUMS))
        for number, (a, b) in enumerate(self._pairs):
            columns = _columns(scores[a], scores[b])
            self._least[number] = min(self._least[number], columns[:, _COSINE].min())
            columns[:, _EQUAL] = self._equal(number, a, b)
            sums[:, number] = np.add.reduceat(columns, starts, axis=0)
        self._sums.add(sums)
        self._held = []

    def _equal(self, number: int, a: int, b: int) -> NDArray[np.bool_]:
        """Gives which windows have the same int8 outputs; keeps the greatest difference. Float has no such outputs."""
        found = []
        for held, outputs in self._held:
            first, second = outputs[a], outputs[b]
            if first is None or second is None:
                found.append(np.zeros(held.shape[1], bool))
                continue
            steps = np.abs(first.astype(np.int16) - second).max(axis=1)
            self._steps[number] = max(self._steps[number] or 0, int(steps.max()))
            found.append(steps == 0)
        return np.concatenate(found)

    def figures(self, bootstrap: Bootstrap) -> list[dict[str, Any]]:
        """Gives an object for each pair of engines."""
        self._flush()
        sums = np.asarray(self._sums.array())
        return (
            [self._pair(number, sums[:, number], bootstrap) for number in range(len(self._pairs))] if len(sums) else []
        )

    def _pair(self, number: int, sums: Array, bootstrap: Bootstrap) -> dict[str, Any]:
        bins = 6 + np.arange(_BINS)
        above = sums[:, [_AGREED, _CONFIDENT_AGREED, _COSINE, _EQUAL, *(bins + _BINS)]]
        below = sums[:, [_WINDOWS, _CONFIDENT, _WINDOWS, _WINDOWS, *bins]]
        with np.errstate(divide="ignore", invalid="ignore"):
            values = above.sum(axis=0) / below.sum(axis=0)
        low, high = bounds(ratios(above, below, bootstrap))
        found = [estimate(*parts) for parts in zip(values, low, high, strict=True)]
        edges = (None, *CONFIDENCE_EDGES, None)
        counts = below.sum(axis=0).astype(int).tolist()
        a, b = self._pairs[number]
        return {
            "from": self.engines[a],
            "to": self.engines[b],
            "windows": counts[0],
            "top1": found[0],
            "confident": {"above": CONFIDENT, "windows": counts[1], "top1": found[1]},
            "cosine": {**found[2], "min": rounded(self._least[number])},
            "outputs": None if self._steps[number] is None else {"equal": found[3], "max_steps": self._steps[number]},
            "by_confidence": [
                {"above": edges[i], "to": edges[i + 1], "windows": counts[4 + i], "top1": found[4 + i]}
                for i in range(_BINS)
            ],
        }


def _columns(wanted: NDArray[np.float32], got: NDArray[np.float32]) -> Array:
    """Gives what is summed, ``[windows, figures]``."""
    columns = np.zeros((len(wanted), _SUMS))
    agrees, confident = wanted.argmax(axis=1) == got.argmax(axis=1), wanted.max(axis=1) > CONFIDENT
    columns[:, _WINDOWS], columns[:, _AGREED] = 1, agrees
    columns[:, _CONFIDENT], columns[:, _CONFIDENT_AGREED] = confident, confident & agrees
    columns[:, _COSINE] = cosines(wanted, got)
    rows, places = np.arange(len(wanted)), confidence_bins(wanted)
    columns[rows, 6 + places] = 1
    columns[rows, 6 + _BINS + places] = agrees
    return columns
