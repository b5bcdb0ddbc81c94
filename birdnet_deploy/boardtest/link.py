"""The line to a board under test: QEMU's, or a real port that may be unplugged and come back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from birdnet_deploy.board.lines import default_line
from birdnet_deploy.board.qemu import emulated
from birdnet_deploy.readback.client import DuplexPort
from birdnet_deploy.readback.portlock import PortLock
from birdnet_deploy.readback.ports import Finder, Port, choose_port, ports_here
from birdnet_deploy.readback.sources import LineOptions, LineSource

EMULATED = "emulated"
_LISTEN_MS = 60_000  # how long an emulated board waits for its host; it is there at once


class WatchedPort:
    """An open pyserial port that fails as soon as nothing more can come; ``gone`` says why then."""

    def __init__(self, line: Any, ended: Callable[[], str | None] = lambda: None) -> None:
        self._line, self._ended = line, ended
        self.gone: str | None = None

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read at once."""
        return int(self._try(lambda: self._line.in_waiting))

    def read(self, size: int = 1, /) -> bytes:
        """Gives up to ``size`` bytes."""
        death = self._ended()  # asked before reading: what the dead have written is in the port by then
        data = bytes(self._try(lambda: self._line.read(size)))
        if death is not None and not data:
            self.gone = death
            raise OSError(death)
        return data

    def write(self, data: bytes, /) -> int | None:
        """Sends bytes."""
        sent: int | None = self._try(lambda: self._line.write(data))
        return sent

    def _try(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except (OSError, TypeError, AttributeError) as error:  # pyserial 3.5 on a line that was closed meanwhile
            self.gone = self.gone or "the port is gone"
            raise OSError(self.gone) from error


class Replayed:
    """A port whose first bytes have been read already: they come again."""

    def __init__(self, port: DuplexPort, data: bytes) -> None:
        self._port, self._data = port, data

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read at once."""
        return len(self._data) or self._port.in_waiting

    def read(self, size: int = 1, /) -> bytes:
        """Gives up to ``size`` bytes."""
        if not self._data:
            return self._port.read(size)
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def write(self, data: bytes, /) -> int | None:
        """Sends bytes."""
        return self._port.write(data)


class Link(Protocol):
    """A line that is open."""

    name: str
    port: WatchedPort

    def again(self) -> bool:
        """Opens the line again after it was gone; False where it does not come back in time."""


class EmulatedLink:
    """The line of a QEMU that runs; when it has ended, it has."""

    def __init__(self, port: WatchedPort, name: str) -> None:
        self.port, self.name = port, name

    def again(self) -> bool:
        """Gives False."""
        return False


class LineLink:
    """A real port, found again by the USB serial number of its board, on a clock that nobody sets."""

    def __init__(self, source: LineSource, reconnect_s: float) -> None:
        self._source, self._reconnect_s = source, reconnect_s
        self.port, self.name = WatchedPort(source.line), source.name

    def again(self) -> bool:
        """Waits for the board up to the time that was given."""
        if not self._source.returns:
            return False
        back = self._source.reopened(time.monotonic() + self._reconnect_s, lambda: False)
        if not isinstance(back, LineSource):
            return False
        self._source, self.port, self.name = back, WatchedPort(back.line), back.name
        return True

    def close(self) -> None:
        """Gives the port back."""
        self._source.close()


@contextmanager
def emulated_link(elf: Path, card: Path, *, qemu: Path, line: str | None, name: str) -> Iterator[Link]:
    """Gives the line to QEMU; both end with the body. Raises: ToolchainError (6) where QEMU does not start."""
    with emulated(elf, card, qemu=qemu, line=line or default_line(), listen_ms=_LISTEN_MS) as board:
        yield EmulatedLink(WatchedPort(board.port, board.ended), name)


@contextmanager
def line_link(
    wanted: str, options: LineOptions, *, reconnect_s: float,
    choose: Callable[[Sequence[Port]], Port] | None = None, find: Finder = ports_here,
) -> Iterator[Link]:  # fmt: skip
    """Gives the line to a real board, locked against other readers while the body runs.

    Raises: BoardError (7) where there is no such port, or somebody else has it.
    """
    port = choose_port(wanted, find=find, choose=choose)
    lock = PortLock(port)
    try:
        link = LineLink(LineSource(port, options, find=find), reconnect_s)
        try:
            yield link
        finally:
            link.close()
    finally:
        lock.close()
