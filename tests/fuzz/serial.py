"""What a board, or noise, says over the line: read in one piece and in many, which must make no difference."""

from __future__ import annotations

import json
import random
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from birdnet_deploy.readback.framing import MAX_LINE_BYTES, Event, FrameParser, Record
from birdnet_deploy.readback.ledger import Ledger
from birdnet_deploy.readback.session import session_result
from tests.fuzz.mutate import change_value, changed, dumped
from tests.support.bn1_streams import sent, streams

_RECORD = re.compile(rb"@BN1 (\d+) \d+ [0-9a-f]{8} (\{[^\n]*?\})(?=\r?\n|@BN1 |$)")


def stream_seeds(folder: Path) -> list[bytes]:
    """Gives the streams that the readback's own tests judge."""
    return [data for data, _ in streams().values()]


def changed_stream(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Gives a stream with its bytes changed, or with records whose content changed and whose CRC is right."""
    if rng.random() < 0.5:
        return changed(rng, seeds)
    data = rng.choice(seeds)
    records = list(_RECORD.finditer(data))
    if not records:
        return changed(rng, seeds)
    pieces, end = [], 0
    for record in records:
        pieces.append(data[end : record.start()])
        pieces.append(_resent(rng, record) if rng.random() < 0.4 else record[0])
        end = record.end()
    pieces.append(data[end:])
    if rng.random() < 0.2:
        rng.shuffle(pieces)
    return b"".join(pieces)


def _resent(rng: random.Random, record: re.Match[bytes]) -> bytes:
    try:
        body = json.loads(record[2])
    except ValueError:
        return record[0]
    text = dumped(change_value(rng, body)).decode()
    seq = int(record[1]) if rng.random() < 0.8 else rng.choice((0, 1, 2**32 - 1, 2**32, 7))
    return sent(seq, text)


def read_stream(path: Path, data: bytes) -> None:
    """Reads a stream as a session does; no record is invented, none depends on how the bytes were cut."""
    whole = _events(data, [len(data)])
    rng = random.Random(zlib.crc32(data))
    assert _events(data, [rng.choice((1, 2, 7, 64, 5000)) for _ in range(len(data) + 1)]) == whole, (
        "depends on the cuts"
    )
    ledger = Ledger(None)
    for event in whole:
        if isinstance(event, Record):
            counted = f"{event.seq} {len(event.raw)} ".encode()
            line = b"@BN1 %s%08x %s" % (counted, zlib.crc32(counted + event.raw), event.raw)
            assert line in data, "an invented record"
        ledger.take(event)
    session_result(ledger, [], "run again")


def _events(data: bytes, sizes: Sequence[int]) -> list[Event]:
    parser, events, at = FrameParser(), [], 0
    for size in sizes:
        events += parser.feed(data[at : at + size])
        at += size
        assert parser.buffered <= 2 * MAX_LINE_BYTES + 64, f"{parser.buffered} bytes are held"
        if at >= len(data):
            break
    return events + parser.finish()
