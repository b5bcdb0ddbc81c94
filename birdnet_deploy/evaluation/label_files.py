"""Label files that people write: CSV, Raven's selection tables, Audacity's label tracks -> one annotation a line.

Sources: Raven Pro 1.6 user's manual, "Selection tables" (tab-separated, a line for each selection and view, Begin Time
over all files that are open, File Offset within one); Audacity manual, "Importing and Exporting Labels" (start, end,
text; a second line that begins with a backslash holds frequencies); BirdNET-Analyzer 2 (column names).
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from birdnet_deploy.errors import LabelsError
from birdnet_deploy.support.inputs import read_input_text

FILE_HEADINGS = ("file", "filename", "file_name", "begin path", "begin file", "path", "recording")
LABEL_HEADINGS = (
    "label", "labels", "annotation", "species code", "scientific name", "common name", "species", "primary_label",
)  # fmt: skip
_START = ("file offset (s)", "start", "start_s", "start (s)", "start_time", "begin time (s)", "offset_s")
_END = ("end", "end_s", "end (s)", "end_time", "end time (s)")
_RAVEN_BEGIN, _RAVEN_END, _RAVEN_OFFSET = "begin time (s)", "end time (s)", "file offset (s)"
_DISARMED = re.compile(r"^'(?=[=+\-@])")  # what report/selections.py puts before a cell that looks like a formula
_MOST_BYTES = 1 << 30  # tens of millions of lines
_FIX = "mend the line, or leave the file out"


@dataclass(frozen=True)
class Annotation:
    """What one line says of a recording.

    ``file`` is None where the line names none; ``names`` are the ways in which the label is written, best first, and
    empty where the line says that nothing is there; ``start_s`` is None where the label is of the whole recording, and
    ``end_s`` where the line does not say how long it lasts.
    """

    file: str | None
    names: tuple[str, ...]
    start_s: float | None = None
    end_s: float | None = None


def read_annotations(path: Path) -> list[Annotation]:
    """Gives the annotations of a label file of any of the three forms, in its order.

    Raises: LabelsError (exit 3) naming the line, or where the file is of none of the forms.
    """
    try:
        text = read_input_text(path, _MOST_BYTES)
    except OSError as error:
        raise LabelsError(f"cannot be read ({error.strerror})", where=path, fix="name another file") from error
    except UnicodeDecodeError as error:
        raise LabelsError("not UTF-8", where=path, fix="save it as UTF-8") from error
    head = text.partition("\n")[0].strip("\r")
    columns = [cell.strip().strip('"').lower() for cell in head.split("\t")]
    if columns[0] == "selection" or {_RAVEN_BEGIN, _RAVEN_END} <= set(columns):
        return list(_table(path, text, "\t"))
    if path.suffix.lower() in (".txt", ".tsv") and _is_audacity(text):
        return list(_audacity(path, text))
    return list(_table(path, text, max(",;\t", key=head.count)))


def _is_audacity(text: str) -> bool:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return not first or (first.count("\t") >= 1 and _number(first.split("\t")[0]) is not None)


def _audacity(path: Path, text: str) -> Iterator[Annotation]:
    for number, line in enumerate(text.splitlines(), 1):
        cells = line.split("\t")
        if not line.strip() or cells[0].strip() == "\\":  # the frequencies of the label before
            continue
        if len(cells) < 3:  # a label without text
            cells = [*cells, *[""] * (3 - len(cells))]
        start, end = _times(path, number, cells[0], cells[1])
        yield Annotation(None, _written([cells[2]]), start, end)


def _table(path: Path, text: str, delimiter: str) -> Iterator[Annotation]:
    lines = io.StringIO(text, newline="")
    # Raven quotes nothing
    rows = (
        csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        if delimiter == "\t"
        else csv.reader(lines, delimiter=delimiter)
    )
    try:
        header = [cell.strip().strip('"').lower() for cell in next(rows, [])]
        column = _columns(path, header)
        seen: set[tuple[str, ...]] = set()
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                raise LabelsError(
                    f"{len(row)} cells under {len(header)} headings", where=f"{path}:{rows.line_num}", fix=_FIX
                )
            if _is_another_view(header, row, seen):
                continue
            yield from _annotations(path, rows.line_num, column, header, row)
    except csv.Error as error:
        raise LabelsError(f"not a table ({error})", where=f"{path}:{rows.line_num}", fix=_FIX) from error


def _columns(path: Path, header: Sequence[str]) -> Mapping[str, int | None]:
    """Gives where the file, start and end stand; refuses a table without a label, or of no recording and no time."""
    found = {
        name: next((header.index(heading) for heading in headings if heading in header), None)
        for name, headings in (("file", FILE_HEADINGS), ("start", _START), ("end", _END), ("label", LABEL_HEADINGS))
    }
    if found["label"] is None or (found["file"] is None and found["start"] is None):
        lacking = "the label" if found["label"] is None else "the file or the time"
        raise LabelsError(
            f"no column for {lacking} among {', '.join(header)}", where=path,
            fix="head the columns file[, start, end], label; or give a Raven table or an Audacity track",
        )  # fmt: skip
    return found


def _is_another_view(header: Sequence[str], row: Sequence[str], seen: set[tuple[str, ...]]) -> bool:
    """Says whether a selection was there before: Raven writes it once for each view (waveform, spectrogram)."""
    if "selection" not in header or "view" not in header:
        return False
    key = tuple(cell for heading, cell in zip(header, row, strict=True) if heading not in ("view", "channel"))
    if key in seen:
        return True
    seen.add(key)
    return False


def _annotations(
    path: Path, number: int, column: Mapping[str, int | None], header: Sequence[str], row: Sequence[str]
) -> Iterator[Annotation]:
    """Yields what a line says: one label, or under the heading ``labels`` several with semicolons between."""

    def cell(name: str) -> str | None:
        place = column[name]
        return None if place is None or not row[place].strip() else row[place].strip()

    start, end = _times(path, number, cell("start"), cell("end"))
    if start is not None and _RAVEN_OFFSET in header and {_RAVEN_BEGIN, _RAVEN_END} <= set(header):
        first, last = _times(path, number, *(row[header.index(name)] for name in (_RAVEN_BEGIN, _RAVEN_END)))
        if first is not None and last is not None:
            end = start + (last - first)  # Begin and End count from the first of all files that were open
    file = cell("file")
    file = None if file is None else _disarmed(file)
    if "labels" in header:
        for part in row[header.index("labels")].split(";"):
            yield Annotation(file, _written([part]), start, end)
    else:
        yield Annotation(
            file, _written([row[header.index(name)] for name in LABEL_HEADINGS if name in header]), start, end
        )


def _written(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for cell in cells if (name := _disarmed(cell.strip()))))


def _disarmed(cell: str) -> str:
    return _DISARMED.sub("", cell)


def _number(text: str | None) -> float | None:
    try:
        value = float((text or "").strip().replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _times(path: Path, number: int, start: str | None, end: str | None) -> tuple[float | None, float | None]:
    """Gives both times in seconds; refuses what is no time, or an end before its start."""
    values = (_number(start), _number(end))
    for text, value in zip((start, end), values, strict=True):
        if text and (value is None or value < 0):
            raise LabelsError(f"{text!r} is no time in seconds", where=f"{path}:{number}", fix=_FIX)
    if values[0] is not None and values[1] is not None and values[1] < values[0]:
        raise LabelsError(f"ends at {end} before it starts at {start}", where=f"{path}:{number}", fix=_FIX)
    return values
