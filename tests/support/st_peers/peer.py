"""What the scripted peers share: options, faults, what they did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


def state() -> Path:
    """Gives the folder of what the peers did."""
    folder = Path(os.environ["ST_PEER_STATE"])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def noted(name: str, arguments: Sequence[str]) -> None:
    """Notes a call."""
    with (state() / "calls.jsonl").open("a") as file:
        file.write(json.dumps({"name": name, "arguments": list(arguments)}) + "\n")


def fault(step: str) -> str:
    """Gives the fault that was asked for at a step, empty for none; a hang happens here."""
    asked = dict(part.split(":", 1) for part in os.environ.get("ST_PEER_FAULT", "").split(",") if part)
    found = asked.get(step, "")
    if found == "hang":
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"]) as child:
            (state() / "pids").write_text(f"{os.getpid()} {child.pid}")
            time.sleep(300)
    return found


class Unknown(Exception):
    """An option that the program does not have."""


def parsed(arguments: Sequence[str], known: Mapping[str, int]) -> dict[str, list[str]]:
    """Gives option -> values; ``known`` says how many values each takes, -1 for all up to the next option."""
    found: dict[str, list[str]] = {}
    at = 0
    while at < len(arguments):
        option = arguments[at]
        if option not in known:
            raise Unknown(option)
        at += 1
        count = known[option]
        if count < 0:
            count = next((n for n, word in enumerate(arguments[at:]) if word.startswith("-")), len(arguments) - at)
        if at + count > len(arguments):
            raise Unknown(f"{option} without its value")
        found[option] = list(arguments[at : at + count])
        at += count
    return found
