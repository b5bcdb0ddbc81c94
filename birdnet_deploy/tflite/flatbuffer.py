"""A bounded reader of FlatBuffers tables: whatever the bytes hold, it gives a value or raises ModelError.

Every offset, vtable, vector length, string and field is checked against the buffer before it is
followed, nothing recurses, and all that a file makes us decode is charged to one budget, so that offsets
which share one large vector cannot multiply it. The layout is that of https://flatbuffers.dev/internals:
little endian, a table starts with the signed distance back to its vtable, a vtable is a list of uint16
offsets from the table's start.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from birdnet_deploy.errors import ModelError

MAX_TABLES = 65_536  # in one vector; the largest model of this family has a few hundred
MAX_STRING_BYTES = 65_536  # the converter joins the names of fused operators
MAX_COST = 256 * 1024 * 1024
_TABLE_COST = 64
_ELEMENT_COST = 16

_FORMATS = {
    "bool": "?", "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I",
    "int64": "q", "uint64": "Q", "float32": "f",
}  # fmt: skip
_OFFSETS = frozenset({"string", "table"})


@dataclass(frozen=True)
class Field:
    """One slot of a table: its type, and for an enum the names from 0."""

    slot: int
    name: str
    type: str
    vector: bool
    default: Any
    names: tuple[str, ...] | None


def parse_fields(text: str, enums: Mapping[str, tuple[str, ...]]) -> tuple[Field, ...]:
    """Gives the fields of a table written as ``name:type[=default] ...`` in slot order (``-`` skips one)."""
    fields = []
    for slot, word in enumerate(text.split()):
        if word == "-":
            continue
        name, _, kind = word.partition(":")
        kind, _, default = kind.partition("=")
        vector = kind.startswith("[")
        kind = kind.strip("[]")
        names = enums.get(kind)
        value: Any = {"True": True}.get(default) or (int(default) if default else 0)
        value = bool(value) if kind == "bool" else float(value) if kind == "float32" else value
        fields.append(Field(slot, name, "int8" if names else kind, vector, value, names))
    return tuple(fields)


class Flatbuffer:
    """The bytes of one file and what reading them has cost so far."""

    def __init__(self, data: bytes, where: object) -> None:
        self.data = data
        self.where = where
        self._left = min(MAX_COST, 16 * len(data) + 1_048_576)

    def fail(self, what: str) -> NoReturn:
        """Refuses the file. Raises: ModelError (exit 3) that names it."""
        raise ModelError(f"not a sound .tflite file, {what}", where=self.where, fix="convert the model again")

    def root(self, identifier: bytes) -> int:
        """Gives the position of the root table.

        Raises: ModelError where the file is too short or has another identifier.
        """
        if len(self.data) < 8 or self.data[4:8] != identifier:
            self.fail(f"it does not say {identifier.decode()} at byte 4")
        return self._follow(0, "the root table")

    def read(self, position: int, fields: tuple[Field, ...], what: str) -> dict[str, Any]:
        """Gives the fields of the table at ``position`` by name.

        Scalars are numbers, enums their names, strings text, tables positions (None where absent); vectors
        are tuples, or bytes for uint8, None where absent.

        Raises: ModelError where anything lies outside the file.
        """
        offsets, size = self._vtable(position, what)
        values: dict[str, Any] = {}
        for field in fields:
            offset = offsets[field.slot] if field.slot < len(offsets) else 0
            if offset == 0:
                absent = field.vector or field.type in _OFFSETS
                values[field.name] = None if absent else self._named(field, field.default, what)
                continue
            if field.vector or field.type in _OFFSETS:
                if offset < 4 or offset + 4 > size:
                    self.fail(f"field {field.name} of {what} lies outside its table")
                values[field.name] = self._indirect(position + offset, field, f"{field.name} of {what}")
            else:
                width = struct.calcsize("<" + _FORMATS[field.type])
                if offset < 4 or offset + width > size:
                    self.fail(f"field {field.name} of {what} lies outside its table")
                (value,) = struct.unpack_from("<" + _FORMATS[field.type], self.data, position + offset)
                values[field.name] = self._named(field, value, what)
        return values

    def _vtable(self, position: int, what: str) -> tuple[tuple[int, ...], int]:
        """Gives the offsets in the table's vtable, and the size of the table in bytes."""
        self._charge(_TABLE_COST, what)
        data = self.data
        if not 0 <= position <= len(data) - 4:
            self.fail(f"{what} lies outside the file")
        vtable = position - int.from_bytes(data[position : position + 4], "little", signed=True)
        if not 0 <= vtable <= len(data) - 4:
            self.fail(f"the field list of {what} lies outside the file")
        length, size = struct.unpack_from("<HH", data, vtable)
        if length < 4 or length % 2 or vtable + length > len(data):
            self.fail(f"the field list of {what} has a wrong length")
        if size < 4 or position + size > len(data):
            self.fail(f"{what} has a wrong size")
        count = length // 2 - 2
        return struct.unpack_from(f"<{count}H", data, vtable + 4), size

    def _named(self, field: Field, value: Any, what: str) -> Any:
        if field.names is None:
            return value
        if not 0 <= value < len(field.names):
            self.fail(f"{field.name} of {what} is {value}, which the schema does not know")
        return field.names[value]

    def _follow(self, at: int, what: str) -> int:
        """Gives the position that the offset at ``at`` points to; at least four bytes lie there."""
        position = at + int.from_bytes(self.data[at : at + 4], "little")
        if not at + 4 <= position <= len(self.data) - 4:
            self.fail(f"{what} points outside the file")
        return position

    def _indirect(self, at: int, field: Field, what: str) -> Any:
        position = self._follow(at, what)
        if field.type == "table" and not field.vector:
            return position
        count = int.from_bytes(self.data[position : position + 4], "little")
        start = position + 4
        if field.type == "string":
            return self._string(start, count, what)
        kind = "uint32" if field.type == "table" else field.type
        width = struct.calcsize("<" + _FORMATS[kind])
        if start + count * width > len(self.data):
            self.fail(f"{what} is longer than the file")
        if kind == "uint8":
            self._charge(count, what)
            return self.data[start : start + count]
        self._charge(_ELEMENT_COST * count, what)
        if field.type == "table":
            if count > MAX_TABLES:
                self.fail(f"{what} are {count}, more than {MAX_TABLES}")
            return tuple(self._follow(start + 4 * i, what) for i in range(count))
        return struct.unpack_from(f"<{count}{_FORMATS[kind]}", self.data, start)

    def _string(self, start: int, count: int, what: str) -> str:
        if count > MAX_STRING_BYTES or start + count > len(self.data):
            self.fail(f"{what} is a text of {count} bytes")
        self._charge(count, what)
        return self.data[start : start + count].decode("utf-8", "backslashreplace")

    def _charge(self, cost: int, what: str) -> None:
        self._left -= cost
        if self._left < 0:
            self.fail(f"{what} makes it unfold to many times its size")
