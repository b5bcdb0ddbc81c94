"""Projects of an STM32N6 as ``build`` leaves them, small and without a compiler: to sign and to flash."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

from birdnet_deploy.bundle import open_bundle
from tests.support.signed_images import app

TARGET = "stm32n6570-dk"


@lru_cache(maxsize=4)
def elf(source: str = "void Reset_Handler(void) {}") -> bytes:
    """Gives an ELF of the target with the functions of a C text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "firmware.elf"
        command = ["arm-none-eabi-gcc", "-mcpu=cortex-m55", "-mthumb", "-nostdlib", "-Wl,-eReset_Handler", "-xc", "-"]
        subprocess.run([*command, "-o", path], input=source.encode(), check=True)
        return path.read_bytes()


def built(folder: Path, bundle: Path, *, size: int = 9000, target: str = TARGET) -> Path:
    """Gives a project folder with the copy of a bundle, ``firmware.bin`` that carries its hashes, and weights."""
    shutil.copytree(bundle, folder / "bundle")
    (folder / "project.json").write_text(json.dumps({"target": target, "host_frontend": []}))
    opened = open_bundle(folder / "bundle")
    build = folder / "build"
    build.mkdir()
    (build / "firmware.elf").write_bytes(elf())
    inside = f"{opened.model_sha256}\0{opened.lock_sha256}\0".encode()
    (build / "firmware.bin").write_bytes(app(size, inside=inside))
    (build / "network_data.bin").write_bytes(bytes(n * 3 % 253 for n in range(20_000)))
    return folder
