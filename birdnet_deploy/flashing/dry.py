"""What ``flash --dry-run`` tells: parts, addresses, sizes, hashes and commands. Nothing is started or opened."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class Step:
    """A line of a plan: a command with its arguments and a remark, or a remark alone with facts of a part."""

    command: tuple[str, ...] = ()
    remark: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The line as people read it, and type it where it is a command; remarks begin with #."""
        remark = f"# {self.remark}" if self.remark else ""
        return "  ".join(filter(None, [shlex.join(self.command), remark]))

    def to_json(self) -> dict[str, Any]:
        """Gives the same for programs: facts of a part, the command as a list, the remark; nothing that is empty."""
        told = {"command": list(self.command), "remark": "" if self.facts else self.remark}
        return {**self.facts, **{name: value for name, value in told.items() if value}}


def dry_run(target: Target, request: FlashRequest) -> list[Step]:
    """Gives what ``flash`` would do, step by step.

    Raises: UsageError (2), BoardError (7) for what ``flash`` refuses before it connects.
    """
    project, board, settings = target.project, target.board, target.settings
    slots, names = slots_of(board), in_order(request.only)
    check_lock(project)
    check_fuses(project, confirmed=request.fuses)
    program = _program(PROGRAMMER, settings)
    commands = Commands(program, _loader(program, board), request.probe or _ANY)
    steps = [] if request.probe else [_step(commands.list_probes())]
    for name in names:
        if name == "app" and not is_signed_form(app_image(project), project.build_dir / SIGNED_FILE):
            steps += _unsigned(project, slots[name], commands, _program(SIGNER, settings))
        else:
            part = plan_part(name, project, slots, fsbl=request.fsbl, trees=known_trees(settings.vendor))
            part.check()
            steps += _signed(project, part, commands)
    if request.reset:
        steps.append(_step(commands.reset()))
    if not request.probe:
        told = f"{_ANY} is the serial number of the only probe in the list; of several, name one by --probe"
        steps.append(Step(remark=told))
    return steps


def dry_sign(target: Target, request: FlashRequest) -> list[Step]:
    """Gives what ``flash --sign-only`` would do.

    Raises: as ``dry_run``.
    """
    project, slot = target.project, slots_of(target.board)["app"]
    signed = project.build_dir / SIGNED_FILE
    if is_signed_form(app_image(project), signed):
        digest = sha256_file(signed)
        facts = {"part": "app", "signed": str(signed), "sha256": digest}
        return [Step(remark=f"app      {signed} is signed already  sha256 {digest}", facts=facts)]
    return _signing(project, slot, _program(SIGNER, target.settings))


def dry_load(target: Target, request: FlashRequest) -> list[Step]:
    """Gives what ``flash --programmer openocd`` would do.

    Raises: as ``dry_run``.
    """
    check_lock(target.project)
    check_fuses(target.project, confirmed=request.fuses)
    image, address = app_image(target.project), load_address(target.board)
    command = openocd.load_command(_program(openocd.OPENOCD, target.settings), image, address, request.probe)
    size, digest = image.stat().st_size, sha256_file(image)
    facts = {"part": "app", "address": address, "size_bytes": size, "sha256": digest}
    told = f"app      0x{address:08X}  {size:,} B into RAM  sha256 {digest}"
    return [Step(remark=told, facts=facts), _step(command)]


def _signed(project: Project, part: Part, commands: Commands) -> list[Step]:
    told = f"{part.name:<8} 0x{part.address:08X}  {part.size_bytes:,} B of {part.slot_bytes:,}  sha256 {part.sha256}"
    programming = _programming(project, part.name, part.file, part.address, part.size_bytes, commands)
    return [Step(remark=told, facts=part_facts(part)), *programming]


def part_facts(part: Part) -> dict[str, Any]:
    """Gives what a part is for programs: name, file, address and sizes in bytes, hash."""
    return {
        "part": part.name, "file": str(part.file), "address": part.address, "size_bytes": part.size_bytes,
        "slot_bytes": part.slot_bytes, "sha256": part.sha256,
    }  # fmt: skip


def _unsigned(project: Project, slot: Pool, commands: Commands, signer: str) -> list[Step]:
    size = app_image(project).stat().st_size + VECTORS
    programming = _programming(project, "app", project.build_dir / SIGNED_FILE, slot.address, size, commands)
    return [*_signing(project, slot, signer), *programming]


def _signing(project: Project, slot: Pool, signer: str) -> list[Step]:
    """The signed file is not there yet: its size is known, its hash is not."""
    image, output = app_image(project), project.build_dir / SIGNED_FILE
    size = image.stat().st_size + VECTORS
    if size > slot.bytes:
        what = f"{size} bytes when signed do not fit the slot of {slot.bytes}: they would overwrite the weights"
        raise BoardError(what, where=image, fix="make the application smaller")
    digest = sha256_file(image)
    facts = {
        "part": "app", "file": str(output), "address": slot.address, "size_bytes": size, "slot_bytes": slot.bytes,
        "unsigned_sha256": digest,
    }  # fmt: skip
    told = f"0x{slot.address:08X}  {size:,} B of {slot.bytes:,} when signed  sha256 before signing {digest}"
    return [
        Step(remark=f"app      {told}", facts=facts),
        _step(sign_command(signer, image, output, kind="app", align=True), "-align where its --help has it"),
    ]


def _programming(project: Project, name: str, file: Path, address: int, size: int, commands: Commands) -> list[Step]:
    there = read_back_file(project, name)
    return [
        _step(commands.read(address, size, there), "programmed only where this differs"),
        _step(commands.write(file, address)),
    ]


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


def _step(command: Sequence[str], remark: str = "") -> Step:
    return Step(tuple(command), remark)
