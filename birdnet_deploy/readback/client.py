"""Driving a board from the host: one command at a time, acknowledged, sent again, never carried out twice."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from birdnet_deploy.errors import BoardError, ProtocolError
from birdnet_deploy.readback.commands import MIN_RX, Fields, check_window, encode, window_part
from birdnet_deploy.readback.framing import MAX_SEQ, FrameParser
from birdnet_deploy.readback.ledger import Ledger
from birdnet_deploy.readback.live import Ack, Done, live_record
from birdnet_deploy.readback.records import AnyRecord, Bye, Hello, Inference, Unknown
from birdnet_deploy.readback.session import BytePort, read_port

DEFAULT_SILENCE_S = 60.0
_ERANGE, _EFORMAT = -4, -3
_RESUMES = 8  # how often an upload may go back before it is given up


class DuplexPort(BytePort, Protocol):
    """What is read from and written to: an open pyserial port whose timeout is a fraction of a second."""

    def write(self, data: bytes, /) -> int | None:
        """Sends bytes."""


@dataclass(frozen=True)
class Info:
    """What a board says of itself: sizes in bytes, ``rate`` in samples a second, ``window`` and ``hop`` in samples."""

    rx: int
    listen: int
    rate: int
    window: int
    hop: int
    tensor: int
    stages: bool
    up_ms: int
    card: bool


class Client:
    """Sends commands to a board and waits for what they cause; all records go into ``ledger`` and ``on_record``.

    ``ack_s`` is the time to wait for an answer before the same bytes are sent again, at most ``tries`` times.
    ``first_seq`` is chosen at random: another host's late answers then belong to nobody.

    Every method raises BoardError (exit 7) where the board takes no commands or the port is gone, and ProtocolError
    (exit 8) where no answer comes or the answer is a refusal.
    """

    def __init__(
        self, port: DuplexPort, ledger: Ledger, *, ack_s: float = 2.0, tries: int = 3,
        on_record: Callable[[AnyRecord], None] = lambda record: None, first_seq: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.ledger = ledger
        self._port, self._ack_s, self._tries, self._on_record, self._clock = port, ack_s, tries, on_record, clock
        self._seq = int.from_bytes(os.urandom(4), "big") if first_seq is None else first_seq
        self._parser = FrameParser()
        self._records: deque[AnyRecord] = deque()
        self._rx = 0
        self._done: Done | None = None  # of the command under way, as are its windows
        self._given: list[Inference] = []
        self._kind: str | int = ""

    def hello(self, timeout_s: float) -> Hello:
        """Gives the hello of the boot that is going on, waiting for it."""
        if self.ledger.boot.hello is not None:
            return self.ledger.boot.hello
        deadline = self._clock() + timeout_s
        while (record := self._next(deadline)) is not None:
            if isinstance(record, Hello):
                return record
        raise ProtocolError(f"no hello record within {timeout_s:g} s", where="board", fix="reset the board")

    def ping(self) -> None:
        """Checks that the board answers; a session begins with it."""
        self._command({"t": "ping"})

    def info(self) -> Info:
        """Gives the board's sizes; its hello comes again after it."""
        ack = self._command({"t": "info"})
        numbers = {key: ack.fields.get(key, 0) for key in Info.__annotations__}
        bad = [key for key, value in numbers.items() if type(value) is not int or value < 0]
        if bad:
            raise ProtocolError(f"info says {bad[0]} {numbers[bad[0]]!r}", where="board", fix="build the firmware anew")
        self._rx = numbers["rx"]
        return Info(**{**numbers, "stages": bool(numbers["stages"]), "card": bool(numbers["card"])})

    def stages(self, on: bool) -> None:
        """Turns the records of the stages on or off."""
        self._command({"t": "stages", "on": int(on)})

    def run(self, file: str | None = None, *, silence_s: float = DEFAULT_SILENCE_S) -> Done:
        """Runs a file of the card, or the whole card, and gives what it came to; windows go to ``on_record``."""
        command: Fields = {"t": "run"} if file is None else {"t": "run", "file": file}
        ack = self._command(command)
        return self._finished(ack.re, silence_s)

    def window(
        self, data: bytes, *, kind: str = "pcm", file: str = "HOST", win: int = 0, start: int = 0,
        silence_s: float = DEFAULT_SILENCE_S,
    ) -> Inference:  # fmt: skip
        """Uploads one window of PCM (int16, little-endian) or one int8 input tensor, and gives what it came to.

        Raises also: UsageError (exit 2) for a name or kind that no board takes.
        """
        check_window(data, kind, file)
        ack = self._uploaded(data, kind, {"file": file, "win": win, "start": start})
        done, found = self._finished(ack.re, silence_s), self._given
        if done.code or len(found) != 1:
            raise ProtocolError(
                f"the window gave {len(found)} records, code {done.code}", where="board", fix="try again"
            )
        return found[0]

    def reset(self) -> Bye:
        """Ends the boot and gives its bye; the board restarts."""
        self._command({"t": "reset"})
        deadline = self._clock() + self._ack_s
        while self.ledger.boot.bye is None and self._next(deadline) is not None:
            pass
        if self.ledger.boot.bye is None:
            raise ProtocolError("no bye after reset", where="board", fix="press its reset button")
        return self.ledger.boot.bye

    def _uploaded(self, data: bytes, kind: str, last: Fields) -> Ack:
        """Sends all parts and gives the answer to the last; goes back to where the board says that it is."""
        offset = resumes = 0
        while True:
            fields, end = window_part(data, kind, offset, self._room(), last)
            ack = self._command(fields, allowed=(_ERANGE, _EFORMAT))
            if ack.code == 0 and "crc" in fields:
                return ack
            if ack.code == 0:
                offset = end
                continue
            resumes += 1
            at = ack.fields.get("at", 0) if ack.code == _ERANGE else 0
            if resumes > _RESUMES or type(at) is not int or not 0 <= at < len(data):
                raise _refusal(fields, ack)
            offset = at

    def _room(self) -> int:
        """The greatest line that the board takes."""
        if not self._rx:
            hello = self.ledger.boot.hello
            rx = self.info().rx if hello is None else hello.extra.get("rx", 0)
            self._rx = rx if type(rx) is int else 0
        if self._rx < MIN_RX:
            raise BoardError("takes no commands", where="board", fix="generate the firmware anew")
        return self._rx

    def _command(self, fields: Fields, allowed: tuple[int, ...] = ()) -> Ack:
        """Sends a command until it is answered. A refusal raises, unless its code is ``allowed``."""
        hello = self.ledger.boot.hello
        if hello is not None and "rx" not in hello.extra:
            raise BoardError("takes no commands", where="board", fix="generate the firmware anew")
        seq, self._seq = self._seq, (self._seq + 1) & MAX_SEQ
        line = encode(seq, fields)
        self._kind, self._done, self._given = fields["t"], None, []
        for _ in range(self._tries):
            self._send(line)
            ack = self._answer(seq, self._clock() + self._ack_s)
            if ack is not None:
                if ack.code and ack.code not in allowed:
                    raise _refusal(fields, ack)
                return ack
        raise ProtocolError(
            f"no answer to {fields['t']} after {self._tries} times {self._ack_s:g} s",
            where="board", fix="check that the line goes both ways; a board that runs over its card answers later",
        )  # fmt: skip

    def _send(self, line: bytes) -> None:
        try:
            self._port.write(line)
        except OSError as error:
            raise BoardError("the port is gone", where="board", fix="plug it in again") from error

    def _answer(self, seq: int, deadline: float) -> Ack | None:
        while (record := self._next(deadline)) is not None:
            answer = self._noted(record, seq)
            if answer is not None:
                return answer
            if self._done is not None:  # the answer was lost, what it announced is over
                return Ack(seq, 0, "", {})
        return None

    def _finished(self, seq: int, silence_s: float) -> Done:
        """Waits for the ``done`` of a command; any record is a sign of life."""
        boots = len(self.ledger.boots)
        while self._done is None:
            record = self._next(self._clock() + silence_s)
            if record is None:
                raise ProtocolError(f"no record for {silence_s:g} s", where="board", fix="reset the board")
            if len(self.ledger.boots) > boots:
                raise ProtocolError("the board restarted", where="board", fix="see the firmware's last lines")
            self._noted(record, seq)
        return self._done

    def _noted(self, record: AnyRecord, seq: int) -> Ack | None:
        """Keeps what the command under way gave; gives its answer where this is it."""
        live = live_record(record) if isinstance(record, Unknown) else None
        if isinstance(live, Ack) and live.re == seq:
            return live
        if isinstance(record, Bye) and self._kind == "reset":  # the answer was lost
            return Ack(seq, 0, "", {})
        if isinstance(live, Done) and live.re == seq:
            self._done = live
        elif isinstance(record, Inference) and record.extra.get("re") == seq:
            self._given.append(record)
        return None

    def _next(self, deadline: float) -> AnyRecord | None:
        """Gives the next new record, None where none comes in time."""
        while not self._records:
            if self._clock() >= deadline:
                return None
            chunk = read_port(self._port)
            if chunk is None:
                raise BoardError("the port is gone", where="board", fix="plug it in again")
            for event in self._parser.feed(chunk):
                if (record := self.ledger.take(event)) is not None:
                    self._on_record(record)
                    self._records.append(record)
        return self._records.popleft()


def _refusal(fields: Fields, ack: Ack) -> ProtocolError:
    reason = f" ({ack.reason})" if ack.reason else ""
    return ProtocolError(f"{fields['t']} was refused with code {ack.code}{reason}", where="board", fix="see its log")
