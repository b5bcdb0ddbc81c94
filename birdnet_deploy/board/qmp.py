"""QEMU's control channel (QMP) over the standard input and output of its process."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from contextlib import suppress
from typing import Any

_PATIENCE_S = 20.0
_POLL_S = 0.1


class QmpClosed(Exception):
    """QEMU ended, or did not answer in time."""


class Qmp:
    """Sends commands and waits for their answers; events are read and dropped, so that QEMU never blocks."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Takes over the pipes of a QEMU that was started with ``-qmp stdio``."""
        self._process = process
        self._messages: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, name="qmp", daemon=True)
        self._reader.start()

    def greet(self) -> None:
        """Waits for QEMU's greeting and answers it.

        Raises: QmpClosed.
        """
        self._next("QMP")
        self.execute("qmp_capabilities")

    def execute(self, command: str) -> Any:
        """Gives the value that QEMU returns for a command without arguments.

        Raises: QmpClosed where QEMU ends, is silent or refuses the command.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"execute": command}).encode("ascii") + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise QmpClosed(f"QEMU took no {command}") from error
        return self._next("return")

    def close(self) -> None:
        """Closes the pipes of the process, which must have ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(OSError):  # what it did not read any more
            self._process.stdin.close()
        self._reader.join(_PATIENCE_S)
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                continue  # QEMU's own text, such as "char device redirected to ..."
            if isinstance(message, dict) and "event" not in message:
                self._messages.put(message)

    def _next(self, key: str) -> Any:
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            ended = self._process.poll() is not None and not self._reader.is_alive()
            try:
                message = self._messages.get(timeout=0 if ended else _POLL_S)
            except queue.Empty:
                if ended:
                    raise QmpClosed("QEMU ended") from None
                continue
            if key in message:
                return message[key]
            raise QmpClosed(f"QEMU answered {json.dumps(message)[:200]}")
        raise QmpClosed(f"QEMU did not answer within {_PATIENCE_S:g} s")
