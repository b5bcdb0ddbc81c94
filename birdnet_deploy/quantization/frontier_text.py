"""The frontier of cuts for a terminal: a table, and a plot of what each cut keeps against what it costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from birdnet_deploy.quantization.report import table_lines

Point = Mapping[str, Any]
_HEADING = (
    "cut", "CPU MACs", "CPU instr.", "NPU MACs", "cosine", "p5", "min", "top-1", "confident", "95 %", "worst window",
    "",
)  # fmt: skip
_PLOT_WIDTH = 50
_FILE_WIDTH = 32
_LEAST_LOSS = 1e-4  # 1 - cosine at the right edge of the plot


def frontier_lines(points: Sequence[Point], chosen: str | None = None, *, gated: bool = True) -> list[str]:
    """Gives the table: one line a cut, cheapest first; ``chosen`` is marked, and with gates what meets them."""
    rows = [
        (
            point["name"], _millions(point["cpu_macs"]), _millions(point["cpu_instructions"]),
            _millions(point["npu_macs"]), f"{point['cosine_mean']:.4f}", f"{point['cosine_p5']:.4f}",
            f"{point['cosine_min']:.4f}", f"{point['agreed']}/{point['windows']}",
            f"{point['confident_agreed']}/{point['confident_windows']}",
            "{:.3f} to {:.3f}".format(*point["confident_interval"]), _worst(point), _mark(point, chosen, gated),
        )
        for point in points
    ]  # fmt: skip
    return table_lines(_HEADING, rows, numeric=frozenset({1, 2, 3, 4, 5, 6, 7, 8}))


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f} M"


def _worst(point: Point) -> str:
    worst = point.get("worst_window")
    if not isinstance(worst, Mapping):
        return ""
    name = worst["file"].rpartition("/")[2]
    return f"{name if len(name) <= _FILE_WIDTH else name[: _FILE_WIDTH - 3] + '...'} @{worst['start']}"


def _mark(point: Point, chosen: str | None, gated: bool) -> str:
    if point["name"] == chosen:
        return "<- chosen"
    if not gated:
        return ""
    if not point["within_budget"]:
        return "over the budget"
    if point.get("lacks_room"):
        return "meets the gates with too little room"
    return "meets the gates" if point["meets"] else ""


def plot_lines(points: Sequence[Point], chosen: str | None = None, gate: float | None = None) -> list[str]:
    """Gives one bar a cut: the longer, the more of the float scores is kept (1 - mean cosine, logarithmic).

    ``gate`` marks the mean cosine that is asked for. Plain characters, so that logs and NO_COLOR show the same.
    """
    if not points:
        return []
    losses = [max(1.0 - point["cosine_mean"], _LEAST_LOSS) for point in points]
    most = max(10.0 ** math.ceil(math.log10(max(losses))), 10 * _LEAST_LOSS)
    name = max(len(point["name"]) for point in points)
    macs = [_millions(point["cpu_macs"]) for point in points]
    width = max(map(len, macs))
    at_gate = None if gate is None or gate >= 1 else _length(max(1.0 - gate, _LEAST_LOSS), most)
    lines = []
    for point, loss, cost in zip(points, losses, macs, strict=True):
        bar = ("#" * _length(loss, most)).ljust(_PLOT_WIDTH)
        if at_gate is not None and 0 < at_gate <= _PLOT_WIDTH:
            bar = f"{bar[: at_gate - 1]}|{bar[at_gate:]}"
        mark = " <-" if point["name"] == chosen else ""
        lines.append(f"{point['name']:<{name}}  {cost:>{width}}  {bar}  {point['cosine_mean']:.4f}{mark}")
    return [*lines, _axis(most, name + width + 4, gate)]


def _length(loss: float, most: float) -> int:
    """Gives the bar of a loss: nothing at ``most``, the whole width at the least loss that is told apart."""
    return round(_PLOT_WIDTH * math.log(most / loss) / math.log(most / _LEAST_LOSS))


def _axis(most: float, indent: int, gate: float | None) -> str:
    decades = round(math.log10(most / _LEAST_LOSS))
    ticks = [f"{1 - most / 10**i:.{max(1, i - round(math.log10(most)))}f}" for i in range(decades + 1)]
    line = ""
    for number, tick in enumerate(ticks):
        line = line.ljust(round(_PLOT_WIDTH * number / decades)) + tick
    legend = "" if gate is None else f"   (| is the gate, {gate:g})"
    return " " * indent + f"{line}{legend}"
