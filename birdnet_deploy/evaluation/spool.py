"""Rows that do not have to fit into memory: written to a temporary file, then mapped."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from birdnet_deploy.support.closing import Closing


class Spool(Closing):
    """A growing array ``[rows, *shape]`` on the disk; its file has no name and goes when the spool is closed."""

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._shape, self._dtype = shape, np.dtype(dtype)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the spool
        self.rows = 0

    def close(self) -> None:
        """Closes it, and with that removes its file."""
        self._file.close()

    def add(self, rows: NDArray[Any]) -> None:
        """Appends rows ``[n, *shape]``."""
        taken = np.ascontiguousarray(rows, self._dtype).reshape(-1, *self._shape)
        self._file.write(taken.data if taken.size else b"")
        self.rows += len(taken)

    def array(self) -> NDArray[Any]:
        """Gives all rows; they are read from the disk where they are looked at."""
        if not self.rows:
            return np.empty((0, *self._shape), self._dtype)
        self._file.flush()
        return np.memmap(self._file, self._dtype, mode="r", shape=(self.rows, *self._shape))


def portions(rows: NDArray[Any], values: int) -> Iterator[NDArray[Any]]:
    """Yields all rows in slices of about ``values`` values; of a spool only the last of them stays in memory."""
    at_once = max(1, values // max(1, rows[:1].size))
    for first in range(0, len(rows), at_once):
        yield rows[first : first + at_once]
        if isinstance(rows.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            rows.base.madvise(mmap.MADV_DONTNEED)
