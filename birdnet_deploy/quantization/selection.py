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

from birdnet_deploy.quantization.integer import quantize_graph
from birdnet_deploy.quantization.judge import Judge, better, run_int8
from birdnet_deploy.quantization.ranges import CANDIDATES, Range, ranges_of
from birdnet_deploy.quantization.statistics import Statistics
from birdnet_deploy.support.progress import Progress, Silent, counted
from birdnet_deploy.tflite.cut import articulation_tensors, cut_model
from birdnet_deploy.tflite.floats import read_once, run_float
from birdnet_deploy.tflite.model import TfliteModel

Floats = NDArray[np.float32]
# How much of a window lies near zero differs from recording to recording, as features are scaled by their maximum: of
# input ranges that lose as good as the same, the one with the finer steps errs on the safe side.
FINER_WITHIN = 1.2
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
    model: bytes, windows: Floats, statistics: Statistics, judge: Judge, only: Collection[str] | None = None,
    progress: Progress | None = None,
) -> Selection:  # fmt: skip
    """Gives the method of each group of a float ``.tflite``, by the name of its tensor; others take min/max.

    ``windows`` are the inputs of the graph behind ``statistics`` and ``judge``; ``only`` names the groups to look at.
    """
    read = read_once(model)
    sources = move_sources(read)
    chosen = [
        index for index in (*read.inputs, *articulation_tensors(read))
        if index not in sources and (only is None or read.tensors[index].name in only)
    ]  # fmt: skip
    records = [
        _select(model, read, index, windows, statistics, judge)
        for index in counted(chosen, len(chosen), progress or Silent())
    ]
    return Selection({record["tensor"]: record["method"] for record in records}, tuple(records))


def select_rest(model: bytes, windows: Floats, statistics: Statistics, judge: Judge, selection: Selection) -> Selection:
    """Gives the selection with one method for all tensors that something passes by (the branches of additions).

    They are judged together, in int8, behind the last group that costs something itself.

    Raises: Unsupported where ai-edge-quantizer refuses that part.
    """
    read = read_once(model)
    known, sources = set(selection.methods), move_sources(read)
    rest = [
        read.tensors[index].name
        for index in statistics.tensors
        if read.tensors[index].name not in known and index not in sources and index not in read.outputs
    ]
    costly = [record["tensor"] for record in selection.evidence if len(record["cosine_lost_alone"]) > 1]
    if not rest:
        return selection
    start = next((tensor.index for tensor in read.tensors if costly and tensor.name == costly[-1]), read.inputs[0])
    inside = start not in read.inputs
    values = run_float(cut_model(model, read.inputs, (start,)), windows) if inside else windows
    behind = cut_model(model, (start,), read.outputs) if inside else model

    def outputs(method: str) -> Floats:
        methods = {**selection.methods, **dict.fromkeys(rest, method)}

        def of_fold(fold: int, rows: NDArray[np.int64]) -> Floats:
            spans = ranges_of(read, statistics, methods, without=judge.left_out(fold))
            return run_int8(quantize_graph(behind, spans), values[rows])

        return judge.held_out(of_fold)

    best, plain = "minmax", outputs("minmax")
    losses = {best: round(judge.loss(plain), _DIGITS)}
    for method in CANDIDATES[1:]:
        found = outputs(method)
        losses[method] = round(judge.loss(found), _DIGITS)
        if losses[method] < losses[best] and better(judge, found, plain):
            best = method
    record = {"tensor": f"{len(rest)} in branches", "method": best, "cosine_lost_alone": losses}
    return Selection({**selection.methods, **dict.fromkeys(rest, best)}, (*selection.evidence, record))


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
    alone = Alone(model, index, windows, statistics, judge)
    plain = alone.outputs("minmax")
    losses = {"minmax": judge.loss(plain)}
    agreed = ["minmax"]
    if losses["minmax"] > NEGLIGIBLE:
        for method in CANDIDATES[1:]:
            found = alone.outputs(method)
            losses[method] = judge.loss(found)
            if better(judge, found, plain):
                agreed.append(method)
    best = min(agreed, key=lambda method: losses[method])
    if index in read.inputs:
        near = [method for method in agreed if losses[method] <= FINER_WITHIN * losses[best]]
        best = min(near, key=alone.span)
    rounded = {method: round(loss, _DIGITS) for method, loss in losses.items()}
    return {"tensor": read.tensors[index].name, "method": best, "cosine_lost_alone": rounded}


class Alone:
    """The float model with one tensor rounded to int8, its range from the folds that do not hold the window out."""

    def __init__(self, model: bytes, index: int, windows: Floats, statistics: Statistics, judge: Judge) -> None:
        self._read, self._index, self._statistics, self._judge = read_once(model), index, statistics, judge
        inside = index not in self._read.inputs
        self._values = run_float(cut_model(model, self._read.inputs, (index,)), windows) if inside else windows
        self._rest = cut_model(model, (index,), self._read.outputs) if inside else model

    def outputs(self, method: str) -> Floats:
        """Gives the outputs of all windows."""
        rounded = np.empty_like(self._values)
        for fold in range(self._judge.count):
            rows = self._judge.rows(fold)
            rounded[rows] = round_to_int8(self._values[rows], self._range(method, self._judge.left_out(fold)))
        return run_float(self._rest, rounded)

    def span(self, method: str) -> float:
        """Gives the width of the range over all folds."""
        low, high = self._range(method, None)
        return high - low

    def _range(self, method: str, without: int | None) -> Range:
        name = self._read.tensors[self._index].name
        only = (self._index,)
        return ranges_of(self._read, self._statistics, {name: method}, without=without, only=only)[name]


def round_to_int8(values: Floats, span: Range) -> Floats:
    """Gives values as an int8 tensor of that range would hold them."""
    scale = max(span[1] - span[0], 1e-30) / 255.0
    zero_point = round(-128 - span[0] / scale)
    steps = np.clip(np.floor(values / np.float32(scale) + np.float32(0.5)) + zero_point, -128, 127)
    real: Floats = ((steps - zero_point) * np.float32(scale)).astype(np.float32)
    return real
