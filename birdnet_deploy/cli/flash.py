"""``birdnet-deploy flash``: signs a built project and programs it onto the board."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from birdnet_deploy.cli.console import show_json
from birdnet_deploy.cli.options import output_format_option

if TYPE_CHECKING:
    from birdnet_deploy.artifacts import Project
    from birdnet_deploy.flashing.run import Flashed, FlashRequest, Target

_FUSE_WORDS = "burn the fuse"


@click.command("flash")
@click.argument("project", type=click.Path(path_type=Path), required=False)
@click.option(
    "--only", type=click.Choice(["app", "weights", "fsbl"]), multiple=True, help="Only this part; may be repeated."
)
@click.option(
    "--fsbl", type=click.Path(path_type=Path), help="The signed first-stage loader; default: a source tree's."
)
@click.option("--probe", metavar="SN", help="The ST-LINK's serial number; needed where several are connected.")
@click.option(
    "--programmer",
    type=click.Choice(["cube", "openocd"]),
    default="cube",
    show_default=True,
    help="cube: STM32_Programmer_CLI; openocd loads the application into RAM, it cannot program this flash.",
)
@click.option("--sign-only", is_flag=True, help="Sign the application, check it, and stop.")
@click.option("--dry-run", is_flag=True, help="Show commands, addresses, sizes and hashes; start and open nothing.")
@click.option("--again", is_flag=True, help="Program also what is there already.")
@click.option("--no-reset", is_flag=True, help="Leave the board as it is after programming.")
@click.option("--allow-otp", is_flag=True, help="Take firmware that burns one-time fuses; asks to type a confirmation.")
@click.option("--check-image", type=click.Path(path_type=Path), help="Check a signed image; needs no project or board.")
@output_format_option
def command(
    project: Path | None, only: tuple[str, ...], fsbl: Path | None, probe: str | None, programmer: str,
    sign_only: bool, dry_run: bool, again: bool, no_reset: bool, allow_otp: bool, check_image: Path | None,
    output_format: str,
) -> None:  # fmt: skip
    """Sign the built PROJECT and program weights, first-stage loader and application, each verified.

    What the flash holds already is not programmed. The board must be in development boot (BOOT1 to the right). No
    one-time fuse is touched. Not tried on hardware.
    """
    if check_image is not None:
        _show_image(check_image, output_format)
        return
    from birdnet_deploy.cli.console import ConsoleProgress
    from birdnet_deploy.flashing.run import FlashRequest, flash, load, open_target, sign

    target = open_target(project)
    request = FlashRequest(only, fsbl, probe, again, not no_reset, allow_otp and _confirmed(target.project))
    if dry_run:
        _show_plan(target, request, programmer, sign_only, output_format)
        return
    with ConsoleProgress() as progress:
        if sign_only:
            _show_image(sign(target, progress), output_format)
        elif programmer == "openocd":
            _show_loaded(load(target, request, progress), output_format)
        else:
            _show_done(flash(target, request, progress), output_format)


def _confirmed(project: Project) -> bool:
    """Asks to type the words; firmware that burns nothing needs none."""
    from birdnet_deploy.flashing.checks import fuse_calls

    calls = fuse_calls(project)
    if not calls:
        return False
    for name in calls:
        click.echo(f"{name} burns a one-time fuse of the chip when the firmware runs", err=True)
    click.echo(f"It cannot be undone. Type {_FUSE_WORDS!r} to go on: ", err=True, nl=False)
    typed = sys.stdin.readline()
    return typed.strip() == _FUSE_WORDS


def _show_plan(target: Target, request: FlashRequest, programmer: str, sign_only: bool, output_format: str) -> None:
    from birdnet_deploy.flashing.dry import dry_load, dry_run, dry_sign

    tell = dry_sign if sign_only else dry_load if programmer == "openocd" else dry_run
    steps = tell(target, request)
    if output_format == "json":
        show_json({"project": str(target.project.path), "dry_run": [step.to_json() for step in steps]})
        return
    for step in steps:
        click.echo(step.text)


def _show_done(done: list[Flashed], output_format: str) -> None:
    from birdnet_deploy.flashing.dry import part_facts

    if output_format == "json":
        show_json({"parts": [{**part_facts(each.part), "outcome": each.outcome} for each in done]})
        return
    for each in done:
        part = each.part
        click.echo(f"{part.name:<9} 0x{part.address:08X}  {part.size_bytes:,} B  {each.outcome}")
    click.echo("next      BOOT0 and BOOT1 to the left (flash boot), power cycle, birdnet-deploy monitor")


def _show_loaded(image: Path, output_format: str) -> None:
    if output_format == "json":
        show_json({"loaded": str(image)})
    else:
        click.echo(f"app       {image} runs in RAM, until the next reset")


def _show_image(path: Path, output_format: str) -> None:
    from birdnet_deploy.board.signed_image import check_signed_image

    image = check_signed_image(path)
    if output_format == "json":
        show_json(image.to_json())
        return
    kind = {"app": "application", "fsbl": "first-stage loader"}[image.kind_name]
    click.echo(f"image     {image.path}: {kind}, {image.size_bytes:,} B")
    click.echo(f"sha256    {image.sha256}")
    click.echo(f"entry     0x{image.entry:08X} is the reset vector at 0x404, stack 0x{image.stack:08X}")
    click.echo(f"payload   {image.length:,} B from 0x240, checksum 0x{image.checksum:08X}, vectors at 0x400")
