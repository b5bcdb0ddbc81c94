"""The BN1 parser: what is a record, what is damage, what is text. Frames are made here, with zlib alone."""

from __future__ import annotations

import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from birdnet_deploy.readback.framing import (
    MAX_LINE_BYTES,
    MAX_SEQ,
    Corrupt,
    Event,
    FrameParser,
    Noise,
    Record,
    decode_object,
)
from birdnet_deploy.readback.records import Hello, Unknown, parse_record


def line(seq: int, json: bytes = b'{"t":"x"}') -> bytes:
    """A whole record from marker to JSON, without line ends."""
    counted = b"%d %d " % (seq, len(json))
    return b"@BN1 %s%08x %s" % (counted, zlib.crc32(counted + json), json)


def framed(seq: int, json: bytes = b'{"t":"x"}') -> bytes:
    return b"\n" + line(seq, json) + b"\n"


def parse(data: bytes, cuts: list[int] | None = None) -> list[Event]:
    parser = FrameParser()
    events: list[Event] = []
    edges = [0, *sorted(cuts or []), len(data)]
    for first, last in zip(edges, edges[1:], strict=False):
        events += parser.feed(data[first:last])
    return events + parser.finish()


def seqs(events: list[Event]) -> list[int]:
    return [event.seq for event in events if isinstance(event, Record)]


def noise(events: list[Event]) -> list[bytes]:
    return [event.raw for event in events if isinstance(event, Noise)]


def damage(events: list[Event]) -> list[int | None]:
    return [event.seq for event in events if isinstance(event, Corrupt)]


def test_a_clean_stream_gives_its_records_and_no_noise() -> None:
    events = parse(framed(0) + framed(1, b'{"t":"inf","win":3}') + framed(2))
    assert events == [
        Record(0, {"t": "x"}, b'{"t":"x"}'),
        Record(1, {"t": "inf", "win": 3}, b'{"t":"inf","win":3}'),
        Record(2, {"t": "x"}, b'{"t":"x"}'),
    ]


def test_crlf_is_read_as_lf() -> None:
    assert parse(framed(0).replace(b"\n", b"\r\n")) == parse(framed(0))


def test_text_between_records_is_kept() -> None:
    events = parse(b"boot\r\n\x1b[32mready\x1b[0m" + framed(0) + b"done\n")
    assert noise(events) == [b"boot\r", b"\x1b[32mready\x1b[0m", b"done"]
    assert [event.text for event in events if isinstance(event, Noise)][0] == "boot"
    assert seqs(events) == [0]


@pytest.mark.parametrize("before", [b"half a line ", b"\xff\x00\xfe", b"@BN1 ", b"@BN1 12 40 ", b"@@BN1 7 "])
def test_a_record_is_found_in_the_middle_of_a_line(before: bytes) -> None:
    events = parse(before + line(7) + b"\n")
    assert seqs(events) == [7]
    assert damage(events) == []
    assert noise(events) == [before]


def test_two_records_whose_newlines_were_lost_are_both_read() -> None:
    assert seqs(parse(line(1) + line(2) + b"\n")) == [1, 2]


def test_a_record_cut_off_by_the_next_one_is_damaged_and_the_next_is_read() -> None:
    events = parse(line(1)[:-3] + line(2) + b"\n")
    assert damage(events) == [1]
    assert seqs(events) == [2]


def test_a_marker_inside_the_json_is_part_of_it() -> None:
    json = b'{"t":"log","msg":"saw @BN1 1 2 00000000 {}"}'
    assert parse(framed(3, json)) == [Record(3, {"t": "log", "msg": "saw @BN1 1 2 00000000 {}"}, json)]


def test_the_last_record_needs_no_newline_at_the_end_of_the_stream() -> None:
    assert seqs(parse(line(5))) == [5]


@pytest.mark.parametrize(
    "text",
    [
        b"@BN1 ", b"@BN1 hello", b"@BN1 5", b"@BN1 5 9", b"@BN1 5 9 abc", b"@BN1 5 9 0123456", b"@BN1 -1 9 01234567 {}",
        b"@BN1 5 9 ABCDEF01 {}", b"@BN1  5 9 01234567 {}", b"@BN1 5 9 012345678 {}", b"@BN2 5 9 01234567 {}",
        b"@BN1 x" * 50,
    ],
)  # fmt: skip
def test_a_marker_without_a_complete_header_is_noise(text: bytes) -> None:
    assert parse(text + b"\n") == [Noise(text)]


