"""An image with ST's header, checked without a board: what the boot ROM of the STM32N6 would refuse, or never start.

The layout was read off nine images of ST's (version 2.3, signed without a key): ``STM2`` at 0; the byte sum of the
payload (from 0x240) at 0x64; the version at 0x68; the payload's length at 0x6C; the entry at 0x70; 0xFFFFFFFF at 0x78;
0x80000000 at 0x84; 0x1A0 at 0x88; the kind at 0x8C; zeros from 0x240 to 0x400; vectors at 0x400, whose second word is
the entry.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import BoardError
from birdnet_deploy.support.hashes import sha256_bytes
from birdnet_deploy.support.inputs import open_input

HEADER_BYTES = 0x240
VECTORS = 0x400
KINDS = {"app": 0x00, "fsbl": 0x10}  # what ST's tool calls -t ssbl and -t fsbl
_MAGIC = b"STM2"
_VERSION = 0x00020300
_EXTENSION_BYTES = 0x1A0
_NO_KEY = 0x80000000
_MOST_BYTES = 64 << 20
_WORDS = {
    "checksum": 0x64, "version": 0x68, "length": 0x6C, "entry": 0x70, "all_ones": 0x78, "options": 0x84,
    "extension": 0x88, "kind": 0x8C,
}  # fmt: skip


@dataclass(frozen=True)
class SignedImage:
    """The header's words, the vectors behind it and the size of the file in bytes; ``kind`` is that of ``KINDS``."""

    path: Path
    size_bytes: int
    sha256: str
    checksum: int
    version: int
    length: int
    entry: int
    kind: int
    stack: int
    reset: int
    problems: tuple[str, ...]

    @property
    def kind_name(self) -> str:
        """``app``, ``fsbl``, or the number."""
        return next((name for name, number in KINDS.items() if number == self.kind), f"0x{self.kind:02X}")

    def to_json(self) -> dict[str, Any]:
        """Gives the image for programs; its kind by name."""
        return {**asdict(self), "path": str(self.path), "kind": self.kind_name}


def read_signed_image(path: Path) -> SignedImage:
    """Gives an image and everything that is wrong with it.

    Raises: BoardError (exit 7) where the file cannot be read or is shorter than header and vectors.
    """
    try:
        with open_input(path) as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise BoardError(f"cannot be read ({error.strerror})", where=path, fix="name the signed .bin") from error
    if len(data) < VECTORS + 8 or len(data) > _MOST_BYTES:
        raise BoardError(
            f"{len(data)} bytes are no signed image: the header alone has {VECTORS}", where=path, fix=_SIGN
        )  # fmt: skip
    words = {name: _word(data, at) for name, at in _WORDS.items()}
    stack, reset = _word(data, VECTORS), _word(data, VECTORS + 4)
    return SignedImage(
        path, len(data), sha256_bytes(data), words["checksum"], words["version"], words["length"], words["entry"],
        words["kind"], stack, reset, tuple(_problems(data, words, reset)),
    )  # fmt: skip


def check_signed_image(path: Path, *, kind: str | None = None, slot_bytes: int | None = None) -> SignedImage:
    """Gives an image that is whole, of the ``kind`` that is wanted and no longer than its slot.

    Raises: BoardError (exit 7) with everything that is wrong with it.
    """
    image = read_signed_image(path)
    problems = list(image.problems)
    if not problems and kind is not None and image.kind != KINDS[kind]:
        problems.append(f"it is of kind {image.kind_name}, not {kind}")
    if slot_bytes is not None and image.size_bytes > slot_bytes:
        problems.append(f"{image.size_bytes} bytes do not fit the slot of {slot_bytes}: what lies behind would be lost")
    if problems:
        raise BoardError("; ".join(problems), where=path, fix=_SIGN)
    return image


_SIGN = "sign again: birdnet-deploy flash --sign-only (STM32_SigningTool_CLI needs -align from version 2.21 on)"


def _word(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


def _problems(data: bytes, words: dict[str, int], reset: int) -> Iterator[str]:
    if not data.startswith(_MAGIC):
        yield f"no signed image: it begins with {data[:4]!r}, not {_MAGIC!r}"
        return
    if words["version"] != _VERSION:
        yield f"header version 0x{words['version']:08X} at 0x68, not 0x{_VERSION:08X} (-hv 2.3)"
    if words["length"] != len(data) - HEADER_BYTES:
        yield f"length {words['length']} at 0x6C, but {len(data) - HEADER_BYTES} bytes follow the header"
    total = sum(data[HEADER_BYTES:]) & 0xFFFFFFFF
    if words["checksum"] != total:
        yield f"checksum 0x{words['checksum']:08X} at 0x64, but the payload's bytes add up to 0x{total:08X}"
    for name, at, wanted in (("all_ones", 0x78, 0xFFFFFFFF), ("options", 0x84, _NO_KEY),
                             ("extension", 0x88, _EXTENSION_BYTES)):  # fmt: skip
        if words[name] != wanted:
            yield f"0x{words[name]:08X} at 0x{at:02X}, not 0x{wanted:08X}"
    if words["kind"] not in KINDS.values():
        yield f"kind 0x{words['kind']:X} at 0x8C is neither an application nor an FSBL"
    yield from _alignment(data, words["entry"], reset)


def _alignment(data: bytes, entry: int, reset: int) -> Iterator[str]:
    """The payload is padded to 0x400; without -align it begins at 0x240 and the board never starts."""
    if _word(data, HEADER_BYTES + 4) == entry != reset:
        yield f"misaligned: the vectors are at 0x{HEADER_BYTES:X}, not at 0x{VECTORS:X}, so it never starts"
    elif any(data[HEADER_BYTES:VECTORS]):
        yield f"bytes between 0x{HEADER_BYTES:X} and 0x{VECTORS:X} are not zero: the payload is not aligned"
    elif entry != reset:
        yield f"the entry is 0x{entry:08X}, the reset vector at 0x{VECTORS + 4:X} is 0x{reset:08X}"
    elif not reset & 1:
        yield f"the reset vector 0x{reset:08X} is even: no Thumb code"
