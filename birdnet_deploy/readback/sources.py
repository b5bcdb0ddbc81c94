"""What can be read: a serial port, a socket, a pseudo terminal, a recorded file, stdin; each as chunks of bytes."""

from __future__ import annotations

import os
import re
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import serial

from birdnet_deploy.errors import BoardError, UsageError
from birdnet_deploy.readback.ports import Finder, Port, ports_here, why_not_open

CHUNK_BYTES = 65_536
DEFAULT_BAUD = 921_600  # the ST-LINK's port as ST's own firmware drives it
_READ_TIMEOUT_S = 0.05
_CONNECT_S = 5.0
_LOOK_S = 0.1  # between two looks for a board that is away
_NOT_AGAIN = re.compile(r"/dev/(pts/\d+|tty[p-za-e][0-9a-f]|ttys\d+)")  # the next terminal of that name is another's


class Source(Protocol):
    """Bytes from somewhere, read by one thread."""

    name: str

    @property
    def returns(self) -> bool:
        """Whether it may come back once it is gone."""

    def read(self) -> bytes | None:
        """Gives what came, b"" where nothing came for a moment, None at the end or where it is lost."""

    def close(self) -> None:
        """Gives back what it holds."""

    def reopened(self, deadline: float, stop: Callable[[], bool]) -> Source | None:
        """Gives the source that is back before ``deadline`` (monotonic), else None."""


class FileSource:
    """Recorded files, one after the other, or stdin (no path); they end and do not come back."""

    returns = False

    def __init__(self, paths: Sequence[Path]) -> None:
        """Opens the first file.

        Raises: UsageError (exit 2) where it cannot be read.
        """
        self.name = "stdin" if not paths else str(paths[0]) if len(paths) == 1 else f"{len(paths)} files"
        self._rest = list(paths)
        self._file = self._next() if paths else self._stdin()

    def _stdin(self) -> int:
        try:
            return os.dup(sys.stdin.fileno())
        except (OSError, ValueError, AttributeError) as error:
            raise UsageError("it is closed", where=self.name, fix="name a recorded file") from error

    def _next(self) -> int:
        path = self._rest.pop(0)
        try:
            return os.open(path, os.O_RDONLY | _BINARY)
        except OSError as error:
            raise UsageError(f"cannot be read ({error.strerror})", where=path, fix="name a recorded file") from error

    def read(self) -> bytes | None:
        """Gives the next bytes; None at the end of the last file.

        Raises: UsageError (exit 2) where a file cannot be read on.
        """
        while True:
            try:
                chunk = os.read(self._file, CHUNK_BYTES)
            except OSError as error:
                raise UsageError(f"cannot be read ({error.strerror})", where=self.name, fix="name a file") from error
            if chunk or not self._rest:
                return chunk or None
            os.close(self._file)
            self._file = self._next()

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    def reopened(self, deadline: float, stop: Callable[[], bool]) -> Source | None:
        """Gives None."""
        return None


def recorded_files(paths: Sequence[Path]) -> list[Path]:
    """Gives the files that are meant: of a folder, such as a card's logs, all of them in the order of their names.

    Raises: UsageError (exit 2) for a folder without files.
    """
    files: list[Path] = []
    for path in paths:
        found = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
        if not found:
            raise UsageError("a folder without files", where=path, fix="name the recorded files")
        files += found
    return files


_BINARY = getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class LineOptions:
    """How a line is opened; without ``reset`` its control lines are left alone, which reset some boards."""

    baud: int = DEFAULT_BAUD
    reset: bool = True


