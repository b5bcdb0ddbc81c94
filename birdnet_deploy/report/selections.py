"""Detections as tables of others: CSV, Raven's selection table, BirdNET-Analyzer's results; row by row.

Sources: Raven Pro 1.6 user's manual, "Selection tables" (tab-separated, Begin Time over all files, File Offset within
one); BirdNET-Analyzer 2, ``analyze --rtype table csv`` (column names).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from birdnet_deploy.report.predictions import Prediction
from birdnet_deploy.support.printable import printable

Write = Callable[[str], None]
CSV_HEADER = ("file", "win", "start_s", "seq", "boot", "label", "score")
RAVEN_HEADER = (
    "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)",
    "Common Name", "Species Code", "Confidence", "Begin Path", "File Offset (s)",
)  # fmt: skip
BIRDNET_HEADER = ("Start (s)", "End (s)", "Scientific name", "Common name", "Confidence", "File")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class Choice:
    """Which labels of a window are detections: at most ``top_k`` of at least ``threshold``.

    ``labels`` may be empty, the classes are numbered then.
    """

    labels: Sequence[str]
    threshold: float
    top_k: int

    def of(self, prediction: Prediction) -> list[tuple[str, float]]:
        """Gives (label, score) of the window, best first, of equal ones the first label first."""
        order = np.argsort(-prediction.scores, kind="stable")[: self.top_k]
        found = [(int(index), float(prediction.scores[index])) for index in order]
        return [(self.label(index), score) for index, score in found if score >= self.threshold]

    def label(self, index: int) -> str:
        """Gives the name of a class."""
        return self.labels[index] if index < len(self.labels) else f"class {index}"


@dataclass(frozen=True)
class Timing:
    """How long windows and files are: seconds of a window, samples a second, seconds of files where known."""

    window_s: float
    sample_rate: int
    file_s: Mapping[str, float]


def safe_cell(text: str) -> str:
    """Gives a cell that no spreadsheet takes for a formula and that stays on its line.

    Source: OWASP, "CSV Injection".
    """
    text = printable(text)
    return f"'{text}" if text.startswith(_FORMULA) else text


class CsvTable:
    """One line a detection, with the window's place."""

    def __init__(self, write: Write, choice: Choice) -> None:
        self._write, self._choice = write, choice
        write(_csv_line(CSV_HEADER))

    def add(self, prediction: Prediction) -> None:
        """Writes the detections of a window."""
        where = (safe_cell(prediction.file), prediction.win, prediction.start_s, prediction.seq, prediction.boot)
        for label, score in self._choice.of(prediction):
            self._write(_csv_line((*where, safe_cell(label), round(score, 6))))


class BirdnetTable:
    """BirdNET-Analyzer's CSV results."""

    def __init__(self, write: Write, choice: Choice, timing: Timing) -> None:
        self._write, self._choice, self._timing = write, choice, timing
        write(",".join(BIRDNET_HEADER))

    def add(self, prediction: Prediction) -> None:
        """Writes the detections of a window."""
        end_s = _end_s(prediction, self._timing)
        for label, score in self._choice.of(prediction):
            names = (safe_cell(name) for name in species(label))
            self._write(_csv_line((prediction.start_s, end_s, *names, round(score, 4), safe_cell(prediction.file))))


class RavenTable:
    """Raven's selection table. Files follow each other on its time line in the order in which they came."""

    def __init__(self, write: Write, choice: Choice, timing: Timing) -> None:
        self._write, self._choice, self._timing = write, choice, timing
        self._rows = 0
        self._file, self._begin_s, self._length_s = "", 0.0, 0.0
        self._begins: dict[str, float] = {}
        write("\t".join(RAVEN_HEADER))

    def add(self, prediction: Prediction) -> None:
        """Writes the detections of a window."""
        end_s = _end_s(prediction, self._timing)
        begin_s = self._begin_of(prediction.file, end_s)
        high = self._timing.sample_rate // 2
        for label, score in self._choice.of(prediction):
            self._rows += 1
            name = safe_cell(species(label)[1])
            cells = (
                self._rows, "Spectrogram 1", 1, _seconds(begin_s + prediction.start_s), _seconds(begin_s + end_s), 0,
                high, name, safe_cell(label), f"{score:.4f}", safe_cell(prediction.file),
                _seconds(prediction.start_s),
            )  # fmt: skip
            self._write("\t".join(map(str, cells)))

    def _begin_of(self, file: str, end_s: float) -> float:
        if file not in self._begins:
            self._begins[file] = self._begin_s = self._begin_s + self._length_s
            self._file, self._length_s = file, 0.0
        if file == self._file:
            self._length_s = self._timing.file_s.get(file, max(self._length_s, end_s))
        return self._begins[file]


def species(label: str) -> tuple[str, str]:
    """Gives (scientific, common) of a label ``Scientific name_Common name``; of any other label twice itself."""
    scientific, separator, common = label.partition("_")
    both = separator and " " in scientific and common
    return (scientific, common) if both else (label, label)


def _end_s(prediction: Prediction, timing: Timing) -> float:
    end_s = prediction.start_s + timing.window_s
    return min(end_s, timing.file_s.get(prediction.file, end_s))


def _seconds(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _csv_line(cells: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="").writerow(cells)
    return text.getvalue()
