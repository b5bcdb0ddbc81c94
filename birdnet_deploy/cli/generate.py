"""``birdnet-deploy generate``: renders a firmware project."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("generate")
@click.argument("bundle", type=click.Path(path_type=Path), required=False)
@click.option("--target", default=None, help="The board; qemu-an547 (emulated Cortex-M55) by default.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The project's folder.")
@click.option("--force", is_flag=True, help="Replace an edited or foreign folder; a copy is kept.")
@click.option("--top-k", type=int, default=3, show_default=True, help="How many best classes a record names.")
def command(bundle: Path | None, target: str | None, output: Path | None, force: bool, top_k: int) -> None:
    """Render a complete firmware project from BUNDLE: sources, network, labels, Makefile.

    BUNDLE is the one of birdnet-deploy.toml, or the current folder, where it is not named.
    """
    import shlex

    from birdnet_deploy import pipeline
    from birdnet_deploy.cli.console import ConsoleProgress

    with ConsoleProgress() as progress:
        project = pipeline.generate(
            bundle, target=target, output=output, force=force, top_k=top_k, progress=progress
        )  # fmt: skip
    click.echo(f"project   {project.path} for {project.target}, {len(project.bundle.labels)} classes")
    click.echo(f"model     {project.bundle.model_sha256}")
    click.echo(f"lock      {project.bundle.lock_sha256}")
    click.echo(f"next      birdnet-deploy build {shlex.quote(str(project.path))}")
