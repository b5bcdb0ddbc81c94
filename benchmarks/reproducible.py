"""The matrix of reproducibility: what may differ between two users, and whether the bytes that they get do.

    python -m benchmarks.reproducible MODEL.keras RECORDINGS

Each row converts, generates and builds once more with one thing changed, and compares ``model.tflite``, the bundle, the
rendered project and the ELF with those of the first run.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = ("model.tflite", "bundle", "project", "ELF")


@dataclass(frozen=True)
class Surroundings:
    """Where and by whom a run is made; ``folder`` is the name of the output's parent."""

    folder: str = "work"
    umask: str = "022"
    environment: Mapping[str, str] = field(default_factory=dict)


AXES: Mapping[str, Surroundings] = {
    "again": Surroundings(),
    "another folder": Surroundings(folder="an other/f\u00f6lder"),
    "PYTHONHASHSEED": Surroundings(environment={"PYTHONHASHSEED": "4242"}),
    "TZ": Surroundings(environment={"TZ": "Asia/Kathmandu"}),
    "LANG": Surroundings(environment={"LANG": "tr_TR.UTF-8", "LC_ALL": "C"}),
    "umask": Surroundings(umask="077"),
    "HOME and USER": Surroundings(environment={"HOME": "/nonexistent", "USER": "somebody", "LOGNAME": "somebody"}),
}
ALL = Surroundings(
    "an other/f\u00f6lder", "077",
    {name: text for axis in AXES.values() for name, text in axis.environment.items()},
)  # fmt: skip


def made(model: Path, recordings: Path, scratch: Path, where: Surroundings, *options: str) -> Path:
    """Gives a folder with ``bundle`` and ``project`` (built), made by the command line."""
    home = scratch / where.folder
    home.mkdir(parents=True)
    steps = (
        ["convert", str(model), "--calibration", str(recordings), "-o", "bundle", *options],
        ["generate", "bundle", "--target", "qemu-an547", "-o", "project"],
        ["build", "project"],
    )
    tool = f"{shlex.quote(sys.executable)} -m birdnet_deploy"
    script = " && ".join([f"umask {where.umask}", *(f"{tool} {shlex.join(step)}" for step in steps)])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **where.environment}
    done = subprocess.run(["sh", "-c", script], cwd=home, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)
    return home


def differing(first: Path, second: Path) -> dict[str, list[str]]:
    """Gives the names of the files that differ, by column."""
    names = {
        "model.tflite": ["bundle/model.tflite"],
        "bundle": _files(first, second, "bundle"),
        "project": [n for n in _files(first, second, "project") if not n.startswith("project/build/")],
        "ELF": ["project/build/firmware.elf", "project/build/build.lock"],
    }
    return {column: [name for name in found if _bytes(first / name) != _bytes(second / name)]
            for column, found in names.items()}  # fmt: skip


def _files(first: Path, second: Path, folder: str) -> list[str]:
    found = {
        path.relative_to(home) for home in (first, second) for path in (home / folder).rglob("*") if path.is_file()
    }
    return sorted(path.as_posix() for path in found)


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def main() -> int:
    """Prints the matrix; 1 where anything differs."""
    model, recordings = (Path(name).resolve() for name in sys.argv[1:3])
    worst = 0
    with tempfile.TemporaryDirectory(prefix="birdnet-reproducible-") as scratch:
        first = made(model, recordings, Path(scratch) / "first", Surroundings())
        print(f"{'':<16}" + "".join(f"{column:<14}" for column in COLUMNS))
        for number, (name, where) in enumerate({**AXES, "all at once": ALL}.items()):
            found = differing(first, made(model, recordings, Path(scratch) / str(number), where))
            print(f"{name:<16}" + "".join(f"{'differs' if found[c] else 'same':<14}" for c in COLUMNS), flush=True)
            worst = max(worst, any(found.values()))
    return worst


if __name__ == "__main__":
    sys.exit(main())
