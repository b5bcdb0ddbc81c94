"""``birdnet-deploy convert``: a trained model to a full-int8 bundle."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from birdnet_deploy.cli.options import model_options

if TYPE_CHECKING:
    from birdnet_deploy.artifacts import Bundle
    from birdnet_deploy.model.beside import ModelHints

_NORMS = {"auto": None, "on": True, "off": False}


@click.command("convert")
@click.argument("model", type=click.Path(path_type=Path), required=False)
@click.option("--calibration", metavar="PATH", help="Recordings that calibrate the int8 ranges, or the word synthetic.")
@click.option(
    "--evaluation", type=click.Path(path_type=Path), help="Recordings that measure; default: 30 % of the files."
)
@model_options
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The bundle; default: <stem>_bundle.")
@click.option(
    "--head", type=click.Choice(["logits", "probabilities"]), default="logits", show_default=True,
    help="Cut the final softmax or sigmoid off, or keep it in the graph.",
)  # fmt: skip
@click.option(
    "--io", type=click.Choice(["int8", "float32"]), default="int8", show_default=True,
    help="The type of the model's input and output; inside it is int8 either way.",
)  # fmt: skip
@click.option("--max-windows", type=click.IntRange(1), help="Windows to calibrate on at most; 256 by default.")
@click.option(
    "--sample-norm", type=click.Choice(list(_NORMS)), default="auto", show_default=True,
    help="Whether a hybrid frontend divides by each sample's maximum; auto: as the file's layout says.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Refuse recordings that cannot be read, rather than skip them.")
@click.option("--force", is_flag=True, help="Replace an edited or foreign folder; a copy is kept.")
def command(
    *, model: Path | None, calibration: str | None, evaluation: Path | None, hints: ModelHints,
    output: Path | None, head: Literal["logits", "probabilities"],
    io: Literal["int8", "float32"], max_windows: int | None, sample_norm: str, strict: bool, force: bool,
) -> None:  # fmt: skip
    """Quantize MODEL.keras to full int8 and write a bundle: model, labels, config, golden windows, report, lock.

    MODEL may be a folder that holds the .keras, its config and its labels. Without --calibration the recordings
    are those of birdnet-deploy.toml, else of calibration/ beside MODEL.
    """
    from birdnet_deploy import pipeline
    from birdnet_deploy.cli.console import ConsoleProgress

    request = pipeline.ConvertRequest(
        model=model, calibration=calibration, evaluation=evaluation, hints=hints, output=output, head=head,
        io=io, max_windows=max_windows, sample_norm=_NORMS[sample_norm], strict=strict, force=force,
    )  # fmt: skip
    with ConsoleProgress() as progress:
        bundle = pipeline.convert(request, progress)
    show_bundle(bundle)


def show_bundle(bundle: Bundle) -> None:
    """Shows what was made of the model, what it cost, and the next command."""
    from birdnet_deploy.quantization.report import fidelity_rows, model_rows

    report = json.loads(bundle.report.read_text(encoding="utf-8"))
    rows = [("bundle", str(bundle.path)), *model_rows(report), *fidelity_rows(report)]
    rows.append(("next", f"birdnet-deploy validate {shlex.quote(str(bundle.path))}"))
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        click.echo(f"{name:<{width}}  {text}")
