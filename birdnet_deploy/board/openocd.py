"""OpenOCD: runs an application in the RAM of a board in development boot. It cannot program this board's flash.

OpenOCD has the STM32N6 in its sources after release 0.12.0 (``target/stm32n6x.cfg``), without its octo flash.
Load, comparison and start are one session: what differs stops it before the start. Not tried on hardware.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

from birdnet_deploy.errors import BoardError

OPENOCD = "openocd"
_DIFFERENT = re.compile(r"diff \d+ address (0x[0-9A-Fa-f]+)[^\r\n]*")
_ERROR = re.compile(r"^\s*Error\s*:\s*(.+?)\s*$", re.MULTILINE)
_DONE = ("downloaded", "verified")


def load_command(program: str, image: Path, address: int, serial: str | None) -> list[str]:
    """Gives the argument list that loads an unsigned image to its address in RAM, compares it and starts it.

    Raises: BoardError (exit 7) where the image is no program for that address.
    """
    stack, reset = vectors_of(image, address)
    path = "{" + image.as_posix() + "}"  # Tcl takes it as it is, with spaces and $
    steps = [
        "init", "reset halt", f"load_image {path} 0x{address:08X} bin", f"verify_image {path} 0x{address:08X} bin",
        f"mww 0xE000ED08 0x{address:08X}", f"reg msp 0x{stack:08X}", f"reg pc 0x{reset & ~1:08X}", "resume", "shutdown",
    ]  # fmt: skip
    chosen = [f"adapter serial {serial}"] if serial else []
    words = [word for step in (*chosen, *steps) for word in ("-c", step)]
    return [program, "-f", "interface/stlink.cfg", *words[: 2 * len(chosen)], "-f", "target/stm32n6x.cfg",
            *words[2 * len(chosen):]]  # fmt: skip


def vectors_of(image: Path, address: int) -> tuple[int, int]:
    """Gives the first stack pointer and the reset vector of an unsigned image.

    Raises: BoardError (exit 7) where the reset vector is not in the image at that address.
    """
    data = image.read_bytes()
    if len(data) < 8:
        raise BoardError("is no program", where=image, fix="build the project again")
    stack, reset = struct.unpack_from("<II", data)
    if not reset & 1 or not address <= reset < address + len(data):
        raise BoardError(
            f"the reset vector 0x{reset:08X} is not in the image at 0x{address:08X}", where=image,
            fix="build the project again for RAM (LRUN)",
        )  # fmt: skip
    return stack, reset


def check_load(status: int, text: str, *, size: int) -> None:
    """Refuses a session that did not say that the whole image was loaded and compared.

    Raises: BoardError (exit 7) with the address of a difference.
    """
    if found := _DIFFERENT.search(text):
        raise BoardError(
            f"verify mismatch at {found[1]}; the firmware was not started", where=found[1],
            fix="check supply and cable, then load again",
        )  # fmt: skip
    told = _ERROR.search(text)
    if status != 0 or told:
        why = told[1] if told else f"it ended with {status} and gave no reason"
        raise BoardError(
            f"loading failed: {why}; the firmware was not started", where=OPENOCD,
            fix="BOOT1 to the right (development boot), power cycle; OpenOCD must know target/stm32n6x.cfg",
        )  # fmt: skip
    for done in _DONE:
        if f"{done} {size} bytes" not in text:
            raise BoardError(
                f"{OPENOCD} ended with 0 but never said '{done} {size} bytes'", where=OPENOCD,
                fix="see its output in the log, load again",
            )  # fmt: skip
