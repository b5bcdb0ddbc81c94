"""Typed records: what is taken, what is rejected, and how outputs become scores."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from birdnet_deploy.readback.records import (
    Bye,
    Error,
    Fault,
    Hello,
    Inference,
    RecordRejected,
    Unknown,
    fault_causes,
    parse_record,
    scores_of,
)
from tests.support.bn1_streams import BOOT, LOCK, MODEL, bye, hello, window


def greeted(**changes: Any) -> Hello:
    record = parse_record(0, hello(**changes), None)
    assert isinstance(record, Hello)
    return record


def without(data: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name != key}


def test_a_hello_says_who_it_is() -> None:
    record = greeted(nickname="robin")
    assert (record.model, record.lock, record.boot) == (MODEL, LOCK, BOOT)
    assert record.scale == float(np.float32(0.128128543))
    assert record.extra == {"nickname": "robin"}


def test_an_inference_gives_int8_outputs() -> None:
    record = parse_record(4, window(2, us={"fe": 1200, "nn": 34000}, rssi=-3), greeted())
    assert isinstance(record, Inference)
    assert record.outputs.tolist() == [2, 127, -128, -1]
    assert (record.seq, record.boot, record.file, record.win) == (4, BOOT, "00001.WAV", 2)
    assert (record.start, record.start_ms) == (8000, 1000)
    assert record.us == {"fe": 1200, "nn": 34000}
    assert record.extra == {"rssi": -3}


def test_other_types_are_kept() -> None:
    assert parse_record(1, {"t": "weather", "wind": 3}, None) == Unknown(1, "weather", {"wind": 3})
    assert parse_record(1, {"t": "err", "file": "x", "code": -1}, None) == Error(1, {"file": "x", "code": -1})
    assert parse_record(1, {"t": "fault", "pc": "00000004"}, None) == Fault(1, {"pc": "00000004"})
    assert parse_record(9, bye(8, 1), None) == Bye(9, 8, 1, {})


def test_a_window_before_the_hello_is_no_prediction() -> None:
    assert isinstance(parse_record(3, window(0), None), Unknown)


@pytest.mark.parametrize("key", ["fw", "model", "lock", "boot", "classes", "scale", "zp", "act", "proto", "t"])
def test_a_hello_without_a_field_is_rejected(key: str) -> None:
    with pytest.raises(RecordRejected, match=f"{key} is missing"):
        parse_record(0, without(hello(), key), None)


@pytest.mark.parametrize("key", ["file", "win", "start", "start_ms", "out", "top", "us"])
def test_an_inference_without_a_field_is_rejected(key: str) -> None:
    with pytest.raises(RecordRejected, match=f"{key} is missing"):
        parse_record(1, without(window(0), key), greeted())


@pytest.mark.parametrize(
    "change",
    [
        {"model": "11" * 31}, {"model": "zz" * 32}, {"lock": 5}, {"boot": "0x00b001"}, {"classes": 0},
        {"classes": True}, {"classes": 4.0}, {"classes": "4"}, {"scale": 0}, {"scale": -0.5}, {"scale": "0.5"},
        {"scale": True}, {"scale": 1e39}, {"scale": 10**400}, {"zp": 128}, {"zp": -129}, {"zp": 0.5},
        {"act": "tanh"}, {"act": None}, {"fw": ""}, {"fw": "a\nb"}, {"proto": "1"}, {"proto": True},
    ],
)  # fmt: skip
def test_a_hello_out_of_range_is_rejected(change: dict[str, Any]) -> None:
    with pytest.raises(RecordRejected, match=next(iter(change))):
        parse_record(0, hello(**change), None)


@pytest.mark.parametrize(
    "change",
    [
        {"out": "007f80"}, {"out": "007f80ff00"}, {"out": "007f80fg"}, {"out": "00 7f80f"}, {"out": [0, 1, 2, 3]},
        {"top": [4]}, {"top": [-1]}, {"top": [1, 1]}, {"top": [1.0]}, {"top": [True]}, {"top": "1"}, {"top": None},
        {"win": -1}, {"win": 2**32}, {"win": 1.0}, {"win": False}, {"start": None}, {"start_ms": "0"},
        {"file": 1}, {"file": ""}, {"file": "a\x1b[2J"}, {"us": 5}, {"us": {"nn": -1}}, {"us": {"nn": 1.5}},
    ],
)  # fmt: skip
def test_an_inference_out_of_range_is_rejected(change: dict[str, Any]) -> None:
    with pytest.raises(RecordRejected, match=next(iter(change))):
        parse_record(1, {**window(0), **change}, greeted())


@pytest.mark.parametrize("change", [{"windows": -1}, {"windows": True}, {"dropped": None}, {"dropped": 0.0}])
def test_a_bye_out_of_range_is_rejected(change: dict[str, Any]) -> None:
    with pytest.raises(RecordRejected, match=next(iter(change))):
        parse_record(1, {**bye(1), **change}, greeted())


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=5,
)


@given(st.sampled_from([hello(), window(0), bye(1)]), st.data())
def test_any_value_in_any_field_is_taken_or_rejected(record: dict[str, Any], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(record)))
    try:
        parse_record(1, {**record, key: data.draw(json_values)}, greeted())
    except RecordRejected as error:
        assert len(str(error)) < 200


def test_another_protocol_needs_nothing_but_its_number() -> None:
    record = parse_record(0, {"t": "hello", "proto": 2, "model": None}, None)
    assert isinstance(record, Hello) and record.proto == 2


def test_scores_follow_the_activation_that_is_left() -> None:
    outputs = np.array([[3, 13, -7]], dtype=np.int8)
    logits = np.array([0.0, 5.0, -5.0])
    assert scores_of(outputs, greeted(scale=0.5, act="none"))[0] == pytest.approx(logits)
    assert scores_of(outputs, greeted(scale=0.5))[0] == pytest.approx(1 / (1 + np.exp(-logits)))
    softmax = scores_of(outputs, greeted(scale=0.5, act="softmax"))[0]
    assert softmax == pytest.approx(np.exp(logits) / np.exp(logits).sum())
    assert softmax.sum() == pytest.approx(1)


@pytest.mark.parametrize("act", ["sigmoid", "softmax"])
def test_extreme_outputs_give_finite_scores(act: str) -> None:
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        scores = scores_of(np.array([-128, 127], dtype=np.int8), greeted(scale=1e30, zp=-128, act=act))
    assert np.isfinite(scores).all()
    assert scores[1] == 1


def test_a_fault_tells_its_causes() -> None:
    assert fault_causes("02000000") == ["division by zero"]
    assert fault_causes("00108200") == ["precise data bus error", "stack overflow"]
    assert [fault_causes(value) for value in ("", "zz", None, 5)] == [[], [], [], []]
    record = parse_record(1, {"t": "fault", "kind": "hardfault", "cfsr": "00010000"}, None)
    assert isinstance(record, Fault)
    assert record.text == "kind=hardfault cfsr=00010000 (undefined instruction)"


def test_the_scale_is_the_float32_that_nine_digits_name() -> None:
    for exact in (0.128128543496, 7.8e-9, 3.9e27):
        single = float(np.float32(exact))
        assert greeted(scale=float(f"{single:.9g}")).scale == single
        assert math.isclose(single, exact, rel_tol=1e-7)
