"""Which range method each group of tensors takes, chosen on recordings that did not make the ranges.

A group is a tensor through which everything passes, and the moves of it. Only it is rounded, everything else stays
float: then the error in the scores is that group's own, smooth enough to choose by, and groups do not disturb each
other. Where rounding with the plain range costs next to nothing there is nothing to choose.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.quantization.judge import Judge, better
from birdnet_deploy.quantization.ranges import CANDIDATES, Range, ranges_of
from birdnet_deploy.quantization.statistics import Statistics
from birdnet_deploy.tflite.cut import articulation_tensors, cut_model
from birdnet_deploy.tflite.floats import read_once, run_float
from birdnet_deploy.tflite.model import TfliteModel

Floats = NDArray[np.float32]
NEGLIGIBLE = 5e-4  # of the mean cosine: a tensor that costs less takes min/max
MOVES = (
    "PAD", "TRANSPOSE", "RESHAPE", "STRIDED_SLICE", "SLICE", "SQUEEZE", "EXPAND_DIMS", "MAX_POOL_2D",
    "AVERAGE_POOL_2D", "REDUCE_MAX",
)  # fmt: skip
_DIGITS = 6


@dataclass(frozen=True)
class Selection:
    """The method of each group by the name of its tensor, and the folds' evidence (JSON), a record a group."""

    methods: Mapping[str, str]
    evidence: tuple[Mapping[str, Any], ...]


def select_ranges(
    model: bytes, windows: Floats, statistics: Statistics, judge: Judge, only: Collection[str] | None = None
) -> Selection:
    """Gives the method of each group of a float ``.tflite``, by the name of its tensor; others take min/max.

    ``windows`` are the inputs of the graph behind ``statistics`` and ``judge``; ``only`` names the groups to look at.
    """
    read = read_once(model)
    sources = move_sources(read)
    records = [
        _select(model, read, index, windows, statistics, judge)
        for index in (*read.inputs, *articulation_tensors(read))
        if index not in sources and (only is None or read.tensors[index].name in only)
    ]
    return Selection({record["tensor"]: record["method"] for record in records}, tuple(records))


def move_sources(model: TfliteModel) -> Mapping[int, int]:
    """Gives, for each tensor that only moves another's values, the tensor that they come from."""
    sources: dict[int, int] = {}
    for op in model.operators:
        if op.op in MOVES:
            sources[op.outputs[0]] = sources.get(op.inputs[0], op.inputs[0])
    return sources


def _select(
    model: bytes, read: TfliteModel, index: int, windows: Floats, statistics: Statistics, judge: Judge
) -> dict[str, Any]:
    name = read.tensors[index].name
    values = windows if index in read.inputs else run_float(cut_model(model, read.inputs, (index,)), windows)
    rest = model if index in read.inputs else cut_model(model, (index,), read.outputs)

    def rounded(method: str) -> Floats:
        held_out = np.empty_like(values)
        for fold in range(judge.count):
            rows = judge.rows(fold)
            span = ranges_of(read, statistics, {name: method}, without=judge.left_out(fold), only=(index,))[name]
            held_out[rows] = round_to_int8(values[rows], span)
        return run_float(rest, held_out)

    best, plain = "minmax", rounded("minmax")
    losses = {best: round(judge.loss(plain), _DIGITS)}
    if losses[best] > NEGLIGIBLE:
        for method in CANDIDATES[1:]:
            found = rounded(method)
            losses[method] = round(judge.loss(found), _DIGITS)
            if losses[method] < losses[best] and better(judge, found, plain):
                best = method
    return {"tensor": name, "method": best, "cosine_lost_alone": losses}


def round_to_int8(values: Floats, span: Range) -> Floats:
    """Gives values as an int8 tensor of that range would hold them."""
    scale = max(span[1] - span[0], 1e-30) / 255.0
    zero_point = round(-128 - span[0] / scale)
    steps = np.clip(np.floor(values / np.float32(scale) + np.float32(0.5)) + zero_point, -128, 127)
    real: Floats = ((steps - zero_point) * np.float32(scale)).astype(np.float32)
    return real
