"""The table of the family: one line a cell, carried by the tests' reports to the end of the run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tests.support.family_cells import DOCUMENTED, OPTIONS, OTHERS, PLAIN, PRODUCT

PROPERTY = "family"  # of a test's report: the line of its cell
_HEADS = (
    "cell", "parameters", "ops", "MACs", "arena", "bit-exact", "errors / warnings", "int8 values", "at -128/127",
)  # fmt: skip


def rows_of(reports: Iterable[Any]) -> list[Sequence[str]]:
    """Gives the lines that finished tests have told, in the order of the cells."""
    order = {cell.name: number for number, cell in enumerate((*PLAIN, *OPTIONS, *OTHERS, *PRODUCT, *DOCUMENTED))}
    rows = [row for report in reports for name, row in getattr(report, "user_properties", ()) if name == PROPERTY]
    return sorted(rows, key=lambda row: order[row[0]])


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Gives the lines of the table, its head first: names left, numbers right."""
    widths = [max(map(len, column)) for column in zip(_HEADS, *rows, strict=True)]
    lines = []
    for row in (_HEADS, *rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells))
    return lines
