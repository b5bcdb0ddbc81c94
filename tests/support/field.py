"""Starts a board of the field (``field_device``) and a monitor on it, each in its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ENV = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}


class FieldDevice:
    """A running board; ``port`` is the link to its terminal."""

    def __init__(self, process: subprocess.Popen[str], port: Path) -> None:
        self.process, self.port = process, port

    def go(self) -> None:
        """Lets it send."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()


@contextmanager
def field_device(scenario: str, folder: Path, **changes: Any) -> Iterator[FieldDevice]:
    """Gives a board that waits for ``go``; ``changes`` are those of its hello."""
    link = folder / "ttyBOARD"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.field_device", scenario, str(link), json.dumps(changes)],
        cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield FieldDevice(process, link)
    finally:
        process.kill()
        process.communicate()


class Monitor:
    """``birdnet-deploy monitor ARGUMENTS`` in its own process."""

    def __init__(self, *arguments: object, **options: Any) -> None:
        command = [sys.executable, "-m", "birdnet_deploy", "monitor", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, env=ENV, text=True, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        )  # fmt: skip
        self._said: list[str] = []

    def ready(self) -> Monitor:
        """Waits until it reads."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._said.append(line)
            if "reading" in line:
                return self
        raise AssertionError("".join(self._said))

    def end(self, timeout: float = 60) -> tuple[int, str, str]:
        """Waits for its end: exit code, stdout, stderr."""
        timer = threading.Timer(timeout, self.process.kill)
        timer.start()
        out, err = self.process.communicate()
        timer.cancel()
        err = "".join(self._said) + err
        assert "Traceback" not in err, err
        return self.process.returncode, out or "", err


def objects(path: Path) -> list[dict[str, Any]]:
    """The objects of a saved file; fails where a line is not whole."""
    text = path.read_text(encoding="utf-8")
    assert not text or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]
