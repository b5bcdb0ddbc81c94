"""What ``flash`` does, in order: sign, check, choose the probe, read back, program with verify, reset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from birdnet_deploy.artifacts import Project
from birdnet_deploy.board import openocd
from birdnet_deploy.board.programmer import (
    PROGRAMMER,
    Commands,
    check_list,
    check_read,
    check_reset,
    check_write,
    choose_probe,
    read_probes,
)
from birdnet_deploy.board.signed_image import check_signed_image
from birdnet_deploy.errors import BoardError, ToolchainError
from birdnet_deploy.flashing.checks import check_fuses, check_lock, is_signed_form
from birdnet_deploy.flashing.parts import SIGNED_FILE, Part, app_image, in_order, plan_part, slots_of
from birdnet_deploy.npu.targets import Board, read_board
from birdnet_deploy.project.open import open_project
from birdnet_deploy.settings import Settings, find_settings
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.support.progress import Progress
from birdnet_deploy.toolchain.find import find_tool, find_tools
from birdnet_deploy.toolchain.run import run_tool
from birdnet_deploy.toolchain.sign import SIGNER, sign_image
from birdnet_deploy.toolchain.vendor import known_trees

Run = Callable[[Sequence[str], str, float], tuple[int, str]]  # command, step, seconds -> status, output
_LIST_S, _RESET_S, _LEAST_S = 60.0, 60.0, 60.0
_SLOWEST = 20_000  # bytes a second over SWD
_LOGS = "flash"  # below build/


@dataclass(frozen=True)
class FlashRequest:
    """What ``flash`` is asked for; ``only`` empty means all parts, ``fsbl`` names a signed first-stage loader.

    ``again`` programs also what is there already; ``fuses`` says that burning fuses was confirmed.
    """

    only: tuple[str, ...] = ()
    fsbl: Path | None = None
    probe: str | None = None
    again: bool = False
    reset: bool = True
    fuses: bool = False


@dataclass(frozen=True)
class Target:
    """A project, the board that it was rendered for and the settings beside it."""

    project: Project
    board: Board
    settings: Settings


@dataclass(frozen=True)
class Flashed:
    """What became of a part: ``programmed`` or ``there already``."""

    part: Part
    outcome: str


def open_target(path: Path | None) -> Target:
    """Gives the project at ``path``, else that of the settings, else the current folder.

    Raises: UsageError (exit 2) where it is none, or for a board that is not programmed.
    """
    settings = find_settings()
    project = open_project(path or settings.project or Path())
    board = read_board(project.target)
    slots_of(board)
    return Target(project, board, settings)


def sign(target: Target, progress: Progress) -> Path:
    """Gives the signed application of a built project, checked; one that is there and fits is kept.

    Raises: UsageError (exit 2) where it is not built; ToolchainError (6) of the signing tool; BoardError (7) where the
    signed image would not start.
    """
    project = target.project
    slot = slots_of(target.board)["app"].bytes
    image, output = app_image(project), project.build_dir / SIGNED_FILE
    if not is_signed_form(image, output):
        signer = find_tool(SIGNER, target.settings.tools)
        progress.step(f"signing with {SIGNER} {signer.version}")
        sign_image(signer, image, output, kind="app", log=log_of(project, "sign"))
    try:
        check_signed_image(output, kind="app", slot_bytes=slot)
    except BoardError:
        output.unlink(missing_ok=True)
        raise
    return output


def flash(target: Target, request: FlashRequest, progress: Progress) -> list[Flashed]:
    """Gives what became of each part: weights, first-stage loader and application, in this order.

    Tools are found, images made and checked before a board is connected to. A part whose bytes are in the flash
    already is not programmed. Nothing is started before everything was verified.

    Raises: UsageError (2), ToolchainError (6), BoardError (7).
    """
    project, board, settings = target.project, target.board, target.settings
    slots, names = slots_of(board), in_order(request.only)
    signer = [SIGNER] if "app" in names and not is_signed_form(app_image(project), _signed(project)) else []
    tool = find_tools([PROGRAMMER, *signer], settings.tools)[PROGRAMMER]
    loader = find_loader(tool.path, board)
    check_lock(project)
    check_fuses(project, confirmed=request.fuses)
    if "app" in names:
        sign(target, progress)
    parts = [plan_part(n, project, slots, fsbl=request.fsbl, trees=known_trees(settings.vendor)) for n in names]
    for part in parts:
        part.check()
    run = runner(project)
    progress.step(f"looking for the board with {PROGRAMMER} {tool.version}")
    status, text = run(Commands(str(tool.path), "", "").list_probes(), "probes", _LIST_S)
    check_list(status, text)
    probe = choose_probe(read_probes(text), request.probe, board.title)
    commands = Commands(str(tool.path), str(loader), probe.serial)
    done = [_flash_part(part, project, commands, run, request.again, progress) for part in parts]
    if request.reset:
        progress.step("resetting the board")
        check_reset(*run(commands.reset(), "reset", _RESET_S))
    return done


def _signed(project: Project) -> Path:
    return project.build_dir / SIGNED_FILE


def _flash_part(
    part: Part, project: Project, commands: Commands, run: Run, again: bool, progress: Progress
) -> Flashed:  # fmt: skip
    patience = _LEAST_S + part.size_bytes / _SLOWEST
    if not again and _is_there(part, read_back_file(project, part.name), commands, run, progress, patience):
        return Flashed(part, "there already")
    progress.step(f"programming {part.name}, {part.size_bytes:,} bytes at 0x{part.address:08X}")
    status, text = run(commands.write(part.file, part.address), f"{part.name}-write", patience)
    check_write(status, text, name=part.name, address=part.address)
    return Flashed(part, "programmed")


def _is_there(part: Part, copy: Path, commands: Commands, run: Run, progress: Progress, patience: float) -> bool:
    """Says whether the flash holds a part's bytes already."""
    progress.step(f"reading {part.name} back, {part.size_bytes:,} bytes from 0x{part.address:08X}")
    copy.unlink(missing_ok=True)
    try:
        status, text = run(commands.read(part.address, part.size_bytes, copy), f"{part.name}-read", patience)
        check_read(status, text, name=part.name, address=part.address)
        if not copy.is_file() or copy.stat().st_size != part.size_bytes:
            raise BoardError(
                f"reading {part.name}: {PROGRAMMER} said it was done but left no {part.size_bytes} bytes",
                where=f"0x{part.address:08X}", fix="see its output in the log, flash again",
            )  # fmt: skip
        return sha256_file(copy) == part.sha256
    finally:
        copy.unlink(missing_ok=True)


