"""``birdnet-deploy run``: boots the firmware, serves it recordings, reads and checks every window."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from birdnet_deploy.cli.options import locked_option, model_options, output_format_option, report_option

if TYPE_CHECKING:
    from birdnet_deploy.device_run import RunResult
    from birdnet_deploy.model.beside import ModelHints


def _finite(ctx: click.Context, option: click.Parameter, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is no number to compare with", ctx, option)
    return value


@click.command("run")
@click.argument("project", type=click.Path(path_type=Path), required=False)
@click.option("--audio", type=click.Path(path_type=Path), required=True, help="A folder of recordings, or one file.")
@click.option("--save", type=click.Path(path_type=Path), help="Write one JSON object a window to this .jsonl.")
@click.option("--threshold", type=float, callback=_finite, help="Show detections from this score on.")
@click.option("--top-k", type=click.IntRange(1), default=1, show_default=True, help="Labels shown of each file.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0.1, 86_400), callback=_finite, default=60.0,
    show_default=True, help="The longest silence in seconds between two records.",
)  # fmt: skip
@click.option("--serial", "line", type=click.Choice(["pty", "tcp"]), help="The serial line; pty where there is one.")
@click.option("--target", type=click.Choice(["host"]), help="host: the same C compiled for this machine, without QEMU.")
@click.option("--icount", is_flag=True, help="Count instructions: repeatable, and the board's times mean something.")
@click.option("--strict", is_flag=True, help="Fail at the first recording that cannot be read.")
@click.option("--stages", is_flag=True, help="Compare the tensors before the network too; name the first that differs.")
@output_format_option
@locked_option
@report_option
@model_options
def command(
    *, project: Path | None, audio: Path, save: Path | None, threshold: float | None,
    top_k: int, timeout_s: float, line: str | None, icount: bool, strict: bool, stages: bool,
    output_format: str, target: str | None, locked: bool, hints: ModelHints, report_page: Path | None,
) -> None:  # fmt: skip
    """Run PROJECT's firmware in QEMU over recordings and check every window against the host.

    PROJECT is the one of birdnet-deploy.toml, or the current folder, where it is not named. A bundle or a full-int8
    .tflite in its place is generated and built in a temporary folder first. Exits with 4
    where a window differs from the host, with 8 where something is missing; what came is shown and saved
    all the same.
    """
    from birdnet_deploy import pipeline
    from birdnet_deploy.cli.console import ConsoleProgress
    from birdnet_deploy.device_run import RunRequest

    request = RunRequest(
        audio=audio, project=project, save=save, threshold=threshold, top_k=top_k,
        timeout_s=timeout_s, line=line, icount=icount, strict=strict, stages=stages, target=target, hints=hints,
    )  # fmt: skip
    with ConsoleProgress() as progress:
        result = pipeline.run(request, progress, is_locked=locked)
    show_result(result, output_format)
    if report_page is not None:
        from birdnet_deploy.showing.commands import of_run

        of_run(report_page, result)
    raise_failure(result)


def show_result(result: RunResult, output_format: str = "text") -> None:
    """Shows a run on stdout."""
    if output_format == "json":
        from birdnet_deploy.device_run import result_json
        from birdnet_deploy.support import jsonfile

        click.echo(jsonfile.dumps(result_json(result)), nl=False)
    else:
        _show_text(result)


def raise_failure(result: RunResult) -> None:
    """Raises what was wrong with a run that has been shown, if anything; ``cli/main.py`` maps it."""
    if result.failure is not None:
        raise result.failure


def _show_text(result: RunResult) -> None:
    from birdnet_deploy.cli.console import wants_colour
    from birdnet_deploy.report import tables

    rows = tables.table_rows(result.files, result.request.threshold)
    if wants_colour():
        from rich.console import Console

        Console().print(tables.rich_table(rows))
    else:
        click.echo(tables.plain_table(rows))
    click.echo("")
    sums, on_host = tables.totals(result.files), result.request.target == "host"
    for text in tables.summary_lines(sums, len(result.skipped), result.comparison, on_host=on_host):
        click.echo(text)
    if result.stages is not None:
        click.echo(result.stages.line)
    if result.request.save is not None:
        click.echo(f"saved {len(result.predictions)} windows to {result.request.save}")
