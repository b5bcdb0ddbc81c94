"""The parts of ST's trees that a build takes by path, for Makefile and CMake: ``toolchain/vendor_layouts.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import birdnet_deploy
from birdnet_deploy.npu.targets import Board

_TABLE = Path(birdnet_deploy.__file__).parent / "toolchain" / "vendor_layouts.toml"
_CARD_PART = "fatfs"  # only a board with a card needs it


@dataclass(frozen=True)
class VendorPart:
    """One folder of a tree: below ``root`` in the first of ``folders`` that holds ``file``."""

    name: str
    title: str
    variable: str
    root: str
    file: str
    folders: tuple[str, ...]
    include: tuple[str, ...]
    sources: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def make_folder(self) -> str:
        """Make's expression for the folder; empty where there is none. ``file`` lies as deep as it has slashes."""
        places = " ".join(f"$(wildcard $({self.root})/{folder}/{self.file})" for folder in self.folders)
        found = f"$(firstword {places})"
        for _ in range(self.file.count("/") + 1):
            found = f"$(patsubst %/,%,$(dir {found}))"
        return found

    @property
    def file_up(self) -> str:
        """The way from the folder of ``file`` to the part's: ``..`` for each folder of it."""
        return "/".join([".."] * self.file.count("/")) or "."


def vendor_parts(board: Board) -> tuple[VendorPart, ...]:
    """Gives the parts that a board's firmware is built with, in the order of the table."""
    parts = (_part(entry) for entry in tomllib.loads(_TABLE.read_text(encoding="utf-8"))["part"])
    return tuple(part for part in parts if part.name != _CARD_PART or "sd" in board.features)


def _part(entry: dict[str, Any]) -> VendorPart:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    return VendorPart(**values)
