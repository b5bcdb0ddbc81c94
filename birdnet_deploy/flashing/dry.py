"""What ``flash --dry-run`` tells: parts, addresses, sizes, hashes and commands. Nothing is started or opened."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from birdnet_deploy.artifacts import Project
from birdnet_deploy.board import openocd
from birdnet_deploy.board.programmer import PROGRAMMER, Commands
from birdnet_deploy.board.signed_image import VECTORS
from birdnet_deploy.errors import BoardError, ToolchainError
from birdnet_deploy.flashing.checks import check_fuses, check_lock, is_signed_form
from birdnet_deploy.flashing.parts import SIGNED_FILE, Part, app_image, in_order, plan_part, slots_of
from birdnet_deploy.flashing.run import FlashRequest, Target, load_address, loader_places, read_back_file
from birdnet_deploy.npu.data import Pool
from birdnet_deploy.npu.targets import Board
from birdnet_deploy.settings import Settings
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.toolchain.find import locate, spec_of
from birdnet_deploy.toolchain.sign import SIGNER, sign_command
from birdnet_deploy.toolchain.vendor import known_trees

_ANY = "SERIAL"  # stands for the serial number of the only probe


def dry_run(target: Target, request: FlashRequest) -> list[str]:
    """Gives the lines that tell what ``flash`` would do; comments begin with #, the others are commands to type.

    Raises: UsageError (2), BoardError (7) for what ``flash`` refuses before it connects.
    """
    project, board, settings = target.project, target.board, target.settings
    slots, names = slots_of(board), in_order(request.only)
    check_lock(project)
    check_fuses(project, confirmed=request.fuses)
    program = _program(PROGRAMMER, settings)
    commands = Commands(program, _loader(program, board), request.probe or _ANY)
    lines = [] if request.probe else [_shown(commands.list_probes())]
    for name in names:
        if name == "app" and not is_signed_form(app_image(project), project.build_dir / SIGNED_FILE):
            lines += _unsigned(project, slots[name], commands, _program(SIGNER, settings))
        else:
            part = plan_part(name, project, slots, fsbl=request.fsbl, trees=known_trees(settings.vendor))
            part.check()
            lines += _signed(project, part, commands)
    if request.reset:
        lines.append(_shown(commands.reset()))
    if not request.probe:
        lines.append(f"# {_ANY} is the serial number of the only probe in the list; of several, name one by --probe")
    return lines


def dry_sign(target: Target, request: FlashRequest) -> list[str]:
    """Gives the lines that tell what ``flash --sign-only`` would do.

    Raises: as ``dry_run``.
    """
    project, slot = target.project, slots_of(target.board)["app"]
    signed = project.build_dir / SIGNED_FILE
    if is_signed_form(app_image(project), signed):
        return [f"# app      {signed} is signed already  sha256 {sha256_file(signed)}"]
    return _signing(project, slot, _program(SIGNER, target.settings))


def dry_load(target: Target, request: FlashRequest) -> list[str]:
    """Gives the lines that tell what ``flash --programmer openocd`` would do.

    Raises: as ``dry_run``.
    """
    check_lock(target.project)
    check_fuses(target.project, confirmed=request.fuses)
    image, address = app_image(target.project), load_address(target.board)
    command = openocd.load_command(_program(openocd.OPENOCD, target.settings), image, address, request.probe)
    size = image.stat().st_size
    return [f"# app      0x{address:08X}  {size:,} B into RAM  sha256 {sha256_file(image)}", _shown(command)]


def _signed(project: Project, part: Part, commands: Commands) -> list[str]:
    told = f"# {part.name:<8} 0x{part.address:08X}  {part.size_bytes:,} B of {part.slot_bytes:,}  sha256 {part.sha256}"
    return [told, *_programming(project, part.name, part.file, part.address, part.size_bytes, commands)]


def _unsigned(project: Project, slot: Pool, commands: Commands, signer: str) -> list[str]:
    size = app_image(project).stat().st_size + VECTORS
    programming = _programming(project, "app", project.build_dir / SIGNED_FILE, slot.address, size, commands)
    return [*_signing(project, slot, signer), *programming]


def _signing(project: Project, slot: Pool, signer: str) -> list[str]:
    """The signed file is not there yet: its size is known, its hash is not."""
    image, output = app_image(project), project.build_dir / SIGNED_FILE
    size = image.stat().st_size + VECTORS
    if size > slot.bytes:
        what = f"{size} bytes when signed do not fit the slot of {slot.bytes}: they would overwrite the weights"
        raise BoardError(what, where=image, fix="make the application smaller")
    return [
        f"# app      0x{slot.address:08X}  {size:,} B of {slot.bytes:,} when signed  "
        f"sha256 before signing {sha256_file(image)}",
        _shown(sign_command(signer, image, output, kind="app", align=True)) + "  # -align where its --help has it",
    ]


def _programming(
    project: Project, name: str, file: Path, address: int, size: int, commands: Commands
) -> tuple[str, str]:  # fmt: skip
    there = read_back_file(project, name)
    return (
        _shown(commands.read(address, size, there)) + "  # programmed only where this differs",
        _shown(commands.write(file, address)),
    )


def _loader(program: str, board: Board) -> str:
    places = loader_places(Path(program), board)
    there = next((place for place in places if place.is_file()), None)
    return str(there or (places[0] if Path(program).is_absolute() else Path("ExternalLoader") / places[0].name))


def _program(name: str, settings: Settings) -> str:
    """The program's path where it is here, else its name: a dry run needs no tool."""
    try:
        return str(locate(spec_of(name), settings.tools))
    except ToolchainError:
        return name


def _shown(command: Sequence[str]) -> str:
    return shlex.join(command)
