"""Time and peak memory of ``validate`` beside ``vela`` on one model, as ratios of one run; then the latency's errors.

    python -m benchmarks.validate [MODEL.tflite] [--repeats 15]

Vela (PyPI ethos-u-vela) compiles for Arm's Ethos-U: it does more than a check, and is the only other program that
tells of a ``.tflite`` whether an NPU takes it, without a board. The two take turns, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT.parent / "shared" / "models" / "anchor_int8.tflite"


@dataclass(frozen=True)
class Cost:
    """What one process took; memory is the peak of the largest process, its children included."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def measure(command: Sequence[str], folder: Path) -> Cost:
    """Gives the cost of a command; exit code 4 (findings) is a success.

    Raises: RuntimeError where it fails.
    """
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with (folder / "log").open("w+b") as log:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 4):
            log.seek(0)
            raise RuntimeError(f"{command[0]} ended with {process.returncode}: {log.read()[-500:]!r}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def commands(model: Path) -> dict[str, list[str]]:
    """Gives the commands by name; a bare interpreter shows what nobody can save."""
    vela = shutil.which("vela") or shutil.which("vela", path=str(Path(sys.executable).parent))
    if vela is None:
        raise RuntimeError("vela is not installed: pip install ethos-u-vela")
    check = [sys.executable, "-m", "birdnet_deploy", "validate", str(model)]
    return {
        "python": [sys.executable, "-c", "pass"],
        "validate": check,
        "vela": [vela, str(model), "--output-dir", "vela", "--accelerator-config", "ethos-u55-128"],
    }


def table(costs: dict[str, list[Cost]]) -> str:
    """Gives medians, fastest runs and ratios to ``validate``."""
    ours = costs["validate"]
    lines = [f"{'':<10}{'wall s':>9}{'fastest':>9}{'CPU s':>9}{'peak MB':>9}{'wall':>8}{'CPU':>8}{'memory':>8}"]
    for name, runs in costs.items():
        median = {f: statistics.median(getattr(run, f) for run in runs) for f in ("wall_s", "cpu_s", "peak_mb")}
        ratio = {f: value / statistics.median(getattr(run, f) for run in ours) for f, value in median.items()}
        fastest = min(run.wall_s for run in runs)
        lines.append(
            f"{name:<10}{median['wall_s']:9.3f}{fastest:9.3f}{median['cpu_s']:9.3f}{median['peak_mb']:9.1f}"
            f"{ratio['wall_s']:7.2f}x{ratio['cpu_s']:7.2f}x{ratio['peak_mb']:7.2f}x"
        )
    return "\n".join(lines)


def main() -> int:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path, default=MODEL)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    if not options.model.is_file():
        parser.error(f"{options.model} is not there")
    with tempfile.TemporaryDirectory() as scratch:
        named = commands(options.model.resolve())
        costs: dict[str, list[Cost]] = {name: [] for name in named}
        for turn in range(options.repeats + 1):
            for name, command in named.items():
                cost = measure(command, Path(scratch))
                if turn:  # the first turn fills the caches of the disk
                    costs[name].append(cost)
    print(
        f"{options.model.name}, {options.repeats} turns; medians, then ratios to validate\n{table(costs)}\n", flush=True
    )
    return subprocess.run([sys.executable, str(ROOT / "scripts" / "refit_latency.py")], check=False).returncode


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no error
    try:
        sys.exit(main())
    except RuntimeError as error:
        sys.exit(f"error: {error}")
