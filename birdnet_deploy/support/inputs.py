"""Opening what a user named: regular files only, so that no pipe or device is waited for, and no more than is sane."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

MAX_TEXT_BYTES = 256 << 20  # the manifest of a full card has a tenth of it
_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def open_input(path: Path) -> BufferedReader:
    """Gives an open regular file.

    Raises: OSError where it is not there, may not be read, or is a folder, pipe, socket or device.
    """
    descriptor = os.open(path, os.O_RDONLY | _FLAGS)  # of a pipe this returns at once
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    what = (errno.EISDIR, "a folder") if stat.S_ISDIR(mode) else (errno.EINVAL, "not a regular file")
    raise OSError(*what, str(path))


def read_input(path: Path, most_bytes: int = MAX_TEXT_BYTES) -> bytes:
    """Gives the bytes of a regular file.

    Raises: OSError as ``open_input``, and where it is larger than ``most_bytes``.
    """
    with open_input(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(size + 1) if size <= most_bytes else b""  # a limit of its own would be taken as memory at once
        if len(data) > size:  # it grows, or says no size
            data += file.read(most_bytes)
    if max(size, len(data)) > most_bytes:
        raise OSError(errno.EFBIG, f"larger than {most_bytes} bytes", str(path))
    return data


def read_input_text(path: Path, most_bytes: int = MAX_TEXT_BYTES) -> str:
    """Gives the text of a regular UTF-8 file; a byte order mark is left out.

    Raises: OSError as ``read_input``; UnicodeDecodeError, a ValueError.
    """
    return read_input(path, most_bytes).decode("utf-8-sig")
