"""``birdnet-deploy monitor``: reads a board, a recorded file or stdin, and loses nothing silently."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from birdnet_deploy.cli.options import output_format_option

if TYPE_CHECKING:
    from birdnet_deploy.monitoring import MonitorRequest, MonitorResult
    from birdnet_deploy.readback.ports import Port

_UNITS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|)")
_FILE = click.Path(path_type=Path)


class Duration(click.ParamType):  # type: ignore[type-arg]
    """A time such as ``90``, ``60s``, ``10m``, ``1h30m``; gives seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Gives the seconds, or a usage error."""
        if isinstance(value, float):
            return value
        text = str(value).replace(" ", "")
        parts = _PART.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            self.fail(f"{value!r} is no duration such as 90, 60s, 10m or 1h30m", param, ctx)
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
        if not 0 < seconds <= 366 * 86_400:
            self.fail(f"{value!r} is not between 0 and a year", param, ctx)
        return seconds


class Pattern(click.ParamType):  # type: ignore[type-arg]
    """A regular expression; with a leading ``!`` it says which lines are hidden."""

    name = "regex"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Gives (compiled expression, whether it hides), or a usage error."""
        if isinstance(value, tuple):
            return value
        hides = str(value).startswith("!")
        try:
            return re.compile(str(value)[hides:]), hides
        except re.error as error:
            self.fail(f"{value!r} is no regular expression ({error})", param, ctx)


@click.command("monitor")
@click.option(
    "--port",
    default="auto",
    show_default=True,
    help="A name, a USB serial number, VID:PID[:SERIAL], socket://HOST:PORT, or - for stdin.",
)
@click.option(
    "--replay", multiple=True, metavar="FILE", help="Read recorded files, or all of a folder, not a port; - is stdin."
)
@click.option("--baud", type=click.IntRange(300, 20_000_000), help="Bits a second.  [default: 921600]")
@click.option("--bundle", type=_FILE, help="The bundle that must be on the board: its model, lock and labels.")
@click.option("--manifest", type=_FILE, help="The card's manifest.json: shows and saves the original names.")
@click.option("--save", type=_FILE, help="Write one JSON object a window to this .jsonl, as they come.")
@click.option(
    "--csv", is_flag=False, flag_value="-", metavar="[FILE]", help="Detections as CSV; without FILE to stdout."
)
@click.option(
    "--raw",
    is_flag=False,
    flag_value="-",
    metavar="[FILE]",
    help="The bytes as they come, for --replay; without FILE to stdout.",
)
@click.option("--raven", type=_FILE, help="Detections as Raven's selection table; needs --bundle.")
@click.option("--birdnet", type=_FILE, help="Detections as BirdNET-Analyzer's CSV; needs --bundle.")
@click.option("--threshold", type=float, default=0.25, show_default=True, help="The least score shown.")
@click.option("--top-k", type=click.IntRange(1), default=3, show_default=True, help="Labels of a window at most.")
@click.option("--log-filter", type=Pattern(), help="Show only log lines that match; !REGEX hides those.")
@click.option("--until", type=click.Choice(["bye"]), help="Stop at the end of the first run.")
@click.option("--for", "for_s", type=Duration(), help="Stop after this time, such as 60s or 10m.")
@click.option("--silence", "silence_s", type=Duration(), help="Stop after this time without any whole record.")
@click.option(
    "--reconnect",
    "reconnect_s",
    type=Duration(),
    default=30.0,
    show_default=True,
    help="How long a board may be away.",
)
@click.option("--no-reset", is_flag=True, help="Leave DTR and RTS alone, which reset some boards.")
@output_format_option
@click.pass_context
def command(ctx: click.Context, /, log_filter: Any, output_format: str, **options: Any) -> None:  # fmt: skip
    """Read a board over its serial line: show, save and count everything.

    Ends at Ctrl-C (130), at the end of a file, or as --until, --for and --silence say. Exits 0 exactly when no record
    is missing and the bye came, else 8; 7 where the port cannot be had or the board carries another model or lock.
    """
    from birdnet_deploy.cli.monitor_view import drop_stdout, make_view
    from birdnet_deploy.monitoring import monitor

    if not math.isfinite(options["threshold"]):
        raise click.BadParameter(f"{options['threshold']} is no number to compare with", ctx, param_hint="--threshold")
    request = _request(options)
    taken = output_format == "json" or "-" in (request.wanted.csv, request.raw)
    if output_format == "json" and "-" in (request.wanted.csv, request.raw):
        raise click.UsageError("--output-format json and --csv or --raw cannot share stdout: name a file for these")
    view = make_view(taken=taken, log_filter=log_filter, stamped=not request.replay, saving=_saves(request))
    try:
        with view:
            result = monitor(request, view, choose=_menu() if _has_terminal() else None)
        _show(result, output_format, taken)
    except BrokenPipeError:  # nobody listens and nothing is saved; click would make it 1
        drop_stdout()
        ctx.exit(0)
    if result.interrupted:
        raise KeyboardInterrupt  # what came is saved and shown
    if result.failure is not None:
        raise result.failure


def _request(options: dict[str, Any]) -> MonitorRequest:
    from birdnet_deploy.monitoring import MonitorRequest
    from birdnet_deploy.readback.sources import DEFAULT_BAUD, LineOptions
    from birdnet_deploy.readback.watch import Limits
    from birdnet_deploy.report.outputs import Wanted

    return MonitorRequest(
        port=options["port"],
        replay=options["replay"],
        bundle=options["bundle"],
        manifest=options["manifest"],
        wanted=Wanted(options["save"], options["csv"], options["raven"], options["birdnet"]),
        raw=options["raw"],
        threshold=options["threshold"],
        top_k=options["top_k"],
        limits=Limits(options["until"] == "bye", options["for_s"], options["silence_s"]),
        line=LineOptions(options["baud"] or DEFAULT_BAUD, not options["no_reset"]),
        reconnect_s=options["reconnect_s"],
    )


def _saves(request: MonitorRequest) -> bool:
    return bool(request.wanted.paths) or request.raw not in (None, "-")


def _has_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()


def _menu() -> Any:
    def choose(ports: Sequence[Port]) -> Port:
        for number, port in enumerate(ports, 1):
            click.echo(f"{number}  {port.text}", err=True)
        return ports[click.prompt("which board", type=click.IntRange(1, len(ports)), err=True) - 1]

    return choose


def _show(result: MonitorResult, output_format: str, taken: bool) -> None:
    from birdnet_deploy.cli.monitor_view import summary_lines

    try:
        if output_format == "json":
            from birdnet_deploy.monitoring import result_json
            from birdnet_deploy.support import jsonfile

            click.echo(jsonfile.dumps(result_json(result)), nl=False)
        else:
            for line in summary_lines(result):
                click.echo(line, err=taken)
    except BrokenPipeError:
        if not _saves(result.request):
            raise
    if result.interrupted and result.failure is not None:
        click.echo(result.failure.line, err=True)
