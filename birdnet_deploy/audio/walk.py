"""The files below a folder: the same names for calibration, cards and whole archives."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath


@dataclass
class Walked:
    """What a walk found: ``names`` are POSIX paths relative to its top, sorted by code point.

    ``unreadable`` are folders that could not be entered, each with the reason; ``repeated`` are links to folders that
    were entered already (a loop, or a second way to the same place).
    """

    names: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)


def walk(root: Path, suffixes: Collection[str]) -> Walked:
    """Gives the files below a folder with one of ``suffixes`` (in any case), also those that cannot be opened.

    Hidden files and folders are left out. Links to folders are followed behind all real folders, so that a link never
    hides a folder's own name, and no folder is entered twice.
    """
    walking = _Walk(root, suffixes)
    walking.enter([""])
    while walking.links:
        walking.links.sort()
        link = walking.links.pop(0)
        if walking.is_new(link):
            walking.enter([link])
        else:
            walking.found.repeated.append(link)
    walking.found.names.sort()
    return walking.found


class _Walk:
    """What a walk has found so far."""

    def __init__(self, root: Path, suffixes: Collection[str]) -> None:
        self._root, self._suffixes = root, suffixes
        self._entered = {_identity(root)}
        self.found = Walked()
        self.links: list[str] = []

    def is_new(self, folder: str) -> bool:
        """Says whether a folder was not entered yet; from now on it counts as entered."""
        identity = _identity(self._root / folder)
        if identity in self._entered:
            return False
        self._entered.add(identity)
        return True

    def enter(self, folders: list[str]) -> None:
        """Takes what is in ``folders`` and below; links to folders are put aside."""
        while folders:
            folder = folders.pop()
            try:
                found = [entry for entry in os.scandir(self._root / folder) if not entry.name.startswith(".")]
            except OSError as error:
                self.found.unreadable.append((folder or ".", str(error.strerror)))
                continue
            prefix = f"{folder}/" if folder else ""
            inner = [entry for entry in found if _is_dir(entry)]
            self._take(prefix, {entry.name for entry in found} - {entry.name for entry in inner})
            self.links.extend(prefix + entry.name for entry in inner if entry.is_symlink())
            real = [prefix + entry.name for entry in inner if not entry.is_symlink()]
            folders.extend(name for name in sorted(real, reverse=True) if self.is_new(name))

    def _take(self, prefix: str, files: Collection[str]) -> None:
        wanted = (name for name in files if PurePosixPath(name).suffix.lower() in self._suffixes)
        self.found.names.extend(prefix + name for name in wanted)


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _identity(folder: Path) -> object:
    try:
        told = folder.stat()
    except OSError:  # it is gone again, which entering it will tell
        return folder
    return (told.st_dev, told.st_ino)
