"""Signing an image with STM32_SigningTool_CLI: without a key, header version 2.3, aligned where the tool knows how."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from birdnet_deploy.errors import ToolchainError
from birdnet_deploy.toolchain.find import Tool, ask
from birdnet_deploy.toolchain.run import run_tool

SIGNER = "STM32_SigningTool_CLI"
HEADER_VERSION = "2.3"
FSBL_OPTIONS = ("-of", "0x80000000")
_TYPES = {"app": "ssbl", "fsbl": "fsbl"}
_ALIGN = re.compile(r"(?<![\w-])--?align\b")
_TIMEOUT_S = 120.0


def knows_align(signer: Tool) -> bool:
    """Says whether the tool's help names -align: from 2.21 on an image that is not aligned never starts."""
    return _ALIGN.search(ask(SIGNER, signer.path, "--help", strict=False)) is not None


def sign_command(program: str, image: Path, output: Path, *, kind: str, align: bool) -> list[str]:
    """Gives the argument list that signs an image of ``kind`` (``app`` or ``fsbl``). Source: ST UM3234 and scripts."""
    options: Sequence[str] = FSBL_OPTIONS if kind == "fsbl" else ()
    return [
        program, "-s", "-bin", str(image), "-nk", *options, "-t", _TYPES[kind], "-hv", HEADER_VERSION,
        *(["-align"] if align else []), "-o", str(output),
    ]  # fmt: skip


def sign_image(signer: Tool, image: Path, output: Path, *, kind: str, log: Path) -> None:
    """Makes ``output``, the signed form of ``image``; what was there before goes first, the tool would ask for it.

    Raises: ToolchainError (exit 6) where the tool fails, hangs or leaves no file. After a failure there is no output.
    """
    output.unlink(missing_ok=True)
    command = sign_command(str(signer.path), image, output, kind=kind, align=knows_align(signer))
    try:
        status = run_tool(command, name=SIGNER, log=log, timeout_s=_TIMEOUT_S)
        if status != 0:
            raise ToolchainError(f"ended with {status} ({_last_line(log)})", where=SIGNER, fix=f"see {log}")
        if not output.is_file() or output.stat().st_size <= image.stat().st_size:
            what = f"ended with 0 but left no whole {output.name}"
            raise ToolchainError(what, where=SIGNER, fix=f"see {log}, and whether the folder can be written")
    except BaseException:
        output.unlink(missing_ok=True)
        raise


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip()[:200] if lines else "it said nothing"
