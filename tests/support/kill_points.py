"""Kills a process before each of its writes in turn: the audit events of Python say where they are.

A write is what changes a file system: opening a file to write, making, renaming, removing, linking, truncating, setting
times, flushing, and the exchange of two names. The body runs in a fork, once for every write that it makes.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

from birdnet_deploy.support import publish

_EVENTS = frozenset((
    "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.utime", "os.link", "os.symlink", "os.truncate", "os.chmod",
))  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class _Counter:
    """Counts writes since it was made; before number ``last`` it calls ``stop``."""

    def __init__(self, last: int | None, stop: Callable[[], None]) -> None:
        self.count, self._last, self._stop, self._busy = 0, last, stop, False

    def write(self) -> None:
        if self._busy:
            return
        if self.count == self._last:
            self._busy = True
            self._stop()
        self.count += 1

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _EVENTS or (event == "open" and _opens_to_write(arguments)):
            self.write()


def _opens_to_write(arguments: tuple[Any, ...]) -> bool:
    path, _, flags = arguments
    return not isinstance(path, int) and isinstance(flags, int) and bool(flags & _WRITING) and path != os.devnull


def _watch(counter: _Counter) -> None:
    """Adds what Python does not audit: flushing and the exchange of two names."""
    flush, swap = os.fsync, publish.exchange

    def fsync(descriptor: int) -> None:
        counter.write()
        flush(descriptor)

    def exchange(one: Any, other: Any) -> bool:
        counter.write()
        return swap(one, other)

    os.fsync, publish.exchange = fsync, exchange
    sys.addaudithook(counter.audit)


def _in_fork(body: Callable[[], None], last: int | None, stop: Callable[[], None]) -> tuple[int, int]:
    """Gives the wait status of a fork that runs ``body``, and how many writes it made."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            counter = _Counter(last, stop)
            _watch(counter)
            body()
            os.write(writer, str(counter.count).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reader) as pipe:
        return status, int(pipe.read() or 0)


def count_writes(body: Callable[[], None]) -> int:
    """Gives how many writes ``body`` makes in a fork, which must end well."""
    status, writes = _in_fork(body, None, lambda: None)
    assert status == 0, f"the body failed with status {status}"
    return writes


def killed_before(body: Callable[[], None], number: int) -> bool:
    """Says whether ``body``, run in a fork, was killed before its write ``number``."""
    status, _ = _in_fork(body, number, lambda: os.kill(os.getpid(), signal.SIGKILL))
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def full_before(body: Callable[[], None], number: int) -> int:
    """Gives the wait status of ``body`` in a fork whose disk is full from its write ``number`` on."""

    def full() -> None:
        raise OSError(28, "No space left on device")

    status, _ = _in_fork(body, number, full)
    return status


def states_before_writes(body: Callable[[], None], state: Callable[[], bytes]) -> list[bytes]:
    """Gives what ``state`` says (64 bytes at most) before each write of ``body``, run once in a fork, and at its end.

    What is on the disk before a write is what a kill at that moment leaves; so one run of a long body tells what a kill
    at any of its writes would leave.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reader)
            said: list[bytes] = []

            class Looking(_Counter):
                def write(self) -> None:
                    if not self._busy:
                        self._busy = True
                        said.append(state())
                        self._busy = False

            _watch(Looking(None, lambda: None))
            body()
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(b"\n".join([*said, state()]))
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the body failed with status {status}"
    return told.split(b"\n")


def with_room_for(body: Callable[[], None], room_bytes: int) -> int:
    """Gives the wait status of ``body`` in a fork in which no file can grow beyond ``room_bytes``."""

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, resource.RLIM_INFINITY))
        body()

    return _in_fork(limited, None, lambda: None)[0]
