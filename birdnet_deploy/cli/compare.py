"""``birdnet-deploy compare``: two bundles beside each other, or what a board gave against what the host gives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from birdnet_deploy.cli.options import output_format_option
from birdnet_deploy.support.printable import printable

if TYPE_CHECKING:
    from birdnet_deploy.boardtest.judge import CompareRequest


class ToleranceType(click.ParamType):  # type: ignore[type-arg]
    """``auto``, ``exact``, or a number of int8 steps."""

    name = "auto|exact|N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str | int:
        """Gives the word or the number, or a usage error."""
        text = str(value)
        if text not in ("auto", "exact") and not (text.isascii() and text.isdecimal() and int(text) <= 255):
            self.fail(f"{value!r} is neither auto, exact nor a number of int8 steps from 0 to 255", param, ctx)
        return text if text in ("auto", "exact") else int(text)


TOLERANCE_HELP = (
    "How far an output may be off, in int8 steps. auto: not at all where the generated engine computes; on an NPU "
    "p99.9 of |REF - XNNPACK| over the evaluation set (report.json), at least 2."
)


@click.command("compare")
@click.argument("first", type=click.Path(path_type=Path), metavar="BUNDLE")
@click.argument("second", type=click.Path(path_type=Path), metavar="BUNDLE_B|READBACK")
@click.option("--audio", type=click.Path(path_type=Path), help="The recordings that the readback is of.")
@click.option("--manifest", type=click.Path(path_type=Path), help="The card's manifest.json: which name is which.")
@click.option("--tolerance", type=ToleranceType(), default="auto", show_default=True, help=TOLERANCE_HELP)
@click.option("--target", help="What the board is; the project or the log says it, else qemu-an547.")
@click.option("--top-k", type=click.IntRange(1), default=3, show_default=True, help="Agreement of the best K labels.")
@click.option("--strict", is_flag=True, help="Fail at the first recording that cannot be read.")
@output_format_option
def command(first: Path, second: Path, output_format: str, **options: Any) -> None:
    """Show what BUNDLE_B changes against BUNDLE, or hold a saved READBACK of a board against the host.

    Two bundles: fidelity, size, operators, classes, labels, config, tools; figures are those of each bundle's
    report.json, of its int8 model against its own float model. The exit code is 0 whatever differs, and 3 where a
    bundle is not readable.

    A readback (the .jsonl of monitor, run or board-test, a raw log of the line, a card with BN000001.LOG) of BUNDLE or
    of a project, with --audio: window by window, with a verdict. Exits 0 where every window is there and within the
    tolerance, 4 where one differs, naming the first stage that does where the log holds stages, 8 where windows are
    missing.
    """
    from birdnet_deploy.bundle import is_bundle

    if options["audio"] is None:
        if second.is_file() or (second.is_dir() and not is_bundle(second) and any(second.glob("BN*.LOG"))):
            raise click.UsageError("a readback is compared with recordings: name them by --audio")
        _show_bundles(first, second, output_format)
        return
    if is_bundle(second):
        raise click.UsageError("two bundles are compared without --audio")
    from birdnet_deploy.boardtest.judge import CompareRequest

    _show_readback(CompareRequest(path=first, readback=second, **options), output_format)


def _show_bundles(first: Path, second: Path, output_format: str) -> None:
    from birdnet_deploy.bundle import open_bundle
    from birdnet_deploy.report.bundles import compare_bundles, comparison_rows
    from birdnet_deploy.support import jsonfile

    found = compare_bundles(open_bundle(first), open_bundle(second))
    if output_format == "json":
        click.echo(jsonfile.dumps(found), nl=False)
        return
    rows = comparison_rows(found)
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        click.echo(f"{name:<{width}}  {printable(text)}")


def _show_readback(request: CompareRequest, output_format: str) -> None:
    from birdnet_deploy.boardtest.judge import compare_readback, result_json
    from birdnet_deploy.cli.console import ConsoleProgress
    from birdnet_deploy.support import jsonfile

    with ConsoleProgress() as progress:
        result = compare_readback(request, progress)
    if output_format == "json":
        click.echo(jsonfile.dumps(result_json(result)), nl=False)
    else:
        for text in result.lines():
            click.echo(printable(text))
    if result.failure is not None:
        raise result.failure
