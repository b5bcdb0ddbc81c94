"""The ``stage`` record: what an intermediate tensor of one window holds (docs/protocol.md)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

WIDTHS = {"float32": 4, "int8": 1}
FIRST = 8  # values that are told, at most
_FORMATS = {"float32": ">f", "int8": ">b"}
_U32 = 2**32 - 1


@dataclass(frozen=True)
class Stage:
    """One tensor between sound and network; ``crc32`` is over its bytes, little endian."""

    seq: int
    file: str
    win: int
    name: str
    dtype: str
    count: int
    crc32: int
    min: float
    max: float
    sum: float
    first: tuple[float, ...]
    extra: Mapping[str, Any]


class Fields(Protocol):
    """What takes the fields of a record one by one, checked."""

    def text(self, key: str) -> str:
        """Gives a text that is not empty."""

    def integer(self, key: str, low: int, high: int) -> int:
        """Gives an integer in a range."""

    def choice(self, key: str, valid: tuple[str, ...]) -> str:
        """Gives one of some words."""

    def hexadecimal(self, key: str, digits: int) -> str:
        """Gives so many hexadecimal digits."""

    def rest(self) -> dict[str, Any]:
        """Gives what nobody took."""


def stage_of(seq: int, fields: Fields) -> Stage:
    """Gives the record of the fields; what takes them raises where one is missing or wrong."""
    dtype = fields.choice("dtype", tuple(WIDTHS))
    count = fields.integer("count", 1, _U32)
    width, form = WIDTHS[dtype], _FORMATS[dtype]

    def values(key: str, number: int) -> tuple[float, ...]:
        data = bytes.fromhex(fields.hexadecimal(key, 2 * width * number))
        return tuple(value for (value,) in struct.iter_unpack(form, data))

    return Stage(
        seq=seq,
        file=fields.text("file"),
        win=fields.integer("win", 0, _U32),
        name=fields.text("name"),
        dtype=dtype,
        count=count,
        crc32=int(fields.hexadecimal("crc32", 8), 16),
        min=values("min", 1)[0],
        max=values("max", 1)[0],
        sum=struct.unpack(">d", bytes.fromhex(fields.hexadecimal("sum", 16)))[0],
        first=values("first", min(FIRST, count)),
        extra=fields.rest(),
    )
