"""A scripted peer of STM32_Programmer_CLI: options as UM2237 has them, texts as in logs that users published."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from pathlib import Path

from tests.support.st_peers.peer import Unknown, fault, noted, parsed, state

NAME = "STM32_Programmer_CLI"
OPTIONS = {
    "--version": 0, "-l": 1, "-c": -1, "-el": 1, "-w": 2, "-v": 0, "-u": 3, "-hardRst": 0, "-rst": 0, "-g": 1, "-vb": 1,
}  # fmt: skip
CONNECT = ("port", "mode", "ap", "sn", "freq", "reset")
BANNER = f"{'-' * 70}\n{' ' * 23}STM32CubeProgrammer v2.21.0\n{'-' * 70}\n"


def main(arguments: Sequence[str]) -> int:
    """Plays one call."""
    print(BANNER)
    noted(NAME, arguments)
    try:
        options = parsed(arguments, OPTIONS)
        connect = dict(word.split("=", 1) for word in options.get("-c", ()))
        if unknown := set(connect) - set(CONNECT):
            raise Unknown(f"-c {unknown}")
    except (Unknown, ValueError) as error:
        print(f"Error: Wrong option: {error}")
        return 1
    if "--version" in options:
        print(f"STM32CubeProgrammer version: {os.environ.get('ST_PEER_VERSION', '2.21.0')}")
        return 0
    if "-l" in options:
        return _list(options["-l"][0])
    return _connected(options, connect)


def _probes() -> list[tuple[str, str]]:
    given = os.environ.get("ST_PEER_PROBES", "0042:STM32N6570-DK")
    return [(probe.split(":")[0], probe.split(":")[1]) for probe in given.split(",") if probe]


def _list(what: str) -> int:
    if what not in ("st-link", "st-link-only"):
        print(f"Error: Wrong interface: {what}")
        return 1
    if (wrong := fault("list")) == "exit":
        return 1
    if not _probes() or wrong == "none":
        print("Error: No debug probe detected.")
        return 1
    print("=====  STLink Interface  =====\n\n-------- Connected ST-LINK Probes List --------")
    for number, (serial, board) in enumerate(_probes()):
        print(f"\nST-Link Probe {number} :\n   ST-LINK SN  : {serial}\n   ST-LINK FW  : V3J17M10")
        print(f"   Access Port Number  : 2\n   Board Name  : {board}")
    return 0


def _connected(options: dict[str, list[str]], connect: dict[str, str]) -> int:
    boards = dict(_probes())
    if connect.get("port", "").upper() != "SWD" or connect.get("sn") not in boards:
        print("Error: No debug probe detected.")
        return 1
    device = os.environ.get("ST_PEER_DEVICE", "0x486")
    print(f"ST-LINK SN  : {connect['sn']}\nST-LINK FW  : V3J17M10\nBoard       : {boards[connect['sn']]}")
    print(f"Voltage     : 3.28V\nSWD freq    : 8000 KHz\nConnect mode: Hot Plug\nDevice ID   : {device}")
    print("Revision ID : Rev Z\nDevice name : STM32N6xx\nDevice CPU  : Cortex-M55\n")
    if "-el" in options and not Path(options["-el"][0]).is_file():
        print("Error: Wrong external loader path")
        return 1
    if "-u" in options:
        return _read(*options["-u"])
    if "-w" in options:
        return _write(*options["-w"], verify="-v" in options)
    if "-hardRst" in options:
        wrong = fault("reset")
        print("" if wrong == "silent" else "Hard reset is performed")
        return int(wrong == "exit")
    return 0


def _memory() -> dict[str, str]:
    path = state() / "flash.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def _slot(address: str) -> str:
    return f"0x{int(address, 0):08X}"


def _read(address: str, size: str, file: str) -> int:
    if (wrong := fault("read")) == "exit":
        return 1
    if wrong == "drop":
        print("Error: ST-LINK error (DEV_USB_COMM_ERR)")
        return 1
    there = base64.b64decode(_memory().get(_slot(address), ""))
    count = int(size, 0) // (2 if wrong == "partial" else 1)
    if wrong != "no-file":
        Path(file).write_bytes((there + b"\xff" * count)[:count])
    print(f"UPLOADING ...\n  Size          : {int(size, 0)} Bytes\n  Address       : {address}\n\nRead progress:")
    print("" if wrong == "silent" else "Data read successfully")
    return 0


def _write(file: str, address: str, *, verify: bool) -> int:
    name = f"write-{_slot(address)}"
    wrong = fault(name) or fault("write")
    data = Path(file).read_bytes()
    print(f"Memory Programming ...\nOpening and parsing file: {Path(file).name}\n  File          : {Path(file).name}")
    print(f"  Size          : {len(data)} Bytes\n  Address       : {address}\n\nDownload in Progress:")
    if wrong == "exit":
        return 1
    if wrong == "drop":
        print("Error: ST-LINK error (DEV_USB_COMM_ERR)\nError: failed to download the File")
        return 1
    kept = data[: len(data) // 2] if wrong == "partial" else data
    memory = {**_memory(), _slot(address): base64.b64encode(kept).decode()}
    (state() / "flash.json").write_text(json.dumps(memory))
    if wrong == "partial":
        return 0
    print("File download complete\nTime elapsed during download operation: 00:00:01.000\n\nVerifying ...\n")
    if wrong == "mismatch" and verify:
        at = int(address, 0) + 0x100
        print(f"Error: Data mismatch found at address 0x{at:08X} (byte = 0xFF instead of 0x3C)")
        print("Error: Download verification failed")
        return int(os.environ.get("ST_PEER_MISMATCH_STATUS", "1"))
    if wrong == "error":
        print("Error: Failed to download data! If it's a Flash memory, it may be not erased or protected")
    if verify and wrong != "silent":
        print("Download verified successfully")
    return 0
