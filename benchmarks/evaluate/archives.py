"""Archives to measure on: recordings made from a seed, linked to as many names as are asked for."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import soundfile

DISTINCT = 500


def make_archive(root: Path, files: int, seconds: float, rate: int, labels: tuple[str, ...]) -> Path:
    """Gives a folder of ``files`` recordings (WAV, 16 bit, mono) in class folders; every 500th has the same sound."""
    random = np.random.default_rng(files)
    time = np.arange(int(seconds * rate)) / rate
    made: list[Path] = []
    for number in range(files):
        path = root / labels[number % len(labels)].replace("/", "_") / f"{number:07d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number < DISTINCT:
            low, high = random.uniform(500, 4000, 2)
            song = 0.3 * np.sin(2 * np.pi * (low + (high - low) * np.sin(2 * np.pi * time)) * time)
            soundfile.write(path, song + random.normal(0, 0.02, len(time)), rate, subtype="PCM_16")
            made.append(path)
        else:
            os.link(made[number % DISTINCT], path)
    return root