def load(target: Target, request: FlashRequest, progress: Progress) -> Path:
    """Gives the application that OpenOCD loaded into the board's RAM and started; weights must be in the flash.

    Raises: UsageError (2), ToolchainError (6), BoardError (7).
    """
    project = target.project
    image = app_image(project)
    tool = find_tool(openocd.OPENOCD, target.settings.tools)
    check_lock(project)
    check_fuses(project, confirmed=request.fuses)
    size = image.stat().st_size
    command = openocd.load_command(str(tool.path), image, load_address(target.board), request.probe)
    progress.step(f"loading {size:,} bytes into RAM with {openocd.OPENOCD} {tool.version}")
    status, text = runner(project)(command, "load", _LEAST_S + size / _SLOWEST)
    openocd.check_load(status, text, size=size)
    return image


def load_address(board: Board) -> int:
    """Gives where the code of an application that runs in RAM begins."""
    return next(region.address for region in board.regions if region.name == board.memory.code)


def read_back_file(project: Project, name: str) -> Path:
    """Gives where the bytes of a part that were read from the flash lie for a moment."""
    return project.build_dir / _LOGS / f"{name}-there.bin"


def log_of(project: Project, step: str) -> Path:
    """Gives the log of a step; its folder is made."""
    folder = project.build_dir / _LOGS
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{step}.log"


def runner(project: Project) -> Run:
    """Gives what runs one command of a programmer: its output goes to a log, its group ends with it."""

    def run(command: Sequence[str], step: str, timeout_s: float) -> tuple[int, str]:
        log = log_of(project, step)
        try:
            status = run_tool(command, name=Path(command[0]).name, log=log, timeout_s=timeout_s)
        except ToolchainError as error:  # it hung or died: the board may be half written
            what = f"{step}: {error.what}; the firmware was not started"
            raise BoardError(what, where=error.where, fix=error.fix) from error
        return status, log.read_text(encoding="utf-8", errors="replace")

    return run


def find_loader(program: Path, board: Board) -> Path:
    """Gives the external loader of the board's flash, which comes with the programmer.

    Raises: ToolchainError (exit 6) with where it was looked for.
    """
    places = loader_places(program, board)
    for place in places:
        if place.is_file():
            return place
    listed = ", ".join(str(place) for place in places)
    raise ToolchainError(f"no {places[0].name} in {listed}", where=PROGRAMMER, fix="install STM32CubeProgrammer whole")


def loader_places(program: Path, board: Board) -> list[Path]:
    """Gives where the loader may lie beside the programmer, the usual place first."""
    slots_of(board)
    name = board.flash.loader if board.flash else ""
    folder = program.resolve().parent
    return [folder / "ExternalLoader" / name, folder.parent / "api" / "lib" / "ExternalLoader" / name]
