"""Which samples of a recording make a window: one rule for calibration, card and firmware."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def window_starts(samples: int, window: int, hop: int | None = None) -> list[int]:
    """Gives the first sample of each window of a recording of ``samples`` samples, ascending.

    Windows step by ``hop`` samples (default: half a window) while they fit; where the end is not covered, one
    more is right-aligned to it. A recording shorter than a window has one window at 0 (``window_at`` pads
    it); an empty one has none.
    """
    step = max(1, window // 2) if hop is None else hop
    if window < 1 or step < 1:
        raise ValueError(f"window {window} and hop {step} must be at least 1 sample")
    if samples <= window:
        return [0] if samples > 0 else []
    starts = list(range(0, samples - window + 1, step))
    if starts[-1] + window < samples:
        starts.append(samples - window)
    return starts


def window_at(pcm: NDArray[np.int16], start: int, window: int) -> NDArray[np.int16]:
    """Gives ``window`` int16 samples from ``start`` on, zero-padded at the end; a copy where it is padded."""
    piece = pcm[start : start + window]
    if len(piece) == window:
        return piece
    padded = np.zeros(window, dtype=np.int16)
    padded[: len(piece)] = piece
    return padded
