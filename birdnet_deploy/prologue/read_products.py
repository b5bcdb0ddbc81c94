"""Lowering of convolutions and dense layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.prologue.builder import Builder
from birdnet_deploy.prologue.graph import LEAST, MOST
from birdnet_deploy.prologue.views import Unsupported, View, plain
from birdnet_deploy.tflite.model import Operator

Floats = NDArray[np.float32]
_RANK = 4
_BOUNDS = {"NONE": (LEAST, MOST), "RELU": (0.0, MOST), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}


def clamp_of(op: Operator) -> dict[str, float]:
    """Gives the bounds of an operator's fused activation.

    Raises: Unsupported for one without bounds.
    """
    name = op.options.get("fused_activation_function", "NONE")
    if name not in _BOUNDS:
        raise Unsupported(f"has the activation {name}")
    return dict(zip(("low", "high"), _BOUNDS[name], strict=True))


def _weights(builder: Builder, op: Operator, count: int) -> tuple[Floats, Floats]:
    """Gives filters and biases; ``count`` biases of zero where there are none."""
    weights = builder.constant(op, 1)
    if weights is None or weights.dtype != np.float32:
        raise Unsupported("has weights that are no float constant")
    bias = builder.constant(op, 2) if len(op.inputs) > 2 and op.inputs[2] >= 0 else np.zeros(count, np.float32)  # noqa: PLR2004 - the bias is optional
    if bias is None or bias.dtype != np.float32 or bias.size != count:
        raise Unsupported("has biases that are no float constant for each output")
    return weights, bias


def _window(op: Operator, shape: tuple[int, ...], kernel: tuple[int, int], out: tuple[int, ...]) -> dict[str, int]:
    """Gives the numbers of a sliding window; TFLite's SAME puts the odd padding at the end."""
    numbers: dict[str, int] = {}
    for letter, side, axis, size in (("h", "top", 1, kernel[0]), ("w", "left", 2, kernel[1])):
        stride, dilation = int(op.options[f"stride_{letter}"]), int(op.options.get(f"dilation_{letter}_factor", 1))
        reach = (size - 1) * dilation + 1
        missing = max(0, (out[axis] - 1) * stride + reach - shape[axis]) if op.options["padding"] == "SAME" else 0
        numbers |= {
            f"in_{letter}": shape[axis], f"out_{letter}": out[axis], f"k_{letter}": size, f"stride_{letter}": stride,
            f"pad_{side}": missing // 2,
        }  # fmt: skip
        if "filter_width" not in op.options:
            numbers[f"dilation_{letter}"] = dilation
    return numbers


def _conv(builder: Builder, op: Operator) -> View:
    view, out = builder.view(op, 0), builder.shape(op)
    weights, bias = _weights(builder, op, out[-1])
    if len(view.shape) != _RANK or weights.ndim != _RANK or weights.shape[3] != view.shape[3]:
        raise Unsupported("has groups or another rank than 4")
    rows = _as_rows(op, view, weights)
    if rows is not None:
        return _rows(builder, rows, weights.reshape(len(weights), -1), bias, out, clamp_of(op))
    view = builder.plain(view)
    numbers = _window(op, view.shape, weights.shape[1:3], out) | {"in_c": view.shape[3], "out_c": out[3]}
    output = builder.new(math.prod(out))
    builder.emit(
        "conv", (view.tensor,), output, {**numbers, **clamp_of(op)}, {"weights": weights, "bias": bias}
    )  # fmt: skip
    return plain(output, out)


def _as_rows(op: Operator, view: View, weights: Floats) -> View | None:
    """Gives the planar input of a convolution that mixes whole rows: 1x1 over channels, or one column of all rows."""
    _, k_h, k_w, channels = weights.shape
    if k_w != 1 or op.options["stride_w"] != 1:
        return None
    if k_h == 1 and op.options["stride_h"] == 1 and view.is_planar and not view.is_plain:
        return view
    column = view.transposed((0, 3, 2, 1))
    whole = channels == 1 and k_h == view.shape[1] and op.options["padding"] == "VALID"
    return column if whole and column.is_planar and view.held[2] > 1 else None


