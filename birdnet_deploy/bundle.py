"""Opening a bundle folder: the files are there, agree with the lock, and with each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from birdnet_deploy.artifacts import (
    BUNDLE_FILES,
    CONFIG_FILE,
    LABELS_FILE,
    LOCK_FILE,
    MODEL_FILE,
    NPU_MODEL_FILE,
    PROLOGUE_FILE,
    PROLOGUE_FILES,
    Bundle,
)
from birdnet_deploy.errors import CheckFailed, ModelError, UsageError
from birdnet_deploy.model.config import read_config
from birdnet_deploy.model.labels import read_labels
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.support.inputs import read_input_text

_LONGEST_NAME = 64  # those of a bundle's files are shorter, and no system refuses to look for such a one


def is_bundle(path: Path) -> bool:
    """Says whether a folder looks like a bundle: it has a lock and a model."""
    return (path / LOCK_FILE).is_file() and (path / MODEL_FILE).is_file()


def open_bundle(path: Path) -> Bundle:
    """Gives the bundle in a folder, without TensorFlow.

    Raises: UsageError (exit 2) where the folder is none; ModelError (exit 3) where a file is missing or damaged.
    """
    if not path.is_dir():
        raise UsageError("no such bundle folder", where=path, fix="make one with: birdnet-deploy convert MODEL.keras")
    wanted = (*BUNDLE_FILES, *(PROLOGUE_FILES if has_prologue(path) else ()))
    missing = [name for name in wanted if not (path / name).is_file()]
    if missing:
        raise ModelError(f"not a whole bundle, {', '.join(missing)} missing", where=path, fix="run convert again")
    return Bundle(
        path=path,
        model_sha256=sha256_file(path / MODEL_FILE),
        lock_sha256=sha256_file(path / LOCK_FILE),
        labels=read_labels(path / LABELS_FILE),
        config=read_config(path / CONFIG_FILE),
        lock=read_lock(path / LOCK_FILE),
        npu_sha256=sha256_file(path / NPU_MODEL_FILE) if has_prologue(path) else None,
        prologue_sha256=sha256_file(path / PROLOGUE_FILE) if has_prologue(path) else None,
    )


def has_prologue(path: Path) -> bool:
    """Says whether a bundle folder holds a part of a prologue; only both parts make one."""
    return any((path / name).is_file() for name in PROLOGUE_FILES)


def read_lock(path: Path) -> dict[str, Any]:
    """Gives the content of a ``birdnet.lock``.

    Raises: ModelError (exit 3) where it is not a JSON object with a ``files`` table.
    """
    try:
        data = json.loads(read_input_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"not a readable lock ({error})", where=path, fix="run convert again") from error
    if not isinstance(data, dict) or not isinstance(data.get("files"), dict):
        raise ModelError("not a birdnet.lock", where=path, fix="run convert again")
    return data


def stale_lines(folder: Path, lock: Mapping[str, Any]) -> tuple[str, ...]:
    """Gives a line for each file that the lock does not know, that is not there, or that has other bytes."""
    files: Mapping[str, Any] = lock["files"]
    known = (*BUNDLE_FILES, *(PROLOGUE_FILES if has_prologue(folder) else ()))
    lines = [f"{name} is not in the lock" for name in known if name != LOCK_FILE and name not in files]
    for name, digest in sorted(files.items()):
        path = folder / name
        if Path(name).name != name or len(name) > _LONGEST_NAME:
            lines.append(f"the lock names {name[:_LONGEST_NAME]!r}, which is no file of a bundle")
        elif not path.is_file():
            lines.append(f"{name} is not there")
        elif sha256_file(path) != digest:
            lines.append(f"{name} has changed since it was locked")
    return tuple(lines)


def check_lock(opened: Bundle) -> None:
    """Holds a bundle to its lock.

    Raises: CheckFailed (exit 4) with all that differs.
    """
    stale = stale_lines(opened.path, opened.lock)
    if stale:
        raise CheckFailed("; ".join(stale), where=opened.path, fix="run convert and generate again")