class LineSource:
    """An open line of pyserial: a port, a pseudo terminal, ``socket://HOST:PORT``, ``rfc2217://HOST:PORT``."""

    def __init__(self, port: Port, options: LineOptions, *, find: Finder = ports_here) -> None:
        """Opens the line, exclusively where it is a device.

        Raises: BoardError (exit 7) saying why it cannot be opened.
        """
        self.name = port.device
        self.port = port
        self._options, self._find = options, find
        self._opened_as = _identity(port.device)
        try:
            self.line = _opened(port.device, options)
        except _OPEN_ERRORS as error:
            raise why_not_open(port.device, error, find=find) from error

    @property
    def returns(self) -> bool:
        """False for a pseudo terminal that is not named by a link: its number may be given to anybody."""
        return self.port.serial_number is not None or not _NOT_AGAIN.fullmatch(self.name)  # a link is no match

    def read(self) -> bytes | None:
        """Gives what came within a fraction of a second; None where the line is gone."""
        try:
            if isinstance(self.line, _SocketLine):
                return self.line.read_some()
            first = bytes(self.line.read(1))
            return first + bytes(self.line.read(min(self.line.in_waiting, CHUNK_BYTES))) if first else b""
        except _READ_ERRORS:
            return None

    def close(self) -> None:
        """Closes the line."""
        with suppress(OSError):
            self.line.close()

    def reopened(self, deadline: float, stop: Callable[[], bool]) -> Source | None:
        """Gives the line of the same board, by its USB serial number where it has one, else of the same name."""
        self.close()
        while not stop() and time.monotonic() < deadline:
            with suppress(BoardError):  # it is there, but not ready yet
                if (port := self._where()) is not None:
                    return LineSource(port, self._options, find=self._find)
            time.sleep(_LOOK_S)
        return None

    def _where(self) -> Port | None:
        if self.port.serial_number is None:
            if "://" in self.name or os.name == "nt":
                return self.port
            now = _identity(self.name)
            borrowed = now == self._opened_as and _NOT_AGAIN.fullmatch(now[0]) is not None
            return self.port if Path(self.name).exists() and not borrowed else None
        return next((port for port in self._find() if self.port.is_same_device(port)), None)


class _Unflushed(serial.Serial):  # type: ignore[misc]
    """A port that keeps what came before it was opened: pyserial 3.5 throws that away, a hello among it."""

    def _reset_input_buffer(self) -> None:
        pass


def _identity(name: str) -> tuple[str, int, int]:
    """Where a name leads, and which link it is: one that was not made anew leads to a terminal of somebody else."""
    try:
        state = os.lstat(name)
    except (OSError, ValueError):
        return name, 0, 0
    return os.path.realpath(name), state.st_ino, state.st_ctime_ns if Path(name).is_symlink() else 0


class _SocketLine:
    """A TCP connection: pyserial 3.5 reads a socket byte by byte, or forgets what came right before its end."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.hostname or not parts.port:
            raise ValueError("not socket://HOST:PORT")
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=_CONNECT_S)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._socket.settimeout(_READ_TIMEOUT_S)

    def read_some(self) -> bytes | None:
        """Gives what came, b"" where nothing came for a moment, None at the end."""
        try:
            return self._socket.recv(CHUNK_BYTES) or None
        except TimeoutError:
            return b""

    def close(self) -> None:
        self._socket.close()


def _opened(device: str, options: LineOptions) -> Any:
    if device.startswith("socket://"):
        return _SocketLine(device)
    if "://" in device:
        line = serial.serial_for_url(device, do_not_open=True, baudrate=options.baud, timeout=_READ_TIMEOUT_S)
    else:
        line = _Unflushed(None, baudrate=options.baud, timeout=_READ_TIMEOUT_S)
        line.port = device
        line.exclusive = True if os.name == "posix" else None
    if not options.reset:
        line.dtr = line.rts = False
    line.open()
    return line


def _errors() -> tuple[type[Exception], ...]:
    with suppress(ImportError):
        import termios

        return (OSError, ValueError, termios.error)
    return (OSError, ValueError)


_OPEN_ERRORS = _errors()  # SerialException is an OSError; ValueError: a URL or a rate that nobody knows
_READ_ERRORS: tuple[type[Exception], ...] = (
    *_OPEN_ERRORS,
    TypeError,
)  # pyserial 3.5 reads from None where the line was closed meanwhile