def _rows(
    builder: Builder, view: View, weights: Floats, bias: Floats, out: tuple[int, ...], clamp: Mapping[str, float]
) -> View:
    """Emits the sparse product of a matrix with the rows of a planar tensor; padded channels meet no weight."""
    if view.pad is not None and view.pad[0] == len(view.shape) - 1:
        _, before, after = view.pad
        weights = weights[:, before : weights.shape[1] - after]
    elif view.pad is not None:
        view = builder.copied(view, view.order)
    depth = weights.shape[1]
    length = view.size // depth
    runs, first, taps = _runs(weights)
    output = builder.new(len(weights) * length)
    builder.emit(
        "rows", (view.tensor,), output, {"rows": len(weights), "depth": depth, "length": length, **clamp},
        {"bias": bias, "runs": runs, "first": first, "taps": taps, "weights": weights[weights != 0]},
    )  # fmt: skip
    return View(output, out, (len(out) - 1, *range(len(out) - 1)))


def _runs(weights: Floats) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Gives the runs of nonzero weights: how many each row has, where each begins, how long it is."""
    filled = np.pad(weights != 0, ((0, 0), (1, 1))).astype(np.int8)
    edges = np.diff(filled, axis=1)
    rows, first = np.nonzero(edges == 1)
    _, end = np.nonzero(edges == -1)
    runs = np.bincount(rows, minlength=len(weights))
    return runs.astype(np.int32), first.astype(np.int32), (end - first).astype(np.int32)


def _depthwise(builder: Builder, op: Operator) -> View:
    view, out = builder.view(op, 0), builder.shape(op)
    weights, bias = _weights(builder, op, out[-1])
    if len(view.shape) != _RANK or weights.ndim != _RANK or out[3] != view.shape[3]:
        raise Unsupported("has a channel multiplier or another rank than 4")
    strides = (op.options["stride_h"], op.options["stride_w"])
    if weights.shape[:3] == (1, 1, 1) and strides == (1, 1):
        return affine(builder, view, weights.ravel(), bias, clamp_of(op))
    view = builder.plain(view)
    numbers = _window(op, view.shape, weights.shape[1:3], out) | {"in_c": out[3], "out_c": out[3]}
    output = builder.new(math.prod(out))
    builder.emit(
        "depthwise", (view.tensor,), output, {**numbers, **clamp_of(op)}, {"weights": weights, "bias": bias}
    )  # fmt: skip
    return plain(output, out)


def affine(builder: Builder, view: View, scale: Floats, offset: Floats, clamp: Mapping[str, float]) -> View:
    """Emits ``x * scale[c] + offset[c]`` over the last axis, in the order in which the tensor lies."""
    view = builder.whole(view)
    blocks = view.blocks((len(view.shape) - 1,))
    assert blocks is not None  # one axis always lies side by side
    outer, channels, inner = blocks
    output = builder.new(view.size)
    numbers: dict[str, Any] = {"outer": outer, "channels": channels, "inner": inner, **clamp}
    builder.emit("affine", (view.tensor,), output, numbers, {"scale": scale, "offset": offset})
    return view.like(output)


def _fully_connected(builder: Builder, op: Operator) -> View:
    view, out = builder.plain(builder.view(op, 0)), builder.shape(op)
    weights, bias = _weights(builder, op, out[-1])
    if op.options.get("weights_format", "DEFAULT") != "DEFAULT" or weights.ndim != 2:  # noqa: PLR2004 - a matrix
        raise Unsupported("has shuffled weights")
    count, depth = weights.shape
    output = builder.new(math.prod(out))
    numbers = {
        "in_h": 1, "in_w": view.size // depth, "out_h": 1, "out_w": view.size // depth, "in_c": depth, "out_c": count,
        **dict.fromkeys(("k_h", "k_w", "stride_h", "stride_w", "dilation_h", "dilation_w"), 1),
        "pad_top": 0, "pad_left": 0, **clamp_of(op),
    }  # fmt: skip
    builder.emit("conv", (view.tensor,), output, numbers, {"weights": weights, "bias": bias})
    return plain(output, out)


def window_of_pool(op: Operator, shape: tuple[int, ...], out: tuple[int, ...]) -> dict[str, int]:
    """Gives the numbers of a pool's window."""
    return _window(op, shape, (int(op.options["filter_height"]), int(op.options["filter_width"])), out)


PRODUCTS: Mapping[str, Callable[[Builder, Operator], View]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
}
