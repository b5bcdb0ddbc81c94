"""Lowering of what multiplies by weights: convolutions and fully connected layers.

Multipliers are made as LiteRT's ``PopulateConvolutionQuantizationParams``, ``fully_connected.cc`` and
``padding.h`` make them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.codegen.depthwise_patches import plan_patches
from birdnet_deploy.codegen.fixed_point import quantize_rescale, requantize, wrap8, wrap32
from birdnet_deploy.codegen.graph import Affine, Node, activation_range, affine_of, constant_of
from birdnet_deploy.codegen.steps import Array, Field, Function, Step, Values
from birdnet_deploy.codegen.unsupported import Unsupported
from birdnet_deploy.tflite.reader import Tensor

MAX_DEPTH = 130_000  # products of two int8 values that an int32 sum holds
_GROUP = 4  # output channels that nn_dense computes at once
_BLOCK = 16  # inputs of a vector
_TILE = 128  # most columns of a tile, NN_DENSE_TILE
_TILE_BYTES = 8192  # of columns that are copied before they are multiplied


@dataclass(frozen=True)
class _Products:
    """What all layers with weights share: int8 weights by output channel, folded bias, scales."""

    node: Node
    source: Affine
    output: Affine
    weights: NDArray[np.int8]  # [output channels, taps]
    weight_scales: tuple[float, ...]  # one, or one an output channel
    bias: tuple[int, ...]

    @property
    def channels(self) -> int:
        return int(self.weights.shape[0])

    def array(self, what: str, c_type: str, values: Any, layout: str) -> Array:
        name = f"{what}_{self.node.operator.index}"
        return Array(name, c_type, tuple(values), layout)

    def bias_array(self) -> Array:
        return self.array("bias", "int32_t", self.bias, "bias with the input's zero point folded in, by channel")

    def channel_fields(self) -> tuple[Field, ...]:
        """Gives the fields of ``struct nn_channels``."""
        pairs = [quantize_rescale(factor) for factor in self.channel_factors()]
        pairs = [(m, s if m else -1) for m, s in pairs]  # nothing, however it is shifted
        bounds = dict(self.clamp_fields())
        usual = all(s < 0 for _, s in pairs) and -128 <= bounds["minimum"] <= bounds["maximum"] <= 127
        return (
            ("bias", self.bias_array()),
            ("multiplier", self.array("multiplier", "int32_t", (m for m, _ in pairs), "by channel")),
            ("shift", self.array("shift", "int8_t", (s for _, s in pairs), "by channel")),
            ("shifts_right", usual),
            ("output", self.clamp_fields()),
        )

    def channel_factors(self) -> list[float]:
        """Input scale * weight scale / output scale in double precision, for each channel."""
        scales = self.weight_scales * (self.channels if len(self.weight_scales) == 1 else 1)
        return [self.source.scale * scale / self.output.scale for scale in scales]

    def by_value(self) -> Function:
        """Gives the function of a depthwise filter of one tap."""
        pairs = [quantize_rescale(factor) for factor in self.channel_factors()]
        output = dict(self.clamp_fields())

        def function(inputs: Sequence[Values]) -> Values:
            values = np.broadcast_to(inputs[0], (self.channels, inputs[0].shape[1]))
            rows = []
            for row, weight, bias, (multiplier, shift) in zip(
                values, self.weights[:, 0], self.bias, pairs, strict=True
            ):
                sums = wrap32(int(weight) * row + bias)
                scaled = wrap32(requantize(sums, multiplier, shift) + output["offset"])
                rows.append(wrap8(np.minimum(np.maximum(scaled, output["minimum"]), output["maximum"])))
            return np.array(rows)

        return function

    def clamp_fields(self) -> tuple[tuple[str, int], ...]:
        return output_fields(self.node, self.output)


def output_fields(node: Node, output: Affine) -> tuple[tuple[str, int], ...]:
    """Gives the fields of ``struct nn_output``, with the fused activation's range."""
    low, high = activation_range(node.option("fused_activation_function"), output)
    return ("offset", output.zero_point), ("minimum", low), ("maximum", high)


def lower_conv_2d(node: Node) -> list[Step]:
    """Gives a pointwise product where the filter is 1x1 with stride 1, else a convolution."""
    _needs_rank(node, 4)
    filters = node.constant(1)
    count, height, width, group_depth = filters.shape
    if node.optional(2) is None:
        raise Unsupported("has no bias (the reference refuses it)")
    products = _products(node, filters.reshape(count, -1))
    window = _window(node, height, width)
    depth_in = node.input(0).shape[3]
    groups = depth_in // group_depth
    if groups * group_depth != depth_in or count % groups:
        raise Unsupported(f"has {count} filters of {group_depth} channels on {depth_in} channels")
    depth = products.weights.shape[1]
    macs = math.prod(node.output.shape) * depth
    if _is_pointwise(window) and groups == 1:
        return [_pointwise(products, macs)]
    _needs_batch_of_one(node)
    if group_depth == 1 and depth <= _BLOCK:
        return [_depthwise(products, window, groups)]
    tile = _tile(depth, node.output.shape[2])
    fields = (
        ("window", window), ("groups", groups), ("group_depth", group_depth),
        ("input_zero_point", products.source.zero_point), ("tile", tile), ("dense", _dense_fields(products, groups)),
    )  # fmt: skip
    scratch = max(4 * depth, tile * _up(depth, _BLOCK))
    return [Step(node, "nn_conv", fields, (node.input(0).index,), scratch_bytes=scratch, takes_scratch=True, macs=macs)]


