"""What is programmed where: weights, first-stage loader, application, each checked against its slot."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from birdnet_deploy.artifacts import Project
from birdnet_deploy.board.signed_image import check_signed_image
from birdnet_deploy.errors import BoardError, UsageError
from birdnet_deploy.npu.data import Pool
from birdnet_deploy.npu.network_folder import SOURCE
from birdnet_deploy.npu.stedgeai import is_stedgeai_output, read_stedgeai
from birdnet_deploy.npu.targets import Board
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.toolchain.stedgeai import network_folder

ORDER = ("weights", "fsbl", "app")  # the application last: until then the board starts nothing new
APP_FILE, SIGNED_FILE, WEIGHTS_FILE = "firmware.bin", "firmware_sign.bin", "network_data.bin"
_FSBL_PATTERNS = ("Binaries/fsbl_fw_lrun*.bin", "Binary/*fsbl*.bin")  # Getting-Started packages carry one
_FLASH = range(0x70000000, 0x80000000)
_ADDRESS = re.compile(r"\b0x(7[0-9A-Fa-f]{7})U?L?\b")


@dataclass(frozen=True)
class Part:
    """One file for one slot of the flash; ``kind`` is that of its signed image, None for weights."""

    name: str
    file: Path
    address: int
    slot_bytes: int
    size_bytes: int
    sha256: str
    kind: str | None

    def check(self) -> None:
        """Refuses a part that would not start, or that overwrites what lies behind its slot.

        Raises: BoardError (exit 7).
        """
        if self.kind is not None:
            check_signed_image(self.file, kind=self.kind, slot_bytes=self.slot_bytes)
        elif self.size_bytes > self.slot_bytes:
            raise BoardError(
                f"{self.size_bytes} bytes do not fit the slot of {self.slot_bytes}", where=self.file,
                fix="compile a smaller network",
            )  # fmt: skip


def slots_of(board: Board) -> Mapping[str, Pool]:
    """Gives the slots of a board's flash by part.

    Raises: UsageError (exit 2) for a board that is not programmed.
    """
    if board.flash is None:
        raise UsageError(
            f"there is nothing to flash on {board.name}: the emulated board starts the ELF itself", where="flash",
            fix="birdnet-deploy run PROJECT --audio RECORDINGS, or generate --target stm32n6570-dk for the board",
        )  # fmt: skip
    return board.flash.slots


def app_image(project: Project) -> Path:
    """Gives the unsigned application of a built project.

    Raises: UsageError (exit 2) with the command to type where it is not built.
    """
    path = project.build_dir / APP_FILE
    if not path.is_file():
        fix = f"birdnet-deploy build {shlex.quote(str(project.path))}"
        raise UsageError(f"no {APP_FILE}: not built", where=project.path, fix=fix)
    return path


def plan_part(
    name: str, project: Project, slots: Mapping[str, Pool], *, fsbl: Path | None, trees: Iterable[Path] = ()
) -> Part:
    """Gives one part from the file that ``build`` or signing left; ``fsbl`` is named, or that of one of ``trees``.

    Raises: UsageError (exit 2) where a file is missing; BoardError (7) for weights at an address that the network does
    not read.
    """
    if name == "app":
        return _part(name, project.build_dir / SIGNED_FILE, slots[name], "app")
    if name == "fsbl":
        return _part(name, find_fsbl(fsbl, trees), slots[name], "fsbl")
    path = project.build_dir / WEIGHTS_FILE
    if not path.is_file():
        fix = f"birdnet-deploy build {shlex.quote(str(project.path))}"
        what = f"no {WEIGHTS_FILE}: not built, or of a network that came without its weights"
        raise UsageError(what, where=project.path, fix=fix)
    check_weights_address(project, slots[name])
    return _part(name, path, slots[name], None)


def _part(name: str, path: Path, slot: Pool, kind: str | None) -> Part:
    try:
        return Part(name, path, slot.address, slot.bytes, path.stat().st_size, sha256_file(path), kind)
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", where=path, fix="build and sign again") from error


def find_fsbl(named: Path | None, trees: Iterable[Path]) -> Path:
    """Gives the signed first-stage loader: the one that is named, else the newest that a source tree carries.

    Raises: UsageError (exit 2) where there is none; it is never left out without being told.
    """
    if named is not None:
        if not named.is_file():
            raise UsageError("no such file", where=named, fix="name the signed first-stage loader by --fsbl")
        return named
    for tree in trees:
        for pattern in _FSBL_PATTERNS:
            if found := sorted(tree.glob(pattern)):
                return found[-1]
    raise UsageError(
        "no first-stage loader: nothing else starts the application from flash", where="fsbl",
        fix="--fsbl FILE (Binaries/fsbl_fw_lrun_*.bin of ST's Getting-Started package), or --only weights --only app "
        "where the board has one",
    )  # fmt: skip


def check_weights_address(project: Project, slot: Pool) -> None:
    """Refuses weights for a slot that the compiled network does not read: it would compute with other bytes.

    Raises: BoardError (exit 7) with both addresses.
    """
    folder = network_folder(project.path)
    address = None if folder is None else network_address(folder)
    if address is not None and address != slot.address:
        raise BoardError(
            f"the network reads its weights at 0x{address:08X}, the target's slot is 0x{slot.address:08X}",
            where=folder, fix="compile it again with this project's neuralart/ profiles",
        )  # fmt: skip


def network_address(folder: Path) -> int | None:
    """Gives where a compiled network reads its weights: a pool of its report, else the lowest in ``network.c``."""
    if is_stedgeai_output(folder):
        pools = [pool for pool in read_stedgeai(folder).pools if pool.weight_bytes and pool.address in _FLASH]
        if pools:
            return min(pool.address for pool in pools)
    source = folder / SOURCE
    if not source.is_file():
        return None
    found = _ADDRESS.findall(source.read_text(encoding="utf-8", errors="replace"))
    return min((int(text, 16) for text in found), default=None)


def in_order(only: Sequence[str]) -> tuple[str, ...]:
    """Gives the asked parts in the order in which they are programmed; none asked means all."""
    return tuple(name for name in ORDER if not only or name in only)
