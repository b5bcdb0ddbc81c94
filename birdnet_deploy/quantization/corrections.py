"""Rewrites of the float graph that change nothing in float and help int8; kept where held-out folds agree they help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.quantization.integer import quantize_graph
from birdnet_deploy.quantization.judge import Judge, better, run_int8
from birdnet_deploy.quantization.ranges import ranges_of
from birdnet_deploy.quantization.rewrite import CAP, scalable, scale_channels, split_planes, splittable
from birdnet_deploy.quantization.selection import FINER_WITHIN, NEGLIGIBLE, Alone, move_sources, select_ranges
from birdnet_deploy.quantization.simplify import DIGITS, MAX_LOGIT_DIFFERENCE
from birdnet_deploy.quantization.statistics import Statistics, gather_statistics
from birdnet_deploy.support.progress import Progress, counted
from birdnet_deploy.tflite.cut import cut_model
from birdnet_deploy.tflite.floats import read_once, run_float

Floats = NDArray[np.float32]
Record = Mapping[str, Any]

PLANES = ((1, 3), (1, 2, 4), (1, 3, 9))  # widths, from zero up
_ROOM = 1.25  # planes reach beyond the largest value seen
_PERCENTILES = (99.99, 99.9)
_QUIET = 1e-3  # a channel is not brought up by more than this to the loudest
_HEADROOM = 2.0  # between the largest value seen and a cap


@dataclass(frozen=True, eq=False)
class Corrected:
    """The graph after corrections, its statistics, and a record of what was tried.

    ``plain`` is the same graph without planes, for the float part of a network that is cut behind them.
    """

    model: bytes
    plain: bytes
    statistics: Statistics
    corrections: tuple[Record, ...] = ()


def refine(
    graph: Corrected, windows: Floats, judge: Judge, methods: dict[str, str], records: list[dict[str, Any]],
    progress: Progress,
) -> Corrected:  # fmt: skip
    """Splits what a frontend writes into planes where that is worth its multiplications; mends ``methods``."""
    read = read_once(graph.model)
    for index in splittable(graph.model):
        name = read.tensors[index].name
        if loss_alone(records, name) <= NEGLIGIBLE:
            continue
        before = held_out_int8(graph.model, windows, graph.statistics, judge, methods)
        high = float(graph.statistics.tensors[index].high.max()) * _ROOM
        found: list[tuple[float, dict[str, Any], Corrected]] = []
        for widths in counted(PLANES, len(PLANES), progress):
            split = split_planes(graph.model, index, [high * width / sum(widths) for width in widths])
            statistics = gather_statistics(split, windows, judge.folds.tolist())
            after = held_out_int8(split, windows, statistics, judge, {**methods, name: "minmax"})
            detail = f"{len(widths)} planes, widths {':'.join(str(width) for width in widths)}"
            difference = difference_to(judge, split, windows)
            record = _record("split into planes", name, detail, difference, judge, before, after)
            found.append((judge.loss(after), record, Corrected(split, graph.plain, statistics)))
        tried = tuple(record for _, record, _ in found)
        helping = [entry for entry in found if entry[1].pop("helps")]
        if helping:
            least = min(loss for loss, _, _ in helping)
            _, record, finest = [entry for entry in helping if entry[0] <= FINER_WITHIN * least][-1]
            record["applied"] = True
            methods[name] = "minmax"
            graph = replace(finest, corrections=graph.corrections)
        graph = replace(graph, corrections=(*graph.corrections, *tried))
    return graph


def equalise(
    graph: Corrected, windows: Floats, judge: Judge, methods: dict[str, str], records: list[dict[str, Any]],
    progress: Progress,
) -> Corrected:  # fmt: skip
    """Brings the channels of what convolutions write to one level where rounding them costs something."""
    for name in counted([record["tensor"] for record in records], len(records), progress):
        read = read_once(graph.model)
        index = next((tensor.index for tensor in read.tensors if tensor.name == name), None)
        if index is None or loss_alone(records, name) <= NEGLIGIBLE:
            continue
        if index in read.inputs or not scalable(graph.model, index):
            continue
        values = run_float(cut_model(graph.model, read.inputs, (index,)), windows)
        before = Alone(graph.model, index, windows, graph.statistics, judge).outputs(methods[name])
        for percentile in _PERCENTILES:
            gains = channel_gains(values, percentile)
            scaled = scale_channels(graph.model, index, gains)
            place = next(tensor.index for tensor in read_once(scaled).tensors if tensor.name == name)
            statistics = gather_statistics(scaled, windows, judge.folds.tolist())
            (chosen,) = select_ranges(scaled, windows, statistics, judge, only=(name,)).evidence
            after = Alone(scaled, place, windows, statistics, judge).outputs(chosen["method"])
            detail = f"by {percentile} % of each channel, then {chosen['method']}"
            difference = difference_to(judge, scaled, windows)
            record = _record("equalise channels", name, detail, difference, judge, before, after)
            record["applied"] = record.pop("helps")
            graph = replace(graph, corrections=(*graph.corrections, record))
            if record["applied"]:
                plain = next(tensor.index for tensor in read_once(graph.plain).tensors if tensor.name == name)
                other = scale_channels(graph.plain, plain, gains)
                graph = replace(graph, model=scaled, plain=other, statistics=statistics)
                methods[name] = chosen["method"]
                records[:] = [dict(chosen) if known["tensor"] == name else known for known in records]
                break
    return graph


def channel_gains(values: Floats, percentile: float) -> NDArray[np.float64]:
    """Gives the gain of each channel (the last axis) that brings them to one level, below any cap."""
    flat = np.abs(values.reshape(-1, values.shape[-1]))
    peaks = flat.max(axis=0).astype(np.float64)
    levels = np.maximum(np.percentile(flat, percentile, axis=0), peaks / 8)
    levels = np.maximum(levels, max(float(levels.max()) * _QUIET, 1e-30))
    gains = 1.0 / levels
    free = peaks < CAP / _HEADROOM  # the others may be at a cap already
    if not free.all():
        return np.ones(len(gains))
    limit: NDArray[np.float64] = gains * (CAP / _HEADROOM / (gains * peaks).max())
    return limit


def held_out_int8(
    model: bytes, windows: Floats, statistics: Statistics, judge: Judge, methods: Mapping[str, str]
) -> Floats:
    """Gives the outputs of full-int8 models, each fold's windows by the one whose ranges are of the other folds."""
    read, named = read_once(model), with_moves(model, methods)

    def of_fold(fold: int, rows: NDArray[np.int64]) -> Floats:
        spans = ranges_of(read, statistics, named, without=judge.left_out(fold))
        return run_int8(quantize_graph(model, spans), windows[rows])

    return judge.held_out(of_fold)


