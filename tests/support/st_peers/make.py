"""A scripted peer of make, for builds that need ST's sources: it leaves an ELF and an image, and compiles nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.support.n6_projects import elf
from tests.support.st_peers.peer import fault, noted


def main(arguments: Sequence[str]) -> int:
    """Plays one call in a project's folder."""
    if list(arguments) == ["--version"]:
        print("GNU Make 4.3")
        return 0
    noted("make", arguments)
    if any("=" not in word and not word.startswith("-") for word in arguments):
        print("make: *** No rule to make target.  Stop.")
        return 2
    if fault("make") == "exit":
        print("port/stm32n6/npu.c:12:5: error: unknown type name 'uint31_t'\nmake: *** [Makefile:9: npu.o] Error 1")
        return 2
    Path("build/firmware.elf").write_bytes(elf())
    if fault("make") != "no-bin":
        Path("build/firmware.bin").write_bytes(b"an image")
    return 0
