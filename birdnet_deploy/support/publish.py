"""Publishing a folder whole: staged beside its place, flushed, renamed; what was there is never half replaced.

A manifest of hashes lies in each published folder. It says that the folder is ours (only ours are replaced) and
shows what was edited by hand since (which is never overwritten without ``force``, and then kept as a copy).
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from birdnet_deploy.errors import OutputRefused, UsageError
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.exchange import exchange
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.support.inputs import read_input_text
from birdnet_deploy.support.process import is_alive

MANIFEST = ".birdnet-manifest.json"
_LISTED = 5
_MAX_NAME_BYTES = 200  # of 255: the staging folder's name is longer
_DEVICES = frozenset({"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))})


@contextmanager
def published(dest: Path, *, kind: str, force: bool = False, keep: tuple[str, ...] = ()) -> Iterator[Path]:
    """Gives a staging folder that becomes ``dest`` when the body ends, and vanishes when it raises.

    ``kind`` is ``bundle`` or ``project``: one kind never replaces another. ``keep`` names top-level folders of
    ``dest`` that are not ours to render (``build``, ``user``) and live on. Files whose bytes do not change keep
    their modification time.

    Raises: UsageError (exit 2) for a name that not every system takes; OutputRefused (exit 5) where ``dest`` is
    foreign, edited by hand, a link, or not writable.
    """
    _check_name(dest)
    if dest.resolve() == Path.cwd():
        raise OutputRefused("the output is the current folder", where=dest, fix="name a folder in it with -o")
    parent = dest.parent
    try:
        _sweep(dest, keep)
        _refuse(dest, kind, force, keep)
        parent.mkdir(parents=True, exist_ok=True)
        staging = _staging(dest)
        staging.mkdir()
    except OSError as error:
        raise OutputRefused(f"cannot write here ({error.strerror})", where=parent, fix="choose another -o") from error
    try:
        yield staging
        _seal(staging, dest, kind)
        _refuse(dest, kind, force, keep)  # again: somebody may have worked in it while the body ran
        _swap(staging, dest, force, keep)
    except OSError as error:
        if not _is_about(error, staging, dest):
            raise
        fix = "free room, or choose another -o"
        raise OutputRefused(f"cannot be written ({error.strerror})", where=dest, fix=fix) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _check_name(dest: Path) -> None:
    """Refuses a name that is too long beside its staging folder, or that Windows, make or a terminal cannot take."""
    name, fix = dest.name, "choose another -o"
    if len(os.fsencode(name)) > _MAX_NAME_BYTES:
        what = f"a name of {len(os.fsencode(name))} bytes, at most {_MAX_NAME_BYTES} can be"
        raise UsageError(what, where=f"{name[:40]}...", fix=fix)
    if not name.isprintable():
        raise UsageError("a control character in the name", where=dest, fix=fix)
    if name.partition(".")[0].rstrip(" ").upper() in _DEVICES:
        raise UsageError("a name that Windows keeps for a device", where=dest, fix=fix)


def _is_about(error: OSError, *folders: Path) -> bool:
    """Says whether an error is about room or these folders, rather than about something that the body read."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG):
        return True
    named = str(error.filename or "")
    return any(named.startswith(str(folder)) for folder in folders)


def read_manifest(folder: Path) -> dict[str, object] | None:
    """Gives the manifest of a published folder, or None where there is none that can be read."""
    try:
        data = json.loads(read_input_text(folder / MANIFEST))
    except (OSError, ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) and isinstance(data.get("files"), dict) else None


def edited_files(folder: Path, keep: tuple[str, ...] = ()) -> list[str]:
    """Gives what differs from the manifest: changed, missing or added files, as sorted POSIX paths."""
    manifest = read_manifest(folder)
    recorded = manifest["files"] if manifest else {}
    assert isinstance(recorded, dict)
    present = {name: digest for name, digest in _hashes(folder).items() if name.split("/", 1)[0] not in keep}
    names = recorded.keys() | present.keys()
    return sorted(name for name in names if recorded.get(name) != present.get(name))


