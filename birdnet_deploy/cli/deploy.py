"""``birdnet-deploy deploy``: convert, validate, generate, build, run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from birdnet_deploy.cli.options import locked_option, model_options, output_format_option, quantize_options

if TYPE_CHECKING:
    from birdnet_deploy.model.beside import ModelHints
    from birdnet_deploy.npu.finding import ValidationResult


@click.command("deploy")
@click.argument("model", type=click.Path(path_type=Path), required=False)
@click.option("--calibration", metavar="PATH", help="Recordings that calibrate the int8 ranges.")
@click.option("--audio", type=click.Path(path_type=Path), required=True, help="Recordings to run on.")
@model_options
@quantize_options
@click.option("--target", default=None, help="The board; qemu-an547 by default.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for bundle, project and predictions.")
@click.option("--force", is_flag=True, help="Replace edited or foreign folders; a copy is kept.")
@click.option("--strict", is_flag=True, help="Refuse recordings that cannot be read, rather than skip them.")
@locked_option
@output_format_option
def command(
    model: Path | None, calibration: str | None, audio: Path, hints: ModelHints,
    quantize: dict[str, Any], target: str | None, output: Path | None, force: bool, strict: bool,
    locked: bool, output_format: str,
) -> None:  # fmt: skip
    """Take MODEL.keras all the way: bundle, checks, project, firmware, predictions of every window.

    MODEL may be a full-int8 .tflite as well, which needs no calibration, or a folder that holds the one or the
    other with its config and labels. The output folder holds bundle/, project/ and predictions.jsonl.
    """
    from birdnet_deploy import pipeline
    from birdnet_deploy.cli.console import ConsoleProgress, show_json
    from birdnet_deploy.cli.convert import frontier_on_failure
    from birdnet_deploy.cli.run import raise_failure, show_result
    from birdnet_deploy.cli.validate import show_findings

    request = pipeline.DeployRequest(
        convert=pipeline.ConvertRequest(
            model=model, calibration=calibration, hints=hints, force=force, strict=strict, locked=locked, **quantize
        ),
        audio=audio, output=output, target=target,
    )  # fmt: skip
    checked: list[ValidationResult] = []
    show = checked.append if output_format == "json" else show_findings
    with ConsoleProgress() as progress, frontier_on_failure(output_format):
        result = pipeline.deploy(request, progress, show)
    if output_format == "json":
        from birdnet_deploy.device_run import result_json

        show_json({"validate": checked[0].to_json(), "run": result_json(result)})
    else:
        show_result(result)
    raise_failure(result)
