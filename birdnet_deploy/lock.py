"""``birdnet.lock``: what a bundle was made from, written by ``convert``, or for a ``.tflite`` that others converted."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from birdnet_deploy import __version__
from birdnet_deploy.artifacts import BUNDLE_FILES, LOCK_FILE, PROLOGUE_FILES, SourceModel
from birdnet_deploy.model.labels import format_labels
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.hashes import sha256_bytes, sha256_file

SCHEMA_VERSION = 1
_PACKAGES = (
    "tensorflow", "keras", "numpy", "ai-edge-litert", "ai-edge-quantizer", "flatbuffers", "h5py", "soundfile", "soxr",
)  # fmt: skip


def versions_here(packages: Sequence[str] = _PACKAGES) -> dict[str, str]:
    """Gives the versions of this tool, of Python and of installed packages; ``absent`` where one is not there."""
    return {
        "birdnet-deploy": __version__,
        "python": platform.python_version(),
        **{package: _version(package) for package in packages},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def inputs_of(source: SourceModel) -> dict[str, Any]:
    """Gives the part of a lock that the files of a source decide: the model, its labels and its config by SHA-256.

    Labels and config count as they are understood, so that a BOM or the order of keys changes nothing.
    """
    return {
        "source_model": {"name": source.path.name, "sha256": source.sha256},
        "inputs": {
            "labels": sha256_bytes(format_labels(source.labels).encode()),
            "config": sha256_bytes(jsonfile.dumps(source.config.to_json()).encode()),
        },
    }


def write_lock(
    folder: Path, source: SourceModel, calibration: Mapping[str, Any] | str, options: Mapping[str, Any],
    *, kind: str = "keras",
) -> None:  # fmt: skip
    """Writes the lock of a staged bundle: SHA-256 of its files, of the source model, its labels and its config, the
    calibration manifest (or ``unknown``), the options of ``convert`` and the versions of the tools. It names no
    absolute path and no time.

    ``kind`` says what the source model is: ``keras``, or ``tflite`` where others converted it.
    """
    names = [name for name in BUNDLE_FILES if name != LOCK_FILE]
    names += [name for name in PROLOGUE_FILES if (folder / name).is_file()]
    files = {name: sha256_file(folder / name) for name in names}
    lock = {
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        **inputs_of(source),
        "files": files,
        "calibration": calibration if isinstance(calibration, str) else dict(calibration),
        "options": dict(options),
        "versions": versions_here(),
    }
    jsonfile.write(folder / LOCK_FILE, lock)
