"""A scripted peer of OpenOCD: -f and -c, the Tcl commands that the loader uses, texts of OpenOCD's image commands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.support.st_peers.peer import Unknown, fault, noted

NAME = "openocd"
FILES = ("interface/stlink.cfg", "target/stm32n6x.cfg")
COMMANDS = ("init", "reset halt", "resume", "shutdown", "adapter serial ", "mww ", "reg ")
IMAGE = re.compile(r"(load|verify)_image \{(.+)\} (0x[0-9A-F]{8}) bin")


def main(arguments: Sequence[str]) -> int:
    """Plays one session."""
    noted(NAME, arguments)
    if list(arguments) == ["--version"]:
        print("Open On-Chip Debugger 0.12.0+dev-01234")
        return 0
    try:
        return _session(arguments)
    except Unknown as error:
        print(f'Error: invalid command name "{error}"')
        return 1


def _session(arguments: Sequence[str]) -> int:
    for option, word in zip(arguments[::2], arguments[1::2], strict=True):
        if option == "-f":
            if word not in FILES:
                print(f"Error: Can't find {word}")
                return 1
        elif option != "-c":
            raise Unknown(option)
        elif (image := IMAGE.fullmatch(word)) is not None:
            status = _image(*image.groups())
            if status:
                return status
        elif not word.startswith(COMMANDS):
            raise Unknown(word)
    return 0


def _image(kind: str, file: str, address: str) -> int:
    size = Path(file).stat().st_size
    wrong = fault(kind)
    if wrong == "exit":
        print("Error: init mode failed (unable to connect to the target)")
        return 1
    if kind == "load":
        print(f"{size} bytes written at address {address}\ndownloaded {size} bytes in 0.1s (100 KiB/s)")
    elif wrong == "mismatch":
        print(f"diff 0 address 0x{int(address, 16) + 16:08x}. Was 0xff instead of 0x3c")
        return 1
    elif wrong != "silent":
        print(f"verified {size} bytes in 0.1s (100 KiB/s)")
    return 0
