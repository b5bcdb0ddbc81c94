"""The serial line between QEMU and pyserial: a pseudo terminal, or TCP where there is none (Windows)."""

from __future__ import annotations

import os
import re
import time
from typing import Any, Protocol

import serial

from birdnet_deploy.board.qmp import Qmp, QmpClosed
from birdnet_deploy.errors import UsageError

LINE_KINDS = ("pty", "tcp")
_CHARDEV = "uart0"
_READ_TIMEOUT_S = 0.1
_PATIENCE_S = 10.0
_POLL_S = 0.01
_LISTENING = re.compile(r"tcp:(127\.0\.0\.1:[0-9]+)")


class Line(Protocol):
    """A line in the making: QEMU's arguments for its end, then the open port of ours."""

    @property
    def arguments(self) -> list[str]:
        """What QEMU is started with."""

    @property
    def inherited(self) -> tuple[int, ...]:
        """The file descriptors that QEMU must inherit."""

    def connect(self, qmp: Qmp) -> Any:
        """Gives the open pyserial port, while QEMU is paused."""

    def close(self) -> None:
        """Gives back what the line holds, the port too."""


def default_line() -> str:
    """Gives the kind of line for this system."""
    return "pty" if hasattr(os, "openpty") else "tcp"


def make_line(kind: str) -> Line:
    """Gives a line of a kind, ``pty`` or ``tcp``.

    Raises: UsageError (exit 2) for another kind, or where the system has no pseudo terminals.
    """
    if kind == "pty" and not hasattr(os, "openpty"):
        raise UsageError("this system has no pseudo terminals", where="--serial pty", fix="use --serial tcp")
    if kind not in LINE_KINDS:
        raise UsageError(f"no such line {kind!r}", where="--serial", fix=f"use {' or '.join(LINE_KINDS)}")
    return PtyLine() if kind == "pty" else TcpLine()


def _above_standard(descriptor: int) -> int:
    """Moves a descriptor above 2: where stdin or stdout was closed it would be taken for them, and QEMU refuses it."""
    import fcntl

    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(descriptor)
    return moved


class PtyLine:
    """A pseudo terminal that this process owns; QEMU inherits its master side.

    With QEMU's own ``-serial pty`` the kernel drops what nobody has read yet when QEMU ends (of 19 kB the
    last 458 bytes, the bye among them). Here the master side stays open until everything has been read.
    """

    def __init__(self) -> None:
        import tty

        self._master, slave = (_above_standard(end) for end in os.openpty())
        try:
            tty.setraw(slave)
            self._port = serial.Serial(os.ttyname(slave), timeout=_READ_TIMEOUT_S)
        except BaseException:
            os.close(self._master)
            raise
        finally:
            os.close(slave)

    @property
    def arguments(self) -> list[str]:
        """A serial chardev on the inherited descriptor."""
        return [
            "-add-fd", f"fd={self._master},set=1",
            "-chardev", f"serial,id={_CHARDEV},path=/dev/fdset/1",
            "-serial", f"chardev:{_CHARDEV}",
        ]  # fmt: skip

    @property
    def inherited(self) -> tuple[int, ...]:
        """The master side."""
        return (self._master,)

    def connect(self, qmp: Qmp) -> Any:
        """Gives the port; it has been open since before QEMU began."""
        return self._port

    def close(self) -> None:
        """Closes both sides."""
        self._port.close()
        os.close(self._master)


class TcpLine:
    """A TCP connection to a port of QEMU's own choice on this machine."""

    inherited: tuple[int, ...] = ()

    def __init__(self) -> None:
        self._port: Any = None

    @property
    def arguments(self) -> list[str]:
        """A listening socket chardev."""
        return [
            "-chardev", f"socket,id={_CHARDEV},host=127.0.0.1,port=0,server=on,wait=off,nodelay=on",
            "-serial", f"chardev:{_CHARDEV}",
        ]  # fmt: skip

    def connect(self, qmp: Qmp) -> Any:
        """Gives the port once QEMU has accepted it: what it writes to nobody is lost.

        Raises: QmpClosed where QEMU does not listen or accept.
        """
        listening = _LISTENING.search(_filename(qmp))
        if listening is None:
            raise QmpClosed(f"QEMU does not listen: {_filename(qmp)!r}")
        self._port = serial.serial_for_url(f"socket://{listening[1]}", timeout=_READ_TIMEOUT_S)
        deadline = time.monotonic() + _PATIENCE_S
        while _filename(qmp).startswith("disconnected"):
            if time.monotonic() > deadline:
                raise QmpClosed("QEMU did not accept the connection")
            time.sleep(_POLL_S)
        return self._port

    def close(self) -> None:
        """Closes the connection."""
        if self._port is not None:
            self._port.close()


def _filename(qmp: Qmp) -> str:
    devices = qmp.execute("query-chardev")
    return "".join(str(device["filename"]) for device in devices if device["label"] == _CHARDEV)
