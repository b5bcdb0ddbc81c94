"""Scripted peers of ST's programs and OpenOCD: they play the programs' part in tests, no program of ST's runs here.

Each is an executable of its own. It takes the options that the program's manual or help names and refuses every
other, prints what logs of the program show, and fails as ``ST_PEER_FAULT`` says (``step:fault``, several joined by
commas). What it did is in ``ST_PEER_STATE``: ``calls.jsonl``, the flash as ``flash.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PEERS = {
    "stedgeai": "stedgeai", "STM32_SigningTool_CLI": "signer", "STM32_Programmer_CLI": "programmer",
    "openocd": "openocd", "make": "make",
}  # fmt: skip
LOADER = "MX66UW1G45G_STM32N6570-DK.stldr"


def install(folder: Path, *names: str) -> Path:
    """Gives ``folder`` with the named peers in it (all by default), and the loader beside the programmer."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or PEERS:
        path = folder / name
        path.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
            f"from tests.support.st_peers.{PEERS[name]} import main\nsys.exit(main(sys.argv[1:]))\n"
        )
        path.chmod(0o755)
    (folder / "ExternalLoader").mkdir(exist_ok=True)
    (folder / "ExternalLoader" / LOADER).write_text("a loader\n")
    return folder


def calls(state: Path, name: str | None = None) -> list[list[str]]:
    """Gives the arguments of the calls so far, of one peer or of all."""
    log = state / "calls.jsonl"
    lines = log.read_text().splitlines() if log.is_file() else []
    return [call["arguments"] for line in lines if (call := json.loads(line))["name"] == (name or call["name"])]
