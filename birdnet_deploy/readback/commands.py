"""Commands from the host to the board: the bytes of each, and how a window is cut into parts (docs/protocol.md)."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping

from birdnet_deploy.errors import UsageError
from birdnet_deploy.readback.framing import MARKER, MAX_SEQ

MIN_RX = 256  # the least line of a command that any board takes
KINDS = ("pcm", "tensor")
_FILE_LENGTH = 12
_MORE_DIGITS = 3  # that the line's length takes with data in it
Fields = Mapping[str, str | int]


def encode(seq: int, fields: Fields) -> bytes:
    """Gives the line of a command as it is sent, a newline before and after.

    Raises: UsageError (exit 2) for a value that a board cannot read: text that is not plain ASCII, a number that is
    none of 32 bits.
    """
    for key, value in fields.items():
        good = 0 <= value <= MAX_SEQ if isinstance(value, int) else _is_plain(value)
        if not good:
            raise UsageError(f"{key} is {value!r}, which no board can read", where="command", fix="use plain ASCII")
    text = json.dumps(dict(fields), separators=(",", ":")).encode("ascii")
    counted = b"%d %d " % (seq, len(text))
    return b"\n%s%s%08x %s\n" % (MARKER, counted, zlib.crc32(text, zlib.crc32(counted)), text)


def line_bytes(fields: Fields) -> int:
    """Gives the length of a command's line from marker to JSON, with the longest sequence number."""
    return len(encode(MAX_SEQ, fields)) - 2


def window_part(data: bytes, kind: str, offset: int, rx: int, last: Fields) -> tuple[dict[str, str | int], int]:
    """Gives the ``window`` command that carries ``data`` from ``offset`` on, and where the next one begins.

    ``rx`` is the greatest line that the board takes, ``last`` the fields of the last part (``file``, ``win``,
    ``start``).
    """
    head: dict[str, str | int] = {"t": "window", "kind": kind, "off": offset, "data": ""}
    end = offset + (rx - line_bytes(head) - _MORE_DIGITS) // 2
    if end < len(data):
        return {**head, "data": data[offset:end].hex()}, end
    tail = {**head, "crc": f"{zlib.crc32(data):08x}", **last}
    fits = (rx - line_bytes(tail) - _MORE_DIGITS) // 2
    if len(data) - offset <= fits:
        return {**tail, "data": data[offset:].hex()}, len(data)
    end = len(data) - max(fits, 0)  # the last part carries more fields: leave it what it can take
    return {**head, "data": data[offset:end].hex()}, end


def check_window(data: bytes, kind: str, file: str) -> None:
    """Checks what is to be uploaded.

    Raises: UsageError (exit 2).
    """
    if kind not in KINDS:
        raise UsageError(f"no such kind of window {kind!r}", where="command", fix=f"use {' or '.join(KINDS)}")
    if not data:
        raise UsageError("an empty window", where="command", fix="give a whole window")
    if not 1 <= len(file) <= _FILE_LENGTH:
        raise UsageError(f"{file!r} is no name of 1 to {_FILE_LENGTH} characters", where="command", fix="shorten it")


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text
