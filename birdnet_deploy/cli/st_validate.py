"""``birdnet-deploy st-validate``: latency and error of a network on the board, from ST's own validate report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from birdnet_deploy.cli.options import output_format_option

if TYPE_CHECKING:
    from birdnet_deploy.report.st_validate import StValidateReport


@click.command("st-validate")
@click.argument("report", type=click.Path(path_type=Path))
@click.option("--min-cosine", type=click.FloatRange(-1, 1), help="The least cosine similarity.  [default: 0.99]")
@click.option("--max-mae", type=click.FloatRange(0), help="The greatest mean absolute error.  [default: 1/256]")
@output_format_option
def command(report: Path, min_cosine: float | None, max_mae: float | None, output_format: str) -> None:
    """Show and judge REPORT, the network_validate_report.txt that `stedgeai validate --mode target` wrote.

    Exits with 4 where an output is further off than the gates allow.
    """
    from birdnet_deploy.report.st_validate import MAX_MAE, MIN_COSINE, read_report

    parsed = read_report(report)
    if output_format == "json":
        from birdnet_deploy.support import jsonfile

        click.echo(jsonfile.dumps(parsed.to_json()), nl=False)
    else:
        for line in _lines(parsed):
            click.echo(line)
    parsed.check(
        min_cosine=MIN_COSINE if min_cosine is None else min_cosine,
        max_mae=MAX_MAE if max_mae is None else max_mae, where=report,
    )  # fmt: skip


def _lines(report: StValidateReport) -> list[str]:
    lines = [
        f"{report.model or 'model'}, ST Edge AI Core {report.tool}, {report.fields.get('device.desc', 'no device')}"
    ]
    if report.latency is not None:
        latency = report.latency
        span = "" if latency.max_ms is None else f" ({latency.min_ms:g} to {latency.max_ms:g})"
        lines.append(f"{latency.mean_ms:g} ms an inference{span}, {latency.samples} samples")
    lines += [f"  {node.name}: {node.kind}, {node.ms} ms, {node.percent} %" for node in report.nodes]
    for output in report.outputs:
        metrics = ((name, getattr(output, name)) for name in ("acc", "rmse", "mae", "nse", "cos"))
        told = ", ".join(f"{name} {value:g}" for name, value in metrics if value is not None)
        lines.append(f"{output.output} {output.tensor}: {told}")
    return lines