def loss_alone(records: list[dict[str, Any]], name: str) -> float:
    """Gives what rounding one tensor costs with the method chosen for it; 0 for a tensor without a record."""
    for record in records:
        if record["tensor"] == name:
            return float(record["cosine_lost_alone"][record["method"]])
    return 0.0


def difference_to(judge: Judge, model: bytes, windows: Floats) -> float:
    """Gives the largest difference of a float graph's outputs to those of the model as trained."""
    rows = np.flatnonzero(np.isfinite(judge.outputs).all(axis=1))  # without folds only some windows were run
    wanted = judge.outputs[rows]
    return float(np.abs(run_float(model, windows[rows]).reshape(wanted.shape) - wanted).max())


def with_moves(model: bytes, methods: Mapping[str, str]) -> dict[str, str]:
    """Gives tensors that only move another's values the same method."""
    read = read_once(model)
    found = dict(methods)
    for moved, source in move_sources(read).items():
        if read.tensors[source].name in methods:
            found[read.tensors[moved].name] = methods[read.tensors[source].name]
    return found


def _record(
    step: str, name: str, detail: str, difference: float, judge: Judge, before: Floats, after: Floats
) -> dict[str, Any]:
    return {
        "step": step, "tensor": name, "detail": detail,
        "applied": False,
        "helps": difference <= MAX_LOGIT_DIFFERENCE and better(judge, after, before),
        "max_logit_difference": round(difference, DIGITS),
        "held_out_cosine_before": round(1.0 - judge.loss(before), DIGITS),
        "held_out_cosine_after": round(1.0 - judge.loss(after), DIGITS),
    }  # fmt: skip
