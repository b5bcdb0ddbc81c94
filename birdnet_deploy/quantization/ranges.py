"""Ranges of activations from their statistics: four methods, and bounds that cost nothing.

- ``minmax``: everything that occurred.
- ``percentile``: all but 0.01 % of the values at each end; ``percentile-99.9`` all but 0.1 %, and so on.
- ``moving-average``: the mean of the windows' extremes, the later ones weighing more.
- ``octav``: the clip at which clipping and rounding noise are least (Sakr et al., "Optimal Clipping and
  Magnitude-aware Differentiation for Improved Quantization-aware Training", 2022, eq. 5).

A bound is exact: where ``min(max(x + y, 0), 6)`` is all that reads ``x``, and ``y`` lies in 0..6, no ``x`` outside
-6..6 can change it, so that its steps need not be larger.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.quantization.statistics import Statistics, TensorStatistics, bin_values
from birdnet_deploy.tflite.model import Operator, TfliteModel

# The methods among which folds choose.
CANDIDATES = (
    "minmax", "percentile-99.999", "percentile", "percentile-99.97", "percentile-99.9", "percentile-99.7",
    "moving-average", "octav",
)  # fmt: skip
Range = tuple[float, float]
LEAST_SPAN = 1.01e-7 * 255  # kernels disagree below a scale of 1e-7, or die

_PERCENTILE = 99.99
_SMOOTHING = 0.98  # weight of what came before, per window
_LEVELS = 256
_OCTAV_STEPS = 20
_CAPS = {"RELU": (0.0, np.inf), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}


def tensor_range(tensor: TensorStatistics, used: NDArray[np.bool_], folds: Collection[int], method: str) -> Range:
    """Gives the range of one tensor over the windows ``used``, which are those of ``folds``; it contains zero."""
    low, high = float(tensor.low[used].min()), float(tensor.high[used].max())
    if method.startswith("percentile"):
        share = float(method.partition("-")[2] or _PERCENTILE)
        low, high = _percentiles(tensor.counts[list(folds)].sum(axis=0), share, low, high)
    elif method == "moving-average":
        low, high = _moving_average(tensor.low[used]), _moving_average(tensor.high[used])
    elif method == "octav":
        clip = _octav(tensor.counts[list(folds)].sum(axis=0), signed=low < 0)
        low, high = max(low, -clip), min(high, clip)
    return min(low, 0.0), max(high, 0.0)


def _percentiles(counts: NDArray[np.int64], share: float, low: float, high: float) -> Range:
    values = bin_values()
    order = np.argsort(values, kind="stable")
    order = order[counts[order] > 0]
    below = np.cumsum(counts[order])
    cut = below[-1] * (1.0 - share / 100.0)
    first, last = order[np.searchsorted(below, cut)], order[np.searchsorted(below, below[-1] - cut)]
    return max(low, float(values[first])), min(high, float(values[last]))


def _moving_average(extremes: NDArray[np.float32]) -> float:
    mean = float(extremes[0])
    for value in extremes[1:]:
        mean = _SMOOTHING * mean + (1.0 - _SMOOTHING) * float(value)
    return mean


def _octav(counts: NDArray[np.int64], *, signed: bool) -> float:
    """Gives the fixed point of ``s = E[|x|; |x| > s] / (step noise * P(0 < |x| <= s) + P(|x| > s))``."""
    taken = counts > 0
    sizes, weights = np.abs(bin_values()[taken]), counts[taken].astype(np.float64)
    sizes, weights = sizes[sizes > 0], weights[sizes > 0]
    if not len(sizes):
        return 0.0
    levels = _LEVELS if signed else 2 * _LEVELS  # a range of one sign has steps of half the size
    noise = 4.0 / (3.0 * levels**2)
    clip = float((sizes * weights).sum() / weights.sum())
    for _ in range(_OCTAV_STEPS):
        out = sizes > clip
        clip = float((sizes * weights)[out].sum() / (noise * weights[~out].sum() + weights[out].sum()))
    return clip


def exact_bounds(model: TfliteModel) -> Mapping[int, Range]:
    """Gives, for tensors that only a capped addition reads, the range beyond which no value changes its result."""
    caps = {op.outputs[0]: _CAPS[_activation(op)] for op in model.operators if _activation(op) in _CAPS}
    readers: dict[int, list[Operator]] = {}
    for op in model.operators:
        for index in op.inputs:
            readers.setdefault(index, []).append(op)
    bounds = {}
    for op in model.operators:
        cap = _CAPS.get(_activation(op))
        if op.op != "ADD" or cap is None:
            continue
        for mine, other in (op.inputs, op.inputs[::-1]):
            if other in caps and len(readers[mine]) == 1 and mine not in model.outputs and mine not in caps:
                low, high = caps[other]
                bounds[mine] = (cap[0] - high, cap[1] - low)
    return bounds


def _activation(op: Operator) -> str:
    """Gives the activation that an operator applies last."""
    return op.op if op.op in _CAPS else str(op.options.get("fused_activation_function", "NONE"))


def within(found: Range, bound: Range | None) -> Range:
    """Gives a range cut to a bound."""
    return found if bound is None else (max(found[0], bound[0]), min(found[1], bound[1]))


def ranges_of(
    model: TfliteModel, statistics: Statistics, methods: Mapping[str, str], *, without: int | None = None,
    only: Collection[int] | None = None,
) -> dict[str, Range]:  # fmt: skip
    """Gives the range of each activation by tensor name, from all folds or all but one.

    ``methods`` says which method a tensor takes, by name, ``minmax`` where it does not say; the graph's outputs always
    take ``minmax``. ``only`` names the tensor indices to give, all by default.
    """
    folds = [fold for fold in range(statistics.fold_count) if fold != without]
    used = np.isin(statistics.folds, folds)
    bounds = exact_bounds(model)
    found = {}
    for index, tensor in statistics.tensors.items():
        if only is not None and index not in only:
            continue
        name = model.tensors[index].name
        method = "minmax" if index in model.outputs else methods.get(name, "minmax")
        found[name] = _wide(within(tensor_range(tensor, used, folds, method), bounds.get(index)))
    return found


def _wide(span: Range) -> Range:
    """Gives a range that int8 can have, also for a tensor that is silent in all folds but one."""
    return span if span[1] - span[0] > LEAST_SPAN else (span[0], span[0] + LEAST_SPAN)