@pytest.mark.parametrize(
    ("text", "seq"),
    [
        (b"@BN1 5 9 01234567", 5),  # the header alone
        (b"@BN1 5 9 01234567 ", 5),
        (b'@BN1 5 9 01234567 {"t":"x"}', 5),  # wrong CRC
        (line(5)[:-1], 5),
        (line(5) + b"x", 5),
        (line(5).replace(b"@BN1 5 9", b"@BN1 5 8"), 5),
        (line(5).replace(b"@BN1 5 9", b"@BN1 6 9"), 6),
        (line(5).replace(b"@BN1 5 9", b"@BN1 5 90000"), 5),
        (b"@BN1 4294967296 2 01234567 {}", None),
        (b"@BN1 99999999999999999999 2 01234567 {}", None),
    ],
)
def test_a_complete_header_with_a_wrong_length_or_crc_is_damage(text: bytes, seq: int | None) -> None:
    (event,) = parse(text + b"\n")
    assert isinstance(event, Corrupt)
    assert (event.seq, event.raw) == (seq, text)


@pytest.mark.parametrize("seq", [b"05", b"00"])
def test_a_number_written_in_two_ways_is_not_one(seq: bytes) -> None:
    counted = seq + b" 2 "
    (event,) = parse(b"@BN1 %s%08x {}\n" % (counted, zlib.crc32(counted + b"{}")))
    assert isinstance(event, Corrupt)


@pytest.mark.parametrize(
    "json",
    [
        b"", b"[]", b"1", b"null", b'"t"', b"{", b"{}{}", b'{"a":1,"a":1}', b'{"a":{"b":1,"b":2}}', b'{"a":NaN}',
        b'{"a":-Infinity}', b'{"a":1e999}', b'{"a":"\xc3\xa9"}', b'{"a":"\t"}', b'{"a":"\\ud800"}', b"{'a':1}",
        b'{"a":' + b"9" * 5000 + b"}", b'{"a":' + b"[" * 15000 + b"]" * 15000 + b"}",
    ],
)  # fmt: skip
def test_what_is_not_one_strict_object_is_damage(json: bytes) -> None:
    assert damage(parse(framed(9, json) + framed(10))) == [9]
    assert seqs(parse(framed(9, json) + framed(10))) == [10]


def test_unicode_escapes_are_read() -> None:
    assert decode_object(b'{"a":"\\u00e9\\ud83d\\udc26"}') == {"a": "é🐦"}


def test_sequence_numbers_are_32_bits() -> None:
    assert seqs(parse(framed(MAX_SEQ))) == [MAX_SEQ]


def padded(length: int) -> bytes:
    """A record whose line has ``length`` bytes."""
    json = b'{"t":"%s"}' % (b"x" * (length - len(line(1, b'{"t":""}')) - 4))
    while len(line(1, json)) < length:
        json = json[:-2] + b'x"}'
    assert len(line(1, json)) == length
    return framed(1, json)


def test_the_greatest_line_is_read_and_one_byte_more_is_dropped() -> None:
    assert seqs(parse(padded(MAX_LINE_BYTES) + framed(2))) == [1, 2]
    events = parse(padded(MAX_LINE_BYTES + 1) + framed(2))
    assert damage(events) == [1]
    assert seqs(events) == [2]


