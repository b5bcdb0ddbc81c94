"""Figures of how alike two sets of outputs are; pure numpy, rounded to stated digits where they are reported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

DIGITS = 4  # of cosines, shares and score errors
DB_DIGITS = 2
CONFIDENT = 0.25  # float score above which a changed top species hurts
CONFIDENCE_EDGES = (0.1, 0.25, 0.5, 0.9)  # of the float model's best score; a bin holds its upper edge
TOP = 5
_Z = 1.959963984540054  # the normal quantile of 97.5 %: two-sided 95 %

Values = NDArray[np.floating[Any]]


def rounded(value: Any) -> float:
    """Gives a cosine, share or error as it is reported."""
    return round(float(value), DIGITS)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Gives the 95 % Wilson score interval of a share; (0, 1) where nothing was tried.

    Source: Wilson, Probable inference, the law of succession, and statistical inference (JASA 22, 1927).
    """
    if trials == 0:
        return 0.0, 1.0
    share, z2 = successes / trials, _Z * _Z
    centre = share + z2 / (2 * trials)
    half = _Z * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    low, high = ((centre + sign * half) / (1 + z2 / trials) for sign in (-1, 1))
    return (0.0 if successes == 0 else low), (1.0 if successes == trials else high)


def counted(hits: NDArray[np.bool_]) -> dict[str, Any]:
    """Gives ``agreed`` of ``windows``, the share (None of nothing) and its Wilson interval."""
    agreed, windows = int(hits.sum()), len(hits)
    return {
        "agreed": agreed,
        "windows": windows,
        "share": rounded(agreed / windows) if windows else None,
        "interval": [rounded(end) for end in wilson(agreed, windows)],
    }


def cosines(wanted: ArrayLike, got: ArrayLike) -> NDArray[np.float64]:
    """Gives the cosine of each row; two rows of zeros are alike, one row of zeros is unlike any other."""
    first, second = np.asarray(wanted, np.float64), np.asarray(got, np.float64)
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    both_zero = ~first.any(axis=1) & ~second.any(axis=1)
    products = (first * second).sum(axis=1)
    return np.where(both_zero, 1.0, np.divide(products, norms, out=np.zeros_like(norms), where=norms > 0))


def top_agreement(wanted: Values, got: Values, top: int = TOP) -> float:
    """Gives the mean share of the ``top`` best classes that both have; of equal scores the first class counts."""
    top = min(top, wanted.shape[1])
    best = [np.argsort(-scores, axis=1, kind="stable")[:, :top] for scores in (wanted, got)]
    shares = [len(set(a.tolist()) & set(b.tolist())) / top for a, b in zip(*best, strict=True)]
    return float(np.mean(shares))


def sqnr_db(wanted: ArrayLike, got: ArrayLike, *, centred: bool = False) -> float | None:
    """Gives the energy of ``wanted`` over that of the error in dB; None where there is no signal or no noise.

    ``centred`` takes the mean over windows of each value off the signal: what tells windows apart, not what all share.
    """
    signal, value = np.asarray(wanted, np.float64), np.asarray(got, np.float64)
    noise = float(np.square(signal - value).sum())
    if centred:
        signal = signal - signal.mean(axis=0)
    return decibels(float(np.square(signal).sum()), noise)


def decibels(signal: float, noise: float) -> float | None:
    """Gives the ratio of two energies in dB; None where one of them is nothing."""
    return round(10.0 * math.log10(signal / noise), DB_DIGITS) if signal > 0 and noise > 0 else None


def ties(wanted: Values, got: Values) -> dict[str, int]:
    """Gives in how many windows several classes share the best score, of float and of int8, and in how many the float
    model's best class is among the best of int8."""

    def shared(scores: Values) -> int:
        return int(((scores == scores.max(axis=1, keepdims=True)).sum(axis=1) > 1).sum())

    best = got.max(axis=1)
    among = got[np.arange(len(got)), wanted.argmax(axis=1)] == best
    return {"float_windows": shared(wanted), "int8_windows": shared(got), "agreed_counting_ties": int(among.sum())}


def confidence_bins(wanted: Values) -> NDArray[np.intp]:
    """Gives the bin of each window's best score, from 0 below the first edge on; a bin holds its upper edge."""
    return np.asarray(np.searchsorted(CONFIDENCE_EDGES, wanted.max(axis=1), side="left"))


def by_confidence(wanted: Values, agrees: NDArray[np.bool_]) -> list[Mapping[str, Any]]:
    """Gives the agreement in bins of the float model's best score, lowest first; ``to`` is None for the last."""
    places = confidence_bins(wanted)
    edges = (None, *CONFIDENCE_EDGES, None)
    bins = range(len(CONFIDENCE_EDGES) + 1)
    return [{"above": edges[i], "to": edges[i + 1], **counted(agrees[places == i])} for i in bins]
