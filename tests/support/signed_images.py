"""Images with the header that ST's signing tool writes, built here field by field (facts of nine of ST's images)."""

from __future__ import annotations

import struct

HEADER_BYTES, VECTORS = 0x240, 0x400
RESET = 0x34000801


def app(size: int = 5000, *, stack: int = 0x34100000, reset: int = RESET, inside: bytes = b"") -> bytes:
    """Gives the bytes of an application: vectors, ``inside``, then something."""
    body = struct.pack("<II", stack, reset) + inside
    return body + bytes(n * 7 % 251 for n in range(max(size - len(body), 0)))


def signed(payload: bytes, *, kind: int = 0, aligned: bool = True) -> bytes:
    """Gives an image as the tool makes it with -align, or as it does from 2.21 on without."""
    padded = bytes(VECTORS - HEADER_BYTES) * aligned + payload
    header = bytearray(HEADER_BYTES)
    header[:4] = b"STM2"
    entry = struct.unpack_from("<I", payload, 4)[0]
    for at, word in (
        (0x64, sum(padded) & 0xFFFFFFFF), (0x68, 0x00020300), (0x6C, len(padded)), (0x70, entry), (0x78, 0xFFFFFFFF),
        (0x84, 0x80000000), (0x88, 0x1A0), (0x8C, kind),
    ):  # fmt: skip
        struct.pack_into("<I", header, at, word)
    return bytes(header) + padded
