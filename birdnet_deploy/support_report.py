"""The support report: one zip with versions, locks, reports and logs, and nothing that is private.

Audio, models, weights and labels stay out. Home folders and the user's name are taken out of every text.
"""

from __future__ import annotations

import getpass
import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
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
    names = {"doctor.json": scrubbed(jsonfile.dumps(diagnosis))}
    for number, folder in enumerate(folders, 1):
        names.update({f"{number}-{_kind(folder)}/{name}": text for name, text in _texts(folder)})
    listing = {
        name: {"bytes": len(text.encode()), "sha256": sha256_bytes(text.encode())} for name, text in names.items()
    }
    told = "texts only: no audio, models, weights, labels; home folders and the user's name are taken out"
    names["contents.json"] = jsonfile.dumps({"tool": f"birdnet-deploy {__version__}", "holds": told, "files": listing})
    with replaced_bytes(output) as file:
        file.write(_zipped(names))
    return len(names)


def scrubbed(text: str) -> str:
    """Gives a text without home folders and the user's name in paths."""
    with suppress(RuntimeError):
        home = Path.home()
        for known in {str(home), str(home.resolve())} - {"/"}:
            text = text.replace(known, "~")
    text = _HOMES.sub("~", text)
    with suppress(OSError, KeyError):
        user = getpass.getuser()
        text = re.sub(rf"(?<=[/\\]){re.escape(user)}(?=[/\\])", "user", text)
    return text


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    for name in TAKEN:
        path = folder / name
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - MOST_BYTES))
                yield name, scrubbed(file.read(MOST_BYTES).decode("utf-8", errors="replace"))


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
