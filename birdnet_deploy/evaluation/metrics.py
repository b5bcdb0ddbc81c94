"""How well scores find what is there: pooling of windows, and scikit-learn's figures of one class.

``Ranked`` computes the same figures for many resamples at once; tests hold it to scikit-learn with sample weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Pooling = Literal["max", "mean", "lme"]
POOLINGS: tuple[Pooling, ...] = ("max", "mean", "lme")
TEMPERATURE = 10.0  # of LME: near the maximum, and still smooth
THRESHOLDS = (0.1, 0.25, 0.5)

Values = NDArray[np.floating[Any]]


def pool(scores: Values, pooling: Pooling, temperature: float = TEMPERATURE) -> NDArray[np.float64]:
    """Gives the scores ``[classes]`` of a file from those of its windows ``[windows, classes]``, at least one.

    ``lme`` is ``log(mean(exp(t x))) / t``: the mean for t near 0, the maximum for a great t. Source: Pinheiro and
    Collobert, From image-level to pixel-level labeling with convolutional networks (CVPR 2015), equation 6.
    """
    values = np.asarray(scores, np.float64)
    if pooling == "max":
        return np.asarray(values.max(axis=0))
    if pooling == "mean":
        return np.asarray(values.mean(axis=0))
    best = values.max(axis=0)
    return np.asarray(best + np.log(np.exp(temperature * (values - best)).mean(axis=0)) / temperature)


def measure_names(thresholds: Sequence[float]) -> tuple[str, ...]:
    """Gives the names of what ``measures`` and ``Ranked`` give, in their order."""
    ends = [f"@{threshold:g}" for threshold in thresholds]
    return ("average_precision", "roc_auc", *(f"precision{end}" for end in ends), *(f"recall{end}" for end in ends))


def measures(truth: NDArray[np.bool_], scores: Values, thresholds: Sequence[float]) -> NDArray[np.float64]:
    """Gives the figures ``[2 + 2 * thresholds]`` of one class over rows; NaN where one has no meaning.

    Average precision and recall need a positive row, ROC-AUC also a negative one, precision a score that reaches the
    threshold (``>=``). Equal scores count as one step of the ranking, as scikit-learn has it.
    """
    from sklearn.metrics import average_precision_score, precision_score, recall_score, roc_auc_score

    if not truth.any():
        return np.full(2 + 2 * len(thresholds), math.nan)
    found = [scores >= np.float32(threshold) for threshold in thresholds]
    return np.array([
        average_precision_score(truth, scores),
        math.nan if truth.all() else roc_auc_score(truth, scores),
        *(precision_score(truth, hits, zero_division=math.nan) for hits in found),
        *(recall_score(truth, hits) for hits in found),
    ])  # fmt: skip


class Ranked:
    """The rows of one class in the order of their scores, so that the figures of a resample are a few sums.

    ``units`` says which recording a row is of; ``figures`` takes how often each recording was drawn. Only the places
    where a run of equal scores with a positive row begins or ends, and the thresholds, need sums over rows.
    """

    def __init__(
        self, truth: NDArray[np.bool_], scores: Values, units: NDArray[np.int64], thresholds: Sequence[float]
    ) -> None:
        order = np.argsort(-scores, kind="stable")
        ranked, positive = scores[order], truth[order]
        runs = np.append(np.flatnonzero(np.diff(ranked, prepend=np.inf)), len(ranked))
        hits = np.unique(np.searchsorted(runs, np.flatnonzero(positive), side="right") - 1)
        starts, ends = runs[hits], runs[hits + 1]
        reached = [int((ranked >= np.float32(threshold)).sum()) for threshold in thresholds]
        places = np.unique(np.concatenate([[0], starts, ends, reached, [len(ranked)]]).astype(np.int64))
        before = np.concatenate([[0], np.cumsum(positive)])
        self._units, self._positive_units = units[order], units[order][positive]
        self._places, self._positives = places, before[places]
        self._starts, self._ends = np.searchsorted(places, starts), np.searchsorted(places, ends)
        self._reached = np.searchsorted(places, reached)

    def figures(self, drawn: NDArray[np.int32]) -> NDArray[np.float64]:
        """Gives the figures ``[2 + 2 * thresholds, resamples]`` for ``drawn`` ``[recordings, resamples]``."""
        sums = np.add.reduceat(drawn[self._units], self._places[:-1], axis=0, dtype=np.int32)
        everything = _running(sums.astype(np.int64))
        found = _running(drawn[self._positive_units].astype(np.int64))[self._positives]
        missed = everything - found
        positives, negatives = found[-1], missed[-1]
        steps = found[self._ends] - found[self._starts]
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = np.nan_to_num(found[self._ends] / everything[self._ends])
            average = (steps * precision).sum(axis=0) / positives
            # a positive row beats the negatives behind its run, and half of those in it
            beaten = (steps * (negatives - (missed[self._starts] + missed[self._ends]) / 2)).sum(axis=0)
            auc = beaten / (positives * negatives)
            right = found[self._reached]
            figures = np.vstack([average, auc, right / everything[self._reached], right / positives])
        figures[:, positives == 0] = math.nan
        return figures


def _running(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Gives the sums before each row and of all rows."""
    return np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
