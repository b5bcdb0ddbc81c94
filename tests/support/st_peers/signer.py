"""A scripted peer of STM32_SigningTool_CLI: options as ST's help names them; 2.20 pads by itself, 2.21 with -align."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tests.support.signed_images import signed
from tests.support.st_peers.peer import Unknown, fault, noted, parsed

NAME = "STM32_SigningTool_CLI"
OPTIONS = {
    "--version": 0, "--help": 0, "-h": 0, "-s": 0, "-bin": 1, "-in": 1, "-nk": 0, "-of": 1, "-t": 1, "-hv": 1, "-o": 1,
    "-la": 1, "-ep": 1, "-iv": 1, "-dump": 1,
}  # fmt: skip
TYPES = {"ssbl": 0x00, "fsbl": 0x10}


def main(arguments: Sequence[str]) -> int:
    """Plays one call."""
    version = os.environ.get("ST_PEER_VERSION", "2.21.0")
    aligns = tuple(int(part) for part in version.split(".")) >= (2, 21)
    noted(NAME, arguments)
    try:
        options = parsed(arguments, {**OPTIONS, **({"-align": 0, "--align": 0} if aligns else {})})
    except Unknown as error:
        print(f"Error: unknown option {error}")
        return 1
    if "--version" in options or "--help" in options:
        print(f"STM32 Signing Tool v{version}\n" + "\n".join(OPTIONS if "--help" in options else ()))
        print("  -align, --align : align the payload to 0x400" if aligns and "--help" in options else "")
        return 0
    if "-nk" not in options or options.get("-hv") != ["2.3"] or options.get("-t", [""])[0] not in TYPES:
        print("Error: keys are needed")
        return 1
    return _sign(options, padded="-align" in options or not aligns)


def _sign(options: dict[str, list[str]], *, padded: bool) -> int:
    wrong = fault("sign")
    output = Path(options["-o"][0])
    if wrong == "exit":
        print("Error: Signing failed")
        return 1
    if output.exists():
        print("The file exists already, do you want to overwrite it? [y/n]")
        return 1
    image = signed(Path(options["-bin"][0]).read_bytes(), kind=TYPES[options["-t"][0]], aligned=padded)
    if wrong == "misaligned":
        image = signed(Path(options["-bin"][0]).read_bytes(), kind=0, aligned=False)
    if wrong != "no-file":
        output.write_bytes(image[: 0x300 if wrong == "partial" else None])
    print("Image generated successfully")
    return 0
