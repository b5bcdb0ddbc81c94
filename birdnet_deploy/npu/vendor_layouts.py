"""The parts of ST's trees: where they may lie, and what a build takes of them, by path."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

CARD_TREE = "FATFS_DIR"  # only a board with a card is built with it
_TABLE = Path(__file__).with_name("vendor_layouts.toml")


@dataclass(frozen=True)
class Layout:
    """One part of a tree, a folder: below ``root``, in the first of ``folders`` that holds ``file``.

    ``include`` are its folders of headers, ``sources`` what is compiled of it, ``optional`` where it is there.
    """

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


@lru_cache(maxsize=1)
def layouts() -> tuple[Layout, ...]:
    """Gives the parts that trees are known by, in the order of ``vendor_layouts.toml``."""
    return tuple(_layout(entry) for entry in tomllib.loads(_TABLE.read_text(encoding="utf-8"))["part"])


def _layout(entry: dict[str, Any]) -> Layout:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    return Layout(**values)
