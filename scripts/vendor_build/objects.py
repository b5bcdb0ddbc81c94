"""Reading relocatable objects of the Arm compiler: their functions, and which section mentions which symbol.

Source: System V ABI, chapters "Object Files"; Arm ELF (IHI 0044).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_SECTION = struct.Struct("<IIIIIIIIII")
_SYMBOL = struct.Struct("<IIIBBH")
_REL = struct.Struct("<II")
_SYMTAB, _REL_TABLE = 2, 9
_FUNCTION, _SECTION_SYMBOL = 2, 3
_LOCAL, _WEAK = 0, 2
_FIRST_RESERVED = 0xFF00
_THUMB = 1
_BX_LR = bytes.fromhex("7047")


@dataclass(frozen=True)
class Symbol:
    """One entry of the table; ``section`` is None where it is defined elsewhere."""

    name: str
    value: int
    size: int
    is_function: bool
    is_section: bool
    is_local: bool
    is_weak: bool
    section: int | None


@dataclass(frozen=True)
class ObjectFile:
    """One object: ``mentions`` are the symbols that a section's relocations name, by the section's number."""

    path: Path
    symbols: tuple[Symbol, ...]
    mentions: dict[int, tuple[Symbol, ...]]
    contents: dict[int, bytes]

    def functions(self) -> list[Symbol]:
        """The functions that it defines."""
        return [symbol for symbol in self.symbols if symbol.is_function and symbol.section is not None]

    def weak_functions(self) -> list[str]:
        """Names of those that another definition would replace in silence."""
        return [symbol.name for symbol in self.functions() if symbol.is_weak]

    def empty_functions(self) -> list[str]:
        """Names of those that only return."""
        found = []
        for symbol in self.functions():
            start = symbol.value & ~_THUMB
            code = self.contents.get(symbol.section or 0, b"")[start : start + symbol.size]
            if code.startswith(_BX_LR):
                found.append(symbol.name)
        return found


def read_object(path: Path) -> ObjectFile:
    """Gives an object file's symbols and relocations.

    Raises: ValueError where it is not a 32-bit little-endian object.
    """
    content = path.read_bytes()
    header = _HEADER.unpack_from(content)
    if not header[0].startswith(b"\x7fELF\x01\x01"):
        raise ValueError(f"{path}: not a 32-bit little-endian object")
    sections = [_SECTION.unpack_from(content, header[6] + i * header[11]) for i in range(header[12])]
    table = next(section for section in sections if section[1] == _SYMTAB)
    names = sections[table[6]]
    symbols = tuple(
        _symbol(content, names[4], entry) for entry in _SYMBOL.iter_unpack(content[table[4] : table[4] + table[5]])
    )
    mentions: dict[int, list[Symbol]] = {}
    for _, kind, _, _, offset, size, _, target, *_ in sections:
        if kind == _REL_TABLE:
            entries = _REL.iter_unpack(content[offset : offset + size])
            mentions.setdefault(target, []).extend(symbols[info >> 8] for _, info in entries)
    contents = {i: content[section[4] : section[4] + section[5]] for i, section in enumerate(sections)}
    return ObjectFile(path, symbols, {key: tuple(value) for key, value in mentions.items()}, contents)


def _symbol(content: bytes, names: int, entry: tuple[int, ...]) -> Symbol:
    name_at, value, size, info, _, section = entry
    end = content.index(b"\0", names + name_at)
    return Symbol(
        name=content[names + name_at : end].decode("utf-8", errors="replace"),
        value=value, size=size, is_function=info & 15 == _FUNCTION, is_section=info & 15 == _SECTION_SYMBOL,
        is_local=info >> 4 == _LOCAL, is_weak=info >> 4 == _WEAK,
        section=section if 0 < section < _FIRST_RESERVED else None,
    )  # fmt: skip
