"""``birdnet-deploy evaluate``: float, int8 and device twin over an archive; ``evaluate merge``: shards to one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from birdnet_deploy.cli.options import model_options, output_format_option
from birdnet_deploy.errors import UsageError
from birdnet_deploy.support.printable import printable

if TYPE_CHECKING:
    from birdnet_deploy.evaluation.evaluate import StartRunner
    from birdnet_deploy.evaluation.finish import Finish, SummaryRequest
    from birdnet_deploy.model.beside import ModelHints

ENGINES = ("float", "int8", "device-twin", "all")
DEFAULT_OUTPUT = Path("evaluation")


class ShardType(click.ParamType):  # type: ignore[type-arg]
    """``i/n``: the i-th of n parts."""

    name = "i/n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Gives both numbers, or a usage error."""
        found = re.fullmatch(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})", str(value))
        if isinstance(value, tuple):
            return value
        if not found or int(found[1]) > int(found[2]):
            self.fail(f"{value!r} is not i/n with i from 1 to n, as in 2/4", param, ctx)
        return int(found[1]), int(found[2])


class _WithMerge(click.Command):
    """A command whose first word may be ``merge``; a model or folder of that name is given as ``./merge``."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Gives the context of this command, or of ``merge``."""
        if args[:1] == ["merge"]:
            return merge_command.make_context(f"{info_name} merge", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


def _summary_options(function: Any) -> Any:
    options = (
        click.option(
            "--labels-from", multiple=True, type=click.Path(path_type=Path, exists=True), metavar="FILE|DIR",
            help="What is truly heard: CSV, Raven or Audacity files. Tables beside a recording and class folders count "
            "without being named.",
        ),
        click.option(
            "--pool", "pooling", type=click.Choice(["max", "mean", "lme"]), default="mean", show_default=True,
            help="From the scores of windows to that of a recording.",
        ),
        click.option(
            "-o", "--output", type=click.Path(path_type=Path), default=DEFAULT_OUTPUT, show_default=True,
            help="The folder for journal and tables.",
        ),
        click.option(
            "--format", "form", type=click.Choice(["parquet", "csv"]), default="parquet", show_default=True,
            help="Of results.*: a row for each window and engine.",
        ),
        click.option("--force", is_flag=True, help="Begin anew where the folder holds an evaluation; a copy is kept."),
        output_format_option,
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


@click.command(
    "evaluate", cls=_WithMerge, epilog="birdnet-deploy evaluate merge SHARD... joins what --shard evaluated."
)
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL|BUNDLE")
@click.argument("archive", type=click.Path(path_type=Path), metavar="ARCHIVE|MANIFEST.csv")
@click.option(
    "--engine", "engines", type=click.Choice(ENGINES), multiple=True,
    help="What computes; may be given several times. Default: int8, and float for a .keras.",
)  # fmt: skip
@click.option(
    "--float", "float_model", type=click.Path(path_type=Path), metavar="MODEL.keras",
    help="The model that the bundle was made of; found without it where it lies beside the bundle.",
)  # fmt: skip
@click.option(
    "--overlap", "overlap_s", type=click.FloatRange(0), metavar="SECONDS",
    help="Of two windows; default: half a window, as on the device.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with what the folder holds; begin where it holds nothing.")
@click.option("--shard", type=ShardType(), help="Evaluate the i-th of n parts, for batch systems; then merge.")
@click.option("--strict", is_flag=True, help="Fail at the first recording that gives no result.")
@click.option("--workers", type=click.IntRange(1, 1024), help="Processes; default: one a physical core.")
@click.option(
    "--scheduler", metavar="tcp://HOST:PORT",
    help="Evaluate on a Dask cluster whose machines see ARCHIVE at the same path; needs birdnet-deploy[dask].",
)  # fmt: skip
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0.1, 86_400), default=120.0, show_default=True,
    help="The longest silence, in seconds, of a worker on one recording.",
)  # fmt: skip
@_summary_options
@model_options
def command(
    *, model: Path, archive: Path, output: Path, output_format: str, shard: tuple[int, int] | None, resume: bool,
    force: bool, strict: bool, workers: int | None, scheduler: str | None, timeout_s: float, hints: ModelHints,
    labels_from: tuple[Path, ...], pooling: str, form: str, **wanted: Any,
) -> None:  # fmt: skip
    """Compare float, int8 and the device's twin over a whole archive: a folder, or a CSV that names recordings.

    Every recording's result is kept in a journal as it comes; a killed run goes on with --resume and ends in the same
    bytes. A recording that cannot be read, hangs or crashes costs itself: it is counted, and named in files.csv.

    Exits 0 also where recordings gave nothing (3 with --strict), 4 where what is to be resumed is another evaluation.
    """
    from birdnet_deploy import pipeline
    from birdnet_deploy.cli.console import ConsoleProgress
    from birdnet_deploy.evaluation.evaluate import EvaluateRequest
    from birdnet_deploy.evaluation.prepare import Wanted

    request = EvaluateRequest(
        wanted=Wanted(model=model, hints=hints, **wanted), archive=archive, output=output, shard=shard, resume=resume,
        force=force, strict=strict, workers=workers, timeout_s=timeout_s,
        summary=_summary(labels_from, pooling, form, strict), start=_cluster(scheduler, workers, timeout_s),
    )  # fmt: skip
    with ConsoleProgress() as progress:
        done = pipeline.evaluate(request, progress)
        for line in done.unentered:
            progress.warn(printable(line))
    if done.finish is not None:
        _show(done.finish, output_format)
        return
    told = {"shard": done.shard, "files": done.files, "evaluated": done.evaluated, "statuses": dict(done.statuses)}
    _show_json(told) if output_format == "json" else click.echo(
        f"shard {shard[0]}/{shard[1]}: {done.files} recordings ({_counts(done.statuses)}), {done.evaluated} of them now"
        if shard else ""
    )  # fmt: skip