@pytest.mark.parametrize("filler", [b"\xff", b"@", b"@BN1 ", b"@BN1 1 99999 00000000 ", b"@BN1 7 30000 00000000 "])
def test_a_flood_without_newline_is_bounded_and_the_next_record_is_read(filler: bytes) -> None:
    parser = FrameParser()
    block = (filler * (65536 // len(filler) + 1))[:65536]
    started = time.monotonic()
    fullest = handed_out = 0
    for _ in range(64):  # 4 MiB
        handed_out += sum(len(event.raw) for event in parser.feed(block))
        fullest = max(fullest, parser.buffered)
    assert seqs(parser.feed(framed(3))) == [3]
    assert fullest < 2 * MAX_LINE_BYTES
    assert handed_out > 64 * 65536 - 2 * MAX_LINE_BYTES
    assert time.monotonic() - started < 20


def test_a_record_right_after_a_flood_on_the_same_line_is_found() -> None:
    assert seqs(parse(b"\x00" * 100_000 + line(4) + b"\n")) == [4]


@pytest.mark.parametrize("offset", range(-6, 3))
def test_a_marker_across_the_greatest_length_ends_the_damage_however_it_is_cut(offset: int) -> None:
    head = b"@BN1 1 99999 00000000 "
    data = head + b"z" * (MAX_LINE_BYTES - len(head) + offset) + line(4) + b"\n"
    assert seqs(parse(data)) == [4]
    assert all(parse(data, [MAX_LINE_BYTES + cut]) == parse(data) for cut in range(-6, 12))


frames = st.builds(
    framed, st.integers(0, MAX_SEQ), st.sampled_from([b"{}", b'{"t":"x"}', b'{"a":[1,2]}', b"[", b'{"m":"@BN1 "}'])
)
pieces = st.one_of(
    frames,
    frames.map(lambda frame: frame[:-4]),
    st.binary(max_size=30),
    st.sampled_from([b"\n", b"\r\n", b"@BN", b"@BN1 ", b"@BN1 1 5 ", b"@BN1 1 2 00000000", b"log\n", b"z" * 33000]),
)
streams = st.lists(pieces, max_size=12).map(b"".join)


def mutated(data: bytes, changes: list[tuple[int, int]]) -> bytes:
    raw = bytearray(data)
    for position, value in changes:
        if raw:
            raw[position % len(raw)] ^= value
    return bytes(raw)


changed = st.builds(mutated, streams, st.lists(st.tuples(st.integers(0, 2**20), st.integers(1, 255)), max_size=6))


@settings(max_examples=200, deadline=None)
@given(changed, st.lists(st.integers(0, 70_000), max_size=8))
def test_events_do_not_depend_on_how_the_stream_was_cut(data: bytes, cuts: list[int]) -> None:
    assert parse(data, [min(cut, len(data)) for cut in cuts]) == parse(data)


@settings(max_examples=100, deadline=None)
@given(st.lists(pieces.filter(lambda piece: len(piece) < 200), max_size=6).map(b"".join))
def test_one_byte_at_a_time_gives_the_same_events(data: bytes) -> None:
    assert parse(data, list(range(len(data)))) == parse(data)


@settings(max_examples=300, deadline=None)
@given(changed)
def test_no_record_is_invented(data: bytes) -> None:
    for event in parse(data):
        if isinstance(event, Record):
            assert line(event.seq, event.raw) in data
        else:
            assert event.raw in data


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(frames.filter(lambda f: not f.endswith(b" [\n")), st.binary(max_size=40)), max_size=10))
def test_noise_between_whole_records_costs_none(parts: list[bytes]) -> None:
    whole = [int(part.split(b" ")[1]) for part in parts if part.startswith(b"\n@BN1 ")]
    events = parse(b"".join(part if part.startswith(b"\n@BN1 ") else part.replace(b"@", b"") for part in parts))
    assert seqs(events) == whole
    assert damage(events) == []


def test_ten_million_random_and_mutated_bytes() -> None:
    import random

    source = random.Random(1)
    clean = b"".join(framed(seq, b'{"t":"inf","out":"%s"}' % (b"7f" * 100)) for seq in range(200))
    total = 0
    while total < 10_000_000:
        block = source.randbytes(20_000) + mutated(
            clean, [(source.randrange(len(clean)), source.randrange(1, 256)) for _ in range(source.randrange(200))]
        )
        for event in parse(block, sorted(source.randrange(len(block)) for _ in range(20))):
            if isinstance(event, Record):
                assert line(event.seq, event.raw) in block
        total += len(block)


def test_the_examples_of_the_document_are_whole_records() -> None:
    document = Path(__file__).resolve().parents[2] / "docs/protocol.md"
    events = parse(document.read_bytes())
    records = [event for event in events if isinstance(event, Record)]
    assert [(record.seq, record.data["t"]) for record in records] == [
        (0, "hello"), (1, "inf"), (2, "err"), (3, "bye"), (1, "stage"), (2, "fault"),
        (17, "ping"), (18, "run"), (19, "window"), (20, "window"),
    ]  # fmt: skip
    assert damage(events) == []
    hello = parse_record(0, records[0].data, None)
    assert isinstance(hello, Hello)
    for record in records[1:5]:
        assert not isinstance(parse_record(record.seq, record.data, hello), Unknown)
