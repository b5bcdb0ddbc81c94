"""Which samples of a recording make a window: one rule for calibration, card and firmware."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Samples(Protocol):
    """A recording that windows are cut of: an array, or a file that is read where it is asked for."""

    def __len__(self) -> int:
        """Gives the number of samples."""

    def __getitem__(self, part: slice, /) -> NDArray[np.int16]:
        """Gives some of them."""


def window_starts(samples: int, window: int, hop: int | None = None) -> list[int]:
    """Gives the first sample of each window of a recording of ``samples`` samples, ascending.

    Windows step by ``hop`` samples (default: half a window) while they fit; where the end is not covered, one
    more is right-aligned to it. A recording shorter than a window has one window at 0 (``window_at`` pads
    it); an empty one has none.
    """
    step = _step(window, hop)
    if samples <= window:
        return [0] if samples > 0 else []
    starts = list(range(0, samples - window + 1, step))
    if starts[-1] + window < samples:
        starts.append(samples - window)
    return starts


def windows_of_blocks(
    blocks: Iterable[NDArray[np.int16]], window: int, hop: int | None = None
) -> Iterator[tuple[int, NDArray[np.int16]]]:  # fmt: skip
    """Yields start and samples of each window of a recording that comes in blocks.

    They are those of ``window_starts``; a recording shorter than a window has one that is as short. Memory holds a
    window and a block, which the samples are views of.
    """
    step, held, at, upcoming = _step(window, hop), np.empty(0, dtype=np.int16), 0, 0
    for block in blocks:
        held = np.concatenate([held, block])
        while upcoming + window <= at + len(held):
            yield upcoming, held[upcoming - at : upcoming - at + window]
            upcoming += step
        kept = max(0, min(upcoming - at, len(held) - window))  # the last window is aligned to the end
        held, at = held[kept:], at + kept
    total = at + len(held)
    if 0 < total < window:
        yield 0, held
    elif total and upcoming - step + window < total:
        yield total - window, held[-window:]


def _step(window: int, hop: int | None) -> int:
    step = max(1, window // 2) if hop is None else hop
    if window < 1 or step < 1:
        raise ValueError(f"window {window} and hop {step} must be at least 1 sample")
    return step


def energy(samples: NDArray[np.int16]) -> float:
    """Gives the mean square of samples around their mean; from exact integer sums, so that every machine agrees."""
    values = samples.astype(np.int64)
    count, total, squares = len(values), int(values.sum()), int((values * values).sum())
    return (squares * count - total * total) / count**2


def window_at(pcm: Samples, start: int, window: int) -> NDArray[np.int16]:
    """Gives ``window`` int16 samples from ``start`` on, zero-padded at the end; a copy where it is padded."""
    piece = pcm[start : start + window]
    if len(piece) == window:
        return piece
    padded = np.zeros(window, dtype=np.int16)
    padded[: len(piece)] = piece
    return padded
