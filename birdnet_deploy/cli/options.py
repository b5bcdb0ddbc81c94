"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from birdnet_deploy.model.beside import ModelHints
from birdnet_deploy.model.config import FRONTEND_ALIASES, FRONTENDS

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
