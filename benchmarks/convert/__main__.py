"""How long ``convert`` takes, and how much memory, against the plain way, on the same machine in one run.

    python -m benchmarks.convert [MODEL.keras] [--audio FOLDER] [--windows 64 256 1024] [--repeats 1] [--json OUT]

The recordings give windows at half-window hop; where these are not enough, windows at other offsets fill up. The plain
way (`plain.py`) calibrates and checks on them; ``convert --prologue none --ranges minmax --fidelity basic`` calibrates
on the same ones and evaluates on as many others, because it never evaluates what calibrated. Both read the windows
from a file and write their model. Ways take turns; of several repeats the median counts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.convert.measure import Cost, cost_of
from birdnet_deploy.audio.reading import find_recordings, read_pcm16
from birdnet_deploy.audio.windows import window_at, window_starts
from birdnet_deploy.model.source import open_source

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
WALL_RATIO = 0.40  # what is aimed at, at 256 windows


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.convert", description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?", default=SHARED / "models/birdnet_stm32n6_100.keras")
    parser.add_argument("--audio", type=Path, default=SHARED / "audio")
    parser.add_argument("--windows", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    rows = [measured(asked.model, asked.audio, count, asked.repeats) for count in asked.windows]
    show(rows)
    if asked.json is not None:
        asked.json.write_text(json.dumps(rows, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return 0


def measured(model: Path, audio: Path, count: int, repeats: int) -> dict[str, Any]:
    """Gives the costs of both ways for ``count`` windows."""
    config = open_source(model).config
    windows, plain_hops = draw_windows(audio, config.sample_rate, config.window_samples, 2 * count)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "calibration.npz", pcm=windows[0::2])
        np.savez(folder / "evaluation.npz", pcm=windows[1::2])
        python = [sys.executable, "-m"]
        ways = {
            "plain": [*python, "benchmarks.convert.plain", str(model), f"{name}/calibration.npz", f"{name}/m.tflite"],
            "convert": [
                *python, "birdnet_deploy", "convert", str(model), "--calibration", f"{name}/calibration.npz",
                "--evaluation", f"{name}/evaluation.npz", "--max-windows", str(count), "--prologue", "none",
                "--ranges", "minmax", "--fidelity", "basic", "-o", f"{name}/bundle", "--force",
            ],
        }  # fmt: skip
        env = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
        costs: dict[str, list[Cost]] = {way: [] for way in ways}
        for _ in range(repeats):
            for way, command in ways.items():
                costs[way].append(cost_of(command, env=env, cwd=folder))
    row: dict[str, Any] = {"windows": count, "at_half_window_hop": min(plain_hops, 2 * count), "drawn": 2 * count}
    for way, found in costs.items():
        row[way] = {
            "wall_s": round(statistics.median(cost.wall_s for cost in found), 2),
            "cpu_s": round(statistics.median(cost.cpu_s for cost in found), 2),
            "peak_mb": round(statistics.median(cost.peak_bytes for cost in found) / 1e6),
        }
    row["ratio"] = {key: round(row["convert"][key] / row["plain"][key], 3) for key in row["plain"]}
    return row


def draw_windows(audio: Path, rate: int, window: int, count: int) -> tuple[NDArray[np.int16], int]:
    """Gives ``count`` windows, first those at half-window hop, then at ever finer offsets; and how many are the first.

    Of a set that is too large every recording keeps windows that are evenly spread.
    """
    recordings = [read_pcm16(path, rate) for path in find_recordings(audio)]
    found: list[tuple[int, int, int]] = []  # round, recording, start
    seen: set[tuple[int, int]] = set()
    first, hop, turn = 0, window // 2, 0
    while len(found) < count and hop > 0:
        for number, pcm in enumerate(recordings):
            for start in window_starts(len(pcm), window, hop):
                if (number, start) not in seen and np.ptp(window_at(pcm, start, window)) > 0:
                    seen.add((number, start))
                    found.append((turn, number, start))
        first = first or len(found)
        hop, turn = hop // 2, turn + 1
    places = found[:first] if count <= first else found[:first] + _spread(found[first:], count - first)
    places = _spread(places, count)
    return np.stack([window_at(recordings[number], start, window) for _, number, start in places]), first


def _spread(items: list[tuple[int, int, int]], count: int) -> list[tuple[int, int, int]]:
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Prints one line a way and size, and the ratios."""
    print(f"{os.cpu_count()} cores; ratio: convert / plain; aimed at {WALL_RATIO:.2f} of the wall at 256 windows")
    for row in rows:
        offsets = row["drawn"] - row["at_half_window_hop"]
        print(
            f"\n{row['windows']} windows to calibrate on, as many to evaluate on "
            f"({row['at_half_window_hop']} at half-window hop, {offsets} at other offsets)"
        )
        for way in ("plain", "convert", "ratio"):
            cells = "  ".join(f"{key} {value:>8}" for key, value in row[way].items())
            print(f"  {way:8} {cells}")


if __name__ == "__main__":
    sys.exit(main())
