"""Time and memory of many recordings, and of a very long one: ``python -m benchmarks.load [--files N] [--hours H]``.

The recordings are made in a temporary folder: short ones of noise, and a long one that is sparse on the disk, noise
once a minute. Each step runs in a process of its own, whose peak and whose childrens peak are shown.
"""

from __future__ import annotations

import argparse
import json
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RATE, WINDOW_S = 22050, 3
STEPS = ("calibration", "card")


def make_many(folder: Path, count: int, seconds: float = 0.5) -> None:
    """Writes ``count`` short recordings of noise in a hundred folders."""
    rng = np.random.default_rng(1)
    sound = rng.integers(-9000, 9000, int(RATE * seconds) + count, dtype=np.int16)
    for number in range(count):
        path = folder / f"{number % 100:02d}" / f"{number:05d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = sound[number : number + int(RATE * seconds)].tobytes()
        path.write_bytes(header(len(data)) + data)


def make_long(path: Path, hours: float, seed: int = 2) -> None:
    """Writes one long recording: silence that takes no room on the disk, and a second of noise every minute."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = int(hours * 3600) * RATE * 2
    rng = np.random.default_rng(seed)
    with path.open("wb") as file:
        file.write(header(size))
        for second in range(10, int(hours * 3600), 60):
            file.seek(44 + second * RATE * 2)
            file.write(rng.integers(-9000, 9000, RATE, dtype=np.int16).tobytes())
        file.truncate(44 + size)


def header(size: int) -> bytes:
    """Gives the header of a mono PCM16 WAV with ``size`` bytes of sound."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + form + struct.pack("<4sI", b"data", size)


def measured(step: str, folder: Path) -> dict[str, float]:
    """Gives seconds, peaks in MB of process and children, and what came of a step, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.load", "--step", step, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _step(step: str, folder: Path) -> dict[str, float]:
    from birdnet_deploy.model.config import ModelConfig

    config = ModelConfig(RATE, WINDOW_S, "raw", 256)
    began = time.monotonic()
    facts = _calibration(folder, config) if step == "calibration" else _card(folder, config)
    peaks = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {"seconds": round(time.monotonic() - began, 2), "peak_mb": peaks[0], "children_mb": peaks[1], **facts}


def _calibration(folder: Path, config: object) -> dict[str, float]:
    from birdnet_deploy.calibration.collect import collect_windows

    found = collect_windows(folder, config)  # type: ignore[arg-type]
    return {"windows": len(found.calibration) + len(found.evaluation), "files": len(found.manifest["files"])}


def _card(folder: Path, config: object) -> dict[str, float]:
    from birdnet_deploy.audio.windows import window_at, window_starts
    from birdnet_deploy.board.card import prepare_card
    from birdnet_deploy.support.progress import Silent

    with tempfile.TemporaryDirectory() as scratch:
        card = prepare_card(folder, config, Path(scratch) / "card", strict=False, progress=Silent())  # type: ignore[arg-type]
        windows = 0
        for file in card.files:
            sound = card.pcm(file)
            for start in window_starts(len(sound), RATE * WINDOW_S):
                window_at(sound, start, RATE * WINDOW_S)
                windows += 1
        return {"windows": windows, "files": len(card.files)}


def main() -> None:
    """Prints one line a measurement."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--step", nargs=2, metavar=("STEP", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step:
        print(json.dumps(_step(asked.step[0], Path(asked.step[1]))))
        return
    with tempfile.TemporaryDirectory(prefix="birdnet-load-") as scratch:
        many, long = Path(scratch) / "many", Path(scratch) / "long"
        make_many(many, asked.files)
        make_long(long / "long.wav", asked.hours)
        for name, folder in ((f"{asked.files} recordings", many), (f"{asked.hours:g} hours", long)):
            for step in STEPS:
                print(f"{name:<18} {step:<12} {measured(step, folder)}", flush=True)


if __name__ == "__main__":
    main()
