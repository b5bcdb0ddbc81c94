"""``stage`` records: what is taken, what is rejected, and which stage is named as the first that differs."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from birdnet_deploy.errors import BoardError
from birdnet_deploy.readback.framing import FrameParser
from birdnet_deploy.readback.identity import Identity
from birdnet_deploy.readback.ledger import Ledger
from birdnet_deploy.readback.records import Hello, RecordRejected, Unknown, parse_record
from birdnet_deploy.readback.stage import Stage
from birdnet_deploy.report.stages import StageCheck
from tests.support.bn1_streams import CLASSES, LOCK, MODEL, SCALE, ZERO_POINT, hello, sent

NPU, PROLOGUE = "55" * 32, "66" * 32
VALUES = np.array([0.5, -1.25, 3.0, 0.0, 1e-3, 7.0, -2.0, 8.0, 9.0, 10.0], np.float32)


def stage(values: np.ndarray = VALUES, name: str = "stem", win: int = 0, **changes: Any) -> dict[str, Any]:
    """A stage record as docs/protocol.md has it, made without the reader's code."""
    form = ">f" if values.dtype == np.float32 else ">b"

    def digits(numbers: Any) -> str:
        return b"".join(struct.pack(form, number) for number in numbers).hex()

    return {
        "t": "stage", "file": "00001.WAV", "win": win, "name": name, "dtype": values.dtype.name, "count": values.size,
        "crc32": f"{zlib.crc32(values.tobytes()):08x}", "min": digits([values.min()]), "max": digits([values.max()]),
        "sum": struct.pack(">d", float(values.astype(np.float64).sum())).hex(), "first": digits(values[:8]), **changes,
    }  # fmt: skip


def greeted(**changes: Any) -> Hello:
    record = parse_record(0, hello(**changes), None)
    assert isinstance(record, Hello)
    return record


def parsed(**changes: Any) -> Stage:
    record = parse_record(4, stage(**changes), greeted())
    assert isinstance(record, Stage)
    return record


def test_a_stage_gives_its_numbers() -> None:
    found = parsed(extra=5)
    assert (found.seq, found.file, found.win, found.name, found.count) == (4, "00001.WAV", 0, "stem", 10)
    assert (found.min, found.max, found.sum) == (-2.0, 10.0, float(VALUES.astype(np.float64).sum()))
    assert found.first == tuple(float(value) for value in VALUES[:8])
    assert found.crc32 == zlib.crc32(VALUES.tobytes()) and found.extra == {"extra": 5}
    small = parsed(values=np.array([-128, 5], np.int8))
    assert (small.min, small.max, small.sum, small.first) == (-128, 5, -123.0, (-128, 5))


def test_a_stage_before_the_hello_is_unknown() -> None:
    assert isinstance(parse_record(1, stage(), None), Unknown)


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "float64"}, {"count": 0}, {"count": 1.0}, {"crc32": "12"}, {"crc32": 5}, {"min": "00"},
        {"max": "zz" * 4}, {"sum": "00" * 4}, {"first": "00" * 4}, {"name": ""}, {"name": "a\n"}, {"win": -1},
    ],
)  # fmt: skip
def test_a_stage_out_of_range_is_rejected(change: dict[str, Any]) -> None:
    with pytest.raises(RecordRejected):
        parse_record(1, stage(**change), greeted())


@given(st.sampled_from(sorted(stage())), st.one_of(st.none(), st.integers(), st.text(max_size=9), st.lists(st.none())))
def test_any_value_in_any_field_is_taken_or_rejected(key: str, value: Any) -> None:
    try:
        parse_record(1, {**stage(), key: value}, greeted())
    except RecordRejected as error:
        assert len(str(error)) < 200


def ledger(**expected: Any) -> Ledger:
    return Ledger(Identity(MODEL, LOCK, CLASSES, float(np.float32(SCALE)), ZERO_POINT, "sigmoid", **expected))


def enter(book: Ledger, *records: dict[str, Any]) -> None:
    parser = FrameParser()
    for seq, record in enumerate(records):
        for event in parser.feed(sent(seq, record)):
            book.take(event)


def test_stages_are_kept_and_counted_like_any_record() -> None:
    book = ledger(npu_sha256=NPU, prologue_sha256=PROLOGUE)
    enter(book, hello(npu=NPU, prologue=PROLOGUE.upper().lower()), stage(), stage(name="pool"))
    assert [found.name for found in book.stages] == ["stem", "pool"]
    assert book.counts.intact == 3 and book.problems() == []


@pytest.mark.parametrize(
    ("said", "expected", "what"),
    [
        ({"npu": NPU, "prologue": NPU}, {"npu_sha256": NPU, "prologue_sha256": PROLOGUE}, "another prologue"),
        ({"npu": MODEL, "prologue": PROLOGUE}, {"npu_sha256": NPU, "prologue_sha256": PROLOGUE}, "another network"),
        ({}, {"npu_sha256": NPU, "prologue_sha256": PROLOGUE}, "another prologue: sha256 none"),
        ({"npu": NPU, "prologue": PROLOGUE}, {}, "the bundle's is none"),
    ],
)
def test_another_prologue_or_network_ends_the_reading(said: Any, expected: Any, what: str) -> None:
    with pytest.raises(BoardError, match=what) as caught:
        enter(ledger(**expected), hello(**said))
    assert caught.value.exit_code == 7


def test_the_first_stage_that_differs_is_named_in_the_order_of_the_data() -> None:
    """In window 0 only the last differs, in window 1 the second and the last: the second is the cause to look at."""
    device = [
        *(parsed(name=name) for name in ("features", "stem")), parsed(name="npu input", values=VALUES + 1),
        parsed(name="features", win=1),
        *(parsed(name=name, win=1, values=VALUES * 2) for name in ("stem", "npu input")),
    ]  # fmt: skip
    check = StageCheck(device)
    for win in (0, 1):
        check.take("00001.WAV", win, [(name, VALUES) for name in ("features", "stem", "npu input")])
    verdict = check.result()
    assert (verdict.compared, verdict.equal, verdict.missing) == (6, 3, 0)
    assert [(found.name, found.win) for found in verdict.differences] == [("stem", 1), ("npu input", 0)]
    assert verdict.first == "stem"
    first = "from -4 to 20 with sum 68.502, on the host from -2 to 10 with sum 34.251"
    assert f"the first that differs is 'stem' (window 1 of 00001.WAV: {first})" in verdict.line
    assert verdict.to_json()["differences"][0]["stage"] == "stem"


def test_stages_that_did_not_come_and_other_sizes_are_told() -> None:
    check = StageCheck([parsed(name="stem", values=VALUES[:3])])
    check.take("00001.WAV", 0, [("features", VALUES), ("stem", VALUES)])
    verdict = check.result()
    assert (verdict.missing, verdict.equal) == (1, 0)
    assert verdict.differences[0].how == "3 values of float32, the host has 10 of float32"


def test_equal_stages_are_one_line() -> None:
    check = StageCheck([parsed()])
    check.take("00001.WAV", 0, [("stem", VALUES)])
    assert check.result().line == "stages bit-exact 1/1" and check.result().first is None
