"""Watching a board for as long as somebody wants: through resets, replugs and silence, until a bye or a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from birdnet_deploy.errors import DeployError
from birdnet_deploy.readback.boots import ranges_text
from birdnet_deploy.readback.framing import Corrupt, Event, FrameParser, Noise, Record
from birdnet_deploy.readback.ledger import Ledger, shown
from birdnet_deploy.readback.pump import Back, Ended, Lost, Pump
from birdnet_deploy.readback.records import AnyRecord, Bye
from birdnet_deploy.readback.session import SessionResult, session_result

_TICK_S = 0.1


class Listener(Protocol):
    """What is told while a board is watched."""

    def data(self, data: bytes) -> None:
        """Bytes as they came, before anything is made of them."""

    def record(self, record: AnyRecord) -> None:
        """A record that is intact, new and usable."""

    def text(self, text: str) -> None:
        """A line that is no record."""

    def note(self, text: str) -> None:
        """Something happened to the line: it is gone, it is back."""

    def tick(self) -> None:
        """Some time has passed."""


@dataclass(frozen=True)
class Limits:
    """When to stop: at the first ``bye``, after ``for_s``, or after ``silence_s`` without any whole record."""

    until_bye: bool = False
    for_s: float | None = None
    silence_s: float | None = None


@dataclass(frozen=True)
class Watched:
    """What a board said. ``interrupted``: a person ended it."""

    session: SessionResult
    interrupted: bool


class _Clocked:
    """The deadlines, on a clock that nobody sets."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits, self._clock = limits, clock
        self._began = self._heard = clock()

    def heard(self) -> None:
        self._heard = self._clock()

    def left(self) -> float:
        """Seconds until the nearest deadline, at most one tick."""
        limits, now = self._limits, self._clock()
        ends = [_TICK_S]
        if limits.for_s is not None:
            ends.append(self._began + limits.for_s - now)
        if limits.silence_s is not None:
            ends.append(self._heard + limits.silence_s - now)
        return min(ends)

    def over(self) -> str | None:
        """Why it is time to stop, None while it is not."""
        limits, now = self._limits, self._clock()
        if limits.for_s is not None and now >= self._began + limits.for_s:
            return f"{limits.for_s:g} s are over"
        if limits.silence_s is not None and now >= self._heard + limits.silence_s:
            return f"no record for {limits.silence_s:g} s"
        return None


def watch(
    pump: Pump, ledger: Ledger, listener: Listener, limits: Limits, clock: Callable[[], float] = time.monotonic
) -> Watched:
    """Gives what came until a limit, the end of the source, or Ctrl-C. The pump is left open.

    Raises: BoardError (exit 7) for another model or lock, ProtocolError (exit 8) for another version of the
    protocol, what the source's reading raises. An incomplete readback is no exception: see ``session.failure``.
    """
    parser, clocked = FrameParser(), _Clocked(limits, clock)
    interrupted, end = False, None
    try:
        end = _watch(pump, parser, ledger, listener, limits, clocked)
    except KeyboardInterrupt:
        interrupted, end = True, "interrupted"
    if not (limits.until_bye and ledger.boot.bye is not None):
        _take(ledger, parser.finish(), listener, limits)
    problems = []
    if ledger.boot.bye is None:
        said = ", ".join(repr(text) for text in ledger.last_lines)
        last = f"the last lines were {said}" if said else "nothing was ever received"
        problems.append(f"no bye: {end}, {last}")
    elif interrupted:
        problems.append("interrupted")
    return Watched(session_result(ledger, problems, _fix(end, ledger)), interrupted)


def _fix(end: str | None, ledger: Ledger) -> str:
    if not ledger.last_lines:
        return "check the port, --baud and that the firmware runs"
    if end and end.startswith("no record"):
        return "see the firmware's last lines"
    return "run again"


def _watch(
    pump: Pump, parser: FrameParser, ledger: Ledger, listener: Listener, limits: Limits, clocked: _Clocked
) -> str | None:
    """Reads until there is a reason to stop, and gives it; None after the bye that was waited for."""
    while True:
        piece = pump.take(clocked.left())
        if isinstance(piece, bytes):
            listener.data(piece)
            if _take(ledger, parser.feed(piece), listener, limits):
                clocked.heard()
        elif isinstance(piece, Lost):
            _take(ledger, parser.finish(), listener, limits)  # the rest of that line never comes
        elif isinstance(piece, Back):
            listener.note(f"{piece.name} is back")
        elif isinstance(piece, Ended):
            if isinstance(piece.error, DeployError):
                raise piece.error
            return piece.reason
        if limits.until_bye and ledger.boot.bye is not None:
            return None
        if isinstance(piece, Lost):
            listener.note(f"{piece.name} is gone, waiting for it")
        listener.tick()
        if (reason := clocked.over()) is not None:
            return reason


def _take(ledger: Ledger, events: list[Event], listener: Listener, limits: Limits) -> bool:
    """Enters events and tells of them; says whether a whole record was among them."""
    heard = False
    for event in events:
        if isinstance(event, Noise):
            ledger.take(event)
            listener.text(event.text)
            continue
        heard = heard or isinstance(event, Record)
        boot, pieces, rejected = ledger.boot, ledger.boot.seen.pieces, len(ledger.rejected)
        record = ledger.take(event)
        if isinstance(event, Corrupt):
            listener.note(f"corrupt record {event.seq} ({event.reason}): {shown(event.raw)}")
        if ledger.boot is not boot:
            listener.note("the board has restarted")
        elif ledger.boot.seen.pieces > max(pieces, 1) or (pieces == 0 and event.seq):
            listener.note(f"records {ranges_text([ledger.boot.seen.last_gap()])} are missing")
        if len(ledger.rejected) > rejected:
            listener.note(f"rejected {ledger.rejected[-1]}")
        if record is not None:
            listener.record(record)
        if isinstance(record, Bye) and limits.until_bye:
            break
    return heard
