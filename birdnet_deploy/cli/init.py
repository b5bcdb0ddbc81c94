"""``birdnet-deploy init``: writes the commented settings file."""

from __future__ import annotations

from pathlib import Path

import click

from birdnet_deploy.cli.console import show_json
from birdnet_deploy.cli.options import output_format_option
from birdnet_deploy.errors import OutputRefused, UsageError
from birdnet_deploy.settings import SETTINGS_FILE, settings_template
from birdnet_deploy.support.files import replaced_text
from birdnet_deploy.support.publish import free_name


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option("--force", is_flag=True, help="Replace a file that is there; the old one is kept as .bak-N.")
@output_format_option
def command(folder: Path, force: bool, output_format: str) -> None:
    """Write a commented birdnet-deploy.toml into FOLDER (here by default)."""
    if not folder.is_dir():
        raise UsageError("no such folder", where=folder, fix="make it first")
    path = folder / SETTINGS_FILE
    if path.exists():
        if not force:
            raise OutputRefused("is there already", where=path, fix="edit it, or --force (keeps it as .bak-N)")
        path.rename(free_name(path))
    with replaced_text(path) as file:
        file.write(settings_template())
    if output_format == "json":
        show_json({"settings": str(path)})
        return
    click.echo(f"wrote {path}: remove the # of a line to set it")
