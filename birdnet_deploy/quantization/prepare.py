"""From the converted float graph to one that is ready to be quantized: rewritten, measured, every range chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.quantization.check import check_moves
from birdnet_deploy.quantization.corrections import Corrected, difference_to, equalise, refine, with_moves
from birdnet_deploy.quantization.integer import quantize_graph
from birdnet_deploy.quantization.judge import Judge
from birdnet_deploy.quantization.options import AUTO, EXTREMES, QuantizeOptions
from birdnet_deploy.quantization.ranges import Range, ranges_of
from birdnet_deploy.quantization.rewrite import swap_layout
from birdnet_deploy.quantization.selection import select_ranges, select_rest
from birdnet_deploy.quantization.simplify import DIGITS, MAX_LOGIT_DIFFERENCE
from birdnet_deploy.quantization.statistics import Statistics, gather_statistics
from birdnet_deploy.support.progress import Progress
from birdnet_deploy.tflite.floats import read_once

Floats = NDArray[np.float32]
LEAST_WINDOWS = 64  # fewer cannot tell which correction helps
Record = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A float ``.tflite`` whose activations all have a range; ``plain`` is the same without planes, where it has some.

    ``layers`` has the tensor of each Keras layer. ``methods`` are the range methods by tensor name, ``evidence`` is why
    (JSON), ``simplifications`` and ``corrections`` are what the graph went through. ``whole`` is the int8 model of the
    whole where ai-edge-quantizer cannot make it.
    """

    model: bytes
    plain: bytes
    layers: Mapping[str, str]
    statistics: Statistics
    methods: Mapping[str, str]
    evidence: Mapping[str, Any]
    simplifications: tuple[Record, ...]
    corrections: tuple[Record, ...]
    whole: bytes | None = None
    _ranges: dict[int | None, dict[str, Range]] = field(default_factory=dict)

    def ranges(self, without: int | None = None) -> Mapping[str, Range]:
        """Gives the range of each activation by name, from all folds or all but one."""
        if without not in self._ranges:
            self._ranges[without] = ranges_of(read_once(self.model), self.statistics, self.methods, without=without)
        return self._ranges[without]

    def quantize(self, model: bytes | None = None, *, without: int | None = None, float_ends: bool = False) -> bytes:
        """Gives the full-int8 model of the graph or of a part of it.

        Raises: Unsupported where ai-edge-quantizer refuses it.
        """
        return quantize_graph(model or self.model, self.ranges(without), float_ends=float_ends)


def prepare(
    converted: bytes, layers: Mapping[str, str], windows: Floats, judge: Judge, options: QuantizeOptions,
    progress: Progress, *, where: object = None, whole: bytes | None = None,
) -> Prepared:  # fmt: skip
    """Gives the graph that is quantized; every step is proven on ``windows``, every choice judged on held-out folds.

    ``whole`` is the full-int8 model of the whole graph where TensorFlow had to make it.

    Raises: ModelError (exit 3) where an activation has no range.
    """
    model, steps = _simplified(converted, windows, judge, options)
    progress.step("gathering statistics of all activations")
    counts = options.ranges not in EXTREMES
    graph = Corrected(model, model, gather_statistics(model, windows, judge.folds.tolist(), counts=counts))
    if options.simplify:  # the graph as traced is reported instead
        check_moves(read_once(model), graph.statistics, where)
    if options.ranges != AUTO or judge.count == 1:  # a single recording can hold nothing out
        method = "minmax" if options.ranges == AUTO else options.ranges
        read = read_once(model)
        forced = {read.tensors[index].name: method for index in graph.statistics.tensors}
        return Prepared(model, model, layers, graph.statistics, forced, {"method": method}, steps, (), whole)
    progress.step("choosing ranges on held-out recordings")
    selection = select_ranges(model, windows, graph.statistics, judge, progress=progress)
    if whole is None:
        selection = select_rest(model, windows, graph.statistics, judge, selection)
    methods, records = dict(selection.methods), [dict(record) for record in selection.evidence]
    if options.simplify and whole is None and judge.count > 1 and len(windows) >= LEAST_WINDOWS:
        for name, correct in (("planes", refine), ("equalised channels", equalise)):
            progress.step(f"trying {name} on held-out recordings")
            graph = correct(graph, windows, judge, methods, records, progress)
    evidence = {"method": AUTO, "folds": judge.count, "groups": records}
    named = with_moves(graph.model, methods)
    return Prepared(
        graph.model, graph.plain, layers, graph.statistics, named, evidence, steps, graph.corrections, whole
    )


def _simplified(
    converted: bytes, windows: Floats, judge: Judge, options: QuantizeOptions
) -> tuple[bytes, tuple[Record, ...]]:
    difference = difference_to(judge, converted, windows)
    folding = _step("fold BatchNormalization into the convolutions", "by the converter, always", difference)
    steps: list[Record] = [{**folding, "applied": True}]  # nothing keeps TensorFlow's converter from it
    swapped = swap_layout(converted) if options.simplify else None
    if swapped is None:
        return converted, tuple(steps)
    difference = difference_to(judge, swapped, windows)
    steps.append(_step("take time as rows behind the frontend", "one TRANSPOSE less", difference))
    return (swapped if steps[-1]["applied"] else converted), tuple(steps)


def _step(step: str, detail: str, difference: float) -> Record:
    applied = difference <= MAX_LOGIT_DIFFERENCE
    return {"step": step, "detail": detail, "applied": applied, "max_logit_difference": round(difference, DIGITS)}
