"""The real firmware on a pseudo terminal, compiled for this machine: a board that can be unplugged and has a card."""

from __future__ import annotations

import os
import shutil
import subprocess
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from birdnet_deploy.project.open import open_project
from birdnet_deploy.support.resources import firmware_dir
from tests.support.tiny import compile_host_app

_READ = "int port_storage_read(uint32_t offset, void *data, size_t length)\n{\n"


def compile_native(project: Path, folder: Path) -> Path:
    """Gives the application of a project for this machine; BN_SLOW_MS makes its card slow to read."""
    shutil.copytree(project, folder / "project", ignore=shutil.ignore_patterns("build"))
    shutil.copytree(firmware_dir() / "port/host", folder / "port")
    source = folder / "port/port_host.c"
    text = source.read_text()
    assert text.count(_READ) == 1
    slow = '    const char *ms = getenv("BN_SLOW_MS");\n    poll(NULL, 0, ms == NULL ? 0 : atoi(ms));\n'
    source.write_text(text.replace(_READ, _READ + slow))
    return compile_host_app(open_project(folder / "project"), folder / "port", folder / "app")


class NativeBoard:
    """A board with a link to its terminal, ``port``; ``plug`` boots it, ``unplug`` takes it away."""

    def __init__(self, app: Path, port: Path, card: Path, **environment: str) -> None:
        self.port, self._app, self._card, self._environment = port, app, card, environment
        self._process: subprocess.Popen[bytes] | None = None
        self._terminals: list[int] = []

    def plug(self) -> None:
        """Boots it, its terminal linked from ``port``."""
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        self._terminals = [ours, theirs]
        self._process = subprocess.Popen(
            [self._app], stdin=ours, stdout=ours,
            env={**os.environ, "BN_CARD": str(self._card), "BN_LISTEN": "20000", **self._environment},
        )  # fmt: skip
        beside = self.port.with_name(f"{self.port.name}.new")
        beside.symlink_to(os.ttyname(theirs))
        beside.replace(self.port)

    def unplug(self) -> None:
        """Takes it away: who reads its terminal sees the end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for terminal in self._terminals:
            os.close(terminal)
        self._process, self._terminals = None, []
        self.port.unlink(missing_ok=True)


@contextmanager
def native_board(app: Path, folder: Path, card: Path, **environment: str) -> Iterator[NativeBoard]:
    """Gives a board that runs; ``environment`` is that of its port (BN_LISTEN, BN_SLOW_MS)."""
    board = NativeBoard(app, folder / "ttyNATIVE", card, **environment)
    board.plug()
    try:
        yield board
    finally:
        board.unplug()
