"""How ``monitor`` looks: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import re
import sys
import time
from collections import deque
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from birdnet_deploy.cli.console import wants_colour
from birdnet_deploy.readback.boots import ranges_text
from birdnet_deploy.readback.framing import MAX_LINE_BYTES
from birdnet_deploy.readback.live import Log, Stat, live_record
from birdnet_deploy.readback.records import AnyRecord, Bye, Error, Fault, Hello, Unknown

if TYPE_CHECKING:
    from birdnet_deploy.monitoring import MonitorResult
    from birdnet_deploy.readback.ledger import Ledger
    from birdnet_deploy.report.predictions import Prediction
    from birdnet_deploy.report.selections import Choice

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-_])")  # ECMA-48: CSI sequences and two-byte escapes
_SHOWN = 10
_LINE = 500
_ENDLESS = MAX_LINE_BYTES // 4  # a piece of a line without an end; UTF-8 may make it shorter
_REFRESH_S = 0.2
_RATE_S = 5.0
_BAR = 24


def plain(text: str) -> str:
    """Gives a line of a board without what would steer the terminal."""
    text = _ESCAPES.sub("", text)
    return "".join(c if c.isprintable() or c == "\t" else "." for c in text).rstrip()


class PlainView:
    """Lines with timestamps on stdout, or on stderr where stdout holds data."""

    def __init__(self, *, taken: bool, log_filter: tuple[re.Pattern[str], bool] | None, stamped: bool, saving: bool):
        self._err, self._filter, self._stamped, self._saving = taken, log_filter, stamped, saving
        self._deaf = self._endless = False
        self.name = ""
        self.choice: Choice | None = None
        self.ledger: Ledger | None = None

    def __enter__(self) -> PlainView:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def ready(self, name: str, choice: Choice, ledger: Ledger) -> None:
        """The source is open."""
        self.name, self.choice, self.ledger = name, choice, ledger
        self.note(f"reading {name}")

    def record(self, record: AnyRecord) -> None:
        """Shows what is not a window: who the board is, what went wrong, log records."""
        if isinstance(record, Hello):
            self._say(f"{self._stamp()}hello from {plain(record.fw)}, model {record.model[:12]}, boot {record.boot}")
        elif isinstance(record, Error | Fault):
            self._say(self._stamp() + plain(f"{'error' if isinstance(record, Error) else 'FAULT'}: {record.text}"))
        elif isinstance(record, Bye):
            self._say(f"{self._stamp()}bye after {record.windows} windows, {record.dropped} records dropped")
        elif isinstance(record, Unknown) and isinstance(log := live_record(record), Log):
            self.text(f"{log.level}: {log.text}")

    def text(self, text: str) -> None:
        """Passes a log line through, if the filter lets it."""
        endless, self._endless = self._endless, len(text) >= _ENDLESS
        line = plain(text)
        if not line or (endless and self._endless):  # the first piece of it is enough
            return
        if len(line) > _LINE:
            line = f"{line[:_LINE]}... ({len(text)} characters{' and more' if self._endless else ''})"
        if self._filter is not None and (self._filter[0].search(line) is not None) == self._filter[1]:
            return
        self._say(self._stamp() + line)

    def note(self, text: str) -> None:
        """Says something about the line, on stderr."""
        with suppress(BrokenPipeError):
            click.echo(f"{self._stamp()}-- {plain(text)}", err=True)

    def prediction(self, prediction: Prediction) -> None:
        """Shows the detections of a window."""
        assert self.choice is not None
        for label, score in self.choice.of(prediction):
            self._say(
                f"{self._stamp()}{plain(prediction.file)} {prediction.start_s:.2f} s  {plain(label)}  {score:.3f}"
            )

    def csv(self, line: str) -> None:
        """Writes a line of CSV to stdout."""
        self._out(line)

    def raw(self, data: bytes) -> None:
        """Writes bytes to stdout."""
        self._out(data, nl=False)

    def tick(self) -> None:
        """Nothing moves here."""

    def _stamp(self) -> str:
        return datetime.now().strftime("%H:%M:%S.%f")[:-3] + " " if self._stamped else ""

    def _say(self, line: str) -> None:
        self._out(line, err=self._err)

    def _out(self, data: str | bytes, *, nl: bool = True, err: bool = False) -> None:
        """Writes where somebody may have gone away: with files to save the work goes on, else it ends."""
        if self._deaf and not err:
            return
        try:
            click.echo(data, nl=nl, err=err)
        except BrokenPipeError:
            if not self._saving:
                raise
            self._deaf = True
            drop_stdout()


class LiveView(PlainView):
    """The same on a terminal: log lines scroll, the board's state stays below them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        from rich.console import Console
        from rich.live import Live

        self._console = Console(stderr=self._err)
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False)
        self._latest: deque[tuple[str, float, str, float]] = deque(maxlen=_SHOWN)
        self._times: deque[tuple[float, int]] = deque()
        self._lines: list[str] = []
        self._hello: Hello | None = None
        self._stat: Stat | None = None
        self._since = self._shown = time.monotonic()

    def __enter__(self) -> LiveView:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.ledger is None:
            return  # there is no source: nothing was shown
        self._draw(time.monotonic())
        self._live.stop()

    def ready(self, name: str, choice: Choice, ledger: Ledger) -> None:
        """The source is open: shows the state from now on; before, a menu may have needed the terminal."""
        super().ready(name, choice, ledger)
        self._live.start()

    def record(self, record: AnyRecord) -> None:
        """Keeps what the state shows."""
        super().record(record)
        if isinstance(record, Hello):
            if self._hello is None or self._hello.boot != record.boot:
                self._since, self._stat = time.monotonic(), None
            self._hello = record
        elif isinstance(record, Unknown) and isinstance(stat := live_record(record), Stat):
            self._stat = stat

    def prediction(self, prediction: Prediction) -> None:
        """Keeps the latest detections."""
        assert self.choice is not None
        for label, score in self.choice.of(prediction):
            self._latest.append((plain(prediction.file), prediction.start_s, plain(label), score))

    def note(self, text: str) -> None:
        """Shows a note above the state."""
        self._say(f"{self._stamp()}-- {plain(text)}")

    def tick(self) -> None:
        """Draws the state anew, a few times a second."""
        now = time.monotonic()
        if now - self._shown >= _REFRESH_S:
            self._draw(now)

    def _say(self, line: str) -> None:
        self._lines.append(line)  # printed together: each print draws the whole state anew

    def _draw(self, now: float) -> None:
        self._shown = now
        self._live.update(self._state(now))
        if self._lines:
            self._console.print("\n".join(self._lines), markup=False, highlight=False, emoji=False)
            self._lines.clear()
        self._live.refresh()

    def _state(self, now: float) -> Any:
        from rich.console import Group
        from rich.rule import Rule
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, show_header=False)
        for file, start_s, label, score in self._latest:
            filled = round(max(0.0, min(1.0, score)) * _BAR)
            bar = Text("█" * filled, style="green") + Text("·" * (_BAR - filled), style="dim")
            table.add_row(Text(file), f"{start_s:.2f} s", bar, f"{score:.3f}", Text(label, style="bold"))
        return Group(Rule(self.name), Text(self._device(now)), table, Text(self._counted(now), style="dim"))

    def _device(self, now: float) -> str:
        if self._hello is None:
            return "waiting for the board's hello"
        stat = self._stat
        up_s = stat.up_s if stat else now - self._since
        parts = [
            f"device {self._hello.fw}",
            f"model {self._hello.model[:12]}",
            f"boot {self._hello.boot}",
            f"up {_time(up_s)}",
        ]
        if stat is not None and stat.temperature is not None:
            parts.append(f"{stat.temperature:.1f} °C")
        if stat is not None and stat.stack is not None:
            parts.append(f"stack free {stat.stack} B")
        return plain(", ".join(parts))

    def _counted(self, now: float) -> str:
        assert self.ledger is not None
        counts = self.ledger.counts
        self._times.append((now, counts.intact))
        while now - self._times[0][0] > _RATE_S:
            self._times.popleft()
        seconds, records = now - self._times[0][0], counts.intact - self._times[0][1]
        rate = f"{records / seconds:.1f} records/s, " if seconds > 0 else ""
        dropped = f", {self._stat.dropped} dropped by the board" if self._stat and self._stat.dropped else ""
        return (
            f"{rate}{counts.intact} intact, {counts.missing} missing, {counts.corrupt} corrupt, {counts.duplicate} "
            f"duplicate, {counts.reboots} restarts, {counts.noise_bytes} bytes of text{dropped}"
        )


