"""Changes of valid inputs that readers stumble over; all of them follow from the random numbers that are handed in."""

from __future__ import annotations

import io
import json
import random
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any

_NUMBERS = (0, 1, -1, 2, 127, 128, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
_TEXTS = (
    "", "\0", "\n", "é", "\ud800", "../../x", "/etc/passwd", "CON", "%s%n", '"', "??/", "*/", "a" * 600, "nan", "inf",
    "-1", "1e999", "true", "null", "[]", "{}", "\u202e", "\ufeff", "\x1b[31m", "=cmd()", "<script>",
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1e308, -0.0, 2**70, 0.5, "", [], {}, [[[]]], float("nan"), float("inf"), "x" * 5000,
    *_TEXTS[:12],
)  # fmt: skip


def changed(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Gives one of the seeds with a few changes of its bytes; sometimes bytes from nothing."""
    if rng.random() < 0.02:
        return rng.randbytes(rng.randrange(400))
    data = bytearray(rng.choice(seeds))
    for _ in range(1 + min(int(rng.expovariate(0.5)), 12)):
        rng.choice(_STEPS)(rng, data, seeds)
    return bytes(data)


def _flip(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    if data:
        data[_place(rng, data)] ^= 1 << rng.randrange(8)


def _byte(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    if data:
        data[_place(rng, data)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, 0x0A, rng.randrange(256)))


def _number(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    size = rng.choice((1, 2, 4, 8))
    if len(data) >= size:
        at = _place(rng, data) // size * size
        raw = (rng.choice(_NUMBERS) % 2 ** (8 * size)).to_bytes(size, rng.choice(("little", "big")))
        data[at : at + size] = raw


def _cut(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    del data[_place(rng, data) :]


def _without(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    at = _place(rng, data)
    del data[at : at + rng.choice((1, 2, 4, 16, 300))]


def _twice(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    at = _place(rng, data)
    piece = data[at : at + rng.choice((1, 4, 40, 500))]
    data[at:at] = piece * rng.choice((1, 1, 3, 30))


def _text(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    at = _place(rng, data)
    data[at:at] = rng.choice(_TEXTS).encode("utf-8", "surrogatepass")


def _splice(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    other = rng.choice(seeds)
    at, there = _place(rng, data), rng.randrange(len(other) + 1)
    data[at:] = other[there:]


def _place(rng: random.Random, data: bytearray) -> int:
    """Gives a place; half of them near the beginning, where headers are."""
    if not data:
        return 0
    return rng.randrange(min(len(data), 160)) if rng.random() < 0.5 else rng.randrange(len(data))


_STEPS = (_flip, _flip, _byte, _byte, _number, _number, _cut, _without, _twice, _text, _splice)


def changed_json(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Gives a JSON seed with values, keys and structure changed; one of four with its bytes changed instead."""
    if rng.random() < 0.25:
        return changed(rng, seeds)
    try:
        value = json.loads(rng.choice(seeds))
    except ValueError:
        return changed(rng, seeds)
    for _ in range(1 + min(int(rng.expovariate(0.7)), 6)):
        value = change_value(rng, value)
    return dumped(value)


def dumped(value: Any) -> bytes:
    """Gives a value as JSON, with what JSON has no form for; brackets alone where Python nests less deep."""
    try:
        return json.dumps(value).encode("utf-8", "surrogatepass")
    except RecursionError:
        return b"[" * 20_000


def change_value(rng: random.Random, value: Any, deep: int = 0) -> Any:
    """Gives a JSON value with one change somewhere in it."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        return rng.choice((_changed_member, _changed_member, _changed_member, _changed_key))(rng, value, key, deep)
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        value = list(value)
        if rng.random() < 0.2:
            value[at:at] = [value[at]] * rng.choice((1, 2, 50))
        elif rng.random() < 0.2:
            del value[at]
        else:
            value[at] = change_value(rng, value[at], deep + 1)
        return value
    if type(value) in (int, float) and rng.random() < 0.6:
        return rng.choice((value + 1, -value, value * 2, value * 10**6, float(value), rng.choice(_NUMBERS)))
    if isinstance(value, str) and rng.random() < 0.5:
        return value + rng.choice(_TEXTS)
    if rng.random() < 0.02:
        nested: Any = value
        for _ in range(rng.choice((10, 100, 3000))):
            nested = [nested]
        return nested if deep < 5 else value
    return rng.choice(_VALUES)


def _changed_member(rng: random.Random, value: dict[str, Any], key: str, deep: int) -> dict[str, Any]:
    return {**value, key: change_value(rng, value[key], deep + 1)}


def _changed_key(rng: random.Random, value: dict[str, Any], key: str, deep: int) -> dict[str, Any]:
    kept = {name: item for name, item in value.items() if name != key}
    if rng.random() < 0.4:
        return kept
    return {**kept, key + rng.choice(_TEXTS): value[key]} if rng.random() < 0.5 else {**value, rng.choice(_TEXTS): None}


def changed_zip(
    member: Callable[[random.Random, str, bytes], bytes],
) -> Callable[[random.Random, Sequence[bytes]], bytes]:
    """Gives a change of archives: of a member's content by ``member(rng, name, data)``, of the directory, of bytes."""

    def change(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
        if rng.random() < 0.25:
            return changed(rng, seeds)
        members = _members(rng.choice(seeds))
        if not members:
            return changed(rng, seeds)
        at = rng.randrange(len(members))
        name, data = members[at]
        kind = rng.random()
        if kind < 0.75:
            members[at] = (name, member(rng, name, data))
        elif kind < 0.82:
            del members[at]
        elif kind < 0.90:
            members.append((name if rng.random() < 0.5 else rng.choice(_TEXTS) or "x", data[:1000]))
        else:
            members[at] = (rng.choice(("../", "/", "a/")) + name, data)
        return _packed(rng, members)

    return change


def _members(data: bytes) -> list[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [(info.filename, archive.read(info)) for info in archive.infolist()]
    except (zipfile.BadZipFile, OSError, ValueError, zlib.error, struct.error, RuntimeError, NotImplementedError):
        return []


def _packed(rng: random.Random, members: Sequence[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with (
        warnings.catch_warnings(action="ignore"),
        zipfile.ZipFile(stream, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive,
    ):
        for name, data in members:
            clean = name.encode("utf-8", "replace").decode()
            archive.writestr(zipfile.ZipInfo(clean, (1980, 1, 1, 0, 0, 0)), data)
    return stream.getvalue()
