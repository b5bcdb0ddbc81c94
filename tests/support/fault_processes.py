"""A command that is interrupted in the middle of its work, and what is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def wait_until(condition: Callable[[], object], timeout_s: float = 60) -> None:
    """Waits for something to be true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def pids_named(name: str, pid: int) -> list[int]:
    """Gives ``pid`` where a process of that number runs a program of that name."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)
    except OSError:
        return []
    return [pid] if name in state[0] and not state[1].startswith("Z") else []


def descendants(pid: int) -> list[int]:
    """Gives the processes that a process has started, and those that these have."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


class Interrupted:
    """A running command with its temporary files below ``scratch``."""

    def __init__(self, *arguments: object, scratch: Path, **environment: str) -> None:
        self._temporary = scratch / "tmp"
        self._temporary.mkdir(exist_ok=True)
        self._log = scratch / f"stderr-{time.monotonic_ns()}.txt"
        env = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self._temporary), "NO_COLOR": "1", **environment}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "birdnet_deploy", *map(str, arguments)], env=env, stdout=subprocess.DEVNULL,
                stderr=log, cwd=scratch,
            )  # fmt: skip

    def said(self) -> str:
        """Gives what it has said so far."""
        assert self._process.poll() is None, self._log.read_text()
        return self._log.read_text()

    def until_it_says(self, text: str) -> None:
        """Waits until a text is among what it has said."""
        wait_until(lambda: text in self.said())

    def children(self, name: str) -> list[int]:
        """Gives the processes below it with ``name`` in their name."""
        return [pid for pid in descendants(self._process.pid) if pids_named(name, pid)]

    def end(self, number: signal.Signals, says: str = "interrupted") -> None:
        """Sends a signal; the command must end with 130, say so in one line, and leave nothing behind."""
        children = self.children("")
        self._process.send_signal(number)
        try:
            code = self._process.wait(30)
        finally:
            self._process.kill()
        said = self._log.read_text()
        assert code == 130, said
        assert "Traceback" not in said and "Exception ignored" not in said, said
        assert says in said
        assert list(self._temporary.iterdir()) == [], "a temporary file is left"
        assert not [pid for pid in children if pids_named("", pid)], "a child lives on"
