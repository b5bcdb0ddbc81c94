"""The book of one session: which records came, which are missing, damaged or repeated, and of which boot.

It takes the parser's events one by one and knows nothing of ports or time: a live board, a recorded file and
a test feed it alike.
"""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass
from typing import Any

from birdnet_deploy.errors import BoardError, ProtocolError
from birdnet_deploy.readback.boots import Boot
from birdnet_deploy.readback.framing import Corrupt, Event, Noise, Record
from birdnet_deploy.readback.identity import Identity
from birdnet_deploy.readback.records import (
    PROTOCOL,
    AnyRecord,
    Bye,
    Error,
    Fault,
    Hello,
    Inference,
    RecordRejected,
    parse_record,
)
from birdnet_deploy.readback.stage import Stage

_SHOWN_BYTES = 160
_KEPT = 10_000  # error, fault and rejected records; all are counted
_SHOWN_PROBLEMS = 40


@dataclass(frozen=True)
class Counts:
    """What came over the line. ``intact`` counts a record once; ``noise_bytes`` is all that is no record."""

    intact: int
    corrupt: int
    missing: int
    duplicate: int
    rejected: int
    reboots: int
    noise_bytes: int


class Ledger:
    """Keeps account of a session; ``take`` gives what is new and usable.

    Without an ``identity`` any board is welcome. With ``keep`` false inferences and stages are handed out, not
    kept: for a board that talks for weeks.
    """

    def __init__(self, identity: Identity | None, *, keep: bool = True) -> None:
        self.identity = identity
        self._keeps = keep
        self.boots = [Boot()]
        self.inferences: list[Inference] = []
        self.stages: list[Stage] = []
        self.errors: list[Error] = []
        self.faults: list[Fault] = []
        self.rejected: list[str] = []
        self.last_lines: deque[str] = deque(maxlen=2)
        self._intact = self._corrupt = self._duplicate = self._rejected = self._noise_bytes = 0

    @property
    def boot(self) -> Boot:
        """The boot that is going on."""
        return self.boots[-1]

    @property
    def counts(self) -> Counts:
        """The numbers so far, over all boots."""
        return Counts(
            intact=self._intact,
            corrupt=self._corrupt,
            missing=sum(last - first + 1 for boot in self.boots for first, last in boot.gaps()),
            duplicate=self._duplicate,
            rejected=self._rejected,
            reboots=len(self.boots) - 1,
            noise_bytes=self._noise_bytes,
        )

    def take(self, event: Event) -> AnyRecord | None:
        """Enters an event and gives its record where that is intact, new and usable.

        Raises: ProtocolError (exit 8) at the hello of another version of the protocol, BoardError (exit 7) at
        that of another model or lock.
        """
        if isinstance(event, Noise):
            self._noise_bytes += len(event.raw)
            if text := event.text.strip():
                self.last_lines.append(text[-_SHOWN_BYTES:])
            return None
        self.last_lines.append(shown(event.raw))
        if isinstance(event, Corrupt):
            self._corrupt += 1
            self.boot.spoil(event.seq)
            return None
        return self._enter(event)

    def problems(self) -> list[str]:
        """Gives what keeps the session from being complete, apart from a missing bye."""
        problems = [f"the firmware crashed ({fault.text})" for fault in self.faults[:_SHOWN_PROBLEMS]]
        if len(self.boots) > 1:
            problems.append(f"the board restarted {_times(len(self.boots) - 1)}")
        for number, boot in enumerate(self.boots, 1):
            prefix = f"boot {number}: " if len(self.boots) > 1 else ""
            problems += [prefix + problem for problem in boot.problems()]
        problems += [f"rejected {text}" for text in self.rejected]
        more = len(problems) - _SHOWN_PROBLEMS
        return problems if more <= 0 else [*problems[:_SHOWN_PROBLEMS], f"and {more} problems more"]

    def _enter(self, event: Record) -> AnyRecord | None:
        record: AnyRecord | None = None
        if event.data.get("t") == "hello" and (record := self._parsed(event)) is not None:
            assert isinstance(record, Hello)
            self._check(record)
            self._greet(record)
        boot, check = self.boot, zlib.crc32(event.raw)
        if event.seq in boot.seen:
            same = boot.seen.repeats(event.seq, check)
            self._duplicate += same
            boot.conflicts += not same
            return None
        boot.seen.add(event.seq, check)
        self._intact += 1
        record = record or self._parsed(event, reject=True)
        self._keep(record)
        return record

    def _parsed(self, event: Record, reject: bool = False) -> AnyRecord | None:
        try:
            return parse_record(event.seq, event.data, self.boot.hello)
        except RecordRejected as error:
            if reject:
                self._rejected += 1
                _append(self.rejected, f"record {event.seq}, {error}: {shown(event.raw)}")
            return None

    def _greet(self, hello: Hello) -> None:
        """Begins a boot where the hello is of another one than that which is going on."""
        boot = self.boot
        other = boot.hello.boot != hello.boot if boot.hello else hello.seq == 0 and bool(boot.seen)
        if other:
            boot.seen.forget()
            self.boots.append(Boot())
        self.boot.hello = hello

    def _keep(self, record: AnyRecord | None) -> None:
        if isinstance(record, Inference):
            if self._keeps:
                self.inferences.append(record)
            self.boot.windows += 1
        elif isinstance(record, Stage):
            if self._keeps:
                self.stages.append(record)
        elif isinstance(record, Error):
            _append(self.errors, record)
        elif isinstance(record, Fault):
            _append(self.faults, record)
        elif isinstance(record, Bye):
            self.boot.bye = record

    def _check(self, hello: Hello) -> None:
        expected = self.identity
        if hello.proto != PROTOCOL:
            raise ProtocolError(
                f"the firmware speaks protocol {hello.proto}, this tool {PROTOCOL}",
                where="hello record", fix="generate the firmware again, or use the tool that generated it",
            )  # fmt: skip
        if expected is None:
            return
        again = "generate, build and flash the firmware of this bundle"
        for what, found, wanted in (
            ("model", hello.model.lower(), expected.model_sha256),
            ("lock", hello.lock.lower(), expected.lock_sha256),
            ("prologue", hello.prologue and hello.prologue.lower(), expected.prologue_sha256),
            ("network behind the prologue", hello.npu and hello.npu.lower(), expected.npu_sha256),
        ):
            if found != wanted:
                told = f"sha256 {found or 'none'}, the bundle's is {wanted or 'none'}"
                raise BoardError(
                    f"the firmware carries another {what}: {told}",
                    where="hello record", fix=again,
                )  # fmt: skip
        for key in ("classes", "scale", "zp", "act"):
            if getattr(hello, key) != getattr(expected, key):
                raise BoardError(
                    f"the firmware says {key} {getattr(hello, key)!r}, the bundle {getattr(expected, key)!r}",
                    where="hello record", fix=again,
                )  # fmt: skip


def _append(kept: list[Any], item: object) -> None:
    if len(kept) < _KEPT:
        kept.append(item)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def shown(raw: bytes) -> str:
    """Gives the beginning of a record's bytes as text of one line."""
    text = raw[:_SHOWN_BYTES].decode("ascii", "backslashreplace")
    return text + ("..." if len(raw) > _SHOWN_BYTES else "")
