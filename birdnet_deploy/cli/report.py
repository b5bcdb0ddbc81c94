"""``birdnet-deploy report``: one page that shows what quantization, the rules and the device did to a model."""

from __future__ import annotations

from pathlib import Path

import click

from birdnet_deploy.cli.options import output_format_option
from birdnet_deploy.support.printable import printable

_PATH = click.Path(path_type=Path)


@click.command("report")
@click.argument("paths", type=_PATH, nargs=-1, metavar="[BUNDLE] [PROJECT]")
@click.option("-o", "--output", type=_PATH, help="The folder; default: report beside what is named.")
@click.option(
    "--readback", "readbacks", type=_PATH, multiple=True,
    help="What a board gave: a .jsonl of run, monitor or board-test, a log of the line, board-test's folder.",
)  # fmt: skip
@click.option("--audio", type=_PATH, help="The recordings that the readbacks are of: holds them against the host.")
@click.option(
    "--target", help="The board to judge for.  [default: the project's, birdnet-deploy.toml's, stm32n6570-dk]"
)
@click.option(
    "--embed-audio", is_flag=True, help="Put the sound of the worst windows into the page; it may be private."
)
@click.option("--force", is_flag=True, help="Replace an edited or foreign folder; a copy is kept.")
@output_format_option
def command(
    *, paths: tuple[Path, ...], output: Path | None, readbacks: tuple[Path, ...], audio: Path | None,
    target: str | None, embed_audio: bool, force: bool, output_format: str,
) -> None:  # fmt: skip
    """Show a bundle, a project of it and what a board gave in one HTML file: release or not, and why.

    The folder gets report.html, which needs nothing else, and report.json with the same facts. Without a path: the
    bundle of birdnet-deploy.toml, else what lies in the current folder. Exits with 0 whatever the verdict is.
    """
    from birdnet_deploy.cli.console import ConsoleProgress
    from birdnet_deploy.showing.limits import RELEASE
    from birdnet_deploy.showing.write import ReportRequest, write_report
    from birdnet_deploy.support import jsonfile

    request = ReportRequest(paths, output, readbacks, audio, target, embed_audio, force)
    with ConsoleProgress() as progress:
        written = write_report(request, progress)
    if output_format == "json":
        click.echo(jsonfile.dumps(written.facts), nl=False)
        return
    verdict = written.facts["verdict"]
    scope = ", as far as an emulated board shows" if verdict["status"] == RELEASE and verdict["scope"] else ""
    click.echo(f"verdict  {verdict['status']}{scope}")
    for reason in verdict["reasons"]:
        click.echo(f"         {printable(reason)}")
    click.echo(f"report   {printable(str(written.page))}")
