"""Device against host, what is saved, and what is shown."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.errors import OutputRefused
from birdnet_deploy.report.compare import Comparison, HostWindow, compare_windows, host_windows
from birdnet_deploy.report.predictions import Prediction, best_labels, file_results, write_predictions
from birdnet_deploy.report.tables import (
    comparison_json,
    file_json,
    plain_table,
    rich_table,
    summary_lines,
    table_rows,
    totals,
)

LABELS = ("Anas", "Parus [red]major[/]", "Turdus")


@dataclass(frozen=True)
class Window:
    file: str
    win: int
    start: int
    outputs: np.ndarray


def window(win: int, *outputs: int, file: str = "00001.WAV", start: int | None = None) -> Window:
    return Window(file, win, 400 * win if start is None else start, np.array(outputs, dtype=np.int8))


def host(win: int, *outputs: int, file: str = "00001.WAV") -> HostWindow:
    return HostWindow(file, win, 400 * win, np.array(outputs, dtype=np.int8))


HOST = [host(0, 1, 2, 3), host(1, 4, 5, 6), host(0, 7, 8, 9, file="00002.WAV")]
DEVICE = [window(0, 1, 2, 3), window(1, 4, 5, 6), window(0, 7, 8, 9, file="00002.WAV")]


def test_equal_windows_are_bit_exact_in_any_order() -> None:
    comparison = compare_windows(HOST, reversed(DEVICE))
    assert comparison == Comparison(3, 3, (), (), ())
    assert comparison.line == "windows bit-exact 3/3"
    assert comparison.max_lsb == 0


def test_a_differing_window_is_told_with_its_size() -> None:
    comparison = compare_windows(HOST, [DEVICE[0], window(1, 4, 127, -6), DEVICE[2]])
    assert comparison.line == "windows bit-exact 2/3"
    (difference,) = comparison.differences
    assert (difference.file, difference.win, difference.start) == ("00001.WAV", 1, 400)
    assert (difference.values, difference.max_lsb) == (2, 122)


def test_the_greatest_possible_difference_does_not_wrap() -> None:
    comparison = compare_windows([host(0, -128)], [window(0, 127)])
    assert comparison.max_lsb == 255


def test_missing_and_unexpected_windows_are_listed() -> None:
    comparison = compare_windows(HOST, [DEVICE[0], window(2, 0, 0, 0), window(1, 4, 5, 6, start=401)])
    assert comparison.line == "windows bit-exact 1/3"
    assert comparison.missing == (("00001.WAV", 1, 400), ("00002.WAV", 0, 0))
    assert comparison.unexpected == (("00001.WAV", 1, 401), ("00001.WAV", 2, 800))
    assert comparison_json(comparison) == {
        "expected": 3, "exact": 1, "differing": 0, "missing": 2, "unexpected": 2, "max_lsb": 0,
    }  # fmt: skip


def test_a_window_that_came_twice_is_exact_only_if_both_are() -> None:
    assert compare_windows([HOST[0]], [DEVICE[0], DEVICE[0]]).exact == 1
    assert compare_windows([HOST[0]], [DEVICE[0], window(0, 1, 2, 4)]).exact == 0


def test_nothing_expected_and_nothing_sent() -> None:
    assert compare_windows([], []).line == "windows bit-exact 0/0"


def test_host_windows_cover_a_recording_as_the_contract_says() -> None:
    pcm = np.arange(25, dtype=np.int16)
    seen: list[list[int]] = []

    def quantized(samples: np.ndarray) -> np.ndarray:
        seen.append(samples.tolist())
        return (samples[:2] % 128).astype(np.int8)

    found = list(host_windows("00003.WAV", pcm, 10, quantized, lambda inputs: inputs + 1))
    assert [(item.win, item.start) for item in found] == [(0, 0), (1, 5), (2, 10), (3, 15)]
    assert seen[3] == list(range(15, 25))
    assert [item.outputs.tolist() for item in found] == [[1, 2], [6, 7], [11, 12], [16, 17]]
    assert {item.file for item in found} == {"00003.WAV"}


def prediction(file: str, win: int, *scores: float, start_s: float | None = None) -> Prediction:
    return Prediction(
        file=file, win=win, start=4000 * win, start_s=win * 0.5 if start_s is None else start_s, seq=win + 1,
        boot="0000b001", outputs=np.array([1, -2, 3], dtype=np.int8), scores=np.array(scores), us=None,
    )  # fmt: skip


def test_saved_lines_hold_what_scripts_need(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    third = 1 / 3
    write_predictions(path, [prediction("a é/b.wav", 1, third, 0.25, 0.5, start_s=third)], complete=True)
    (line,) = path.read_bytes().splitlines()
    assert json.loads(line) == {
        "file": "a é/b.wav", "start_s": third, "win": 1, "start": 4000, "seq": 2, "boot": "0000b001",
        "outputs": [1, -2, 3], "scores": [third, 0.25, 0.5], "us": None,
    }  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["p.jsonl"]


def test_partial_predictions_are_marked(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    write_predictions(path, [prediction("a", 0, 0.0, 0.0, 0.0)] * 2, complete=False)
    assert [json.loads(line)["incomplete"] for line in path.read_text().splitlines()] == [True, True]


def test_a_failure_while_saving_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text("old\n")
    with pytest.raises(ValueError, match="JSON"):
        write_predictions(path, [prediction("a", 0, float("nan"), 0.0, 0.0)], complete=True)
    with pytest.raises(OutputRefused):
        write_predictions(tmp_path / "no/such/folder.jsonl", [], complete=True)
    assert path.read_text() == "old\n"
    assert [path.name for path in tmp_path.iterdir()] == ["p.jsonl"]


def test_a_file_is_pooled_by_the_greatest_score_of_each_label() -> None:
    windows = [prediction("a", 0, 0.2, 0.9, 0.1), prediction("a", 1, 0.5, 0.9, 0.0), prediction("a", 2, 0.4, 0.1, 0.3)]
    best = best_labels(windows, LABELS, 3)
    assert [(found.label, found.score, found.start_s) for found in best] == [
        (LABELS[1], 0.9, 0.0), (LABELS[0], 0.5, 0.5), (LABELS[2], 0.3, 1.0),
    ]  # fmt: skip
    assert best_labels(windows, LABELS, 1) == best[:1]


def results(top_k: int = 2) -> tuple:
    files = [("x/1.wav", LABELS[0]), ("x/2.wav", LABELS[0]), ("y\x1b[2J.wav", None), ("x/none.wav", LABELS[2])]
    windows = [
        prediction("x/1.wav", 0, 0.8, 0.3, 0.1), prediction("x/2.wav", 0, 0.1, 0.7, 0.2),
        prediction("y\x1b[2J.wav", 0, 0.0, 0.0, 0.05, start_s=1.5),
    ]  # fmt: skip
    return file_results(files, windows, LABELS, top_k)


def test_rows_show_true_and_predicted_label_score_time_and_mark() -> None:
    rows = table_rows(results(1), None)
    assert rows == [  # worst first
        ("x/2.wav", "Anas", LABELS[1], "0.700", "0.00 s", "✗"),
        ("x/none.wav", "Turdus", "nothing came", "", "", ""),
        ("y\\x1b[2J.wav", "", "Turdus", "0.050", "1.50 s", ""),
        ("x/1.wav", "Anas", "Anas", "0.800", "0.00 s", "✓"),
    ]


def test_the_threshold_hides_detections_but_no_file() -> None:
    rows = table_rows(results(2), 0.25)
    assert [row[2] for row in rows] == [LABELS[1], "nothing came", "none of 0.25 or more", "Anas", LABELS[1]]
    assert rows[4][:2] == ("", "")
    assert [len(file_json(file, 0.25)["detections"]) for file in results(2)] == [2, 1, 0, 0]


def test_totals_count_labelled_files_only_and_missing_ones_as_wrong() -> None:
    sums = totals(results())
    assert (sums.files, sums.windows, sums.labelled, sums.right) == (4, 3, 3, 1)
    lines = summary_lines(sums, 2, compare_windows(HOST, DEVICE))
    assert lines[:3] == ["4 files, 3 windows, 2 unreadable recordings skipped", "top-1 1/3", "windows bit-exact 3/3"]
    assert "emulated" in lines[-1]


def test_the_summary_names_the_first_difference() -> None:
    comparison = compare_windows(HOST, [window(0, 1, 2, 9), DEVICE[1], DEVICE[2]])
    lines = summary_lines(totals(()), 0, comparison)
    assert "windows bit-exact 2/3" in lines
    assert any("window 0 of 00001.WAV" in line and "6 LSB" in line for line in lines)


def test_the_plain_table_is_aligned() -> None:
    lines = plain_table(table_rows(results(1), None)).splitlines()
    assert lines[0].split() == ["file", "true", "label", "predicted", "label", "score", "time", "right"]
    assert len({line.index("0.") + 5 for line in lines[1:] if "nothing" not in line}) == 1
    assert plain_table([]).startswith("file")


def test_names_are_no_markup_on_a_terminal() -> None:
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=120, force_terminal=True, color_system="truecolor").print(
        rich_table(table_rows(results(1), None))
    )
    assert "Parus [red]major[/]" in out.getvalue()
    assert "\x1b[2J" not in out.getvalue()
