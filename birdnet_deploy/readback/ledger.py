"""The book of one session: which records came, which are missing, damaged or repeated, and of which boot.

It takes the parser's events one by one and knows nothing of ports or time: a live board, a recorded file and
a test feed it alike.
"""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass, field

from birdnet_deploy.errors import BoardError, ProtocolError
from birdnet_deploy.readback.framing import Corrupt, Event, Noise, Record
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


@dataclass(frozen=True)
class Identity:
    """What the hello record must say; ``scale`` and ``zp`` are those of the model's output."""

    model_sha256: str
    lock_sha256: str
    classes: int
    scale: float
    zp: int
    act: str
    npu_sha256: str | None = None
    prologue_sha256: str | None = None


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


@dataclass
class Boot:
    """What is known of one boot. ``seen`` holds the CRC-32 of each record's JSON by its ``seq``."""

    hello: Hello | None = None
    bye: Bye | None = None
    seen: dict[int, int] = field(default_factory=dict)
    damaged: set[int | None] = field(default_factory=set)
    windows: int = 0
    conflicts: int = 0

    def gaps(self) -> list[tuple[int, int]]:
        """Gives what is missing between ``seq`` 0 and the last that came, as (first, last)."""
        gaps, expected = [], 0
        for seq in sorted(self.seen):
            if seq > expected:
                gaps.append((expected, seq - 1))
            expected = seq + 1
        return gaps

    def problems(self) -> list[str]:
        """Gives what keeps this boot from being complete, apart from a missing bye."""
        problems = []
        if self.hello is None:
            problems.append("no hello record came")
        if gaps := self.gaps():
            problems.append(f"records {_ranges(gaps)} are missing")
        if lost := self.damaged - self.seen.keys():
            problems.append(f"{len(lost)} damaged and never repeated")
        if self.conflicts:
            problems.append(f"{self.conflicts} with the number of an earlier one: a restart without a hello?")
        if self.bye is not None and self.bye.dropped:
            problems.append(f"the board dropped {self.bye.dropped} records")
        if self.bye is not None and self.bye.windows != self.windows:
            problems.append(f"the board counted {self.bye.windows} windows, {self.windows} came")
        return problems


class Ledger:
    """Keeps account of a session; ``take`` gives what is new and usable."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.boots = [Boot()]
        self.inferences: list[Inference] = []
        self.stages: list[Stage] = []
        self.errors: list[Error] = []
        self.faults: list[Fault] = []
        self.rejected: list[str] = []
        self.last_lines: deque[str] = deque(maxlen=2)
        self._intact = self._corrupt = self._duplicate = self._noise_bytes = 0

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
            rejected=len(self.rejected),
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
        self.last_lines.append(_shown(event.raw))
        if isinstance(event, Corrupt):
            self._corrupt += 1
            self.boot.damaged.add(event.seq)
            return None
        return self._enter(event)

    def problems(self) -> list[str]:
        """Gives what keeps the session from being complete, apart from a missing bye."""
        problems = [f"the firmware crashed ({fault.text})" for fault in self.faults]
        if len(self.boots) > 1:
            problems.append(f"the board restarted {_times(len(self.boots) - 1)}")
        for number, boot in enumerate(self.boots, 1):
            prefix = f"boot {number}: " if len(self.boots) > 1 else ""
            problems += [prefix + problem for problem in boot.problems()]
        return problems + [f"rejected {text}" for text in self.rejected]

    def _enter(self, event: Record) -> AnyRecord | None:
        record: AnyRecord | None = None
        if event.data.get("t") == "hello" and (record := self._parsed(event)) is not None:
            assert isinstance(record, Hello)
            self._check(record)
            self._greet(record)
        boot, check = self.boot, zlib.crc32(event.raw)
        if event.seq in boot.seen:
            same = boot.seen[event.seq] == check
            self._duplicate += same
            boot.conflicts += not same
            return None
        boot.seen[event.seq] = check
        self._intact += 1
        record = record or self._parsed(event, reject=True)
        self._keep(record)
        return record

    def _parsed(self, event: Record, reject: bool = False) -> AnyRecord | None:
        try:
            return parse_record(event.seq, event.data, self.boot.hello)
        except RecordRejected as error:
            if reject:
                self.rejected.append(f"record {event.seq}, {error}: {_shown(event.raw)}")
            return None

    def _greet(self, hello: Hello) -> None:
        """Begins a boot where the hello is of another one than that which is going on."""
        boot = self.boot
        other = boot.hello.boot != hello.boot if boot.hello else hello.seq == 0 and bool(boot.seen)
        if other:
            self.boots.append(Boot())
        self.boot.hello = hello

    def _keep(self, record: AnyRecord | None) -> None:
        if isinstance(record, Inference):
            self.inferences.append(record)
            self.boot.windows += 1
        elif isinstance(record, Stage):
            self.stages.append(record)
        elif isinstance(record, Error):
            self.errors.append(record)
        elif isinstance(record, Fault):
            self.faults.append(record)
        elif isinstance(record, Bye):
            self.boot.bye = record

    def _check(self, hello: Hello) -> None:
        expected = self.identity
        if hello.proto != PROTOCOL:
            raise ProtocolError(
                f"the firmware speaks protocol {hello.proto}, this tool {PROTOCOL}",
                where="hello record", fix="generate the firmware again, or use the tool that generated it",
            )  # fmt: skip
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


def _ranges(gaps: list[tuple[int, int]], most: int = 20) -> str:
    texts = [f"{first}" if first == last else f"{first}-{last}" for first, last in gaps[:most]]
    return ", ".join(texts) + (f" and {len(gaps) - most} gaps more" if len(gaps) > most else "")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _shown(raw: bytes) -> str:
    text = raw[:_SHOWN_BYTES].decode("ascii", "backslashreplace")
    return text + ("..." if len(raw) > _SHOWN_BYTES else "")
