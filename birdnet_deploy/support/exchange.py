"""Two folders change names in one step, where the system can: at no moment is either name without a folder."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # renameat2(2), Linux 3.15, glibc 2.28
_RENAME_SWAP = 2  # renamex_np(2), macOS 10.12
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)


def exchange(one: Path, other: Path) -> bool:
    """Exchanges two existing folders of one file system atomically; False where the system cannot.

    Raises: OSError where it can but was refused, with both folders as they were.
    """
    call = _system_call(os.fsencode(one), os.fsencode(other))
    if call is None or call == 0:
        return call == 0
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(other))


def _system_call(one: bytes, other: bytes) -> int | None:
    if os.name == "nt":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        return int(libc.renamex_np(one, other, _RENAME_SWAP))
    if hasattr(libc, "renameat2"):
        return int(libc.renameat2(_AT_FDCWD, one, _AT_FDCWD, other, _RENAME_EXCHANGE))
    return None
