"""Figures of an evaluation, on six windows that are computed by hand, and held to scikit-learn on random ones."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_score, recall_score, roc_auc_score

from birdnet_deploy.errors import CheckFailed
from birdnet_deploy.evaluation.intervals import Bootstrap, bounds, ratios, resamples
from birdnet_deploy.evaluation.labels import Truth
from birdnet_deploy.evaluation.levels import Level, measure_level
from birdnet_deploy.evaluation.metrics import Ranked, measure_names, measures, pool
from birdnet_deploy.evaluation.results import EngineWindows, FileResult
from birdnet_deploy.evaluation.summary import SummaryOptions, summarise
from birdnet_deploy.evaluation.summary_text import summary_lines
from birdnet_deploy.support.jsonfile import dumps

LABELS = ("A", "B")
# Three recordings of two windows of one second: float and int8 scores of A and B.
FLOAT = {
    "1.wav": [(0.8, 0.2), (0.6, 0.4)],  # mean 0.7, 0.3
    "2.wav": [(0.4, 0.5), (0.2, 0.9)],  # mean 0.3, 0.7
    "3.wav": [(0.6, 0.1), (0.4, 0.3)],  # mean 0.5, 0.2
}
INT8 = {
    "1.wav": [(0.8, 0.2), (0.4, 0.5)],  # mean 0.6, 0.35
    "2.wav": [(0.4, 0.5), (0.2, 0.9)],  # as float
    "3.wav": [(0.5, 0.3), (0.5, 0.5)],  # mean 0.5, 0.4
}
TRUTH = "file,start,end,label\n1.wav,0,1,A\n2.wav,0,2,B\n3.wav,1,2,B\n"


def result(file: str, **engines: list[tuple[float, ...]]) -> FileResult:
    found = tuple(
        EngineWindows(
            name.replace("_", "-"), "xnnpack", np.rint(100 * np.array(scores)).astype(np.int8),
            np.array(scores, np.float32), np.array(scores, np.float32),
        )
        for name, scores in engines.items()
    )  # fmt: skip
    starts = np.arange(len(next(iter(engines.values()))), dtype=np.float64)
    return FileResult(file, "0" * 64, "ok", "", 1, 8000, 1, len(starts) * 1.0, starts, found)


def truth(tmp_path: Path, text: str = TRUTH, labels: tuple[str, ...] = LABELS) -> Truth:
    (tmp_path / "l.csv").write_text(text, encoding="utf-8")
    return Truth(labels, tmp_path, [tmp_path / "l.csv"], window_s=1.0)


def six_windows(tmp_path: Path) -> dict[str, Any]:
    options = SummaryOptions(window_s=1.0, pooling="mean", thresholds=(0.5,))
    results = [result(file, float=FLOAT[file], int8=INT8[file]) for file in FLOAT]
    return summarise(results, truth(tmp_path), options).data


def near(value: float) -> Any:
    return pytest.approx(value, abs=5e-5)  # figures are reported with four digits


def test_six_windows_by_file(tmp_path: Path) -> None:
    found = six_windows(tmp_path)["by_file"]
    wanted, got = found["engines"]["float"], found["engines"]["int8"]
    # A: 0.7 is the only positive, above 0.5 and 0.3.
    assert wanted["classes"]["A"]["average_precision"]["value"] == 1
    assert wanted["classes"]["A"]["roc_auc"]["value"] == 1
    # B: file 2 (0.7, B), file 1 (0.3), file 3 (0.2, B): 1/2 * 1/1 + 1/2 * 2/3 = 5/6; one of two pairs is in order.
    assert wanted["classes"]["B"]["average_precision"]["value"] == near(5 / 6)
    assert wanted["classes"]["B"]["roc_auc"]["value"] == 0.5
    assert wanted["classes"]["B"]["positives"] == 2
    assert wanted["macro"]["average_precision"]["value"] == near((1 + 5 / 6) / 2)
    assert wanted["macro"]["roc_auc"]["value"] == 0.75
    # Best class: A, B, A of A, B, B.
    assert wanted["top1"]["value"] == near(2 / 3)
    # At 0.5: A is found in 1 and 3 (0.5 counts): 1 of 2 right, 1 of 1 found. B in 2: 1 of 1 right, 1 of 2 found.
    assert [wanted["classes"][c][m]["value"] for c in "AB" for m in ("precision@0.5", "recall@0.5")] == [0.5, 1, 1, 0.5]
    assert wanted["macro"]["precision@0.5"]["value"] == 0.75
    # int8 puts file 3 (0.4) before file 1 (0.35): B is in order.
    assert got["classes"]["B"]["average_precision"]["value"] == 1
    assert got["macro"]["roc_auc"]["value"] == 1
    assert got["top1"]["value"] == near(2 / 3)


def test_six_windows_in_differences_with_intervals(tmp_path: Path) -> None:
    found = six_windows(tmp_path)["by_file"]
    (change,) = found["differences"]
    assert (change["from"], change["to"]) == ("float", "int8")
    assert change["macro"]["average_precision"]["value"] == near(1 / 12)
    assert change["macro"]["roc_auc"]["value"] == 0.25
    # 27 draws of three files are equally likely. float and int8 differ where 1 and 3 are both drawn: 1, 1, 3 (3 of
    # 27): B is 1/3 for 1, the macro differs by 1/3; 1, 3, 3 (3): 2/3 for 1, by 1/6; 1, 2, 3 (6): by 1/12; else by 0.
    # 2.5 % is 0 and 97.5 % is 1/3, as 1, 1, 3 comes in 11 %.
    assert change["macro"]["average_precision"] == {"value": near(1 / 12), "low": 0, "high": near(1 / 3)}
    # The same files are right in every draw.
    assert change["top1"] == {"value": 0, "low": 0, "high": 0}
    # File 3, the wrong one, is drawn k times in (8, 12, 6, 1) of 27 draws: 3 times in 3.7 %, never in 30 %.
    assert found["engines"]["float"]["top1"] == {"value": near(2 / 3), "low": 0, "high": 1}


def test_six_windows_by_window(tmp_path: Path) -> None:
    found = six_windows(tmp_path)["by_window"]
    wanted = found["engines"]["float"]
    assert (found["rows"], found["recordings"]) == (6, 3)
    # A is in the first window of 1 only, which has the best score of all.
    assert wanted["classes"]["A"]["average_precision"]["value"] == 1
    # B: 0.9 B, 0.5 B, 0.4, 0.3 B, 0.2, 0.1: (1/1 + 2/2 + 3/4) / 3; of nine pairs one is not in order.
    assert wanted["classes"]["B"]["average_precision"]["value"] == near((1 + 1 + 3 / 4) / 3)
    assert wanted["classes"]["B"]["roc_auc"]["value"] == near(8 / 9)
    # Four windows have a label; the last one of 3 says A.
    assert wanted["top1"]["value"] == 0.75


def test_six_windows_agree(tmp_path: Path) -> None:
    (found,) = six_windows(tmp_path)["agreement"]
    # Best classes: float A A B B A A, int8 A B B B A A (of a tie the first): five of six.
    assert found["top1"]["value"] == near(5 / 6)
    assert found["confident"]["windows"] == 6
    # Best float scores: 0.8 0.6 (other) 0.5 0.9 0.6 0.4.
    assert [(b["windows"], b["top1"]["value"]) for b in found["by_confidence"]] == [
        (0, None), (0, None), (2, 1), (4, 0.75), (0, None),
    ]  # fmt: skip
    # Three windows are the same; (0.6, 0.4) with (0.4, 0.5): 0.44 / sqrt(0.52 * 0.41); (0.6, 0.1) with (0.5, 0.3):
    # 0.33 / sqrt(0.37 * 0.34); (0.4, 0.3) with (0.5, 0.5): 0.35 / sqrt(0.25 * 0.5).
    unlike = [0.44 / math.sqrt(0.52 * 0.41), 0.33 / math.sqrt(0.37 * 0.34), 0.35 / math.sqrt(0.25 * 0.5)]
    assert found["cosine"]["value"] == near((3 + sum(unlike)) / 6)
    assert found["cosine"]["min"] == near(0.33 / math.sqrt(0.37 * 0.34))
    # Outputs are 100 times the scores: three windows of six are the same, (60, 40) and (40, 50) differ by 20, which is
    # as much as (60, 10) and (50, 30), and (40, 30) and (50, 50).
    assert found["outputs"]["equal"]["value"] == 0.5
    assert found["outputs"]["max_steps"] == 20


def test_pooling_of_two_windows() -> None:
    windows = np.array(FLOAT["1.wav"])
    assert pool(windows, "max").tolist() == [0.8, 0.4]
    assert pool(windows, "mean") == pytest.approx([0.7, 0.3])
    # log((e^0.8 + e^0.6) / 2) = log((2.225541 + 1.822119) / 2) = log(2.023830)
    assert pool(windows, "lme", 1.0)[0] == pytest.approx(0.704992, abs=1e-6)
    # 0.8 + log((1 + e^-2) / 2) / 10 = 0.8 + log(0.5676676) / 10
    assert pool(windows, "lme", 10.0)[0] == pytest.approx(0.743378, abs=1e-6)
    assert pool(windows, "lme", 1000.0)[0] == pytest.approx(0.8 - math.log(2) / 1000)
    assert pool(windows[:1], "lme").tolist() == [0.8, 0.2]


@pytest.mark.parametrize("seed", range(6))
def test_resamples_have_the_figures_of_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows, recordings = 60, 17
    units = np.sort(random.integers(0, recordings, rows))
    marks = random.random(rows) < (0.1, 0.5, 0.9)[seed % 3]
    marks[:2] = True, False
    scores = np.round(random.random(rows), 1 if seed % 2 else 7).astype(np.float32)  # many ties, or none
    thresholds = (0.0, 0.5, 0.7, 2.0)
    drawn = next(resamples(recordings, Bootstrap(12, seed)))
    drawn[units[:2], :] += 1  # a positive and a negative row are in
    found = Ranked(marks, scores, units, thresholds).figures(drawn)
    for column in range(drawn.shape[1]):
        weights = drawn[units, column]
        hits = [scores >= np.float32(threshold) for threshold in thresholds]
        options: dict[str, Any] = {"sample_weight": weights}
        wanted = [
            average_precision_score(marks, scores, **options),
            roc_auc_score(marks, scores, **options),
            *(precision_score(marks, hit, zero_division=np.nan, **options) for hit in hits),
            *(recall_score(marks, hit, **options) for hit in hits),
        ]
        assert found[:, column] == pytest.approx(wanted, nan_ok=True)
    once = Ranked(marks, scores, units, thresholds).figures(np.ones((recordings, 1), np.int32))
    assert once[:, 0] == pytest.approx(measures(marks, scores, thresholds), nan_ok=True)


def test_figures_without_meaning() -> None:
    names = measure_names((0.5,))
    scores = np.array([0.2, 0.9], np.float32)
    nothing = dict(zip(names, measures(np.array([False, False]), scores, (0.5,)), strict=True))
    assert all(math.isnan(value) for value in nothing.values())
    everything = dict(zip(names, measures(np.array([True, True]), scores, (0.5,)), strict=True))
    assert math.isnan(everything["roc_auc"])
    assert (everything["average_precision"], everything["precision@0.5"], everything["recall@0.5"]) == (1, 1, 0.5)
    silent = dict(zip(names, measures(np.array([True, False]), scores, (0.95,)), strict=True))
    assert math.isnan(silent["precision@0.5"]) and silent["recall@0.5"] == 0
    same = dict(zip(names, measures(np.array([True, False]), np.full(2, 0.5, np.float32), (0.5,)), strict=True))
    assert (same["average_precision"], same["roc_auc"]) == (0.5, 0.5)
    drawn = np.array([[1, 0, 2], [1, 2, 0]], np.int32)  # in the second and third resample one kind is missing
    found = Ranked(np.array([True, False]), scores, np.array([0, 1]), (0.5,)).figures(drawn)
    assert found[0] == pytest.approx([0.5, math.nan, 1.0], nan_ok=True)
    assert found[1] == pytest.approx([0.0, math.nan, math.nan], nan_ok=True)


def test_classes_without_positives_are_left_out(tmp_path: Path) -> None:
    results = [result("a.wav", float=[(0.9, 0.1, 0.8)]), result("b.wav", float=[(0.2, 0.7, 0.9)])]
    labels = ("A", "B", "C")
    text = "file,label\na.wav,A\nb.wav,B\n"
    found = summarise(results, truth(tmp_path, text, labels), SummaryOptions(window_s=1.0)).data
    assert set(found["by_file"]["engines"]["float"]["classes"]) == {"A", "B"}
    assert found["by_file"]["engines"]["float"]["macro"]["average_precision"]["value"] == 1
    assert found["by_file"]["engines"]["float"]["top1"]["value"] == 0.5, "C is best in b.wav"
    assert found["by_file"]["differences"] == []
    assert found["agreement"] == []
    assert found["by_window"] is None


def test_a_model_of_one_class(tmp_path: Path) -> None:
    results = [result("a.wav", float=[(0.9,)], int8=[(0.8,)]), result("b.wav", float=[(0.2,)], int8=[(0.85,)])]
    found = summarise(results, truth(tmp_path, "file,label\na.wav,A\nb.wav,\n", ("A",)), SummaryOptions(1.0)).data
    assert found["by_file"]["engines"]["int8"]["macro"]["roc_auc"]["value"] == 0
    assert found["by_file"]["engines"]["int8"]["top1"]["value"] == 1, "files without a label have no best class"
    assert found["agreement"][0]["top1"]["value"] == 1


def test_nothing_labelled_and_nothing_readable(tmp_path: Path) -> None:
    broken = FileResult("x.wav", "", "unreadable", "no sound", 1, 0, 0, 0.0, np.empty(0), ())
    found = summarise([broken], truth(tmp_path), SummaryOptions(1.0))
    assert found.data["files"] == {"unreadable": 1}
    assert found.data["by_file"] is None and found.data["agreement"] == []
    found = summarise([broken, result("z.wav", float=[(0.1, 0.2)])], truth(tmp_path), SummaryOptions(1.0))
    assert (found.data["truth"]["labelled"], found.data["truth"]["unlabelled"]) == (0, 1)
    assert "1 ok, 1 unreadable; 1 windows" in summary_lines(found)[0]


def test_recordings_of_other_engines_are_refused(tmp_path: Path) -> None:
    results = [result("1.wav", float=[(0.1, 0.2)]), result("2.wav", int8=[(0.1, 0.2)])]
    with pytest.raises(CheckFailed, match=r"2\.wav: has int8"):
        summarise(results, truth(tmp_path), SummaryOptions(1.0))


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    assert dumps(six_windows(tmp_path)) == dumps(six_windows(tmp_path))


def test_a_class_that_comes_once_has_an_interval_of_the_resamples_that_have_it() -> None:
    # 1 - (1 - 1/20)^20 = 64 % of the resamples have the one recording
    scores = np.linspace(0, 1, 20, dtype=np.float32)[:, None, None]
    marks = np.zeros((20, 1), np.bool_)
    marks[10] = True
    level = Level(("float",), scores, marks, np.arange(20), 20)
    found = measure_level(level, ["A"], (), Bootstrap(500, 1))["engines"]["float"]["classes"]["A"]["average_precision"]
    assert found["value"] == pytest.approx(0.1)
    assert 0.03 < found["low"] < 0.1 < found["high"] < 0.6
    values = np.full((100, 2), np.nan)
    values[:51, 0], values[:49, 1] = 1, 1
    low, high = bounds(values)
    assert (low[0], high[0]) == (1, 1)
    assert math.isnan(low[1]) and math.isnan(high[1])


def test_intervals_hold_what_they_say() -> None:
    """Of 200 samples of 60 recordings with a share of 0.7, about 95 % of the intervals hold it."""
    random = np.random.default_rng(5)
    held = 0
    for _ in range(200):
        right = (random.random((60, 1)) < 0.7).astype(float)
        low, high = bounds(ratios(right, np.ones((60, 1)), Bootstrap(300, 3)))
        held += int(low[0] <= 0.7 <= high[0])
    assert 180 <= held <= 199


def test_blocks_and_resamples_at_once_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    scores = random.random((40, 2, 5), np.float32)
    level = Level(("float", "int8"), scores, random.random((40, 5)) < 0.3, np.arange(40) // 2, 20)
    whole = measure_level(level, "ABCDE", (0.5,), Bootstrap(100, 1))
    monkeypatch.setattr("birdnet_deploy.evaluation.levels._BLOCK_VALUES", 100)
    monkeypatch.setattr("birdnet_deploy.evaluation.intervals._DRAWS_AT_ONCE", 50)
    assert measure_level(level, "ABCDE", (0.5,), Bootstrap(100, 1)) == whole


def test_the_text_has_the_worst_class_first(tmp_path: Path) -> None:
    results = [result(file, float=FLOAT[file], int8=FLOAT[file]) for file in FLOAT]
    lines = summary_lines(summarise(results, truth(tmp_path), SummaryOptions(window_s=1.0, pooling="mean")))
    classes = lines.index("classes, worst AP of int8 first, %")
    assert lines[classes + 2].split()[:3] == ["B", "2", "83.3"]
    assert lines[classes + 3].split()[:2] == ["A", "1"]
    assert any(line.startswith("  int8 - float") and "+0.0 (+0.0 .. +0.0)" in line for line in lines)
