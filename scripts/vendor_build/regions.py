"""What an ELF puts where: its sections against the regions of a target file."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from birdnet_deploy.npu.data import Pool

_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_SECTION = struct.Struct("<IIIIIIIIII")
_ALLOC = 2


@dataclass(frozen=True)
class Placed:
    """One section that takes memory."""

    name: str
    address: int
    bytes: int


def read_sections(elf: Path) -> list[Placed]:
    """Gives the sections of an ELF that take memory, by address."""
    content = elf.read_bytes()
    header = _HEADER.unpack_from(content)
    sections = [_SECTION.unpack_from(content, header[6] + i * header[11]) for i in range(header[12])]
    names = sections[header[13]][4]
    placed = []
    for name_at, _, flags, address, _, size, *_ in sections:
        if flags & _ALLOC and size:
            end = content.index(b"\0", names + name_at)
            placed.append(Placed(content[names + name_at : end].decode(), address, size))
    return sorted(placed, key=lambda section: section.address)


def use_of_regions(sections: list[Placed], regions: tuple[Pool, ...]) -> tuple[dict[str, int], list[str]]:
    """Gives the bytes that each region holds, from its start to its last section's end, and what lies outside."""
    used: dict[str, int] = {}
    outside = []
    for section in sections:
        end = section.address + section.bytes
        for region in regions:
            if region.address <= section.address and end <= region.address + region.bytes:
                used[region.name] = max(used.get(region.name, 0), end - region.address)
                break
        else:
            outside.append(f"{section.name} at 0x{section.address:08X}, {section.bytes:,} bytes")
    return used, outside
