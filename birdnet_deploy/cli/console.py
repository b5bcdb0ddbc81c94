"""How commands look: progress on stderr (a bar on a terminal, sparse lines elsewhere), results on stdout."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import click

_SPARSE_S = 10.0  # a line each ten seconds where nobody watches a bar


def wants_colour(stream: object = None) -> bool:
    """Says whether a stream is a terminal that may show colour (NO_COLOR and TERM=dumb are honoured)."""
    stream = sys.stdout if stream is None else stream
    isatty = getattr(stream, "isatty", lambda: False)
    return bool(isatty()) and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def show_json(facts: Mapping[str, Any]) -> None:
    """Shows the facts of a command as one JSON object on stdout, with the version of its schema."""
    from birdnet_deploy.support import jsonfile

    click.echo(jsonfile.dumps({"schema_version": 1, **facts}), nl=False)


class ConsoleProgress:
    """A ``Progress`` on stderr: the step, how far it is, its rate and the time left."""

    def __init__(self) -> None:
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._live = is_terminal and os.environ.get("TERM") != "dumb"  # which cannot go back over a line
        self._text = ""
        self._started = self._shown = 0.0
        self._open = False

    def __enter__(self) -> ConsoleProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_line()

    def step(self, text: str) -> None:
        """Begins a named step on its own line."""
        self._end_line()
        self._text = text
        self._started = self._shown = time.monotonic()
        click.echo(f"{text} ...", err=True, nl=not self._live)
        self._open = self._live

    def advance(self, done: int, total: int) -> None:
        """Shows done of total, the rate and the time left, at most ten times a second."""
        now = time.monotonic()
        if now - self._shown < (0.1 if self._live else _SPARSE_S) and not (self._live and done == total):
            return
        self._shown = now
        rate = done / max(now - self._started, 1e-6)
        left = (total - done) / rate if rate else 0.0
        line = f"{self._text} {done}/{total}, {rate:.1f}/s, {left:.0f} s left"
        if self._live:
            click.echo(f"\r\x1b[K{line}", err=True, nl=False)
            self._open = True
        else:
            click.echo(line, err=True)

    def warn(self, text: str) -> None:
        """Shows a warning on its own line."""
        self._end_line()
        click.echo(f"warning: {text}", err=True)

    def _end_line(self) -> None:
        if self._open:
            click.echo("", err=True)
            self._open = False
