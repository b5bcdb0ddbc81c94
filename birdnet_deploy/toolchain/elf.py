"""Reading what an ELF holds: the sizes that a linker's report shows, without a tool of the tool chain."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from birdnet_deploy.errors import BuildError

_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_SECTION = struct.Struct("<IIIIIIIIII")
_SEGMENT = struct.Struct("<IIIIIIII")
_LOAD = 1
_SYMBOL = struct.Struct("<IIIBBH")
_ELF32_LITTLE_ENDIAN = b"\x7fELF\x01\x01"
_NOBITS, _SYMBOL_TABLE = 8, 2
_WRITE, _ALLOC = 1, 2


@dataclass(frozen=True)
class ElfSizes:
    """Bytes as ``size`` counts them: code and constants, initialised data, zeroed memory with the stack."""

    text_bytes: int
    data_bytes: int
    bss_bytes: int


@dataclass(frozen=True)
class Placed:
    """One section that takes memory: where it lies when the program runs, and from where it is loaded."""

    name: str
    address: int
    load_address: int
    bytes: int


def read_symbols(path: Path) -> frozenset[str]:
    """Gives the names that a 32-bit little-endian ELF defines; what the linker left out is not among them.

    Raises: BuildError (exit 6) where it is none. Source: System V ABI, symbol table.
    """
    try:
        content = path.read_bytes()
        header = _HEADER.unpack_from(content)
        if not header[0].startswith(_ELF32_LITTLE_ENDIAN) or header[11] != _SECTION.size:
            raise ValueError("another kind of file")
        sections = [_SECTION.unpack_from(content, header[6] + i * _SECTION.size) for i in range(header[12])]
        names: set[str] = set()
        for _, kind, _, _, start, size, link, *_ in sections:
            strings = sections[link][4] if kind == _SYMBOL_TABLE else 0
            for at in range(start, start + size, _SYMBOL.size) if kind == _SYMBOL_TABLE else ():
                name, _, _, _, _, section = _SYMBOL.unpack_from(content, at)
                if section:
                    names.add(content[strings + name : content.index(b"\0", strings + name)].decode("utf-8", "replace"))
    except (OSError, ValueError, IndexError, struct.error) as error:
        raise BuildError(f"not an ELF of this target ({error})", where=path, fix="build the project again") from error
    return frozenset(names)


def read_sizes(path: Path) -> ElfSizes:
    """Gives the sizes of a 32-bit little-endian ELF, from its section headers.

    Raises: BuildError (exit 6) where it is none. Source: System V ABI, ELF header and section header.
    """
    text = data = bss = 0
    for _, kind, flags, _, _, size, *_ in _sections(path)[1]:
        if flags & _ALLOC and kind == _NOBITS:
            bss += size
        elif flags & _ALLOC and flags & _WRITE:
            data += size
        elif flags & _ALLOC:
            text += size
    return ElfSizes(text, data, bss)


def read_placed(path: Path) -> tuple[Placed, ...]:
    """Gives the sections of an ELF that take memory, by address.

    Raises: BuildError (exit 6) where it is no 32-bit little-endian ELF.
    """
    content, sections = _sections(path)
    header = _HEADER.unpack_from(content)
    try:
        names = sections[header[13]][4]
        segments = [_SEGMENT.unpack_from(content, header[5] + i * header[9]) for i in range(header[10])]
        found = [
            Placed(_name(content, names + name), address, _load_address(address, kind, segments), size)
            for name, kind, flags, address, _, size, *_ in sections
            if flags & _ALLOC and size
        ]
    except (IndexError, ValueError, struct.error) as error:
        raise BuildError(f"not an ELF of this target ({error})", where=path, fix="build the project again") from error
    return tuple(sorted(found, key=lambda section: section.address))


def _name(content: bytes, start: int) -> str:
    return content[start : content.index(b"\0", start)].decode("ascii", "replace")


def _load_address(address: int, kind: int, segments: list[tuple[int, ...]]) -> int:
    """Gives where the bytes of a section lie before it is copied; sections of zeros lie nowhere else."""
    if kind == _NOBITS:
        return address
    for what, _, start, load, held, *_ in segments:
        if what == _LOAD and start <= address < start + held:
            return load + address - start
    return address


def _sections(path: Path) -> tuple[bytes, list[tuple[int, ...]]]:
    try:
        content = path.read_bytes()
        header = _HEADER.unpack_from(content)
        start, entry_bytes, count = header[6], header[11], header[12]
        if not header[0].startswith(_ELF32_LITTLE_ENDIAN) or entry_bytes != _SECTION.size:
            raise ValueError("another kind of file")
        return content, [_SECTION.unpack_from(content, start + i * entry_bytes) for i in range(count)]
    except (OSError, ValueError, struct.error) as error:
        raise BuildError(f"not an ELF of this target ({error})", where=path, fix="build the project again") from error
