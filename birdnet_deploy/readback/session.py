"""Reading a board until its bye: nothing is lost silently, and nothing hangs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from birdnet_deploy.errors import CheckFailed, DeployError, ProtocolError
from birdnet_deploy.readback.framing import Event, FrameParser
from birdnet_deploy.readback.identity import Identity
from birdnet_deploy.readback.ledger import Counts, Ledger
from birdnet_deploy.readback.records import AnyRecord, Bye, Error, Fault, Hello, Inference
from birdnet_deploy.readback.stage import Stage

MAX_BOOTS = 16  # a board that restarts more often in one session is not going to finish
_OBITUARY_S = 2.0  # how long the end of the other side may take to show after its port has closed


class BytePort(Protocol):
    """What is read from: an open pyserial port whose timeout is a fraction of a second."""

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read at once."""

    def read(self, size: int = 1, /) -> bytes:
        """Gives up to ``size`` bytes, fewer or none after the port's timeout."""


@dataclass(frozen=True)
class SessionResult:
    """What came from a board, whole or in part. ``missing`` are (first, last) of the last boot's ``seq``."""

    hello: Hello | None
    bye: Bye | None
    inferences: tuple[Inference, ...]
    errors: tuple[Error, ...]
    faults: tuple[Fault, ...]
    rejected: tuple[str, ...]
    counts: Counts
    missing: tuple[tuple[int, int], ...]
    problems: tuple[str, ...]
    fix: str = "run again"
    stages: tuple[Stage, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every record of one boot arrived, from hello to bye."""
        return not self.problems

    @property
    def golden_missed(self) -> str | None:
        """What the board says of a network that missed its golden window, so that it predicts nothing; else None."""
        return next((error.text for error in self.errors if error.is_golden), None)

    @property
    def failure(self) -> DeployError | None:
        """The error of a network that missed its golden window (4), else of an incomplete session (8), else None."""
        if self.golden_missed:
            return golden_failure(self.golden_missed)
        if self.complete:
            return None
        return ProtocolError(f"incomplete readback: {'; '.join(self.problems)}", where="board", fix=self.fix)


def golden_failure(said: str) -> CheckFailed:
    """Gives the error of firmware whose network is not the one that was converted, as it ``said`` itself at boot."""
    return CheckFailed(said, where="board", fix="build the project again; on a board, flash its weights again")


def read_session(
    port: BytePort,
    identity: Identity,
    *,
    silence_s: float,
    ended: Callable[[], str | None] = lambda: None,
    on_record: Callable[[AnyRecord], None] = lambda record: None,
    clock: Callable[[], float] = time.monotonic,
) -> SessionResult:
    """Gives all that came up to ``bye``, or up to the point where nothing more can come.

    ``silence_s``: how long it may take from one intact record to the next. ``ended`` says how the other side
    died, None while it lives. ``on_record`` is told each new record as it arrives.

    Raises: BoardError (exit 7) for another model or lock, ProtocolError (exit 8) for another version of the
    protocol, both before any prediction is used. An incomplete session is no exception: see ``failure``.
    """
    parser, ledger = FrameParser(), Ledger(identity)
    deadline = clock() + silence_s
    while True:
        death = ended()  # asked before reading: what the dead have written is in the port by then
        chunk = read_port(port)
        for record in _take(ledger, parser.feed(chunk or b"")):
            deadline = clock() + silence_s
            on_record(record)
        if ledger.boot.bye is not None:
            return session_result(ledger, [], "run again")
        if chunk is None or (death is not None and not chunk):
            end, fix = _obituary(death, ended), "see the firmware's last lines"
            break
        if len(ledger.boots) > MAX_BOOTS:
            end, fix = f"it restarts again and again ({MAX_BOOTS} times)", "see the firmware's last lines"
            break
        if clock() > deadline:
            end, fix = f"no record for {silence_s:g} s", "raise --timeout if the board is only slow"
            break
    for record in _take(ledger, parser.finish()):
        on_record(record)
    if ledger.boot.bye is not None:
        return session_result(ledger, [], "run again")
    said = ", ".join(repr(text) for text in ledger.last_lines)
    last = f"the last lines were {said}" if said else "nothing was ever received"
    return session_result(ledger, [f"no bye: {end}, {last}"], fix)


def read_port(port: BytePort) -> bytes | None:
    """Gives what there is, waiting up to the port's timeout for a first byte; None where the port is gone."""
    try:
        return port.read(max(1, port.in_waiting))
    except OSError:  # pyserial's SerialException is one
        return None


def _take(ledger: Ledger, events: list[Event]) -> list[AnyRecord]:
    records = []
    for event in events:
        record = ledger.take(event)
        if record is not None:
            records.append(record)
        if isinstance(record, Bye):
            break
    return records


def _obituary(death: str | None, ended: Callable[[], str | None]) -> str:
    waited_until = time.monotonic() + _OBITUARY_S
    while death is None and time.monotonic() < waited_until:
        time.sleep(0.02)
        death = ended()
    return death or "the port closed"


def session_result(ledger: Ledger, problems: list[str], fix: str) -> SessionResult:
    """Gives what a ledger holds at the end; ``problems`` are those that it cannot know, ``fix`` what to do."""
    return SessionResult(
        hello=ledger.boot.hello,
        bye=ledger.boot.bye,
        inferences=tuple(ledger.inferences),
        errors=tuple(ledger.errors),
        faults=tuple(ledger.faults),
        rejected=tuple(ledger.rejected),
        counts=ledger.counts,
        missing=tuple(ledger.boot.gaps()),
        problems=tuple([*problems, *ledger.problems()]),
        fix=fix,
        stages=tuple(ledger.stages),
    )
