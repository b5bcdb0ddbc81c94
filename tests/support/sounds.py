"""Windows of sound on which a frontend shows its faults; each is int16, made here, the same on every run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pcm16(sound: NDArray[np.float64]) -> NDArray[np.int16]:
    """Gives sound in [-1, 1] as PCM16."""
    return np.clip(np.rint(32768 * sound), -32768, 32767).astype(np.int16)


def hard_windows(samples: int, sample_rate: int) -> dict[str, NDArray[np.int16]]:
    """Gives named windows: noise, a chirp, silence, clicks, full scale, DC, single steps, a short recording."""
    random = np.random.default_rng(7)
    time = np.arange(samples) / sample_rate
    noise = random.standard_normal(samples)
    click, step, end = np.zeros(samples), np.zeros(samples), np.zeros(samples)
    click[samples // 2 - 77] = 1.0
    step[samples // 3] = 1 / 32768
    end[-1] = -1.0
    short = np.where(np.arange(samples) < samples // 7, 0.1 * noise, 0)
    return {
        "noise": pcm16(0.1 * noise),
        "chirp": pcm16(0.5 * np.sin(2 * np.pi * (200 + 0.2 * sample_rate / time[-1] * time) * time)),
        "silence": pcm16(np.zeros(samples)),
        "click": pcm16(click),
        "last sample": pcm16(end),
        "full-scale square": pcm16(np.sign(np.sin(2 * np.pi * 440 * time + 0.1))),
        "dc": pcm16(np.full(samples, 0.3)),
        "one step": pcm16(step),
        "noise of one step": pcm16(np.rint(noise) / 32768),
        "shorter than a window": pcm16(short),
    }
