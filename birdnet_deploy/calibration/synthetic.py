"""Noise and chirps in place of recordings: only where asked for by name, and every report says so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.calibration.sets import CalibrationSet, PcmWindows, WindowRef
from birdnet_deploy.model.config import ModelConfig

WARNING = "calibrated on synthetic noise and chirps: the result is no measure of the model on real sound"


def synthetic_windows(
    config: ModelConfig, *, windows: int = 64, evaluation_windows: int = 32, seed: int = 2026
) -> CalibrationSet:
    """Gives seeded windows of coloured noise with chirps, marked ``synthetic`` in the manifest.

    Levels run from -60 to 0 dB of full scale, noise lies 0 to 30 dB below the chirps; the same seed gives the
    same windows.
    """
    random = np.random.default_rng(seed)
    total = windows + evaluation_windows
    pcm = np.stack([_window(random, config) for _ in range(total)])
    refs = tuple(WindowRef("synthetic", index * config.window_samples) for index in range(total))
    manifest = {
        "synthetic": True,
        "seed": seed,
        "sample_rate": config.sample_rate,
        "window": config.window_samples,
        "files": [],
        "counts": {"calibration_windows": windows, "evaluation_windows": evaluation_windows},
    }
    return CalibrationSet(
        PcmWindows(pcm[:windows], refs[:windows]),
        PcmWindows(pcm[windows:], refs[windows:]),
        manifest,
        (WARNING,),
        synthetic=True,
    )


def _window(random: np.random.Generator, config: ModelConfig) -> NDArray[np.int16]:
    count = config.window_samples
    time = np.arange(count) / config.sample_rate
    sound = np.zeros(count)
    for _ in range(int(random.integers(1, 6))):
        sound += _chirp(random, time, config.sample_rate)
    noise = np.convolve(random.standard_normal(count), np.full(int(random.integers(1, 9)), 1.0), mode="same")
    noise *= 10 ** (-random.uniform(0, 30) / 20) * np.abs(sound).max() / np.abs(noise).max()
    mixed = sound + noise
    level = 10 ** (-random.uniform(0, 60) / 20)
    steps: NDArray[np.float64] = np.rint(32767 * level * mixed / np.abs(mixed).max())
    return steps.astype(np.int16)


def _chirp(random: np.random.Generator, time: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Gives a tone that glides between two pitches under a bell-shaped envelope, somewhere in the window."""
    length = time[-1] + 1 / rate
    centre, width = random.uniform(0, length), random.uniform(0.02, 0.3) * length
    low, high = random.uniform(0.02, 0.45, size=2) * rate
    pitch = low + (high - low) * np.clip((time - centre) / width + 0.5, 0, 1)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    bell = np.exp(-0.5 * ((time - centre) / (width / 2)) ** 2)
    return np.asarray(random.uniform(0.1, 1) * bell * np.sin(phase))
