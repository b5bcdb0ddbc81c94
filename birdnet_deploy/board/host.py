"""The firmware as a program of this machine: no emulator, a pipe for its uart, a folder as its card."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from birdnet_deploy.board.qemu import Emulation
from birdnet_deploy.errors import ToolchainError
from birdnet_deploy.support.process import end_group

_READ_TIMEOUT_S = 0.1
_CHUNK = 65_536


class _Pipe:
    """The reading end of a pipe as a serial port that waits a fraction of a second."""

    in_waiting = _CHUNK  # a pipe gives what is there, however much is asked for

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, size: int = 1) -> bytes:
        """Gives up to ``size`` bytes, none after the timeout or at the end."""
        ready, _, _ = select.select([self._descriptor], [], [], _READ_TIMEOUT_S)
        return os.read(self._descriptor, size) if ready else b""


@contextmanager
def native(program: Path, card: Path) -> Iterator[Emulation]:
    """Gives the running host twin ``program`` with the folder ``card`` as its storage; ends it whatever happens.

    Raises: ToolchainError (exit 6) where it does not start.
    """
    environment = {**os.environ, "BN_CARD": str(card.resolve())}
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(
                [str(program.resolve())], cwd=card, env=environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints,
            )  # fmt: skip
        except OSError as error:
            raise ToolchainError(
                f"cannot be started ({error.strerror})", where=program, fix="remove it: it is built again"
            ) from error
        assert process.stdout is not None
        try:
            yield Emulation(_Pipe(process.stdout.fileno()), lambda: _ending(process))
        finally:
            end_group(process)
            process.stdout.close()


def _ending(process: subprocess.Popen[bytes]) -> str | None:
    status = process.poll()
    if status is None:
        return None
    return f"the host twin ended {f'by {signal.Signals(-status).name}' if status < 0 else f'with status {status}'}"
