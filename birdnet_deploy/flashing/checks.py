"""What is refused before a board is connected to: another lock, firmware that burns fuses, images that do not start."""

from __future__ import annotations

from pathlib import Path

from birdnet_deploy import bundle
from birdnet_deploy.artifacts import Project
from birdnet_deploy.board.signed_image import VECTORS
from birdnet_deploy.errors import BoardError, UsageError
from birdnet_deploy.flashing.parts import app_image
from birdnet_deploy.toolchain.build import open_firmware
from birdnet_deploy.toolchain.elf import read_symbols

_BURNING = frozenset({"HAL_BSEC_OTP_Program", "fuse_vddio", "fuses_burn_hslv"})


def check_lock(project: Project) -> None:
    """Refuses a project whose bundle is not the one that was locked, or whose application carries another one.

    Raises: BoardError (exit 7).
    """
    stale = bundle.stale_lines(project.bundle.path, project.bundle.lock)
    if stale:
        raise BoardError("; ".join(stale), where=project.bundle.path, fix="generate and build the project again")
    image = app_image(project)
    data = image.read_bytes()
    for name, digest in (("model", project.bundle.model_sha256), ("lock", project.bundle.lock_sha256)):
        if digest.encode() not in data:
            what = f"the application carries another {name} than the project's {digest[:12]}"
            raise BoardError(what, where=image, fix="build the project again")


def fuse_calls(project: Project) -> tuple[str, ...]:
    """Gives the functions of the firmware that burn one-time fuses of the chip; the linker left in what is called.

    Raises: UsageError (exit 2) where the project is not built.
    """
    return tuple(sorted(read_symbols(open_firmware(project).elf) & _BURNING))


def check_fuses(project: Project, *, confirmed: bool) -> None:
    """Refuses firmware that burns a one-time fuse when it runs, unless that was asked for and confirmed.

    Raises: UsageError (exit 2).
    """
    burning = fuse_calls(project)
    if burning and not confirmed:
        raise UsageError(
            f"this firmware burns one-time fuses, which nothing can undo ({', '.join(burning)})", where=project.path,
            fix="build it without, or --allow-otp and type what it asks for",
        )  # fmt: skip


def is_signed_form(image: Path, signed: Path) -> bool:
    """Says whether a signed image holds exactly this application behind its header."""
    if not signed.is_file():
        return False
    payload, plain = signed.read_bytes()[VECTORS:], image.read_bytes()
    return payload[: len(plain)] == plain and not any(payload[len(plain) :])
