"""An independent reader of BN1 records for tests: zlib and json alone."""

from __future__ import annotations

import json
import re
import zlib

_LINE = re.compile(rb"(?:^|\n)@BN1 (\d+) (\d+) ([0-9a-f]{8}) ([^\n]*)(?=\n)")


def read_records(stream: bytes) -> list[dict]:
    """Gives the JSON of every record; fails where one is not exact or a sequence number is missing."""
    records = []
    for match in _LINE.finditer(stream):
        seq, length, crc, text = match.groups()
        assert match[0].startswith(b"\n"), "a record that no newline precedes"
        assert len(text) == int(length) <= 32768
        assert zlib.crc32(b"%s %s %s" % (seq, length, text)) == int(crc, 16)
        assert int(seq) == len(records)
        assert text.isascii()
        records.append(json.loads(text))
    assert len(records) == stream.count(b"@BN1 "), "a marker that starts no record"
    return records


def signed(outputs: str) -> list[int]:
    """Gives the int8 values of an ``out`` field."""
    return [value - 256 if value > 127 else value for value in bytes.fromhex(outputs)]
