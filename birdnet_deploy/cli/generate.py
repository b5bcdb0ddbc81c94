"""``birdnet-deploy generate``: renders a firmware project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from birdnet_deploy.cli.options import locked_option, model_options, output_format_option

if TYPE_CHECKING:
    from birdnet_deploy.model.beside import ModelHints


@click.command("generate")
@click.argument("bundle", type=click.Path(path_type=Path), required=False)
@click.option("--target", default=None, help="The board; qemu-an547 (emulated Cortex-M55) by default.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The project's folder.")
@click.option("--force", is_flag=True, help="Replace an edited or foreign folder; a copy is kept.")
@click.option("--top-k", type=int, default=3, show_default=True, help="How many best classes a record names.")
@click.option("--threshold", type=float, metavar="X", help="Records name only classes of at least this score, 0 to 1.")
@click.option("--species", type=click.Path(path_type=Path), help="Labels, one a line: records name only these.")
@click.option("--audio-source", default="card", show_default=True, help="card, or microphone: of a board that has one.")
@click.option(
    "--network-dir", type=click.Path(path_type=Path), help="What stedgeai made of this network on another machine."
)
@click.option("--ioc", type=click.Path(path_type=Path), help="Your CubeMX project; a copy gets an X-CUBE-AI section.")
@click.option("--plan", is_flag=True, help="Show what lies where in the arena from step to step.")
@locked_option
@output_format_option
@model_options
def command(
    bundle: Path | None, target: str | None, output: Path | None, force: bool, top_k: int, threshold: float | None,
    species: Path | None, audio_source: str, network_dir: Path | None, ioc: Path | None, plan: bool, locked: bool,
    output_format: str, hints: ModelHints,
) -> None:  # fmt: skip
    """Render a complete firmware project from BUNDLE: sources, network, labels, Makefile.

    BUNDLE is the one of birdnet-deploy.toml, or the current folder, where it is not named. It may be a full-int8
    .tflite that others converted, or a folder that holds one; the last five options are for those.
    """
    import shlex

    from birdnet_deploy import pipeline
    from birdnet_deploy.artifacts import MEMORY_PLAN_FILE
    from birdnet_deploy.cli.console import ConsoleProgress, show_json
    from birdnet_deploy.project.choices import Choices

    with ConsoleProgress() as progress:
        project = pipeline.generate(
            bundle, target=target, output=output, force=force, network_dir=network_dir, ioc=ioc, hints=hints,
            choices=Choices(top_k, threshold, species, audio_source), is_locked=locked, progress=progress,
        )  # fmt: skip
    plan = plan and (project.path / MEMORY_PLAN_FILE).is_file()  # of an NPU's memory its compiler decides
    if output_format == "json":
        bundle_of = project.bundle
        show_json({
            "project": str(project.path), "target": project.target, "classes": len(bundle_of.labels),
            "model_sha256": bundle_of.model_sha256, "lock_sha256": bundle_of.lock_sha256,
            **({"memory_plan": _memory_plan(project.path)} if plan else {}),
        })  # fmt: skip
        return
    click.echo(f"project   {project.path} for {project.target}, {len(project.bundle.labels)} classes")
    click.echo(f"model     {project.bundle.model_sha256}")
    click.echo(f"lock      {project.bundle.lock_sha256}")
    click.echo(f"next      birdnet-deploy build {shlex.quote(str(project.path))}")
    if plan:
        from birdnet_deploy.project.memory_picture import text_picture

        click.echo("")
        click.echo(text_picture(_memory_plan(project.path)))


def _memory_plan(project: Path) -> dict[str, Any]:
    import json

    from birdnet_deploy.artifacts import MEMORY_PLAN_FILE

    plan: dict[str, Any] = json.loads((project / MEMORY_PLAN_FILE).read_text(encoding="utf-8"))
    return plan
