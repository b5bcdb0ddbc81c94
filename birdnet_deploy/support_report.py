"""The support report: one zip with versions, locks, reports and logs, and nothing that is private.

Audio, models, weights and label files stay out. Out of every text are taken: names of recordings (a nest's place may
be in one), home and other folders of people, the names of the user and of the machine.
"""

from __future__ import annotations

import getpass
import io
import json
import os
import re
import socket
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from birdnet_deploy import __version__
from birdnet_deploy.artifacts import (
    BUNDLE_FOLDER,
    CONFIG_FILE,
    LOCK_FILE,
    MEMORY_PLAN_FILE,
    PROJECT_FILE,
    REPORT_FILE,
)
from birdnet_deploy.audio.reading import SUFFIXES
from birdnet_deploy.errors import OutputRefused, UsageError
from birdnet_deploy.settings import SETTINGS_FILE
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.files import replaced_bytes
from birdnet_deploy.support.hashes import sha256_bytes

# What is taken where it is there: of a bundle, a project, and what board-test or monitor left. Texts only.
TAKEN = (
    SETTINGS_FILE, LOCK_FILE, REPORT_FILE, CONFIG_FILE, PROJECT_FILE, MEMORY_PLAN_FILE, "summary.txt", "manifest.json",
    f"{BUNDLE_FOLDER}/{LOCK_FILE}", f"{BUNDLE_FOLDER}/{REPORT_FILE}", f"{BUNDLE_FOLDER}/{CONFIG_FILE}",
    "build/build.log", "build/build.json", "build/flash.log", "network/network_generate_report.txt",
    "network/network_c_info.json",
)  # fmt: skip
MOST_BYTES = 2_000_000  # of a file: of a longer one the end, where a log says what went wrong
_HOMES = re.compile(r"(?:/home/|/Users/|/root\b|[A-Za-z]:\\+Users\\+)[^/\\\s\"':,;]*")
_ON_CARD = re.compile(r"\d{5}\.WAV")  # how a card names its recordings: tells nothing of them
# Where absolute paths of people begin, here or on the machine that a log came from; and where those of the system do.
_ROOTS = ("build", "data", "media", "mnt", "private", "run", "scratch", "srv", "tmp", "var", "Volumes", "workspace")
_SYSTEM = frozenset(
    {"bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "opt", "proc", "sbin", "sys", "usr"}
)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold: the same facts, the same bytes


def write_support_report(output: Path, folders: tuple[Path, ...], diagnosis: Mapping[str, Any], *, force: bool) -> int:
    """Writes the zip of what is known of ``folders`` and of this machine, and gives the number of files in it.

    ``diagnosis`` is what ``doctor`` found, as JSON data.

    Raises: UsageError (exit 2) where a folder is none; OutputRefused (5) where the file is there and not ``force``.
    """
    for folder in folders:
        if not folder.is_dir():
            raise UsageError("no such folder", where=folder, fix="name a bundle, a project or a board-test's folder")
    if output.exists() and not force:
        raise OutputRefused("is there already", where=output, fix="name another file, or --force")
    kinds = [f"{number}-{_kind(folder)}" for number, folder in enumerate(folders, 1)]
    raw = {"doctor.json": jsonfile.dumps(diagnosis)}
    for kind, folder in zip(kinds, folders, strict=True):
        raw.update({f"{kind}/{name}": text for name, text in _texts(folder)})
    places = {str(folder.resolve()): f"<{kind}>" for kind, folder in zip(kinds, folders, strict=True)}
    recordings = recordings_in(raw.values())
    names = {name: scrubbed(without_recordings(text, recordings), places) for name, text in raw.items()}
    listing = {
        name: {"bytes": len(text.encode()), "sha256": sha256_bytes(text.encode())} for name, text in names.items()
    }
    told = (
        "texts only: no audio, models or weights; names of recordings, folders of people, user and machine are taken "
        "out; names of classes stay in reports and config"
    )
    names["contents.json"] = jsonfile.dumps({"tool": f"birdnet-deploy {__version__}", "holds": told, "files": listing})
    with replaced_bytes(output) as file:
        file.write(_zipped(names))
    return len(names)


def scrubbed(text: str, places: Mapping[str, str] | None = None) -> str:
    """Gives a text without home folders, other folders of people, and the names of the user and of the machine.

    ``places`` are absolute folders and what is written for them. Of other absolute paths the last part is kept,
    but for those of the system (``/usr``), which say where tools are.
    """
    with suppress(RuntimeError):
        home = Path.home()
        for known in {str(home), str(home.resolve())} - {"/"}:
            text = _without(text, known, "~")
    text = _HOMES.sub("~", text)
    with suppress(OSError):
        places = {**(places or {}), str(Path.cwd()): "<here>"}
    for place in sorted(set(places or ()) - {"/"}, key=len, reverse=True):
        text = _without(text, place, (places or {})[place])
    text = _absolute().sub(r"<folder>/\1", text)
    with suppress(OSError, KeyError):
        user = re.escape(getpass.getuser())
        text = re.sub(rf"(?<=[/\\]){user}(?=[/\\])|(?<![\w.-]){user}(?=@)", "user", text)
    machine = socket.gethostname().partition(".")[0]
    if len(machine) > 2 and machine != "localhost":
        text = re.sub(rf"(?<![\w.-]){re.escape(machine)}(?![\w-])", "machine", text)
    return text


def _without(text: str, folder: str, told: str) -> str:
    """Gives a text in which a folder is another word, as it is written in texts and in JSON."""
    for known in dict.fromkeys((folder, json.dumps(folder)[1:-1], json.dumps(folder, ensure_ascii=False)[1:-1])):
        text = re.sub(rf"{re.escape(known)}(?![\w.-])", lambda _: told, text)
    return text


def _absolute() -> re.Pattern[str]:
    """Gives what finds absolute paths below folders that are not the system's; names of tensors begin elsewhere."""
    roots = set(_ROOTS)
    with suppress(OSError):
        roots |= {entry.name for entry in os.scandir("/") if entry.is_dir()}
    known = "|".join(re.escape(root) for root in sorted(roots - _SYSTEM))
    return re.compile(rf"(?<![\w./~>:-])/(?:{known})/(?:[^/\s\"'<>|:,;]+/)*([^/\s\"'<>|:,;]*)")


def recordings_in(texts: Iterable[str]) -> dict[str, str]:
    """Gives every recording that texts name, and what is written for it; a recording keeps its kind of file."""
    found: dict[str, str] = {}
    for text in texts:
        for quoted in re.findall(r'"(?:[^"\\]|\\.)*"', text):
            with suppress(ValueError):
                name = str(json.loads(quoted))
                suffix = PurePosixPath(name).suffix
                if suffix.lower() in SUFFIXES and not _ON_CARD.fullmatch(name):
                    found.setdefault(name, f"<recording {len(found) + 1}>{suffix}")
    return found


def without_recordings(text: str, recordings: Mapping[str, str]) -> str:
    """Gives a text without names of recordings, whether a whole path is written or the file's name alone."""
    alone = {PurePosixPath(name).name: told for name, told in recordings.items()}
    for names in (recordings, alone):  # whole paths first: a file's name alone is the end of many
        for name in sorted(names, key=len, reverse=True):
            for written in dict.fromkeys((name, json.dumps(name)[1:-1], json.dumps(name, ensure_ascii=False)[1:-1])):
                if written in text:
                    text = re.sub(rf"(?<![\w-]){re.escape(written)}", names[name], text)
    return text


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    for name in TAKEN:
        path = folder / name
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - MOST_BYTES))
                yield name, file.read(MOST_BYTES).decode("utf-8", errors="replace")


def _kind(folder: Path) -> str:
    if (folder / PROJECT_FILE).is_file():
        return "project"
    return "bundle" if (folder / LOCK_FILE).is_file() else "folder"


def _zipped(names: Mapping[str, str]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(names):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), names[name].encode(), zipfile.ZIP_DEFLATED)
    return held.getvalue()
