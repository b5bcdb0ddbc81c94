"""Wall time, processor time and peak memory of a command and all its children (Linux)."""

from __future__ import annotations

import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_S = 0.02


@dataclass(frozen=True)
class Cost:
    """What a command took; ``peak_bytes`` is the most memory that it and its children held at one moment.

    Their own memory is added up; of the files that they map (libraries, features), which they share, the largest sum
    of one process counts.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int


def cost_of(command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Cost:
    """Runs a command; gives what it took.

    Raises: RuntimeError with its last lines where it fails.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    with subprocess.Popen(
        list(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=None if env is None else dict(env), cwd=cwd
    ) as process:
        peaks = [0]
        ended = threading.Event()
        watcher = threading.Thread(target=_watch, args=(process.pid, ended, peaks))
        watcher.start()
        output, _ = process.communicate()
        wall = time.monotonic() - started
        ended.set()
        watcher.join()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:6])} ended with {process.returncode}: {output.decode()[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, peaks[0])


def _watch(root: int, ended: threading.Event, peaks: list[int]) -> None:
    while not ended.wait(_SAMPLE_S):
        held = [_held(pid) for pid in _tree(root)]
        peaks[0] = max(peaks[0], sum(own for own, _ in held) + max(mapped for _, mapped in held))


def _tree(root: int) -> list[int]:
    """Gives a process and all that descend from it."""
    found, left = [], [root]
    while left:
        pid = left.pop()
        found.append(pid)
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                left += [int(child) for child in task.read_text().split()]
            except OSError:  # it has ended meanwhile
                continue
    return found


def _held(pid: int) -> tuple[int, int]:
    """Gives the bytes that a process holds of its own, and those of files that it maps."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    sizes = {
        key: 1024 * int(value.split()[0]) for key, _, value in (line.partition(":") for line in lines) if "Rss" in key
    }
    return sizes.get("RssAnon", 0) + sizes.get("RssShmem", 0), sizes.get("RssFile", 0)
