"""The result of a run as text: a table of files, totals, and the verdict. Nothing here prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from birdnet_deploy.report.compare import Comparison
from birdnet_deploy.report.predictions import Detection, FileResult
from birdnet_deploy.support.printable import printable

if TYPE_CHECKING:
    from rich.table import Table

HEADINGS = ("file", "true label", "predicted label", "score", "time", "right")
_NUMERIC = frozenset({"score", "time"})
_WORST_FIRST = {False: 0, None: 1, True: 2}
EMULATED = (
    "emulated Cortex-M55: shows frontend, network arithmetic, protocol and memory layout; "
    "not the NPU's rounding, operators, caches or clocks"
)
NATIVE = "host twin: the same C on this machine; shows frontend, network arithmetic and protocol, nothing of a board"


@dataclass(frozen=True)
class Totals:
    """What a run adds up to; ``labelled`` is the number of files whose true label is known."""

    files: int
    windows: int
    labelled: int
    right: int


def totals(files: Sequence[FileResult]) -> Totals:
    """Gives the sums over all files."""
    labelled = [file for file in files if file.true_label is not None]
    return Totals(
        files=len(files),
        windows=sum(file.windows for file in files),
        labelled=len(labelled),
        right=sum(file.right is True for file in labelled),
    )


def detections_from(file: FileResult, threshold: float | None) -> list[Detection]:
    """Gives the detections of a file that have at least the score ``threshold``; None: all."""
    return [found for found in file.detections if threshold is None or found.score >= threshold]


def table_rows(files: Sequence[FileResult], threshold: float | None) -> list[tuple[str, ...]]:
    """Gives the cells under ``HEADINGS``: a line a file and one more for each further label of it.

    Files without a window or whose best label is wrong come first, those that are right last; otherwise they keep their
    order. Detections below ``threshold`` are left out; a file without any keeps its line.
    """
    rows: list[tuple[str, ...]] = []
    for file in sorted(files, key=lambda file: _WORST_FIRST[file.right] if file.windows else 0):
        mark = {None: "", True: "✓", False: "✗"}[file.right]
        shown = detections_from(file, threshold)
        lead = (printable(file.file), file.true_label or "")
        if not shown:
            nothing = "nothing came" if not file.windows else f"none of {threshold:g} or more"
            rows.append((*lead, nothing, "", "", mark))
        for rank, detection in enumerate(shown):
            cells = (detection.label, f"{detection.score:.3f}", f"{detection.start_s:.2f} s")
            rows.append((*lead, *cells, mark) if rank == 0 else ("", "", *cells, ""))
    return rows


def plain_table(rows: Sequence[tuple[str, ...]]) -> str:
    """Gives the table as aligned columns without decoration."""
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    lines = []
    for row in (HEADINGS, *rows):
        cells = (
            cell.rjust(width) if heading in _NUMERIC else cell.ljust(width)
            for heading, cell, width in zip(HEADINGS, row, widths, strict=True)
        )  # fmt: skip
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def rich_table(rows: Sequence[tuple[str, ...]]) -> Table:
    """Gives the table for a terminal; names are text, never markup."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in HEADINGS:
        numeric = heading in _NUMERIC
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    for row in rows:
        style = {"✓": "green", "✗": "red"}.get(row[-1], "")
        table.add_row(*(Text(cell) for cell in row[:-1]), Text(row[-1], style=style))
    return table


def summary_lines(sums: Totals, skipped: int, comparison: Comparison, *, on_host: bool = False) -> list[str]:
    """Gives the totals, the verdict and what it does not say, one a line."""
    counted = f"{sums.files} files, {sums.windows} windows"
    lines = [counted + (f", {skipped} unreadable recordings skipped" if skipped else "")]
    if sums.labelled:
        lines.append(f"top-1 {sums.right}/{sums.labelled}")
    lines.append(comparison.line)
    for difference in comparison.differences[:1]:
        lines.append(
            f"first difference: window {difference.win} of {printable(difference.file)}, {difference.values} outputs, "
            f"up to {difference.max_lsb} LSB"
        )
    return [*lines, NATIVE if on_host else EMULATED]


def file_json(file: FileResult, threshold: float | None) -> dict[str, Any]:
    """Gives the object of a file in JSON output."""
    return {
        "file": file.file,
        "true_label": file.true_label,
        "windows": file.windows,
        "right": file.right,
        "detections": [_detection_json(found) for found in detections_from(file, threshold)],
    }


def _detection_json(detection: Detection) -> dict[str, Any]:
    return {"label": detection.label, "score": detection.score, "start_s": detection.start_s}


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Gives the object of the verdict in JSON output."""
    return {
        "expected": comparison.expected,
        "exact": comparison.exact,
        "differing": len(comparison.differences),
        "missing": len(comparison.missing),
        "unexpected": len(comparison.unexpected),
        "max_lsb": comparison.max_lsb,
    }
