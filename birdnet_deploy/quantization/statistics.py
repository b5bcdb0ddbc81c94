"""What every activation of a float graph takes for values, in one pass over the windows, apart for each fold.

A tensor's values are counted in bins of the float32 format itself (sign, exponent, five bits of mantissa): the same
for every tensor and window, within 3 % of any value, and additive, so that the statistics of all folds but one are
a sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.tflite.floats import activation_tensors, activations, read_once

_DROPPED_BITS = 18  # of the 23 of a mantissa
BINS = 1 << (32 - _DROPPED_BITS)

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TensorStatistics:
    """One tensor's values: ``low`` and ``high`` of each window, and counts ``[folds, BINS]``."""

    low: Floats
    high: Floats
    counts: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Statistics:
    """The statistics of each activation, by tensor index, and the fold of each window."""

    tensors: Mapping[int, TensorStatistics]
    folds: NDArray[np.int64]

    @property
    def fold_count(self) -> int:
        """The number of folds."""
        return int(self.folds.max()) + 1


def gather_statistics(model: bytes, windows: Floats, folds: Sequence[int], *, counts: bool = True) -> Statistics:
    """Gives the statistics of every activation of a float ``.tflite``; ``folds`` has one number a window, from 0.

    Without ``counts`` only the extremes are taken, and all counts are 0.

    Raises: ModelError (exit 3) where LiteRT refuses the model.
    """
    keep = activation_tensors(read_once(model))
    numbers = np.asarray(folds, np.int64)
    count = int(numbers.max()) + 1
    found = {
        index: TensorStatistics(
            np.empty(len(windows), np.float32), np.empty(len(windows), np.float32), np.zeros((count, BINS), np.int64)
        )
        for index in keep
    }
    for number, values in enumerate(activations(model, windows, keep)):
        for index, value in values.items():
            tensor = found[index]
            tensor.low[number], tensor.high[number] = value.min(), value.max()
            if not counts:
                continue
            bits = np.ascontiguousarray(value).view(np.uint32).ravel() >> _DROPPED_BITS
            tensor.counts[numbers[number]] += np.bincount(bits, minlength=BINS)
    return Statistics(found, numbers)


@lru_cache(maxsize=1)
def bin_values() -> NDArray[np.float64]:
    """Gives the middle of each bin; not finite for the bins of infinity and NaN."""
    bits = (np.arange(BINS, dtype=np.uint32) << _DROPPED_BITS) | np.uint32(1 << (_DROPPED_BITS - 1))
    with np.errstate(invalid="ignore"):
        values = bits.view(np.float32).astype(np.float64)
    values[np.abs(values) < 1e-38] = 0.0
    return values
