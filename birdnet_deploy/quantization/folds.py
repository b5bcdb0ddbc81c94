"""Folds of calibration windows, disjoint by file: what is chosen on some recordings is judged on others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Folds = NDArray[np.int64]


def assign_folds(files: Sequence[str], count: int) -> Folds:
    """Gives the fold of each window, from 0: at most ``count`` folds, every file in one, as even as files allow.

    The files with most windows are dealt first, each to the fold that has fewest windows. Fewer files than
    ``count`` give as many folds as files; one file gives a single fold, which cannot judge anything.
    """
    sizes = Counter(files)
    filled = [0] * max(1, min(count, len(sizes)))
    fold_of = {}
    for file, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        fold_of[file] = min(range(len(filled)), key=lambda fold: (filled[fold], fold))
        filled[fold_of[file]] += size
    return np.array([fold_of[file] for file in files], np.int64)
