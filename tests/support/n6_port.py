"""Compiling the STM32N6 port without ST's sources, against declarations that the tests own."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from birdnet_deploy.npu.targets import read_board
from birdnet_deploy.support.resources import firmware_dir
from scripts.vendor_build.objects import ObjectFile, read_object

DECLARATIONS = Path(__file__).parent / "n6_declarations"
GOLDEN = Path(__file__).parents[1] / "golden/project"
BOARDS = ("stm32n6570-dk", "nucleo-n657x0-q")
APIS = ("LL_ATON", "stai")


def compile_port(
    folder: Path, target: str, api: str, *options: str, sources: list[Path] | None = None
) -> subprocess.CompletedProcess[str]:
    """Gives what gcc said of a board's port in ``folder``, with the warnings of a rendered project as errors."""
    board = read_board(target)
    stub = firmware_dir()
    ports = [stub / "port" / name for name in board.ports]
    folder.mkdir(parents=True, exist_ok=True)
    conf = (stub / "port/stm32n6/stm32n6xx_hal_conf.h").read_text(encoding="utf-8")
    for header in re.findall(r'#include "(\w+\.h)"', conf):  # parts of the HAL: the tests declare all in one
        (folder / header).write_text("", encoding="utf-8")
    (folder / "app_config.h").write_bytes((GOLDEN / "generated_app_config.h").read_bytes())
    includes = [folder, *ports, stub / "port", stub / "core", stub / "app"]
    declared = [DECLARATIONS / "stai", DECLARATIONS] if api == "stai" else [DECLARATIONS]
    command = [
        "arm-none-eabi-gcc", "-std=c11", *board.machine_flags, "-O2", "-ffunction-sections", "-fdata-sections",
        "-Wall", "-Wextra", "-Werror", "-trigraphs", *(f"-D{define}" for define in board.defines),
        *(f"-I{include}" for include in includes), *(f"-isystem{include}" for include in declared), *options,
        *(str(source) for source in sources or [file for port in ports for file in sorted(port.glob("*.c"))]),
    ]  # fmt: skip
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def port_objects(folder: Path, target: str, api: str) -> list[ObjectFile]:
    """Gives the compiled port of a board."""
    done = compile_port(folder, target, api, "-c")
    assert done.returncode == 0, done.stderr
    return [read_object(path) for path in sorted(folder.glob("*.o"))]
