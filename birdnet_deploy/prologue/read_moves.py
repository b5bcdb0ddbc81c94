"""Lowering of what moves values: most of it is another view of the same memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from birdnet_deploy.prologue.builder import Builder
from birdnet_deploy.prologue.graph import LEAST, MOST
from birdnet_deploy.prologue.read_products import clamp_of, window_of_pool
from birdnet_deploy.prologue.views import Unsupported, View, plain
from birdnet_deploy.tflite.model import Operator


def _transpose(builder: Builder, op: Operator) -> View:
    view = builder.view(op, 0)
    permutation = [axis % len(view.shape) for axis in builder.integers(op, 1)]
    if sorted(permutation) != list(range(len(view.shape))):
        raise Unsupported("has a permutation that is none")
    return view.transposed(permutation)


def _reshape(builder: Builder, op: Operator) -> View:
    view, shape = builder.view(op, 0), builder.shape(op)
    if math.prod(view.shape) != math.prod(shape):
        raise Unsupported("changes the number of values")
    return view.reshaped(shape) or plain(builder.plain(view).tensor, shape)


def _pad(builder: Builder, op: Operator) -> View:
    """A padded axis stays a promise until somebody reads it: the mel convolution leaves it out."""
    view = builder.whole(builder.view(op, 0))
    flat, shape = builder.integers(op, 1), builder.shape(op)
    pads = [(flat[2 * i], flat[2 * i + 1]) for i in range(len(view.shape))]
    if any(before < 0 or after < 0 for before, after in pads):
        raise Unsupported("cuts instead of padding")
    padded = [axis for axis, pair in enumerate(pads) if any(pair)]
    for axis in padded:
        view, (before, after) = builder.whole(view), pads[axis]
        grown = tuple(n + before + after if i == axis else n for i, n in enumerate(view.shape))
        view = View(view.tensor, grown, view.order, (axis, before, after))
    assert view.shape == shape
    return view


def _slice(builder: Builder, op: Operator) -> View:
    view, out = builder.whole(builder.view(op, 0)), builder.shape(op)
    if op.op == "SLICE":
        begin, steps = builder.integers(op, 1), [1] * len(view.shape)
    else:
        begin, steps = _strided(builder, op, view)
    if len(out) != len(view.shape) or any(step < 1 for step in steps):
        raise Unsupported("drops an axis or goes backwards")
    if out == view.shape:
        return view
    outermost = view.packed[0]
    cut = [axis for axis in range(len(out)) if out[axis] != view.shape[axis]]
    if cut == [outermost] and begin[outermost] == 0 and steps[outermost] == 1:
        return View(view.tensor, out, view.order)
    target = View(builder.new(math.prod(out)), out, view.order)
    at = sum(view.stride(axis) * begin[axis] for axis in range(len(out)))
    builder.copy(view, target, out, in_at=at, steps=steps)
    return target


def _strided(builder: Builder, op: Operator, view: View) -> tuple[list[int], list[int]]:
    begin, steps = builder.integers(op, 1), builder.integers(op, 3)
    if any(op.options.get(mask, 0) for mask in ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask")):
        raise Unsupported("has a mask that changes the rank")
    masked = int(op.options.get("begin_mask", 0))
    starts = [0 if masked >> axis & 1 else first for axis, first in enumerate(begin)]
    return [first + n if first < 0 else min(first, n) for first, n in zip(starts, view.shape, strict=True)], steps


def _concatenation(builder: Builder, op: Operator) -> View:
    out = builder.shape(op)
    axis = int(op.options["axis"]) % len(out)
    target, at = plain(builder.new(math.prod(out)), out), 0
    for position in range(len(op.inputs)):
        view = builder.whole(builder.view(op, position))
        builder.copy(view, target, view.shape, out_at=at)
        at += view.shape[axis] * target.stride(axis)
    if clamp_of(op) != {"low": LEAST, "high": MOST}:
        raise Unsupported("has an activation")
    return target


def _pool(word: str) -> Callable[[Builder, Operator], View]:
    def lower(builder: Builder, op: Operator) -> View:
        view, out = builder.whole(builder.view(op, 0)), builder.shape(op)
        sizes = [int(op.options[name]) for name in ("filter_height", "filter_width", "stride_h", "stride_w")]
        if sizes == [1, 1, 1, 1] and clamp_of(op) == {"low": LEAST, "high": MOST}:
            return view
        numbers = window_of_pool(op, view.shape, out)
        along_time = view.is_planar and view.shape[1] == 1 and sizes[0] == sizes[2] == 1
        if along_time and not view.is_plain:  # channels are rows: a map of one channel
            numbers |= {"in_h": view.shape[3], "out_h": view.shape[3], "in_c": 1, "out_c": 1}
        else:
            view = builder.plain(view)
            numbers |= {"in_c": out[3], "out_c": out[3]}
        output = builder.new(math.prod(out))
        builder.emit("pool", (view.tensor,), output, {**numbers, "op": word, **clamp_of(op)})
        return View(output, out, view.order)

    return lower


MOVES: Mapping[str, Callable[[Builder, Operator], View]] = {
    "TRANSPOSE": _transpose,
    "RESHAPE": _reshape,
    "SQUEEZE": _reshape,
    "EXPAND_DIMS": _reshape,
    "PAD": _pad,
    "SLICE": _slice,
    "STRIDED_SLICE": _slice,
    "CONCATENATION": _concatenation,
    "AVERAGE_POOL_2D": _pool("average"),
    "MAX_POOL_2D": _pool("max"),
}
