"""``birdnet-deploy build``: compiles a rendered project."""

from __future__ import annotations

from pathlib import Path

import click

from birdnet_deploy.cli.options import locked_option, output_format_option


@click.command("build")
@click.argument("project", type=click.Path(path_type=Path), required=False)
@locked_option
@output_format_option
def command(project: Path | None, locked: bool, output_format: str) -> None:
    """Compile PROJECT with arm-none-eabi-gcc; what did not change is not compiled again.

    PROJECT is the one of birdnet-deploy.toml, or the current folder, where it is not named.
    """
    import shlex

    from birdnet_deploy import pipeline
    from birdnet_deploy.cli.console import ConsoleProgress, show_json

    with ConsoleProgress() as progress:
        firmware = pipeline.build(project, is_locked=locked, progress=progress)
    if output_format == "json":
        sizes = {name: getattr(firmware, name) for name in ("text_bytes", "data_bytes", "bss_bytes")}
        show_json({"firmware": str(firmware.elf), "sha256": firmware.sha256, **sizes})
        return
    click.echo(f"firmware  {firmware.elf}")
    click.echo(f"sha256    {firmware.sha256}")
    click.echo(
        f"size      {firmware.text_bytes:,} B code and constants, {firmware.data_bytes:,} B data, "
        f"{firmware.bss_bytes:,} B zeroed memory and stack"
    )
    click.echo(f"next      birdnet-deploy run {shlex.quote(str(firmware.project.path))} --audio RECORDINGS")
