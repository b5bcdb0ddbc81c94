"""BN1 frames in a stream of bytes: what is a whole record, what is damaged, what is text (docs/protocol.md).

The parser looks for the marker anywhere, also in the middle of a line, and is driven by the length that a
header states. Its events depend on the bytes alone, never on how they were cut into chunks, and its buffer
never holds much more than one line of the greatest length.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

MARKER = b"@BN1 "
MAX_LINE_BYTES = 32_768  # from the marker's `@` to the last byte of the JSON
MAX_SEQ = 2**32 - 1
_HEADER = re.compile(rb"([0-9]{1,20}) ([0-9]{1,20}) ([0-9a-f]{8})([ \r\n])")
_HEADER_BYTES = 20 + 1 + 20 + 1 + 8 + 1
_NEWLINE = b"\n"
_ENDS = (_NEWLINE, b"\r\n", MARKER)  # what may follow the JSON of a record


@dataclass(frozen=True)
class Record:
    """A record that arrived whole: the length and CRC-32 hold and ``data`` is one strict JSON object."""

    seq: int
    data: Mapping[str, Any]
    raw: bytes


@dataclass(frozen=True)
class Corrupt:
    """A complete header whose record is damaged.

    ``seq`` is what the header says, None where that can be no sequence number.
    """

    seq: int | None
    raw: bytes
    reason: str


@dataclass(frozen=True)
class Noise:
    """Bytes that are no record: a log line, boot noise, half a line; at most ``MAX_LINE_BYTES`` a piece."""

    raw: bytes

    @property
    def text(self) -> str:
        """The bytes as text without the line end; what is not UTF-8 shows as a replacement character."""
        return self.raw.decode("utf-8", "replace").rstrip("\r")


Event = Record | Corrupt | Noise


class FrameParser:
    """Turns chunks of bytes into events: ``feed`` each chunk, ``finish`` at the end of the stream."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._settled = 0  # the bytes before it are noise for certain, waiting for the rest of their line

    @property
    def buffered(self) -> int:
        """How many bytes wait for more; bounded by the greatest line, whatever comes."""
        return len(self._buffer)

    def finish(self) -> list[Event]:
        """Gives what the unfinished last line holds; the parser is empty and ready afterwards."""
        return self.feed(_NEWLINE)

    def feed(self, chunk: bytes) -> list[Event]:
        """Gives the events that are complete with this chunk, in the order of their bytes."""
        self._buffer += chunk
        events: list[Event] = []
        buffer, start, at, mark = self._buffer, 0, self._settled, -1
        while True:
            if mark < at:
                found = buffer.find(MARKER, at)
                mark = found if found >= 0 else len(buffer)
            newline = buffer.find(_NEWLINE, at, mark)
            if newline >= 0:
                self._noise(events, start, newline)
                start = at = newline + 1
            elif mark == len(buffer):
                at = max(at, mark - len(MARKER) + 1)
                break
            elif (header := _HEADER.match(buffer, mark + len(MARKER))) is None:
                if self._may_become_header(mark):
                    at = mark
                    break
                at = mark + len(MARKER)  # the marker and what follows it are noise on this line
            elif (frame := self._frame(mark, header)) is None:
                at = mark
                break
            else:
                event, end = frame
                self._noise(events, start, mark)
                events.append(event)
                start = at = end
        start = self._whole_pieces(events, start, at)
        del buffer[:start]
        self._settled = at - start
        return events

    def _noise(self, events: list[Event], start: int, end: int) -> None:
        for piece in range(start, end, MAX_LINE_BYTES):
            raw = bytes(self._buffer[piece : min(piece + MAX_LINE_BYTES, end)])
            if raw != b"\r":  # the line end before or after a record is a part of the framing
                events.append(Noise(raw))

    def _whole_pieces(self, events: list[Event], start: int, end: int) -> int:
        """Hands out full pieces of noise of an unfinished line, and gives where the rest begins."""
        whole = (end - start) // MAX_LINE_BYTES * MAX_LINE_BYTES
        self._noise(events, start, start + whole)
        return start + whole

    def _may_become_header(self, mark: int) -> bool:
        text = mark + len(MARKER)
        if len(self._buffer) - text >= _HEADER_BYTES:
            return False
        return self._buffer.find(_NEWLINE, text) < 0

    def _frame(self, mark: int, header: re.Match[bytes]) -> tuple[Event, int] | None:
        """Gives the record or the damage at a complete header, and where it ends; None: not yet known."""
        seq, length, check = int(header[1]), int(header[2]), int(header[3], 16)
        if seq > MAX_SEQ or (header[1], header[2]) != (b"%d" % seq, b"%d" % length):
            return self._damaged(mark, None, "no sequence number or length")
        body = header.end() if header[4] == b" " else header.end() - 1
        end = body + length
        whole = end - mark <= MAX_LINE_BYTES and self._ends_at(body, end)
        if whole is None:
            return None
        raw = bytes(self._buffer[body:end]) if whole else b""
        counted = self._buffer[header.start(1) : header.start(3)]
        if not whole:
            reason = "wrong length"
        elif zlib.crc32(raw, zlib.crc32(counted)) != check:
            reason = "wrong CRC"
        else:
            try:
                return Record(seq, decode_object(raw), raw), end
            except ValueError as error:
                reason = str(error)
        return self._damaged(mark, seq, reason)

    def _ends_at(self, body: int, end: int) -> bool | None:
        """Says whether the JSON that begins at ``body`` ends at ``end``; None: not yet known."""
        if self._buffer.find(_NEWLINE, body, end) >= 0:
            return False
        follows = bytes(self._buffer[end : end + len(MARKER)])
        if follows.startswith(_ENDS):
            return True
        return None if any(whole.startswith(follows) for whole in _ENDS) else False

    def _damaged(self, mark: int, seq: int | None, reason: str) -> tuple[Event, int] | None:
        """Takes a damaged record up to the next marker, the end of its line, or the greatest length."""
        limit = mark + MAX_LINE_BYTES
        after = mark + len(MARKER)
        visible = limit + len(MARKER) - 1  # a marker that begins before the limit
        ends = (self._buffer.find(_NEWLINE, after, limit), self._buffer.find(MARKER, after, visible))
        known = [end for end in ends if end >= 0]
        if not known and len(self._buffer) < visible:
            return None
        end = min([*known, limit])
        return Corrupt(seq, bytes(self._buffer[mark:end]).rstrip(b"\r"), reason), end


def decode_object(raw: bytes) -> dict[str, Any]:
    """Gives the object of a record's JSON, read strictly: ASCII, finite, each key once, whole characters.

    Raises: ValueError saying what is wrong.
    """
    try:
        text = raw.decode("ascii")
        data = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_finite)
        if "\\u" in text:
            json.dumps(data, ensure_ascii=False).encode("utf-8")  # half a surrogate pair has no UTF-8 form
    except UnicodeDecodeError as error:
        raise ValueError("not ASCII") from error
    except UnicodeEncodeError as error:
        raise ValueError("half a surrogate pair") from error
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(data, dict):
        raise ValueError("not a JSON object")
    return data


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key twice")
    return data


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is out of range")
    return value
