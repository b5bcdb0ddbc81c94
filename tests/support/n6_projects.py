"""Projects of an STM32N6 as ``build`` leaves them, small and without a compiler: to sign and to flash."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from birdnet_deploy.bundle import open_bundle
from tests.support.signed_images import app

TARGET = "stm32n6570-dk"


def built(folder: Path, bundle: Path, *, size: int = 9000, target: str = TARGET) -> Path:
    """Gives a project folder with the copy of a bundle, ``app.bin`` that carries its hashes, and weights."""
    shutil.copytree(bundle, folder / "bundle")
    (folder / "project.json").write_text(json.dumps({"target": target, "host_frontend": []}))
    opened = open_bundle(folder / "bundle")
    build = folder / "build"
    build.mkdir()
    inside = f"{opened.model_sha256}\0{opened.lock_sha256}\0".encode()
    (build / "app.bin").write_bytes(app(size, inside=inside))
    (build / "network_data.bin").write_bytes(bytes(n * 3 % 253 for n in range(20_000)))
    return folder
