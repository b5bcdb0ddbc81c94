"""``birdnet-deploy doctor``: which tools, source trees and packages are here, and what works with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from birdnet_deploy.cli.console import show_json
from birdnet_deploy.cli.options import output_format_option

if TYPE_CHECKING:
    from birdnet_deploy.toolchain.doctor import Diagnosis, Item


@click.command("doctor")
@click.argument("project", type=click.Path(path_type=Path), required=False)
@click.option("--target", default=None, help="The board to judge for; default: PROJECT's, the settings' or qemu-an547.")
@click.option(
    "--bundle-report", type=click.Path(path_type=Path), metavar="FILE.zip",
    help="Collect versions, locks, reports and logs for a bug report: no audio, recordings' names or homes.",
)  # fmt: skip
@click.option(
    "--with", "folders", type=click.Path(path_type=Path), multiple=True,
    help="A bundle, project or board-test folder whose texts go into it; may be given again.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace FILE.zip where it is there.")
@output_format_option
@click.pass_context
def command(
    ctx: click.Context, *, project: Path | None, target: str | None, bundle_report: Path | None,
    folders: tuple[Path, ...], force: bool, output_format: str,
) -> None:  # fmt: skip
    """List tools, ST's source trees and Python packages: version, tested range, where looked for, how to get them.

    Exits with 6 where something is missing that the target needs. With PROJECT it is judged for that project: one
    that holds its compiled network needs no stedgeai.
    """
    from birdnet_deploy.errors import ToolchainError
    from birdnet_deploy.npu.data import read_target
    from birdnet_deploy.npu.targets import read_board
    from birdnet_deploy.pipeline import DEFAULT_TARGET
    from birdnet_deploy.project.open import target_of
    from birdnet_deploy.settings import find_settings
    from birdnet_deploy.toolchain.doctor import diagnose
    from birdnet_deploy.toolchain.stedgeai import network_folder

    settings = find_settings()
    name = target or (target_of(project) if project else None) or settings.target or DEFAULT_TARGET
    has_network = project is not None and network_folder(project) is not None
    diagnosis = diagnose(
        name, read_target(name).processor, settings, has_network=has_network, has_card="sd" in read_board(name).features
    )
    if output_format == "json":
        show_json(diagnosis.to_json())
    else:
        for line in _lines(diagnosis):
            click.echo(line)
    if bundle_report is not None:
        from birdnet_deploy.support_report import write_support_report

        taken = folders or (project or settings.project or Path(),)
        count = write_support_report(bundle_report, taken, diagnosis.to_json(), force=force)
        click.echo(f"wrote {bundle_report}: {count} files; look into it before you pass it on", err=True)
    if diagnosis.missing:
        hints = [item.hint for item in diagnosis.items if item.name in diagnosis.missing]
        what = f"{name} needs {', '.join(diagnosis.missing)}"
        raise ToolchainError(what, where="doctor", fix="; ".join(dict.fromkeys(hints)))


def _lines(diagnosis: Diagnosis) -> Iterator[str]:
    for kind, title in (("tool", "Tools"), ("tree", "ST's source trees"), ("package", "Python packages")):
        yield title
        for item in diagnosis.items:
            if item.kind == kind:
                yield from _item(item)
        yield ""
    yield f"Commands for {diagnosis.target}"
    for told in diagnosis.commands:
        state = f"lacks {', '.join(told.lacks)}" if told.lacks else "works"
        yield f"  {told.name:<28}{state}{'' if told.required or not told.lacks else ' (only if you want it)'}"


def _item(item: Item) -> Iterator[str]:
    state = item.version or "no version told" if item.found else f"-- {item.note}"
    wanted = {"tool": item.tested, "tree": "", "package": item.tested and f"needs {item.tested}"}
    told = "  ".join(filter(None, [item.path, wanted[item.kind], item.note if item.found else ""]))
    yield f"  {item.name:<24}{state:<14}  {told}".rstrip()
    if not item.found:
        if item.searched:
            yield f"      looked in {', '.join(item.searched)}"
        yield f"      {item.hint}"