def lower_depthwise_conv_2d(node: Node) -> list[Step]:
    """Gives a depthwise convolution."""
    _needs_rank(node, 4)
    _needs_batch_of_one(node)
    filters = node.constant(1)
    _, height, width, count = filters.shape
    channels = node.input(0).shape[3]
    if filters.shape[0] != 1 or count % channels:
        raise Unsupported(f"has {count} filters on {channels} channels")
    products = _products(node, filters.reshape(-1, count).T)
    window = _window(node, height, width)
    return [_depthwise(products, window, channels)]


def _depthwise(products: _Products, window: tuple[tuple[str, int], ...], depth: int) -> Step:
    """Gives a convolution in which every output channel reads one of ``depth`` input channels."""
    node, count = products.node, products.channels
    taps = products.weights.shape[1]
    padded = np.zeros((count, _up(taps, _BLOCK)), np.int8)
    padded[:, :taps] = products.weights
    weights = products.array("weights", "int8_t", padded.ravel().tolist(), "[channel][filter y, x, then zeros]")
    patches = plan_patches(dict(window), depth, count)
    fields = (
        ("window", window), ("depth", depth), ("filters", count // depth),
        ("input_zero_point", products.source.zero_point), ("patches", patches.fields()), ("weights", weights),
        ("channels", products.channel_fields()),
    )  # fmt: skip
    single = _is_pointwise(window) and count == depth
    window_bytes = 0 if _stays_inside(window) else taps * depth
    return Step(node, "nn_depthwise", fields, (node.input(0).index,), shares=(0,) if single else (),
                scratch_bytes=max(window_bytes, patches.scratch_bytes), takes_scratch=True,
                macs=math.prod(node.output.shape) * taps, function=products.by_value() if single else None)  # fmt: skip


def lower_fully_connected(node: Node) -> list[Step]:
    """Gives a fully connected layer, which the reference rescales in double precision."""
    if node.option("weights_format") != "DEFAULT":
        raise Unsupported(f"has weights in the format {node.option('weights_format')}")
    filters = node.constant(1)
    if filters.ndim != 2:
        raise Unsupported(f"has weights of rank {filters.ndim}")
    products = _products(node, filters)
    rows = math.prod(node.output.shape) // products.channels
    if rows * filters.shape[1] != math.prod(node.input(0).shape):
        raise Unsupported(f"has {filters.shape[1]} weights for the input {list(node.input(0).shape)}")
    macs = rows * filters.size
    scale = products.array("scale", "double", products.channel_factors(), "by channel")
    weights = products.array("weights", "int8_t", products.weights.ravel().tolist(), "[channel][input]")
    fields = (
        ("rows", rows), ("depth", int(filters.shape[1])), ("channels", products.channels), ("weights", weights),
        ("bias", products.bias_array()), ("scale", scale), ("output", products.clamp_fields()),
    )  # fmt: skip
    return [Step(node, "nn_fully_connected", fields, (node.input(0).index,), macs=macs)]


def _pointwise(products: _Products, macs: int) -> Step:
    node = products.node
    pixels = math.prod(node.output.shape) // products.channels
    depth = products.weights.shape[1]
    shares = (0,) if products.channels == depth else ()
    padded = _up(depth, _BLOCK)
    tile = _tile(depth, pixels)
    scratch = tile * padded if shares or padded != depth else 2 * depth
    fields = ("pixels", pixels), ("tile", tile), ("dense", _dense_fields(products, 1))
    return Step(node, "nn_pointwise", fields, (node.input(0).index,), shares=shares,
                scratch_bytes=scratch, takes_scratch=True, macs=macs)  # fmt: skip


def _tile(depth: int, columns: int) -> int:
    """Gives how many columns are copied at a time, an even number."""
    return min(_TILE, max(2, _TILE_BYTES // _up(depth, _BLOCK) // 2 * 2), _up(columns, 2))


def _up(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple


def _dense_fields(products: _Products, groups: int) -> tuple[Field, ...]:
    channels, depth = products.channels // groups, products.weights.shape[1]
    padded = np.zeros((groups, _up(channels, _GROUP), _up(depth, _BLOCK)), np.int8)
    padded[:, :channels, :depth] = products.weights.reshape(groups, channels, depth)
    grouped = padded.reshape(groups, -1, _GROUP, padded.shape[2] // _BLOCK, _BLOCK).transpose(0, 1, 3, 2, 4)
    layout = f"[channel / {_GROUP}][input / {_BLOCK}][channel % {_GROUP}][input % {_BLOCK}], inputs by filter y, x"
    weights = products.array("weights", "int8_t", grouped.ravel().tolist(), layout)
    return ("depth", depth), ("count", channels), ("weights", weights), ("channels", products.channel_fields())


def _products(node: Node, weights: NDArray[Any]) -> _Products:
    """Gives weights [channels, taps] with their scales and the bias, checked."""
    source, output, filters = affine_of(node.input(0)), affine_of(node.output), node.input(1)
    quantization = filters.quantization
    if filters.dtype != "int8" or quantization is None:
        raise Unsupported("needs int8 weights")
    if len(quantization.scales) not in {1, weights.shape[0]}:
        raise Unsupported(f"has {len(quantization.scales)} weight scales for {weights.shape[0]} channels")
    if any(quantization.zero_points):
        raise Unsupported("has weights whose zero point is not 0")
    if weights.shape[1] > MAX_DEPTH:
        raise Unsupported(f"sums {weights.shape[1]} products, which an int32 does not hold")
    if node.output.shape[-1] != weights.shape[0]:
        raise Unsupported(f"has {weights.shape[0]} filters for the output {list(node.output.shape)}")
    bias = _bias(node.optional(2), weights.shape[0])
    sums = weights.astype(np.int64).sum(axis=1)
    folded = tuple(wrap32(int(b) - source.zero_point * int(s)) for b, s in zip(bias, sums, strict=True))
    return _Products(node, source, output, weights.astype(np.int8), quantization.scales, folded)


def _bias(tensor: Tensor | None, channels: int) -> NDArray[Any]:
    if tensor is None:
        return np.zeros(channels, np.int64)
    bias = constant_of(tensor).ravel()
    if tensor.dtype != "int32" or bias.size != channels:
        raise Unsupported(f"has a bias of {bias.size} {tensor.dtype} for {channels} channels")
    return bias


def _window(node: Node, height: int, width: int) -> tuple[tuple[str, int], ...]:
    """Gives the fields of ``struct nn_window`` of a convolution."""
    dilation = (node.option("dilation_h_factor"), node.option("dilation_w_factor"))
    return window_fields(node, (height, width), dilation)


def window_fields(
    node: Node, filter_size: tuple[int, int], dilation: tuple[int, int] = (1, 1)
) -> tuple[tuple[str, int], ...]:
    """Gives the fields of ``struct nn_window``, and checks that the output has the size that they give."""
    strides = (node.option("stride_h"), node.option("stride_w"))
    source, output = node.input(0).shape[1:3], node.output.shape[1:3]
    if min(*filter_size, *dilation, *strides) < 1:
        raise Unsupported("has a filter, stride or dilation that is not positive")
    pads = []
    for axis in (0, 1):
        reach = (filter_size[axis] - 1) * dilation[axis] + 1
        spare = source[axis] if node.option("padding") == "SAME" else source[axis] - reach + 1
        if output[axis] != -(-spare // strides[axis]):
            raise Unsupported(f"has the output {list(node.output.shape)}, which is not what its padding gives")
        pads.append(max(0, (output[axis] - 1) * strides[axis] + reach - source[axis]) // 2)
    names = ("input", "output", "filter", "stride", "dilation")
    values = (source, output, filter_size, strides, dilation)
    pairs = [
        (f"{name}_{side}", int(value[axis]))
        for name, value in zip(names, values, strict=True)
        for axis, side in enumerate(("height", "width"))
    ]
    return (*pairs, ("pad_top", pads[0]), ("pad_left", pads[1]))


def _is_pointwise(window: tuple[tuple[str, int], ...]) -> bool:
    size = dict(window)
    return size["filter_height"] == size["filter_width"] == size["stride_height"] == size["stride_width"] == 1


def _stays_inside(window: tuple[tuple[str, int], ...]) -> bool:
    """Says whether no window leaves the image."""
    size = dict(window)
    return all(
        size[pad] == 0
        and (size[f"output_{side}"] - 1) * size[f"stride_{side}"]
        + (size[f"filter_{side}"] - 1) * size[f"dilation_{side}"] < size[f"input_{side}"]
        for side, pad in (("height", "pad_top"), ("width", "pad_left"))
    )  # fmt: skip


def _needs_rank(node: Node, rank: int) -> None:
    if len(node.input(0).shape) != rank or len(node.output.shape) != rank or node.constant(1).ndim != rank:
        raise Unsupported(f"has an input of shape {list(node.input(0).shape)}")


def _needs_batch_of_one(node: Node) -> None:
    if node.input(0).shape[0] != 1:
        raise Unsupported(f"has a batch of {node.input(0).shape[0]}")
