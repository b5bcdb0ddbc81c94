"""``birdnet-deploy convert``: a trained model to a full-int8 bundle."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from birdnet_deploy.cli.options import (
    locked_option,
    model_options,
    output_format_option,
    quantize_options,
    report_option,
)
from birdnet_deploy.errors import GatesNotMet

if TYPE_CHECKING:
    from birdnet_deploy.artifacts import Bundle
    from birdnet_deploy.model.beside import ModelHints
    from birdnet_deploy.requests import ConvertRequest

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
@quantize_options
@click.option(
    "--simplify/--no-simplify", default=True, show_default=True,
    help="Simplify the graph exactly before quantizing, or convert it as traced.",
)  # fmt: skip
@click.option("--max-windows", type=click.IntRange(1), help="Windows to calibrate on at most; 256 by default.")
@click.option(
    "--sample-norm", type=click.Choice(list(_NORMS)), default="auto", show_default=True,
    help="Whether a hybrid frontend divides by each sample's maximum; auto: as the file's layout says.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Refuse recordings that cannot be read, rather than skip them.")
@report_option
@click.option("--force", is_flag=True, help="Replace an edited or foreign folder; a copy is kept.")
@output_format_option
@locked_option
def command(
    *, model: Path | None, calibration: str | None, evaluation: Path | None, hints: ModelHints,
    output: Path | None, head: Literal["logits", "probabilities"],
    io: Literal["int8", "float32"], quantize: dict[str, Any], simplify: bool, max_windows: int | None,
    sample_norm: str, strict: bool, force: bool, locked: bool, output_format: str, report_page: Path | None,
) -> None:  # fmt: skip
    """Quantize MODEL.keras to full int8 and write a bundle: model, labels, config, golden windows, report, lock.

    MODEL may be a folder that holds the .keras, its config and its labels. Without --calibration the recordings
    are those of birdnet-deploy.toml, else of calibration/ beside MODEL; 30 % of the files are kept to measure.

    The bundle's model.tflite is always full int8 from the model's own input. With --prologue the bundle also holds
    prologue.npz, which the firmware computes in float32, and model_npu.tflite, the int8 network behind it.
    """
    from birdnet_deploy import pipeline
    from birdnet_deploy.cli.console import ConsoleProgress, show_json

    request = pipeline.ConvertRequest(
        model=model, calibration=calibration, evaluation=evaluation, hints=hints, output=output, head=head,
        io=io, simplify=simplify, max_windows=max_windows, sample_norm=_NORMS[sample_norm], strict=strict,
        force=force, locked=locked, **quantize,
    )  # fmt: skip
    with ConsoleProgress() as progress, frontier_on_failure(output_format, _page_of_frontier(report_page, request)):
        bundle = pipeline.convert(request, progress, unmet=_page_of_bundle(report_page))
    if output_format == "json":
        show_json(bundle_facts(bundle))
    else:
        show_bundle(bundle)
    if report_page is not None:
        from birdnet_deploy.showing.commands import of_bundle

        of_bundle(report_page, bundle)


@contextmanager
def frontier_on_failure(
    output_format: str = "text", told: Callable[[GatesNotMet], None] = lambda error: None
) -> Iterator[None]:
    """Shows the frontier of cuts where none of them met the gates, and tells ``told``; the error goes on."""
    try:
        yield
    except GatesNotMet as error:
        if output_format == "json":
            from birdnet_deploy.cli.console import show_json

            show_json({"frontier": list(error.frontier), "best": error.best})
        else:
            show_frontier(error.frontier, chosen=None, gate=error.min_cosine)
        told(error)
        raise


def _page_of_bundle(page: Path | None) -> Callable[[Bundle, str], None] | None:
    """Gives what writes the page of a bundle that misses its gates."""
    if page is None:
        return None
    from birdnet_deploy.showing.commands import of_bundle

    return lambda bundle, name: of_bundle(page, bundle, name)


def _page_of_frontier(page: Path | None, request: ConvertRequest) -> Callable[[GatesNotMet], None]:
    """Gives what writes the page of a frontier of which no cut meets the gates."""

    def write(error: GatesNotMet) -> None:
        from birdnet_deploy.conversion import is_full, options_of, options_told, settings_for
        from birdnet_deploy.showing.commands import of_unmet_gates

        settings = settings_for(request.model)
        model = request.model or settings.model
        if page is not None and model is not None:
            options = options_told(options_of(request, settings), full=is_full(request, settings))
            of_unmet_gates(page, model, error, options)

    return write


def bundle_facts(bundle: Bundle) -> dict[str, Any]:
    """Gives what there is to say of a bundle, its whole report included, as JSON data."""
    return {
        "bundle": str(bundle.path), "classes": len(bundle.labels), "model_sha256": bundle.model_sha256,
        "lock_sha256": bundle.lock_sha256, "npu_sha256": bundle.npu_sha256, "prologue_sha256": bundle.prologue_sha256,
        "report": json.loads(bundle.report.read_text(encoding="utf-8")),
    }  # fmt: skip


def show_bundle(bundle: Bundle) -> None:
    """Shows what was made of the model, what it cost, and the next command."""
    from birdnet_deploy.quantization.report import fidelity_rows, layer_lines, model_rows

    report = json.loads(bundle.report.read_text(encoding="utf-8"))
    rows = [("bundle", str(bundle.path)), *model_rows(report), *fidelity_rows(report)]
    rows += [("note", note) for note in report.get("notes", ())]
    rows.append(("next", f"birdnet-deploy validate {shlex.quote(str(bundle.path))}"))
    _show_blocks(layer_lines(report))
    prologue, options = report["model"].get("prologue"), bundle.lock.get("options", {})
    points = report.get("frontier", ())
    if len(points) > 1:
        gate, gated = _gate(options) if isinstance(options, Mapping) else (None, False)
        show_frontier(points, chosen=prologue["cut"] if prologue else "none", gate=gate, gated=gated)
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        click.echo(f"{name:<{width}}  {text}")


def _gate(options: Mapping[str, Any]) -> tuple[float | None, bool]:
    """Gives the gate on the mean cosine, and whether there are gates at all: ``none`` is shown those of ``auto``."""
    from birdnet_deploy.quantization.options import AUTO, AUTO_MIN_COSINE, NONE

    gate, agreement = options.get("min_cosine"), options.get("min_agreement")
    if gate is None and options.get("prologue") in (AUTO, NONE):
        gate = AUTO_MIN_COSINE
    return gate, (gate, agreement) != (None, None)


def show_frontier(
    points: Sequence[Mapping[str, Any]], *, chosen: str | None, gate: float | None, gated: bool = True
) -> None:
    """Shows the cuts that were measured as a table and a plot, which marks the gate on the mean cosine."""
    from birdnet_deploy.quantization.frontier_text import frontier_lines, plot_lines

    _show_blocks(frontier_lines(points, chosen, gated=gated), plot_lines(points, chosen, gate))


def _show_blocks(*blocks: Sequence[str]) -> None:
    for block in blocks:
        for line in block:
            click.echo(line)
        if block:
            click.echo()
