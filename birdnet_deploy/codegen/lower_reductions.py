"""Lowering of operators that make one value of many: mean, sum, maximum, pools, softmax.

Multipliers as in LiteRT's ``reduce.cc``, ``reference/reduce.h`` and ``activations.cc``.
"""

from __future__ import annotations

import math

from birdnet_deploy.codegen.fixed_point import quantize_multiplier, quantize_rescale
from birdnet_deploy.codegen.graph import Node, activation_range, affine_of
from birdnet_deploy.codegen.lower_products import window_fields
from birdnet_deploy.codegen.steps import Array, Field, Step
from birdnet_deploy.codegen.tables import softmax_exponentials
from birdnet_deploy.codegen.unsupported import Unsupported

_DIMENSIONS = 3  # kept, and reduced, of struct nn_reduction


def lower_mean(node: Node) -> list[Step]:
    """Gives MEAN: the divisor goes into the multiplier, rounded down as the reference does."""
    shape, count = _reduction(node)
    source, output = affine_of(node.input(0)), affine_of(node.output)
    multiplier, shift = quantize_multiplier(source.scale / output.scale)
    more = min(count.bit_length() - 1, 32, 31 + shift)
    shift -= more
    fields = (
        ("shape", shape), ("zero_point_sum", source.zero_point * count),
        ("multiplier", (multiplier << more) // count),
        ("shift", shift % 32 if shift > 0 else shift), ("bytes_are_unsigned", False),
        ("output", (("offset", output.zero_point), ("minimum", -128), ("maximum", 127))),
    )  # fmt: skip
    return [Step(node, "nn_reduce_sum", fields, (node.input(0).index,))]


def lower_sum(node: Node) -> list[Step]:
    """Gives SUM as the reference computes it, which takes int8 values as uint8 (docs/int8-arithmetic.md)."""
    shape, count = _reduction(node)
    source, output = affine_of(node.input(0)), affine_of(node.output)
    multiplier, shift = quantize_rescale(source.scale / output.scale)
    fields = (
        ("shape", shape), ("zero_point_sum", source.zero_point * count),
        ("multiplier", multiplier), ("shift", shift), ("bytes_are_unsigned", True),
        ("output", (("offset", output.zero_point), ("minimum", 0), ("maximum", 255))),
    )  # fmt: skip
    return [Step(node, "nn_reduce_sum", fields, (node.input(0).index,))]


def lower_reduce_max(node: Node) -> list[Step]:
    """Gives REDUCE_MAX."""
    if affine_of(node.input(0)) != affine_of(node.output):
        raise Unsupported("has an output of another scale than its input (the reference refuses it)")
    shape, _ = _reduction(node)
    return [Step(node, "nn_reduce_maximum", shape, (node.input(0).index,), struct="nn_reduction")]


def lower_pool(node: Node) -> list[Step]:
    """Gives AVERAGE_POOL_2D or MAX_POOL_2D."""
    source = node.input(0)
    if len(source.shape) != 4 or source.shape[0] != 1:
        raise Unsupported(f"has an input of shape {list(source.shape)}")
    low, high = activation_range(node.option("fused_activation_function"), affine_of(node.output))
    window = window_fields(node, (node.option("filter_height"), node.option("filter_width")))
    kernel = "nn_pool_average" if node.op == "AVERAGE_POOL_2D" else "nn_pool_maximum"
    fields = ("window", window), ("channels", source.shape[3]), ("minimum", low), ("maximum", high)
    return [Step(node, kernel, fields, (source.index,), struct="nn_pool")]


def lower_softmax(node: Node) -> list[Step]:
    """Gives SOFTMAX over the last dimension."""
    source, output = node.input(0), affine_of(node.output)
    if output.zero_point != -128 or abs(output.scale - 1 / 256) > 0.001 / 256:
        raise Unsupported(f"has the output scale {output.scale!r}; the reference takes 1/256 only")
    exponentials = softmax_exponentials(affine_of(source), node.option("beta"))
    array = Array(f"exponential_{node.operator.index}", "int32_t", exponentials, "Q0.31, by distance")
    depth = source.shape[-1]
    fields = (
        ("rows", math.prod(source.shape) // depth), ("depth", depth),
        ("distances", len(exponentials)), ("exponential", array),
    )  # fmt: skip
    return [Step(node, "nn_softmax", fields, (source.index,), shares=(0,))]


def _reduction(node: Node) -> tuple[tuple[Field, ...], int]:
    """Gives the fields of ``struct nn_reduction`` and how many input values make one output value."""
    shape = node.input(0).shape
    axes = {int(axis) % len(shape) for axis in node.constant(1).ravel()}
    dims: list[tuple[bool, int, int]] = []  # reduced, size, step
    for axis, size in enumerate(shape):
        step = math.prod(shape[axis + 1 :])
        if size == 1:
            continue
        if dims and dims[-1][0] == (axis in axes):
            dims[-1] = (axis in axes, dims[-1][1] * size, step)
        else:
            dims.append((axis in axes, size, step))
    fields: list[Field] = []
    for name, reduced in (("kept", False), ("reduced", True)):
        mine = [(size, step) for is_reduced, size, step in dims if is_reduced == reduced]
        if len(mine) > _DIMENSIONS:
            raise Unsupported(f"reduces {list(shape)} along too many dimensions")
        mine = [(1, 0)] * (_DIMENSIONS - len(mine)) + mine
        fields += [(name, tuple(n for n, _ in mine)), (f"{name}_step", tuple(s for _, s in mine))]
    count = math.prod(size for reduced, size, _ in dims if reduced)
    if math.prod(shape) != count * math.prod(node.output.shape):
        raise Unsupported(f"gives the shape {list(node.output.shape)} from {list(shape)}")
    return tuple(fields), count
