"""The memory plan as pictures, time to the right and addresses upwards: text for a terminal, SVG for a browser."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from typing import Any

from birdnet_deploy.support.templating import render

_LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits
_SCRATCH = "~"
_WIDTH, _HEIGHT, _LEFT, _TOP = 960, 480, 90, 30  # pixels of the plot, and its margins
_COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#9c755f")
_SCRATCH_COLOUR = "#bab0ac"
_NAME_WIDTH = 60

Plan = Mapping[str, Any]


def text_picture(plan: Plan, rows: int = 16, columns: int = 96) -> str:
    """Gives the plan as text: a column a step (or several), a row a band of addresses, a letter a buffer.

    A letter is shown where its buffer holds any of the band; ``~`` is scratch, ``.`` is free. Where buffers share a
    cell the one with most bytes in the band is shown.
    """
    steps = max(len(plan["steps"]), 1)
    each = -(-steps // columns)
    band = -(-max(plan["arena_bytes"], 1) // rows)
    letters = _letters(plan)
    lines = []
    for row in reversed(range(rows)):
        low, high = row * band, (row + 1) * band
        cells = "".join(_cell(plan, letters, (first, first + each - 1), low, high) for first in range(0, steps, each))
        lines.append(f"{min(high, plan['arena_bytes']):>9,} |{cells}|")
    proof = "the optimum of its rules" if plan["optimal"] else "best found"
    head = f"arena {plan['arena_bytes']:,} bytes, bound {plan['lower_bound_bytes']:,}: {proof}"
    scale = f"{'':>9} step 0 .. {steps - 1}, {each} a column; a row is {band:,} bytes"
    legend = [
        f"{letters[i]}  {buffer['bytes']:>9,} at {buffer['offset']:>9,}, steps {buffer['first']}..{buffer['last']}: "
        f"{_name(buffer['tensors'][-1])}"
        for i, buffer in enumerate(plan["buffers"])
        if buffer["tensors"]
    ]
    return "\n".join([head, *lines, scale, *legend])


def _letters(plan: Plan) -> list[str]:
    letters, used = [], 0
    for buffer in plan["buffers"]:
        letters.append(_LETTERS[used % len(_LETTERS)] if buffer["tensors"] else _SCRATCH)
        used += bool(buffer["tensors"])
    return letters


def _cell(plan: Plan, letters: list[str], steps: tuple[int, int], low: int, high: int) -> str:
    best, shown = 0, "."
    for buffer, letter in zip(plan["buffers"], letters, strict=True):
        inside = min(high, buffer["offset"] + buffer["bytes"]) - max(low, buffer["offset"])
        if buffer["first"] <= steps[1] and steps[0] <= buffer["last"] and inside > best:
            best, shown = inside, letter
    return shown


def svg_picture(plan: Plan) -> str:
    """Gives the plan as an SVG: a rectangle a buffer with its tensors as tooltip, a line at the lower bound."""
    steps = max(len(plan["steps"]), 1)
    top: int = max(plan["arena_bytes"], 1)

    def x(step: int) -> int:
        return _LEFT + round(_WIDTH * step / steps)

    def y(address: int) -> int:
        return _TOP + round(_HEIGHT * (1 - address / top))

    boxes = []
    tensors = 0
    for buffer in plan["buffers"]:
        first, last = buffer["first"], min(buffer["last"], steps - 1)
        low, high = y(buffer["offset"]), y(buffer["offset"] + buffer["bytes"])
        boxes.append({
            "x": x(first), "y": high, "width": x(last + 1) - x(first), "height": low - high,
            "colour": _COLOURS[tensors % len(_COLOURS)] if buffer["tensors"] else _SCRATCH_COLOUR,
            "title": ", ".join(_name(name) for name in buffer["tensors"]) or "scratch",
            "bytes": f"{buffer['bytes']:,}", "offset": f"{buffer['offset']:,}", "first": first, "last": last,
        })  # fmt: skip
        tensors += bool(buffer["tensors"])
    context = {
        "width": _LEFT + _WIDTH + 20, "height": _TOP + _HEIGHT + 40, "boxes": boxes, "left": _LEFT,
        "right": _LEFT + _WIDTH, "top": _TOP, "bottom": _TOP + _HEIGHT, "bound_y": y(plan["lower_bound_bytes"]),
        "arena": f"{plan['arena_bytes']:,}", "bound": f"{plan['lower_bound_bytes']:,}", "last_step": steps - 1,
        "ticks": [{"y": y(top * i // 4), "text": f"{top * i // 4:,}"} for i in range(5)],
        "verdict": "the optimum of its rules" if plan["optimal"] else "best found",
    }  # fmt: skip
    return render("report/memory_plan.svg.j2", context)


def _name(name: str) -> str:
    """A tensor's name, plain enough for any text format."""
    return re.sub(r"[^A-Za-z0-9_/.:-]", "_", name.split(";", maxsplit=1)[0])[:_NAME_WIDTH]
