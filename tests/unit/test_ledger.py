"""The book of a session: what came, what is missing, what repeats; in memory that does not grow with time."""

from __future__ import annotations

import json
import random
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from birdnet_deploy.errors import DeployError
from birdnet_deploy.readback.boots import REMEMBERED, Boot, SequenceBook, ranges_text
from birdnet_deploy.readback.framing import Corrupt, FrameParser, Record
from birdnet_deploy.readback.ledger import Ledger
from birdnet_deploy.readback.live import Ack, Done, Log, Stat, live_record
from birdnet_deploy.readback.records import Inference, Unknown
from tests.support.bn1_streams import bye, hello, run, sent, window


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 60)))
def test_the_book_is_a_set_with_gaps(seqs: list[int]) -> None:
    book, came = SequenceBook(), set()
    for seq in seqs:
        assert (seq in book) == (seq in came)
        if seq not in came:
            book.add(seq, seq * 7)
            came.add(seq)
        assert book.repeats(seq, seq * 7) and not book.repeats(seq, seq * 7 + 1)
    missing = sorted(set(range(max(came, default=-1) + 1)) - came)
    assert [seq for first, last in book.gaps() for seq in range(first, last + 1)] == missing
    assert bool(book) == bool(came)
    assert all(last + 1 < first for (_, last), (first, _) in zip(book.gaps(), book.gaps()[1:], strict=False))


def test_a_repeat_is_known_for_long_and_then_no_longer_trusted() -> None:
    book = SequenceBook()
    for seq in range(REMEMBERED + 10):
        book.add(seq, seq)
    assert book.repeats(10, 10)  # REMEMBERED records ago
    for seq in range(REMEMBERED + 10, 3 * REMEMBERED):
        book.add(seq, seq)
    assert 10 in book and not book.repeats(10, 10)


def test_weeks_of_records_take_no_more_memory() -> None:
    """A million records, ten each second for more than a day."""
    book = SequenceBook()
    sizes = []
    tracemalloc.start()
    for seq in range(1_000_000):
        book.add(seq, zlib.crc32(b"%d" % seq))
        if seq % 200_000 == 199_999:
            sizes.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert sizes[-1] < 30_000_000 and sizes[-1] <= sizes[1] * 1.1, sizes


def test_ranges_are_written_as_people_do() -> None:
    assert ranges_text([(4, 4), (9, 11)]) == "4, 9-11"
    assert ranges_text([(2 * n, 2 * n) for n in range(25)]).endswith("38 and 5 gaps more")


def entered(data: bytes, ledger: Ledger) -> Ledger:
    parser = FrameParser()
    for event in [*parser.feed(data), *parser.finish()]:
        ledger.take(event)
    return ledger


def test_without_an_identity_any_board_is_read_and_nothing_is_kept() -> None:
    ledger = entered(b"".join(run(5)), Ledger(None, keep=False))
    assert ledger.counts.intact == 7 and ledger.boot.windows == 5 and ledger.problems() == []
    assert ledger.inferences == []


def test_a_hello_again_in_the_same_boot_is_no_restart() -> None:
    data = sent(0, hello()) + sent(1, window(0)) + sent(2, hello(rx=256)) + sent(3, window(1)) + sent(4, bye(2))
    ledger = entered(data, Ledger(None))
    assert (ledger.counts.reboots, ledger.counts.intact, ledger.problems()) == (0, 5, [])


