"""Detections in the tables of others: what a spreadsheet, Raven and BirdNET's users read."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.errors import OutputRefused, UsageError
from birdnet_deploy.report.card_names import read_manifest
from birdnet_deploy.report.outputs import Outputs, Wanted, mark_incomplete
from birdnet_deploy.report.predictions import Prediction
from birdnet_deploy.report.selections import (
    BIRDNET_HEADER,
    CSV_HEADER,
    RAVEN_HEADER,
    BirdnetTable,
    Choice,
    CsvTable,
    RavenTable,
    Timing,
    safe_cell,
    species,
)
from birdnet_deploy.support.lines import LineFile

LABELS = ("Turdus merula_Common Blackbird", '=cmd|"/c calc"!A1', "<script>alert(1)</script>", "noise")


def window(file: str = "a.wav", win: int = 0, start_s: float = 0.0, scores: tuple[float, ...] = (0.9, 0.5, 0.4, 0.1)):
    return Prediction(
        file, win, int(start_s * 8000), start_s, win + 1, "0000b001", np.zeros(4, np.int8), np.array(scores), None
    )  # fmt: skip


def rows_of(lines: list[str], delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter))


def test_a_choice_takes_the_best_labels_above_the_threshold() -> None:
    assert Choice(LABELS, 0.45, 3).of(window()) == [(LABELS[0], 0.9), (LABELS[1], 0.5)]
    assert Choice(LABELS, 0.0, 1).of(window()) == [(LABELS[0], 0.9)]
    assert Choice((), 0.0, 2).of(window(scores=(0.5, 0.5, 0.1, 0.1))) == [("class 0", 0.5), ("class 1", 0.5)]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum(A1)", "\tx", "\rx", "\nx"])
def test_no_cell_begins_as_a_formula_or_breaks_its_line(text: str) -> None:
    cell = safe_cell(text)
    assert cell[0] not in "=+-@\t\r\n"
    assert "\n" not in cell and "\t" not in cell and "\r" not in cell


def test_f40_csv_quotes_text_and_disarms_formulas() -> None:
    lines: list[str] = []
    CsvTable(lines.append, Choice(LABELS, 0.3, 4)).add(window(file="-b, c.wav"))
    rows = rows_of(lines)
    assert tuple(rows[0]) == CSV_HEADER
    assert rows[1] == ["'-b, c.wav", "0", "0.0", "1", "0000b001", LABELS[0], "0.9"]
    assert rows[2][5] == "'" + LABELS[1]
    assert rows[3][5] == LABELS[2] and '"<script>alert(1)</script>"' in lines[3]


def test_birdnets_table_has_its_columns_and_both_names() -> None:
    lines: list[str] = []
    timing = Timing(3.0, 24_000, {"a.wav": 4.5})
    table = BirdnetTable(lines.append, Choice(LABELS, 0.8, 4), timing)
    table.add(window())
    table.add(window(win=1, start_s=3.0))
    rows = rows_of(lines)
    assert tuple(rows[0]) == BIRDNET_HEADER
    assert rows[1] == ["0.0", "3.0", "Turdus merula", "Common Blackbird", "0.9", "a.wav"]
    assert rows[2][:2] == ["3.0", "4.5"]  # not beyond the end of the recording


def test_ravens_table_counts_time_over_all_files() -> None:
    lines: list[str] = []
    table = RavenTable(lines.append, Choice(LABELS, 0.45, 4), Timing(3.0, 24_000, {"a.wav": 4.5}))
    for one in (window(), window(win=1, start_s=3.0), window("b.wav"), window("b.wav", 1, 3.0), window("c.wav")):
        table.add(one)
    rows = rows_of(lines, "\t")
    assert tuple(rows[0]) == RAVEN_HEADER
    best = [row for row in rows[1:] if row[7] == "Common Blackbird"]
    assert [row[0] for row in rows[1:]] == [str(number) for number in range(1, 11)]
    assert [(row[3], row[4], row[10], row[11]) for row in best] == [
        ("0", "3", "a.wav", "0"),
        ("3", "4.5", "a.wav", "3"),
        ("4.5", "7.5", "b.wav", "0"),  # a.wav has 4.5 s
        ("7.5", "10.5", "b.wav", "3"),
        ("10.5", "13.5", "c.wav", "0"),  # of b.wav only its last window is known
    ]
    assert best[0][5:7] == ["0", "12000"] and best[0][9] == "0.9000"
    assert rows[2][7].startswith("'=cmd")


def test_only_labels_of_birdnets_form_are_split() -> None:
    assert species("Turdus merula_Common Blackbird") == ("Turdus merula", "Common Blackbird")
    assert species("non_bird") == ("non_bird", "non_bird")
    assert species("Gibberish") == ("Gibberish", "Gibberish")


def test_files_are_touched_only_when_they_are_opened(tmp_path: Path) -> None:
    save = tmp_path / "f.jsonl"
    save.write_text("old\n")
    outputs = Outputs(Wanted(save=save), Choice(LABELS, 0.5, 1), Timing(3.0, 8000, {}), lambda line: None)
    assert save.read_text() == "old\n"
    outputs.open()
    outputs.add(window())
    assert save.read_text().count("\n") == 1 and "old" not in save.read_text()
    outputs.finish(complete=False)
    assert '"incomplete": true' in save.read_text()


def test_marking_leaves_a_file_that_cannot_be_replaced(tmp_path: Path) -> None:
    save = tmp_path / "f.jsonl"
    save.write_text('{"win": 0}\n{"win": 1}\n')
    mark_incomplete(save)
    assert save.read_text() == '{"win": 0, "incomplete": true}\n{"win": 1, "incomplete": true}\n'


def test_a_full_disk_leaves_whole_lines() -> None:
    file = LineFile(Path("/dev/full"))
    with pytest.raises(OutputRefused) as caught:
        file.write("x")
    assert caught.value.exit_code == 5
    file.close()


def test_a_manifest_leads_to_the_originals(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(
        '{"schema_version": 1, "sample_rate": 8000, "files": ['
        '{"name": "00001.WAV", "original": "x/\\u00e9.wav", "sha256": "00", "samples": 12000},'
        '{"name": "00002.WAV", "original": "y.wav", "sha256": "00"}]}'
    )
    names = read_manifest(path)
    assert names.originals == {"00001.WAV": "x/é.wav", "00002.WAV": "y.wav"}
    assert (names.sample_rate, names.file_s) == (8000, {"x/é.wav": 1.5})


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"files": [1], "sample_rate": 1}', '{"files": [], "sample_rate": "x"}',
        '{"files": [{"name": "a", "original": "b", "samples": 1}], "sample_rate": 0}', "[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_manifest_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(UsageError, match="not the manifest"):
        read_manifest(tmp_path / "m.json")