@click.command("merge")
@click.argument("shards", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SHARD...")
@click.option(
    "--archive", type=click.Path(path_type=Path), help="Where the archive is now; default: where the shards found it."
)
@_summary_options
def merge_command(
    *, shards: tuple[Path, ...], archive: Path | None, output: Path, output_format: str, force: bool,
    labels_from: tuple[Path, ...], pooling: str, form: str,
) -> None:  # fmt: skip
    """Join the folders of all shards of one evaluation to the tables of a single run, byte for byte.

    Exits 4 where a shard is missing, named twice or not whole, or was made with another bundle, archive or tool.
    """
    from birdnet_deploy.cli.console import ConsoleProgress
    from birdnet_deploy.evaluation.merge import MergeRequest, merge

    request = MergeRequest(
        shards=shards, output=output, archive=archive, force=force,
        summary=_summary(labels_from, pooling, form, strict=False),
    )  # fmt: skip
    with ConsoleProgress() as progress:
        found = merge(request, progress)
    _show(found, output_format)


def _cluster(scheduler: str | None, workers: int | None, timeout_s: float) -> StartRunner | None:
    if scheduler is None:
        return None
    from birdnet_deploy.evaluation.dask_scheduler import DaskPool, reach

    if workers is not None:
        raise UsageError("--workers is of this machine", where="--scheduler", fix="leave one of both out")
    reach(scheduler)  # before models are converted and compiled for it
    return lambda job, root: DaskPool(job, root, scheduler=scheduler, timeout_s=timeout_s)


def _summary(labels_from: tuple[Path, ...], pooling: Any, form: Any, strict: bool) -> SummaryRequest:
    from birdnet_deploy.evaluation.finish import SummaryRequest

    return SummaryRequest(labels_from=labels_from, pooling=pooling, form=form, strict=strict)


def _show(found: Finish, output_format: str) -> None:
    """Shows what an evaluation says, and where the rest is."""
    from birdnet_deploy.evaluation.summary_text import summary_lines

    if output_format == "json":
        _show_json({**found.summary.data, "written": [str(path) for path in found.written]})
        return
    for line in summary_lines(found.summary):
        click.echo(printable(line))
    click.echo("")
    click.echo(f"{found.windows} windows of {sum(found.statuses.values())} recordings ({_counts(found.statuses)})")
    for name, status, why in found.lost:
        click.echo(printable(f"  {status}: {name}: {why}"))
    click.echo(f"written: {', '.join(map(str, found.written))}")


def _counts(statuses: Any) -> str:
    return ", ".join(f"{count} {status}" for status, count in statuses.items())


def _show_json(data: Any) -> None:
    from birdnet_deploy.support import jsonfile

    click.echo(jsonfile.dumps(data), nl=False)
