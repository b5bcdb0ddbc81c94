"""Recordings onto an SD card that is empty or ours: its file system and room checked, nothing foreign touched."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from birdnet_deploy.board.card import MANIFEST_FILE, Card
from birdnet_deploy.errors import OutputRefused, UsageError
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.support.progress import Progress, counted

STAGES_ON = "STAGES.ON"  # firmware_stub/app/stages.h
LOG_ON = "LOG.ON"  # firmware_stub/app/cardlog.h
MOUNTS = Path("/proc/mounts")  # Linux; other systems have none
MAX_FILE_BYTES = 2**31 - 1  # firmware_stub/port: a longer file is refused
_FAT = {"vfat": "FAT32", "msdos": "FAT32"}  # not exFAT: firmware_stub/port/stm32n6/ffconf.h
_UNCLEAR = frozenset({"fuseblk", "fuse", "9p", "drvfs"})  # something else behind it says what it is
_SYSTEM = frozenset({"System Volume Information", "lost+found", "$RECYCLE.BIN"})  # and what begins with a dot
_LOG = re.compile(r"BN\d{6}\.LOG")
_WAV = re.compile(r"\d{5}\.WAV")
_LISTED = 5
_SPARE_BYTES = 2**20  # the tables of the file system, and a log


@dataclass(frozen=True)
class Place:
    """Where a card's folder lies; None: this system does not say. ``mounted``: it is the root of a file system."""

    filesystem: str | None
    free_bytes: int | None
    mounted: bool

    @property
    def fits(self) -> bool | None:
        """Whether firmware can read that file system; None where nobody knows."""
        if self.filesystem is None or self.filesystem in _UNCLEAR:
            return None
        return self.filesystem in _FAT

    @property
    def text(self) -> str:
        """The place as people read it."""
        name = "unknown file system" if self.filesystem is None else _FAT.get(self.filesystem, self.filesystem)
        return f"{name}, {'unknown room' if self.free_bytes is None else f'{self.free_bytes:,} bytes free'}"


def place_of(folder: Path, mounts: Path = MOUNTS) -> Place:
    """Gives where a folder lies, from the system's table of mounts where it has one."""
    try:
        free: int | None = shutil.disk_usage(folder).free
    except OSError:
        free = None
    try:
        rows = [line.split(" ") for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()]
    except OSError:
        return Place(None, free, mounted=False)
    here = folder.resolve()
    around = [(Path(_unescaped(row[1])), row[2]) for row in rows if len(row) > 2]
    fitting = [(len(point.parts), kind, point) for point, kind in around if here.is_relative_to(point)]
    if not fitting:
        return Place(None, free, mounted=False)
    deepest = max(depth for depth, _, _ in fitting)
    _, kind, point = [found for found in fitting if found[0] == deepest][-1]  # the last one mounted there covers others
    return Place(kind, free, mounted=point == here)


def fill_card(
    card: Card, folder: Path, *, stages: bool = False, log: bool = False, board: bool = True, progress: Progress,
    mounts: Path = MOUNTS,
) -> Place:  # fmt: skip
    """Gives where the card lies, after the recordings and the manifest were copied into its folder.

    ``folder`` exists: a mounted SD card, or any folder. What it holds of an earlier card is replaced; its logs stay.
    ``stages`` asks the firmware for the tensors of every window, ``log`` for its records on the card. ``board`` says
    that a board will read it.

    Raises: UsageError (2) where there is no such folder or a recording is too long; OutputRefused (5) where it holds
    anything else, its file system is none that firmware reads, or there is no room.
    """
    if not folder.is_dir():
        raise UsageError("no such folder", where=folder, fix="mount the card first, or make the folder")
    present = _present(folder)
    place = place_of(folder, mounts)
    if board:
        _check_filesystem(place, folder, progress)
    _check_room(card, folder, place)
    wanted = {file.name: file for file in card.files}
    try:
        # first of all, so that a card that was half written is known as ours
        _note(folder, {"schema_version": 1, "unfinished": True, "files": []})
        for name in sorted(present - {MANIFEST_FILE}):
            if not name.endswith(".LOG") and name not in wanted:
                (folder / name).unlink()
        progress.step("writing the card")
        for file in counted(card.files, len(card.files), progress):
            target = folder / file.name
            if not target.is_file() or sha256_file(target) != file.wav_sha256:
                shutil.copyfile(card.folder / file.name, target)
                if sha256_file(target) != file.wav_sha256:
                    raise OutputRefused("reads other bytes than were written", where=target, fix="use another card")
        for name, wanted_too in ((STAGES_ON, stages), (LOG_ON, log)):
            if wanted_too:
                (folder / name).touch()
        shutil.copyfile(card.manifest, folder / MANIFEST_FILE)
    except OSError as error:
        raise OutputRefused(f"cannot be written ({error.strerror})", where=folder, fix="use another card") from error
    return place


def _present(folder: Path) -> set[str]:
    """Gives the names on a card that is empty or ours."""
    try:
        names = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise OutputRefused(f"cannot be read ({error.strerror})", where=folder, fix="use another card") from error
    names = {name for name in names if not name.startswith(".") and name not in _SYSTEM}
    ours = _ours(folder / MANIFEST_FILE, names)
    foreign = sorted(name for name in names if name not in ours)
    if foreign:
        more = f" and {len(foreign) - _LISTED} more" if len(foreign) > _LISTED else ""
        raise OutputRefused(
            f"not an empty card, nor one that this tool wrote (it holds {', '.join(foreign[:_LISTED])}{more})",
            where=folder, fix="name an empty one by --card",
        )  # fmt: skip
    return names


def _ours(manifest: Path, names: set[str]) -> set[str]:
    """Gives which names an earlier card left; none where no manifest of ours says so."""
    try:
        data: Any = json.loads(manifest.read_text(encoding="utf-8"))
        written = {str(entry["name"]) for entry in data["files"]}
        unfinished = data["schema_version"] and data.get("unfinished", False)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return set()
    logs = {name for name in names if _LOG.fullmatch(name) or (unfinished and _WAV.fullmatch(name))}
    return {MANIFEST_FILE, STAGES_ON, LOG_ON, *written, *logs}


def _note(folder: Path, content: dict[str, Any]) -> None:
    (folder / MANIFEST_FILE).write_text(json.dumps(content), encoding="utf-8")


def _check_filesystem(place: Place, folder: Path, progress: Progress) -> None:
    if place.fits:
        return
    if place.fits is None:
        progress.warn(f"{folder}: the file system is unknown here; the firmware reads FAT32")
    elif place.mounted:
        raise OutputRefused(f"is {place.filesystem}", where=folder, fix="format it as FAT32")
    else:
        progress.warn(f"{folder} is on {place.filesystem}: copy it to a card with FAT32")


def _check_room(card: Card, folder: Path, place: Place) -> None:
    needed = 0
    for file in card.files:
        size, there = (card.folder / file.name).stat().st_size, folder / file.name
        if size > MAX_FILE_BYTES:
            what = f"{size:,} bytes on the card, more than the {MAX_FILE_BYTES:,} of a file there"
            raise UsageError(what, where=file.source, fix="cut it in parts")
        needed += size - (there.stat().st_size if there.is_file() else 0)
    if place.free_bytes is not None and needed + _SPARE_BYTES > place.free_bytes:
        what = f"{needed + _SPARE_BYTES:,} bytes are needed, {place.free_bytes:,} are free"
        raise OutputRefused(what, where=folder, fix="use a larger card, or fewer recordings")


def _unescaped(text: str) -> str:
    """The mount point as it is: blanks and the like are octal there."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