def drop_stdout() -> None:
    """Points stdout at nothing, so that the flush at the end of the process finds a place."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def make_view(
    *, taken: bool, log_filter: tuple[re.Pattern[str], bool] | None, stamped: bool, saving: bool
) -> PlainView:  # fmt: skip
    """Gives the live view where stdout is a terminal that nothing else needs, else the plain one."""
    kind = LiveView if not taken and wants_colour() else PlainView
    return kind(taken=taken, log_filter=log_filter, stamped=stamped, saving=saving)


def summary_lines(result: MonitorResult) -> list[str]:
    """Gives the end of a readback in lines: the board, the counts, what is missing, what was saved."""
    session, counts = result.session, result.session.counts
    lines = []
    if session.hello is not None:
        hello = session.hello
        lines.append(plain(f"device {hello.fw}, model {hello.model[:12]}, boot {hello.boot}"))
    lines.append(
        f"records: {counts.intact} intact, {counts.corrupt} corrupt, {counts.missing} missing, {counts.duplicate} "
        f"duplicate, {counts.rejected} rejected; {counts.reboots} restarts; {counts.noise_bytes} noise bytes"
    )
    if session.missing:
        lines.append(f"missing: {ranges_text(list(session.missing))}")
    paths = ", ".join(str(path) for path in result.request.wanted.paths)
    lines.append(f"{result.windows} windows" + (f" saved to {paths}" if paths else ""))
    return lines


def _time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
