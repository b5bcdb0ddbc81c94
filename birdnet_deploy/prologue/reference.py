"""The prologue in numpy: the same products and sums in the same order as the C, so the same bits.

It serves where no compiler is at hand (golden vectors) and as a second opinion in tests. One difference is left: the C
flushes denormals to zero, numpy does not; that is 1e-38 of a feature whose int8 step is 1e-2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.audio.elementary import exponential, natural_log
from birdnet_deploy.errors import ModelError
from birdnet_deploy.prologue.graph import Prologue, Step

Floats = NDArray[np.float32]

_LANES = 4
_LEAST_NORMAL = np.float32(1.17549435e-38)
_FAR = np.float32(80)  # beyond it an exponential leaves nothing of 1


def run_reference(prologue: Prologue, features: Floats) -> Floats:
    """Gives float32 ``[n, *output_shape]`` of float32 features ``[n, *input_shape]``.

    Raises: ModelError (exit 3) for features of another shape.
    """
    return run_stages(prologue, features)[prologue.output_name]


def run_stages(prologue: Prologue, features: Floats) -> dict[str, Floats]:
    """Gives what every named step completes, in the order of the steps; ``[n, size]``, the last in its shape.

    Raises: ModelError (exit 3) for features of another shape.
    """
    if features.dtype != np.float32 or features.shape[1:] != prologue.input_shape:
        found = f"{features.dtype} {list(features.shape[1:])}"
        raise ModelError(f"features are {found}, not float32 {list(prologue.input_shape)}", where="the prologue")
    count = len(features)
    tensors: dict[int, Floats] = {prologue.input: features.reshape(count, -1)}
    stages: dict[str, Floats] = {}
    for step in prologue.steps:
        target = tensors.setdefault(step.output, np.zeros((count, prologue.sizes[step.output]), np.float32))
        with np.errstate(all="ignore"):
            values = _STEPS[step.kind](step, [tensors[i] for i in step.inputs], target)
        tensors[step.output] = values
        if step.name:
            stages[step.name] = values
    stages[prologue.output_name] = tensors[prologue.output].reshape(count, *prologue.output_shape)
    return stages


def _clamped(step: Step, x: Floats) -> Floats:
    low, high = np.float32(step.numbers["low"]), np.float32(step.numbers["high"])
    x = np.where(x > low, x, low)
    return np.where(x < high, x, high)


def _rows(step: Step, inputs: list[Floats], target: Floats) -> Floats:
    x = inputs[0][:, : step.integer("depth") * step.integer("length")].reshape(len(target), step.integer("depth"), -1)
    sums = np.empty((len(x), step.integer("rows"), step.integer("length")), np.float32)
    weights, run = iter(step.arrays["weights"]), 0
    for row, runs in enumerate(step.arrays["runs"]):
        total = np.full((len(x), step.integer("length")), step.arrays["bias"][row], np.float32)
        for first, taps in zip(
            step.arrays["first"][run : run + runs], step.arrays["taps"][run : run + runs], strict=True
        ):
            for depth in range(first, first + taps):
                total = total + x[:, depth] * next(weights)
        sums[:, row] = total
        run += runs
    return _clamped(step, sums).reshape(len(x), -1)


def _map(step: Step, x: Floats) -> Floats:
    shape = tuple(step.integer(name) for name in ("in_h", "in_w", "in_c"))
    return x[:, : math.prod(shape)].reshape(len(x), *shape)


def _met(step: Step, letter: str, pad: str, tap: int) -> tuple[slice, slice]:
    """Gives the outputs that meet the input at a tap along one axis, and those inputs."""
    stride, count = step.integer(f"stride_{letter}"), step.integer(f"in_{letter}")
    offset = tap * int(step.numbers.get(f"dilation_{letter}", 1)) - step.integer(pad)
    first = max(0, -(offset // stride))
    end = min(step.integer(f"out_{letter}"), (count - 1 - offset) // stride + 1)
    end = max(first, end)
    return slice(first, end), slice(first * stride + offset, max(0, (end - 1) * stride + offset + 1), stride)


def _taps(step: Step) -> list[tuple[int, int, tuple[slice, slice], tuple[slice, slice]]]:
    """Gives (row, column, outputs, inputs) of each tap, in the order of the sums; those that meet nothing left out."""
    found = []
    for i in range(step.integer("k_h")):
        for j in range(step.integer("k_w")):
            (rows, in_rows), (columns, in_columns) = _met(step, "h", "pad_top", i), _met(step, "w", "pad_left", j)
            if rows.start < rows.stop and columns.start < columns.stop:
                found.append((i, j, (rows, columns), (in_rows, in_columns)))
    return found


def _sums(step: Step, count: int) -> Floats:
    shape = tuple(step.integer(name) for name in ("out_h", "out_w", "out_c"))
    return np.broadcast_to(step.arrays["bias"], (count, *shape)).astype(np.float32)


def _conv(step: Step, inputs: list[Floats], target: Floats) -> Floats:
    x, sums = _map(step, inputs[0]), _sums(step, len(target))
    taps = {(i, j): (outputs, seen) for i, j, outputs, seen in _taps(step)}
    weights = step.arrays["weights"].reshape(step.integer("out_c"), step.integer("k_h"), step.integer("k_w"), -1)
    for i, j in np.ndindex(step.integer("k_h"), step.integer("k_w")):
        seen = np.zeros((*sums.shape[:3], x.shape[-1]), np.float32)  # what lies outside the input counts as zero
        if (i, j) in taps:
            (rows, columns), (in_rows, in_columns) = taps[i, j]
            seen[:, rows, columns] = x[:, in_rows, in_columns]
        for channel in range(seen.shape[-1]):
            sums += seen[..., channel, None] * weights[:, i, j, channel]
    return _clamped(step, sums).reshape(len(x), -1)


def _depthwise(step: Step, inputs: list[Floats], target: Floats) -> Floats:
    x, sums = _map(step, inputs[0]), _sums(step, len(target))
    weights = step.arrays["weights"].reshape(step.integer("k_h"), step.integer("k_w"), -1)
    for i, j, (rows, columns), (in_rows, in_columns) in _taps(step):
        sums[:, rows, columns] += x[:, in_rows, in_columns] * weights[i, j]
    return _clamped(step, sums).reshape(len(x), -1)


def _pool(step: Step, inputs: list[Floats], target: Floats) -> Floats:
    x = _map(step, inputs[0])
    mean = step.numbers["op"] == "average"
    shape = (len(x), *(step.integer(name) for name in ("out_h", "out_w", "out_c")))
    result = np.zeros(shape, np.float32) if mean else np.full(shape, -np.inf, np.float32)
    counts = np.zeros(shape[1:], np.float32)
    for _, _, (rows, columns), (in_rows, in_columns) in _taps(step):
        seen, old = x[:, in_rows, in_columns], result[:, rows, columns]
        result[:, rows, columns] = old + seen if mean else np.where(seen > old, seen, old)
        counts[rows, columns] += 1
    return _clamped(step, result / counts if mean else result).reshape(len(x), -1)


def _blocks(step: Step, x: Floats) -> Floats:
    shape = tuple(step.integer(name) for name in ("outer", "channels", "inner"))
    return x[:, : math.prod(shape)].reshape(len(x), *shape)


def _affine(step: Step, inputs: list[Floats], target: Floats) -> Floats:
    x = _blocks(step, inputs[0])
    x = x * step.arrays["scale"][:, None] + step.arrays["offset"][:, None]
    return _clamped(step, x).reshape(len(x), -1)


_BINARY: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "rsub": lambda a, b: b - a,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "rdiv": lambda a, b: b / a,
    "max": lambda a, b: np.where(a > b, a, b),
    "min": lambda a, b: np.where(a < b, a, b),
}


def _binary(step: Step, inputs: list[Floats], target: Floats) -> Floats:
    a = _blocks(step, inputs[0])
    table = step.arrays["b"]
    b = np.asarray(table[None], np.float32) if table.size else inputs[1][:, : step.integer("channels")]
    result = _BINARY[str(step.numbers["op"])](a, b[:, None, :, None])
    return _clamped(step, result).reshape(len(a), -1)


def _unary(step: Step, inputs: list[Floats], target: Floats) -> Floats:
    x = inputs[0][:, : step.integer("count")]
    if step.numbers["op"] == "log":
        x = natural_log(np.where(x > _LEAST_NORMAL, x, _LEAST_NORMAL))
    elif step.numbers["op"] == "logistic":
        one = np.float32(1)
        x = one / (one + exponential(-np.clip(x, -_FAR, _FAR)))
    return _clamped(step, x)


def _reduce(step: Step, inputs: list[Floats], target: Floats) -> Floats:
    shape = tuple(step.integer(name) for name in ("outer", "count", "inner"))
    x = inputs[0][:, : math.prod(shape)].reshape(len(target), *shape)
    if step.numbers["op"] == "max":
        greatest: Floats = x.max(axis=2).reshape(len(x), -1)
        return greatest
    total = _total_of_rows(x[..., 0])[..., None] if shape[2] == 1 else np.add.accumulate(x, axis=2)[:, :, -1]
    factor = np.float32(1) / np.float32(shape[1]) if step.numbers["op"] == "mean" else np.float32(1)
    result: Floats = (total * factor).reshape(len(x), -1)
    return result


def _total_of_rows(x: Floats) -> Floats:
    """Gives the sums along the last axis as four sums of every fourth value, joined as (0 + 1) + (2 + 3)."""
    count = x.shape[-1]
    if count < _LANES:
        found: Floats = np.add.accumulate(x, axis=-1)[..., -1]
        return found
    filled = np.pad(x, ((0, 0), (0, 0), (0, -count % _LANES)))
    lanes = np.add.accumulate(filled.reshape(*x.shape[:-1], -1, _LANES), axis=-2)[..., -1, :]
    total: Floats = (lanes[..., 0] + lanes[..., 1]) + (lanes[..., 2] + lanes[..., 3])
    return total


def _copy(step: Step, inputs: list[Floats], target: Floats) -> Floats:
    counts = [step.integer(f"n{i}") for i in range(4)]
    grid = np.indices(counts)
    inward = step.integer("in_at") + sum(grid[i] * step.integer(f"in_s{i}") for i in range(4))
    outward = step.integer("out_at") + sum(grid[i] * step.integer(f"out_s{i}") for i in range(4))
    result = target.copy()
    result[:, np.ravel(outward)] = inputs[0][:, np.ravel(inward)]
    return result


def _fill(step: Step, inputs: list[Floats], target: Floats) -> Floats:
    result = target.copy()
    result[:, : step.integer("count")] = np.float32(step.numbers["low"])
    return result


_STEPS: Mapping[str, Callable[[Step, list[Floats], Floats], Floats]] = {
    "rows": _rows, "conv": _conv, "depthwise": _depthwise, "pool": _pool, "affine": _affine, "binary": _binary,
    "unary": _unary, "reduce": _reduce, "copy": _copy, "fill": _fill,
}  # fmt: skip