def test_a_hundred_problems_are_told_in_few_lines_and_all_counted() -> None:
    boots = b"".join(sent(0, hello(boot=f"{n:08x}")) + sent(2, window(0)) for n in range(100))
    bad = b"".join(sent(seq, {"t": "inf"}) for seq in range(3, 20_003))
    ledger = entered(boots + bad, Ledger(None))
    assert (ledger.counts.reboots, ledger.counts.missing, ledger.counts.rejected) == (99, 100, 20_000)
    assert len(ledger.problems()) == 41 and "problems more" in ledger.problems()[-1]
    assert len(ledger.rejected) == 10_000


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("stat", {"up_ms": 1500, "dropped": 2}, Stat(1.5, 2, None, None, None, None)),
        ("stat", {"up_ms": 2**40, "dropped": 0, "last": 7, "stack": 5120, "temp_mc": -4500, "rx_bad": 1},
         Stat(2**40 / 1000, 0, 7, 5120, 1, -4.5)),
        ("stat", {"up_ms": 1500}, None),
        ("stat", {"up_ms": -1, "dropped": 0}, None),
        ("stat", {"up_ms": 1.5, "dropped": 0}, None),
        ("stat", {"up_ms": 1, "dropped": 0, "stack": "x", "temp_mc": True}, Stat(0.001, 0, None, None, None, None)),
        ("log", {"level": "warn", "text": "hot"}, Log("warn", "hot")),
        ("log", {"text": "hot"}, Log("info", "hot")),
        ("log", {"text": 3}, None),
        ("ack", {"re": 3, "code": -4, "at": 9}, Ack(3, -4, "", {"re": 3, "code": -4, "at": 9})),
        ("ack", {"re": True, "code": 0}, None),
        ("done", {"re": 3, "windows": 2}, Done(3, 2, 0)),
        ("done", {"re": 3, "windows": 2, "code": "x"}, None),
        ("weather", {}, None),
    ],
)  # fmt: skip
def test_records_of_the_boards_state_are_read_leniently(kind: str, fields: dict, expected: object) -> None:
    assert live_record(Unknown(0, kind, fields)) == expected


def mutated_session(source: random.Random, clean: list[bytes]) -> bytes:
    """A run with bits flipped, records dropped, doubled, exchanged and cut, and noise between."""
    records = list(clean)
    for _ in range(source.randrange(12)):
        at = source.randrange(len(records))
        what = source.randrange(6)
        if what == 0:
            records[at : at + 1] = []
        elif what == 1:
            records[at:at] = [records[at]]
        elif what == 2:
            other = source.randrange(len(records))
            records[at], records[other] = records[other], records[at]
        elif what == 3:
            records[at] = records[at][: source.randrange(len(records[at]) + 1)]
        elif what == 4:
            records[at] = source.randbytes(source.randrange(400)) + records[at]
        elif records[at]:
            raw = bytearray(records[at])
            raw[source.randrange(len(raw))] ^= 1 << source.randrange(8)
            records[at] = bytes(raw)
        if not records:
            records = list(clean)
    return b"".join(records)


def no_window_is_invented(total_bytes: int, seed: int) -> None:
    source, done = random.Random(seed), 0
    clean = run(20)
    good = {win + 1: window(win) for win in range(20)}
    while done < total_bytes:
        data = mutated_session(source, clean)
        done += len(data)
        ledger, parser, seen = Ledger(None), FrameParser(), set()
        try:
            for event in [*parser.feed(data), *parser.finish()]:
                record = ledger.take(event)
                if isinstance(event, Record):
                    assert zlib.crc32(event.raw) == zlib.crc32(json.dumps(event.data, separators=(",", ":")).encode())
                if isinstance(record, Inference):
                    key = (len(ledger.boots), record.seq)
                    assert key not in seen
                    seen.add(key)
                    body = good[record.seq]
                    assert (record.win, record.out.hex()) == (body["win"], body["out"])
        except DeployError:
            pytest.fail("a damaged hello passed for another board's")
        whole = {seq for seq in range(22) if seq in ledger.boot.seen}
        if whole == set(range(22)) and len(ledger.boots) == 1:
            assert ledger.counts.missing == 0


def test_ten_million_mutated_bytes_give_no_window_that_was_not_sent() -> None:
    no_window_is_invented(10_000_000, seed=3)


@pytest.mark.soak
def test_a_billion_mutated_bytes_give_no_window_that_was_not_sent() -> None:
    no_window_is_invented(1_000_000_000, seed=4)


def test_damage_without_end_is_held_in_bounded_memory_and_never_forgiven() -> None:
    ledger = Ledger(None)
    for seq in range(1, 70_000):
        ledger.take(Corrupt(seq, b"", "wrong CRC"))
    assert len(ledger.boot.damaged) <= 65_537 and None in ledger.boot.damaged
    for seq in range(70_000):
        ledger.boot.seen.add(seq, 0)
    assert any("never repeated" in problem for problem in ledger.problems())


def test_damage_that_was_repeated_makes_room_for_more() -> None:
    boot = Boot()
    for seq in range(70_000):
        boot.spoil(seq)
        boot.seen.add(seq, 0)
    assert boot.problems() == ["no hello record came"]
