"""``birdnet-deploy validate``: checks a model for its target, without TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from birdnet_deploy.cli.options import locked_option, report_option
from birdnet_deploy.errors import UsageError

if TYPE_CHECKING:
    from birdnet_deploy.npu.finding import ValidationResult
    from birdnet_deploy.npu.output import Report

_FORMATS = ("text", "json", "jsonl", "github", "junit", "sarif")
_PATH = click.Path(path_type=Path)


@click.command("validate")
@click.argument("path", required=False, type=_PATH)
@click.option("--target", help="The board to check for [default: birdnet-deploy.toml's, else stm32n6570-dk].")
@click.option("--select", "selected", multiple=True, help="Only these rules: ids or prefixes, with commas.")
@click.option("--ignore", "ignored", multiple=True, help="Without these rules: ids or prefixes, with commas.")
@click.option("--profile", type=_PATH, help="A TOML file that selects, ignores and lowers rules.")
@click.option("--measured", type=_PATH, help="What stedgeai wrote for this model; shown beside the estimate.")
@click.option(
    "--output-format", type=click.Choice(_FORMATS), default="text", show_default=True,
    help="Text for people; the others for programs, code review and CI.",
)  # fmt: skip
@click.option("-o", "--output", type=_PATH, help="Write the report to this file instead of stdout.")
@click.option("--statistics", is_flag=True, help="Counts by rule instead of findings (text), or beside them (json).")
@click.option("--layers", is_flag=True, help="The table of layers and the plan of the activations too (text).")
@report_option
@click.option("--exit-zero", is_flag=True, help="Exit 0 even where there are errors.")
@locked_option
@click.pass_context
def command(
    ctx: click.Context, *, path: Path | None, target: str | None, selected: tuple[str, ...],
    ignored: tuple[str, ...], profile: Path | None, measured: Path | None, output_format: str, output: Path | None,
    statistics: bool, layers: bool, exit_zero: bool, locked: bool, report_page: Path | None,
) -> None:  # fmt: skip
    """Check PATH against the NPU's and the engine's rules: a bundle, .tflite, .keras, project or stedgeai output.

    PATH may be a folder as models are published: *_INT8.tflite, *_model_config.json, *_labels.txt. Without PATH:
    what birdnet-deploy.toml names, else what lies in the current folder. Exit code 4 where there is an error, 3
    where the model cannot be read.
    """
    from birdnet_deploy import pipeline
    from birdnet_deploy.npu.output import Report, render

    _check_options(output_format, statistics, layers)
    _check_output(output, path)
    _check_output(report_page, path)
    result = pipeline.validate(
        path, target=target, select=_ids(selected), ignore=_ids(ignored), profile=profile, is_locked=locked
    )
    if measured is not None:
        result = _with_measured(result, measured)
    if layers and result.summary.get("estimate") and not result.summary["estimate"]["flash"]:
        result = _with_engine(result, path)
    artifact = str(result.summary.get("path", path or "."))
    report = Report(result, artifact, statistics=statistics, layers=layers)
    if output is None:
        click.echo(render(_for_terminal(report), output_format), nl=False, color=True)
    else:
        from birdnet_deploy.support.files import replaced_text

        with replaced_text(output) as file:
            file.write(render(report, output_format))
    if report_page is not None:
        from birdnet_deploy.showing.commands import of_validation

        of_validation(report_page, result)
    if result.errors and not exit_zero:
        ctx.exit(4)


def _check_options(output_format: str, statistics: bool, layers: bool) -> None:
    """Refuses an option that a format has no place for."""
    if statistics and output_format not in ("text", "json"):
        raise UsageError(f"{output_format} has no place for --statistics", fix="use --output-format text or json")
    if layers and output_format != "text":
        raise UsageError(f"{output_format} has no table of layers", fix="leave --layers out; json has them always")


def _check_output(output: Path | None, path: Path | None) -> None:
    """Refuses to write the report over what is checked."""
    from contextlib import suppress

    from birdnet_deploy.artifacts import BUNDLE_FILES

    folder = path or Path()
    with suppress(OSError):  # what cannot be looked at is told when it is opened
        for checked in (folder, *(folder / inner / name for inner in ("", "bundle") for name in BUNDLE_FILES)):
            if output is not None and output.is_file() and checked.is_file() and checked.samefile(output):
                raise UsageError("the report would replace what is checked", where=output, fix="name another file")


def _ids(values: tuple[str, ...]) -> tuple[str, ...]:
    """Gives single ids of options that may hold several with commas."""
    return tuple(item.strip() for value in values for item in value.split(",") if item.strip())


def _with_measured(result: ValidationResult, folder: Path) -> ValidationResult:
    from dataclasses import replace

    from birdnet_deploy.npu.stedgeai import read_stedgeai

    if not folder.exists():
        raise UsageError("no such file or folder", where=folder, fix="name the output folder of stedgeai")
    return replace(result, summary={**result.summary, "measured": read_stedgeai(folder).to_json()})


def _with_engine(result: ValidationResult, path: Path | None) -> ValidationResult:
    """Adds the plan of the generated C engine, which computes where there is no NPU."""
    from dataclasses import replace

    from birdnet_deploy.errors import ModelError
    from birdnet_deploy.npu.request import plan_engine
    from birdnet_deploy.settings import find_settings

    try:
        engine = plan_engine(path, find_settings())
    except ModelError as error:
        engine = {"problem": error.what}
    return replace(result, summary={**result.summary, "engine": engine})


def _for_terminal(report: Report) -> Report:
    """Gives the report with the colour and width of stdout, where that is a terminal."""
    import shutil
    import sys
    from dataclasses import replace

    from birdnet_deploy.cli.console import wants_colour

    width = shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else None
    return replace(report, colour=wants_colour(), width=width)


def show_findings(result: ValidationResult) -> None:
    """Shows findings, notes and totals on stdout."""
    from birdnet_deploy.npu.output import Report, render

    click.echo(render(_for_terminal(Report(result, ".")), "text"), nl=False, color=True)
