"""Bootstrap intervals: recordings are drawn with replacement, and all that is compared is computed on the same draw.

The unit is the recording, because the windows of one are alike. Intervals are percentiles of the resamples (Efron and
Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13): docs/adr/0022 says why not BCa.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.support.alike import rounded

REPLICATES = 1000
SEED = 1
LEVEL = 0.95
_LEAST = 0.5  # share of the resamples in which a figure must have a meaning, for an interval
_DRAWS_AT_ONCE = 2**19  # numbers in memory
_COLUMNS = 64

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Bootstrap:
    """How many resamples, and the seed of their numbers."""

    replicates: int = REPLICATES
    seed: int = SEED


def resamples(units: int, bootstrap: Bootstrap) -> Iterator[NDArray[np.int32]]:
    """Yields how often each recording was drawn, int32 ``[units, resamples]``, the same numbers each time."""
    random = np.random.default_rng(bootstrap.seed)
    at_once = max(1, min(_COLUMNS, _DRAWS_AT_ONCE // max(units, 1)))
    for start in range(0, bootstrap.replicates, at_once):
        columns = min(at_once, bootstrap.replicates - start)
        drawn = np.empty((units, columns), np.int32)
        for column in range(columns):
            drawn[:, column] = np.bincount(random.integers(0, units, units), minlength=units)
        yield drawn


def bounds(values: Array) -> tuple[Array, Array]:
    """Gives the lower and upper bound of each column from resamples ``[resamples, ...]``.

    Resamples in which a figure has no meaning (NaN) are left out; where they are more than half, the bounds are NaN.
    """
    edges = (50 * (1 - LEVEL), 50 * (1 + LEVEL))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column of NaN alone
        low, high = np.nanpercentile(values, edges, axis=0)
    scarce = np.isnan(values).mean(axis=0) > _LEAST
    return np.where(scarce, np.nan, low), np.where(scarce, np.nan, high)


def ratios(above: Array, below: Array, bootstrap: Bootstrap) -> Array:
    """Gives ``sum(above) / sum(below)`` for each resample, ``[resamples, figures]``, of ``[recordings, figures]``."""
    found = []
    for drawn in resamples(len(above), bootstrap):
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append((drawn.T @ above) / (drawn.T @ below))
    return np.concatenate(found)


def estimate(value: Any, low: Any, high: Any) -> dict[str, float | None]:
    """Gives a figure with its interval as it is reported; None where it has no meaning."""
    parts = {"value": value, "low": low, "high": high}
    return {name: None if np.isnan(part) else rounded(part) + 0.0 for name, part in parts.items()}
