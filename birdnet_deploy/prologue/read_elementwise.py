"""Lowering of what works value by value, and of reductions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.prologue.builder import Builder
from birdnet_deploy.prologue.graph import LEAST, MOST
from birdnet_deploy.prologue.read_products import clamp_of
from birdnet_deploy.prologue.views import Unsupported, View
from birdnet_deploy.tflite.model import Operator

_REVERSED = {"sub": "rsub", "div": "rdiv"}
_NO_CONSTANT = np.zeros(0, np.float32)


def _binary(word: str) -> Callable[[Builder, Operator], View]:
    def lower(builder: Builder, op: Operator) -> View:
        shape = builder.shape(op)
        left, right = (builder.views.get(index) for index in op.inputs[:2])
        if left is not None and left.shape == shape:
            return _combined(builder, op, word, left, 1)
        if right is not None and right.shape == shape:
            return _combined(builder, op, _REVERSED.get(word, word), right, 0)
        raise Unsupported("widens both of its operands")

    return lower


def _combined(builder: Builder, op: Operator, word: str, view: View, other: int) -> View:
    """Emits ``view op b``, where operand ``other`` is ``b``: a constant or a tensor, of the same shape or narrower."""
    view = builder.whole(view)
    constant = builder.constant(op, other)
    inputs, table = [view.tensor], _NO_CONSTANT
    if constant is None:
        rival = builder.whole(builder.view(op, other))
        blocks = _blocks(view, rival.shape)
        if rival.shape == view.shape and rival.packed != view.packed:
            rival = builder.copied(rival, view.order)
        if blocks is None:
            raise Unsupported("widens an operand over axes that do not lie side by side")
        inputs.append(rival.tensor)
    else:
        blocks, table = _constant_blocks(view, constant)
    output = builder.new(view.size)
    numbers: dict[str, Any] = {"op": word, **_named(blocks), **clamp_of(op)}
    builder.emit("binary", inputs, output, numbers, {"b": table})
    return view.like(output)


def _named(blocks: tuple[int, int, int]) -> dict[str, int]:
    return dict(zip(("outer", "channels", "inner"), blocks, strict=True))


def _constant_blocks(view: View, constant: NDArray[Any]) -> tuple[tuple[int, int, int], NDArray[Any]]:
    """Gives the blocks of a constant and its values in the order in which the tensor lies."""
    shape = (1,) * (len(view.shape) - constant.ndim) + constant.shape
    axes = [axis for axis, n in enumerate(shape) if n != 1]
    blocks = view.blocks(axes) if len(axes) <= 1 else None
    if blocks is not None:
        return blocks, constant
    full = np.broadcast_to(constant, view.shape).transpose(view.order)
    return (1, view.size, 1), full


def _blocks(view: View, shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Gives (outer, channels, inner) of a tensor of ``shape`` beside ``view``, or None."""
    if shape == view.shape:
        return 1, view.size, 1
    padded = (1,) * (len(view.shape) - len(shape)) + shape
    axes = [axis for axis, n in enumerate(padded) if n != 1]
    return view.blocks(axes) if len(axes) <= 1 else None


def _unary(word: str, low: float = LEAST, high: float = MOST) -> Callable[[Builder, Operator], View]:
    def lower(builder: Builder, op: Operator) -> View:
        view = builder.whole(builder.view(op, 0))
        output = builder.new(view.size)
        builder.emit("unary", (view.tensor,), output, {"count": view.size, "op": word, "low": low, "high": high})
        return view.like(output)

    return lower


def _reduce(word: str) -> Callable[[Builder, Operator], View]:
    def lower(builder: Builder, op: Operator) -> View:
        view, out = builder.whole(builder.view(op, 0)), builder.shape(op)
        axes = [axis % len(view.shape) for axis in builder.integers(op, 1)]
        blocks = view.blocks(axes)
        if blocks is None:
            view = builder.plain(view)
            blocks = view.blocks(axes)
        if blocks is None:
            raise Unsupported("reduces axes that do not lie side by side")
        outer, count, inner = blocks
        output = builder.new(outer * inner)
        builder.emit(
            "reduce", (view.tensor,), output, {"outer": outer, "count": count, "inner": inner, "op": word}
        )  # fmt: skip
        left = tuple(1 if axis in axes else n for axis, n in enumerate(view.shape))
        found = View(output, left, view.order).reshaped(out)
        if found is None or math.prod(out) != outer * inner:
            raise Unsupported("leaves axes in another order")
        return found

    return lower


ELEMENTWISE: Mapping[str, Callable[[Builder, Operator], View]] = {
    "ADD": _binary("add"),
    "SUB": _binary("sub"),
    "MUL": _binary("mul"),
    "DIV": _binary("div"),
    "MAXIMUM": _binary("max"),
    "MINIMUM": _binary("min"),
    "RELU": _unary("clamp", 0.0),
    "RELU6": _unary("clamp", 0.0, 6.0),
    "RELU_N1_TO_1": _unary("clamp", -1.0, 1.0),
    "RELU_0_TO_1": _unary("clamp", 0.0, 1.0),
    "LOG": _unary("log"),
    "LOGISTIC": _unary("logistic"),
    "REDUCE_MAX": _reduce("max"),
    "MEAN": _reduce("mean"),
    "SUM": _reduce("sum"),
}
