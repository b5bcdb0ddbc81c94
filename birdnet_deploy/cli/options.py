"""Options that several commands share."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from birdnet_deploy.model.beside import ModelHints
from birdnet_deploy.model.config import FRONTEND_ALIASES, FRONTENDS
from birdnet_deploy.quantization.options import (
    AUTO_MIN_AGREEMENT,
    AUTO_MIN_COSINE,
    AUTO_MISSES,
    FOLDS,
    MAX_CPU_MACS,
    METHODS,
)

output_format_option = click.option(
    "--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="Text for people, or one JSON object.",
)  # fmt: skip

_OPTIONS = (
    click.option("--labels", type=click.Path(path_type=Path), help="Labels; default: <stem>_labels.txt beside MODEL."),
    click.option(
        "--config", type=click.Path(path_type=Path), help="Config; default: <stem>_model_config.json beside MODEL."
    ),
    click.option("--sample-rate", type=int, metavar="HZ", help="Samples a second; needed where there is no config."),
    click.option(
        "--chunk-duration", type=float, metavar="SECONDS", help="Length of a window; needed where there is no config."
    ),
    click.option(
        "--frontend", type=click.Choice([*FRONTENDS, *FRONTEND_ALIASES]),
        help="What the model's input holds; needed where there is no config.",
    ),
)  # fmt: skip


def model_options(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that say what a model file does not; the command gets them as ``hints``."""

    @functools.wraps(function)
    def command(
        *args: Any, labels: Path | None, config: Path | None, sample_rate: int | None,
        chunk_duration: float | None, frontend: str | None, **kwargs: Any,
    ) -> None:  # fmt: skip
        hints = ModelHints(labels, config, sample_rate, chunk_duration, frontend)
        function(*args, hints=hints, **kwargs)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


locked_option = click.option(
    "--locked", is_flag=True, help="Fail (exit code 4) where anything differs from the lock; all of it is named."
)


def report_option(function: Callable[..., None]) -> Callable[..., None]:
    """Adds ``--report FILE.html``; the command gets the path as ``report_page``."""
    told = "Write the page of `report` to this .html too."
    return click.option("--report", "report_page", type=click.Path(path_type=Path), callback=_html, help=told)(function)


def _html(ctx: click.Context, option: click.Parameter, value: Path | None) -> Path | None:
    """Refuses, before any work, a page that could replace something else, or that has no folder to be in."""
    if value is None:
        return None
    if value.suffix.lower() not in (".html", ".htm"):
        raise click.BadParameter(f"{value} does not end in .html", ctx, option)
    if not value.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {value.parent}", ctx, option)
    from birdnet_deploy.showing.place import refuse_inside

    refuse_inside(value)
    return value


class _Share(click.FloatRange):
    """A number above 0, at most 1; NaN, which no bound holds, is none."""

    def __init__(self) -> None:
        super().__init__(0, 1, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value} is no number", param, ctx)
        return found


_QUANTIZE_OPTIONS = (
    click.option(
        "--prologue", metavar="none|auto|CUT",
        help="What runs in float32 on the CPU before the int8 network: none (default), frontend, stem, a Keras layer, "
        "or auto, the cheapest cut that meets the gates. It keeps more of what the float model hears.",
    ),
    click.option(
        "--max-cpu-macs", type=click.IntRange(0), metavar="N",
        help=f"Float MACs that auto may spend on the CPU for a window; {MAX_CPU_MACS:,} by default.",
    ),
    click.option(
        "--min-cosine", type=_Share(), metavar="X",
        help="Fail (exit code 4) below this mean cosine of scores on held-out calibration folds; no gate by default, "
        f"for auto {AUTO_MIN_COSINE}.",
    ),
    click.option(
        "--min-agreement", type=_Share(), metavar="X",
        help="Fail (exit code 4) below this share of confident windows that keep their top species; no gate by "
        f"default, for auto {AUTO_MIN_AGREEMENT} or {AUTO_MISSES} misses.",
    ),
    click.option(
        "--ranges", type=click.Choice(["auto", *METHODS]),
        help="How int8 ranges follow from the recordings; auto (default) decides for each group of tensors by folds.",
    ),
    click.option(
        "--folds", type=click.IntRange(2, 64), metavar="N",
        help=f"Calibration folds, apart by recording, that ranges and cut are decided on; {FOLDS} by default.",
    ),
    click.option(
        "--fidelity", type=click.Choice(["basic", "full"]),
        help="The report: full (default) adds every layer, what auto would recover, and more reference windows.",
    ),
)  # fmt: skip
_QUANTIZE_NAMES = ("prologue", "max_cpu_macs", "min_cosine", "min_agreement", "ranges", "folds", "fidelity")


def quantize_options(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that say how a model is quantized; the command gets those of a ``ConvertRequest`` as
    ``quantize``."""

    @functools.wraps(function)
    def command(*args: Any, **kwargs: Any) -> None:
        quantize = {name: kwargs.pop(name) for name in _QUANTIZE_NAMES}
        function(*args, quantize=quantize, **kwargs)

    for option in reversed(_QUANTIZE_OPTIONS):
        command = option(command)
    return command
