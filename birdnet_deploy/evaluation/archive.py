"""Which recordings an archive has: a folder that is walked, or a CSV manifest that names them."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from birdnet_deploy.audio.reading import SUFFIXES
from birdnet_deploy.audio.walk import walk
from birdnet_deploy.errors import UsageError
from birdnet_deploy.evaluation.label_files import FILE_HEADINGS, LABEL_HEADINGS
from birdnet_deploy.support.inputs import read_input_text

_MANIFEST_BYTES = 1 << 30  # tens of millions of recordings


@dataclass(frozen=True)
class Archive:
    """An archive of recordings: ``names`` are POSIX paths relative to ``root``, sorted by code point, each once.

    ``manifest`` is the CSV that named the recordings, None for a folder; ``labelled`` says whether it has labels.
    ``unentered`` are folders that could not be read, and links to folders that were entered already (a loop, or a
    second way to the same place).
    """

    root: Path
    names: Sequence[str]
    manifest: Path | None = None
    labelled: bool = False
    unentered: tuple[str, ...] = ()

    def path(self, name: str) -> Path:
        """Gives where a recording is."""
        return self.root / name


def names_sha256(names: Sequence[str]) -> str:
    """Gives the SHA-256 of a list of names: whether two machines see the same archive."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def shard_of(name: str, shards: int) -> int:
    """Gives which of ``shards`` parts, from 1 on, a recording belongs to: the same on every machine."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % shards + 1


def open_archive(path: Path) -> Archive:
    """Gives the recordings below a folder, of one file, or of a CSV manifest (a column ``file`` or ``path``).

    Hidden files and folders are left out; links to folders are followed, and no folder is entered twice.

    Raises: UsageError (exit 2) where there is nothing at ``path``, no recording in it, or a manifest is none.
    """
    if path.is_file() and path.suffix.lower() in (".csv", ".tsv"):
        archive = _of_manifest(path)
    elif path.is_file():
        archive = _of_file(path)
    elif path.is_dir():
        archive = _of_folder(path)
    else:
        raise UsageError("no such folder of recordings or manifest", where=path, fix="name one that is there")
    if not archive.names:
        known = ", ".join(sorted(SUFFIXES))
        raise UsageError("holds no recordings", where=path, fix=f"recordings are known by their suffix: {known}")
    return archive


def _of_file(path: Path) -> Archive:
    return Archive(path.parent, (path.name,))


def _of_folder(root: Path) -> Archive:
    found = walk(root, SUFFIXES)
    unentered = [f"{folder} cannot be read ({reason})" for folder, reason in found.unreadable]
    unentered += [f"{link} leads to a folder that is walked already" for link in found.repeated]
    return Archive(root, found.names, unentered=tuple(sorted(unentered)))


def _of_manifest(path: Path) -> Archive:
    try:
        text = read_input_text(path, _MANIFEST_BYTES)
        delimiter = max(",;\t", key=text.partition("\n")[0].count)  # as label files are read
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        header = [name.strip().lower() for name in next(rows, [])]
        column = next((header.index(name) for name in FILE_HEADINGS if name in header), None)
        if column is None:
            found = ", ".join(header[:8]) or "nothing"
            raise UsageError(f"names no recordings (its columns are {found})", where=path, fix="call the column: file")
        cells = {row[column].strip() for row in rows if len(row) > column}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"not a readable CSV ({error})", where=path, fix="write it as UTF-8 with a header") from error
    names = sorted({manifest_name(cell, path) for cell in cells if cell})
    return Archive(path.parent, names, manifest=path, labelled=not set(LABEL_HEADINGS).isdisjoint(header))


def manifest_name(written: str, manifest: Path) -> str:
    """Gives the name, relative to the manifest's folder, of a recording as a row of it is written.

    Raises: UsageError (exit 2) for an absolute path that is not below that folder, or a NUL, which no path has.
    """
    if "\0" in written:
        raise UsageError(f"{written!r} is no name of a file", where=manifest, fix="write the manifest again, as UTF-8")
    name = written.replace("\\", "/") if "/" not in written else written
    if not name.startswith("/"):
        return os.path.normpath(name)
    try:
        return PurePosixPath(name).relative_to(manifest.parent.absolute().as_posix()).as_posix()
    except ValueError as error:
        raise UsageError(
            f"{written!r} is not below the manifest's folder",
            where=manifest,
            fix="write paths relative to the manifest",
        ) from error
