"""``birdnet-deploy build``: compiles a rendered project."""

from __future__ import annotations

from pathlib import Path

import click

from birdnet_deploy.cli.options import locked_option


@click.command("build")
@click.argument("project", type=click.Path(path_type=Path), required=False)
@locked_option
def command(project: Path | None, locked: bool) -> None:
    """Compile PROJECT with arm-none-eabi-gcc; what did not change is not compiled again.

    PROJECT is the one of birdnet-deploy.toml, or the current folder, where it is not named.
    """
    import shlex

    from birdnet_deploy import pipeline
    from birdnet_deploy.cli.console import ConsoleProgress

    with ConsoleProgress() as progress:
        firmware = pipeline.build(project, is_locked=locked, progress=progress)
    click.echo(f"firmware  {firmware.elf}")
    click.echo(f"sha256    {firmware.sha256}")
    click.echo(
        f"size      {firmware.text_bytes:,} B code and constants, {firmware.data_bytes:,} B data, "
        f"{firmware.bss_bytes:,} B zeroed memory and stack"
    )
    click.echo(f"next      birdnet-deploy run {shlex.quote(str(firmware.project.path))} --audio RECORDINGS")