def _refuse(dest: Path, kind: str, force: bool, keep: tuple[str, ...]) -> None:
    if dest.is_symlink():
        raise OutputRefused("the output is a symbolic link", where=dest, fix="name the folder itself with -o")
    if not dest.exists():
        return
    if not dest.is_dir():
        raise OutputRefused("the output is a file", where=dest, fix="name a folder with -o")
    if force or not any(dest.iterdir()):
        return
    manifest = read_manifest(dest)
    if manifest is None or manifest.get("kind") != kind:
        listed = _some(sorted(path.name for path in dest.iterdir()))
        raise OutputRefused(
            f"not a {kind} that this tool wrote (it holds {listed})",
            where=dest, fix="choose another -o, or --force to replace it and keep a copy",
        )  # fmt: skip
    edited = edited_files(dest, keep)
    if edited:
        raise OutputRefused(
            f"edited since it was written ({_some(edited)})",
            where=dest, fix="choose another -o, or --force to replace it and keep a copy",
        )  # fmt: skip


def _some(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}


def _seal(staging: Path, dest: Path, kind: str) -> None:
    """Writes the manifest, gives unchanged files their old times, and flushes everything to the disk."""
    files = _hashes(staging)
    jsonfile.write(staging / MANIFEST, {"kind": kind, "files": files})
    for name, digest in files.items():
        if (dest / name).is_file() and sha256_file(dest / name) == digest:
            times = (dest / name).stat()
            os.utime(staging / name, ns=(times.st_atime_ns, times.st_mtime_ns))
    for path in [*staging.rglob("*"), staging]:
        _flush(path)


def _flush(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return  # Windows has no handle to flush a folder by
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _swap(staging: Path, dest: Path, force: bool, keep: tuple[str, ...]) -> None:
    """Puts the staged tree in its place; a kill at any moment leaves the old or the new tree, or one to put back."""
    old = _aside(dest)
    if not dest.exists():
        staging.rename(dest)
    else:
        copied = force and (read_manifest(dest) is None or bool(edited_files(dest, keep)))
        if any(dest.iterdir()) and copied:
            _keep_copy(dest)
        staging.rename(old)  # what lies aside of a whole tree is never needed but for what is kept of it
        _exchange(old, dest)
    _adopt(old, dest, keep)
    _flush(dest.parent)


def _keep_copy(dest: Path) -> None:
    copy = _staging(dest, "copy-")
    shutil.copytree(dest, copy, symlinks=True)
    copy.rename(free_name(dest))


def _exchange(aside: Path, dest: Path) -> None:
    if exchange(aside, dest):
        return
    staging = _staging(dest)
    aside.rename(staging)
    dest.rename(aside)
    staging.rename(dest)


def _adopt(old: Path, dest: Path, keep: tuple[str, ...]) -> None:
    """Moves what is not ours to render from the old tree into the new one; only then the old one goes."""
    for name in keep:
        if (old / name).exists() and not (dest / name).exists():
            (old / name).rename(dest / name)
    shutil.rmtree(old, ignore_errors=True)


def _staging(dest: Path, purpose: str = "") -> Path:
    """Gives a name beside ``dest`` that ends in this process's number, so that the next run knows it for a leftover."""
    return dest.parent / f".{dest.name}.staging-{purpose}{os.getpid()}"


def _aside(dest: Path) -> Path:
    return dest.parent / f".{dest.name}.old"


def free_name(dest: Path) -> Path:
    """Gives the first unused ``<name>.bak-N``."""
    number = 1
    while (dest.parent / f"{dest.name}.bak-{number}").exists():
        number += 1
    return dest.parent / f"{dest.name}.bak-{number}"


def _sweep(dest: Path, keep: tuple[str, ...]) -> None:
    """Mends what a killed run left: an old tree without a new one goes back; stagings of dead runs go."""
    old = _aside(dest)
    if old.is_dir() and not dest.exists():
        old.rename(dest)
    _adopt(old, dest, keep)
    for leftover in dest.parent.glob(f".{dest.name}.staging-*"):
        owner = leftover.name.rsplit("-", 1)[-1]
        if owner.isdigit() and not is_alive(int(owner)):
            shutil.rmtree(leftover, ignore_errors=True)
