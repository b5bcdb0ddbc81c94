"""One reader a board: a lock that names who has it, keyed by the USB serial number and released by the system."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import BoardError
from birdnet_deploy.readback.ports import Port

_PREFIX = "birdnet-deploy-port-"
_HOLDER_BYTES = 300
_LOCKED_BYTE = 4096  # Windows locks bytes, also against readers: one behind the text


class PortLock:
    """Holds the lock of a board until ``close``, or until the process ends, however it ends.

    Its file goes with it: whoever locks a file looks whether it is still the one that the name leads to.
    """

    def __init__(self, port: Port) -> None:
        self.path = Path(tempfile.gettempdir()) / f"{_PREFIX}{_key(port)}.lock"
        self._file = _open(self.path)
        while self._file is not None:
            if not _locked(self._file):
                holder = os.pread(self._file, _HOLDER_BYTES, 0) if hasattr(os, "pread") else self.path.read_bytes()
                os.close(self._file)
                raise BoardError(
                    f"in use by {holder.decode('utf-8', 'replace').strip() or 'another process'}",
                    where=port.text, fix="end that one first: two readers would each get half of the bytes",
                )  # fmt: skip
            if _is_named(self._file, self.path):
                break
            os.close(self._file)  # its last holder has removed it meanwhile
            self._file = _open(self.path)
        else:
            return  # no lock file can be made here; the port itself is still opened exclusively
        with suppress(OSError):  # another user's file can be locked but not written
            os.ftruncate(self._file, 0)
            os.write(self._file, f"{_program()} (process {os.getpid()})\n".encode())

    def close(self) -> None:
        """Gives the lock back."""
        if self._file is None:
            return
        with suppress(OSError):
            os.ftruncate(self._file, 0)
        with suppress(OSError):  # Windows removes no open file, a sticky folder none of another user
            self.path.unlink()
        os.close(self._file)
        self._file = None


def _program() -> str:
    words = [Path(sys.argv[0]).name or "python", *sys.argv[1:2]]
    return " ".join("".join(c if c.isprintable() else "?" for c in word) for word in words)


def _key(port: Port) -> str:
    name = port.device if "://" in port.device else os.path.realpath(port.device)
    if port.serial_number:
        name = f"{port.vid:04x}-{port.pid:04x}-{port.serial_number}{(port.location or '').partition(':')[2]}"
    return re.sub(r"[^0-9A-Za-z._-]", "_", name)[-150:]


def _open(path: Path) -> int | None:
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    for mode in (os.O_RDWR, os.O_RDWR | os.O_CREAT | os.O_EXCL, os.O_RDWR, os.O_RDONLY):
        try:
            file = os.open(path, mode | flags, 0o666)
        except OSError:
            continue
        if mode & os.O_CREAT and hasattr(os, "fchmod"):
            with suppress(OSError):
                os.fchmod(file, 0o666)  # the next holder may be another user
        return file
    return None


def _is_named(file: int, path: Path) -> bool:
    """Says whether an open file is the one that a path leads to; on Windows it is, as long as it is open."""
    if os.name == "nt":
        return True
    try:
        return os.path.samestat(os.fstat(file), path.lstat())
    except OSError:
        return False


def _locked(file: int) -> bool:
    if sys.platform == "win32":
        import msvcrt

        windows: Any = msvcrt
        try:
            os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
            windows.locking(file, windows.LK_NBLCK, 1)
            os.lseek(file, 0, os.SEEK_SET)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
