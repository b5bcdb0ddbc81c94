"""SHA-256 of files and bytes: the one identity that locks, banners, records and manifests use."""

from __future__ import annotations

import hashlib
from pathlib import Path

from birdnet_deploy.support.inputs import open_input


def sha256_bytes(data: bytes) -> str:
    """Gives the SHA-256 of ``data`` as 64 lowercase hex digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Gives the SHA-256 of a file as 64 lowercase hex digits, read in blocks.

    Raises: OSError where the file cannot be read.
    """
    with open_input(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
