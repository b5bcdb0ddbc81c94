"""The verdict over a board: the tolerance and why, agreement, where device and host part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from birdnet_deploy.boardtest.judge import failure_of
from birdnet_deploy.errors import CheckFailed, ProtocolError
from birdnet_deploy.readback.stage import Stage
from birdnet_deploy.report.compare import HostWindow, compare_windows
from birdnet_deploy.report.stages import StageCheck, StageComparison
from birdnet_deploy.report.verdict import AgreementCount, Tolerance, Verdict, tolerance_of

LABELS = ("a", "b", "c", "d")
FEATURES = np.array([0.5, 1.0], dtype=np.float32)
INPUT = np.array([1, 2], dtype=np.int8)


def host(win: int, *outputs: int) -> HostWindow:
    return HostWindow("x.wav", win, 100 * win, np.array(outputs, dtype=np.int8))


def scores(outputs: np.ndarray) -> np.ndarray:
    return outputs.astype(np.float64) / 100


def verdict(
    pairs: list[tuple[HostWindow, HostWindow]], lsb: int = 0, stages: StageComparison | None = None, k: int = 2
) -> Verdict:
    count = AgreementCount(k, scores)
    comparison = compare_windows([ours for ours, _ in pairs], [theirs for _, theirs in pairs], count.take)
    return Verdict(comparison, Tolerance(lsb, "said so"), count.result(), stages, LABELS)


@pytest.mark.parametrize(
    ("asked", "processor", "report", "lsb"),
    [
        ("auto", "cpu", {"reference": {"p99_9_steps": 7}}, 0),
        ("auto", "npu", {"reference": {"p99_9_steps": 7}}, 7),
        ("auto", "npu", {"reference": {"p99_9_steps": 0}}, 2),
        ("auto", "npu", {"reference": {"p99_9_steps": "7"}}, 2),
        ("auto", "npu", {}, 2),
        ("exact", "npu", {"reference": {"p99_9_steps": 7}}, 0),
        (3, "npu", {"reference": {"p99_9_steps": 7}}, 3),
        (5, "cpu", {}, 5),
    ],
)
def test_the_tolerance_follows_from_what_computes(asked: Any, processor: str, report: dict, lsb: int) -> None:
    assert tolerance_of(asked, processor, report).lsb == lsb


def test_the_tolerance_is_stated_with_its_source() -> None:
    line = tolerance_of("auto", "npu", {"reference": {"p99_9_steps": 4}}).line
    assert line == "tolerance 4 LSB: p99.9 of |REF - XNNPACK| over the evaluation set is 4 LSB (report.json)"
    assert "the least" in tolerance_of("auto", "npu", {"reference": {"p99_9_steps": 1}}).line
    assert "bit-exact" in tolerance_of("auto", "cpu", {}).line


def test_one_value_beyond_the_tolerance_makes_a_window_differ() -> None:
    pairs = [(host(0, 1, 2, 3, 4), host(0, 3, 2, 3, 4)), (host(1, 1, 2, 3, 4), host(1, 1, 2, 3, 7))]
    assert verdict(pairs, lsb=3).passed
    found = verdict(pairs, lsb=2)
    assert [difference.win for difference in found.beyond] == [1]
    assert "windows within tolerance 1/2" in found.lines()
    failure = failure_of(found, (), "again")
    assert isinstance(failure, CheckFailed) and "up to 3 LSB (tolerance 2)" in failure.line


def test_agreement_and_the_largest_score_difference() -> None:
    pairs = [(host(0, 9, 8, 1, 0), host(0, 9, 0, 8, 0)), (host(1, 5, 5, 0, 0), host(1, 5, 5, 0, 40))]
    seen = verdict(pairs).agreement
    assert (seen.windows, seen.top_1, seen.k, seen.top_k) == (2, 1, 2, 0.5)
    assert seen.score == pytest.approx(0.4) and seen.at == ("x.wav", 1, 3)
    assert any("of a score 0.4 (d, window 1 of x.wav)" in line for line in verdict(pairs).lines())


def test_of_equal_outputs_the_first_is_the_best_as_in_the_records() -> None:
    assert verdict([(host(0, 5, 5, 1, 1), host(0, 5, 5, 1, 1))], k=3).agreement.top_k == 1.0


def stage(win: int, name: str, values: np.ndarray, crc32: int | None = None) -> Stage:
    import zlib

    return Stage(
        0, "x.wav", win, name, values.dtype.name, values.size, zlib.crc32(values.tobytes()) if crc32 is None else crc32,
        float(values.min()), float(values.max()), float(values.sum()), (), {},
    )  # fmt: skip


def stages(*device: Stage) -> StageComparison:
    check = StageCheck(device, partial=True)
    for win in (0, 1):
        check.take("x.wav", win, [("input features", FEATURES), ("network input", INPUT)])
    return check.result()


DIFFERS = [(host(0, 1, 2, 3, 4), host(0, 1, 2, 3, 5)), (host(1, 1, 2, 3, 4), host(1, 1, 2, 3, 4))]


def test_where_all_stages_of_a_differing_window_agree_it_is_the_network() -> None:
    found = verdict(DIFFERS, stages=stages(stage(0, "input features", FEATURES), stage(0, "network input", INPUT)))
    assert (found.first_stage, found.part) == ("network output", "network")
    assert found.to_json()["first_difference"] == {"stage": "network output", "part": "network"}


def test_a_stage_that_differs_is_named_before_the_network() -> None:
    device = [stage(0, "input features", FEATURES, crc32=1), stage(0, "network input", INPUT, crc32=2)]
    found = verdict(DIFFERS, stages=stages(*device))
    assert (found.first_stage, found.part) == ("input features", "frontend")
    assert "'input features' (frontend; window 0 of x.wav)" in found.blame


def test_stages_of_another_window_than_the_differing_one_prove_nothing() -> None:
    found = verdict(DIFFERS, stages=stages(stage(1, "input features", FEATURES), stage(1, "network input", INPUT)))
    assert (found.first_stage, found.part) == (None, None)


def test_without_stages_nobody_is_blamed() -> None:
    found = verdict(DIFFERS)
    assert found.part is None and "no stages" in found.blame
    failure = failure_of(found, (), "again")
    assert failure is not None and "stages" in (failure.fix or "")


def test_a_layer_of_the_prologue_is_no_frontend() -> None:
    check = StageCheck([stage(0, "stem", FEATURES, crc32=1), stage(0, "input features", FEATURES)])
    check.take("x.wav", 0, [("input features", FEATURES), ("stem", FEATURES)])
    assert verdict(DIFFERS, stages=check.result()).part == "prologue"


def test_stages_that_differ_fail_also_where_the_outputs_agree() -> None:
    same = [(host(0, 1, 2, 3, 4), host(0, 1, 2, 3, 4))]
    found = verdict(same, stages=stages(stage(0, "input features", FEATURES, crc32=1)))
    assert not found.passed
    failure = failure_of(verdict(same, stages=stages(stage(0, "input features", FEATURES, 1))), (), "again")
    assert isinstance(failure, ProtocolError)  # its second stage never came


def test_what_is_missing_goes_before_what_differs_and_both_are_told() -> None:
    count = AgreementCount(1, scores)
    comparison = compare_windows([host(0, 1, 2, 3, 4), host(1, 1, 2, 3, 4)], [host(0, 9, 2, 3, 4)], count.take)
    failure = failure_of(Verdict(comparison, Tolerance(0, ""), count.result(), None, LABELS), ("no bye",), "again")
    assert isinstance(failure, ProtocolError)
    assert "no bye; 1 windows never came, first window 1 of x.wav; besides, 1 of 2 windows differ" in failure.line


def test_nothing_came() -> None:
    count = AgreementCount(1, scores)
    found = Verdict(compare_windows([host(0, 1)], [], count.take), Tolerance(0, ""), count.result(), None, LABELS)
    assert found.lines()[0] == "windows bit-exact 0/1"
    assert found.to_json()["score_difference"] == {"max": 0.0, "at": None}
