"""``birdnet.lock``: what a bundle was made from, written by ``convert``, or for a ``.tflite`` that others converted."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from birdnet_deploy import __version__
from birdnet_deploy.artifacts import BUNDLE_FILES, LOCK_FILE, PROLOGUE_FILES, SourceModel
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.hashes import sha256_file

SCHEMA_VERSION = 1
_PACKAGES = ("tensorflow", "keras", "numpy", "ai-edge-litert", "soundfile", "soxr")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def write_lock(
    folder: Path, source: SourceModel, calibration: Mapping[str, Any] | str, options: Mapping[str, Any],
    *, kind: str = "keras",
) -> None:  # fmt: skip
    """Writes the lock of a staged bundle: SHA-256 of its files and of the source model, the calibration manifest
    (or ``unknown``), the options of ``convert`` and the versions of the tools. It names no absolute path and no time.

    ``kind`` says what the source model is: ``keras``, or ``tflite`` where others converted it.
    """
    names = [name for name in BUNDLE_FILES if name != LOCK_FILE]
    names += [name for name in PROLOGUE_FILES if (folder / name).is_file()]
    files = {name: sha256_file(folder / name) for name in names}
    lock = {
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        "source_model": {"name": source.path.name, "sha256": source.sha256},
        "files": files,
        "calibration": calibration if isinstance(calibration, str) else dict(calibration),
        "options": dict(options),
        "versions": {
            "birdnet-deploy": __version__,
            "python": platform.python_version(),
            **{package: _version(package) for package in _PACKAGES},
        },
    }
    jsonfile.write(folder / LOCK_FILE, lock)
