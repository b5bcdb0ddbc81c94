"""Ground truth: the label files that people write, read and matched to windows by overlap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.errors import LabelsError
from birdnet_deploy.evaluation.label_files import Annotation, read_annotations
from birdnet_deploy.evaluation.labels import FileTruth, Names, Truth
from birdnet_deploy.report.predictions import Prediction
from birdnet_deploy.report.selections import BirdnetTable, Choice, CsvTable, RavenTable, Timing

LABELS = ("Turdus merula_Common Blackbird", "Parus major_Great Tit", "=odd", "Noise")
RAVEN = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tAnnotation\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def truth(root: Path, *files: Path, strict: bool = False) -> Truth:
    return Truth(LABELS, root, files, window_s=3.0, strict=strict)


def test_csv_rows_are_labels_of_files_or_of_seconds(tmp_path: Path) -> None:
    path = write(
        tmp_path / "l.csv", "\ufefffile,start,end,label\r\na.wav,,,Noise\r\na.wav,1.5,2,Great Tit\r\nb.wav,,,\r\n"
    )
    assert read_annotations(path) == [
        Annotation("a.wav", ("Noise",)),
        Annotation("a.wav", ("Great Tit",), 1.5, 2.0),
        Annotation("b.wav", ()),
    ]


@pytest.mark.parametrize("text", ["file;labels\na.wav;x\n", "file\tlabels\na.wav\tx\n", "path,labels\na.wav,x\n"])
def test_csv_may_have_other_delimiters(tmp_path: Path, text: str) -> None:
    assert read_annotations(write(tmp_path / "l.csv", text)) == [Annotation("a.wav", ("x",))]


def test_several_labels_may_stand_in_one_cell(tmp_path: Path) -> None:
    found = truth(tmp_path, write(tmp_path / "l.csv", "file,labels\na.wav,Great Tit; Noise\n")).of("a.wav")
    assert found == FileTruth(frozenset([1, 3]))


def test_raven_writes_a_selection_for_each_view(tmp_path: Path) -> None:
    text = RAVEN + "1\tWaveform 1\t1\t0.5\t1.5\t0\t4000\tNoise\n1\tSpectrogram 1\t1\t0.5\t1.5\t0\t4000\tNoise\n"
    assert read_annotations(write(tmp_path / "a.txt", text)) == [Annotation(None, ("Noise",), 0.5, 1.5)]


def test_raven_times_count_within_the_file(tmp_path: Path) -> None:
    text = (
        "Selection\tBegin Time (s)\tEnd Time (s)\tBegin File\tFile Offset (s)\tSpecies\n"
        "1\t61\t63.5\tb.wav\t1\tGreat Tit\n"
    )
    assert read_annotations(write(tmp_path / "a.txt", text)) == [Annotation("b.wav", ("Great Tit",), 1.0, 3.5)]


def test_audacity_lines_of_frequencies_and_points(tmp_path: Path) -> None:
    text = "1.0\t2.5\tNoise\n\\\t1000.0\t-1.0\n4,25\t4,25\tGreat Tit\n"
    assert read_annotations(write(tmp_path / "a.txt", text)) == [
        Annotation(None, ("Noise",), 1.0, 2.5),
        Annotation(None, ("Great Tit",), 4.25, 4.25),
    ]


@pytest.mark.parametrize("table", ["csv", "raven", "birdnet"])
def test_our_own_tables_are_read_back(tmp_path: Path, table: str) -> None:
    choice, timing, lines = Choice(LABELS, 0.3, 4), Timing(3.0, 8000, {"a.wav": 4.5, "b.wav": 3.0}), list[str]()
    writer = {
        "csv": lambda: CsvTable(lines.append, choice),
        "raven": lambda: RavenTable(lines.append, choice, timing),
        "birdnet": lambda: BirdnetTable(lines.append, choice, timing),
    }[table]()
    for file, start_s, best in (("a.wav", 0.0, 0), ("a.wav", 1.5, 2), ("b.wav", 0.0, 1)):
        scores = np.full(len(LABELS), 0.1)
        scores[best] = 0.9
        writer.add(Prediction(file, 0, 0, start_s, 1, "0000b001", np.zeros(4, np.int8), scores, None))
    path = write(tmp_path / ("t.txt" if table == "raven" else "t.csv"), "\n".join(lines) + "\n")
    found = truth(tmp_path, path)
    assert found.of("a.wav") == FileTruth(frozenset([0, 2]), ((0, 0.0, 3.0), (2, 1.5, 4.5)))
    assert found.of("b.wav") == FileTruth(frozenset([1]), ((1, 0.0, 3.0),))


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("l.csv", "file,start,end,label\na.wav,2,1,Noise\n", "l.csv:2: ends at 1 before it starts at 2"),
        ("l.csv", "file,start,end,label\na.wav,x,1,Noise\n", "l.csv:2: 'x' is no time"),
        ("l.csv", "file,start,end,label\na.wav,nan,1,Noise\n", "l.csv:2: 'nan' is no time"),
        ("l.csv", "file,start,end,label\na.wav,-1,1,Noise\n", "l.csv:2: '-1' is no time"),
        ("l.csv", "file,label\na.wav,Noise,more\n", "l.csv:2: 3 cells under 2 headings"),
        ("l.csv", "file,what\na.wav,Noise\n", "no column for the label among file, what"),
        ("l.csv", "label,what\nNoise,x\n", "no column for the file or the time"),
        ("l.txt", "just a note\n", "no column for the label"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, name: str, text: str, says: str) -> None:
    with pytest.raises(LabelsError) as told:
        read_annotations(write(tmp_path / name, text))
    assert says in told.value.line


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_bytes(b"file,label\n\xff\xfe,x\n")
    with pytest.raises(LabelsError, match="not UTF-8"):
        read_annotations(path)
    with pytest.raises(LabelsError, match="cannot be read"):
        read_annotations(tmp_path / "missing.csv")


def test_names_mean_a_class_by_label_or_by_half_of_it() -> None:
    names = Names((*LABELS, "Parus major_Other Tit"))
    assert names.index(["parus MAJOR_great tit"]) == 1
    assert names.index(["Great Tit"]) == 1
    assert names.index(["Turdus merula"]) == 0
    assert names.index(["Parus major"]) is None, "two classes have that name"
    assert names.index(["unknown", "Noise"]) == 3


def test_windows_have_the_labels_that_they_overlap() -> None:
    #  class 0 from 0 to 1 s; class 1 from 2.8 to 3.0 s (0.2 s long); class 3 at 5 s (a point)
    found = FileTruth(frozenset([0, 1, 3]), ((0, 0.0, 1.0), (1, 2.8, 3.0), (3, 5.0, 5.0), (None, 0.0, 9.0)))
    assert found.of_window(0.0, 3.0) == {0, 1}  # all of class 1, though it is shorter than 0.5 s
    assert found.of_window(0.4, 3.4) == {0, 1}  # 0.6 s of class 0
    assert found.of_window(0.6, 3.6) == {1}  # 0.4 s of class 0
    assert found.of_window(2.9, 5.9) == {3}  # half of class 1
    assert found.of_window(5.0, 8.0) == {3}
    assert found.of_window(2.0, 5.0) == {1}  # the end belongs to the next
    assert FileTruth(frozenset([0])).of_window(0.0, 3.0) is None


def test_sources_count_in_order_and_folders_name_a_class(tmp_path: Path) -> None:
    write(tmp_path / "Noise" / "a.wav", "")
    write(tmp_path / "Noise" / "b.Table.1.selections.txt", RAVEN + "1\tS 1\t1\t0\t3\t0\t1\tGreat Tit\n")
    write(tmp_path / "Noise" / "c.wav.txt", "0\t1\tCommon Blackbird\n")
    found = truth(tmp_path, write(tmp_path / "l.csv", "file,label\nNoise/d.wav,Turdus merula\n"))
    assert found.of("Noise/a.wav") == FileTruth(frozenset([3]))
    assert found.of("Noise/b.wav") == FileTruth(frozenset([1]), ((1, 0.0, 3.0),))
    assert found.of("Noise/c.wav") == FileTruth(frozenset([0]), ((0, 0.0, 1.0),))
    assert found.of("Noise/d.wav") == FileTruth(frozenset([0]))
    assert found.of("elsewhere/a.wav") is None
    assert (found.coverage.unlabelled, found.named) == (1, 1)


def test_an_empty_table_says_that_nothing_is_there(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "")
    assert truth(tmp_path).of("a.wav") == FileTruth(frozenset(), ())


def test_tables_may_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "tables" / "night" / "a.txt", "0\t1\tNoise\n")
    assert truth(tmp_path, tmp_path / "tables").of("night/a.wav") == FileTruth(frozenset([3]), ((3, 0.0, 1.0),))


def test_labels_that_the_model_lacks_are_counted(tmp_path: Path) -> None:
    text = "file,start,end,label\na.wav,0,1,Owl\nb.wav,0,1,Owl\nb.wav,4,5,Noise\n"
    found = truth(tmp_path, write(tmp_path / "l.csv", text))
    assert found.of("a.wav") is None, "its labels may only be written in another way"
    assert found.of("b.wav") == FileTruth(frozenset([3]), ((None, 0.0, 1.0), (3, 4.0, 5.0)))
    assert dict(found.coverage.unknown) == {"Owl": 2}
    assert found.coverage.only_unknown == 1


def test_a_label_file_below_the_archive_names_its_neighbours(tmp_path: Path) -> None:
    write(tmp_path / "site" / "a.wav", "")
    path = write(tmp_path / "site" / "l.csv", f"file,label\na.wav,Noise\n{tmp_path}/site/b.wav,Great Tit\n")
    found = truth(tmp_path, path)
    assert found.of("site/a.wav") == FileTruth(frozenset([3]))
    assert found.of("site/b.wav") == FileTruth(frozenset([1]))


def test_names_may_be_composed_or_not(tmp_path: Path) -> None:
    path = write(tmp_path / "l.csv", "file,label\ne\u0301te\u0301.wav,Noise\n")
    assert truth(tmp_path, path).of("\u00e9t\u00e9.wav") == FileTruth(frozenset([3]))


def test_a_broken_table_is_counted_and_fatal_where_strict(tmp_path: Path) -> None:
    write(tmp_path / "Noise" / "a.txt", "a note of somebody\n")
    found = truth(tmp_path)
    assert found.of("Noise/a.wav") == FileTruth(frozenset([3])), "the folder still says what it is"
    assert found.coverage.broken_tables == 1
    assert "Noise/a.txt" in found.coverage.broken[0]
    with pytest.raises(LabelsError):
        truth(tmp_path, strict=True).of("Noise/a.wav")
