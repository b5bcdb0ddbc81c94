"""Lowering of operators that work value by value: arithmetic of two tensors, and functions of one as a table.

An operand that is one constant, or the same tensor twice, makes an operation a function of one int8: a table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from birdnet_deploy.codegen import tables
from birdnet_deploy.codegen.fixed_point import (
    clamp,
    divide_by_power,
    float32_product,
    float32_ratio,
    high_multiply,
    quantize_multiplier,
    quantize_rescale,
    reciprocal,
    requantize,
    wrap8,
    wrap32,
)
from birdnet_deploy.codegen.graph import Node, affine_of
from birdnet_deploy.codegen.lower_products import output_fields
from birdnet_deploy.codegen.steps import Array, Field, Function, Step, Values
from birdnet_deploy.codegen.unsupported import Unsupported
from birdnet_deploy.tflite.reader import Tensor

_LEFT_SHIFT = 20  # sums are formed in steps of 2^-20 of twice the larger scale
_DIMENSIONS = 4  # of struct nn_broadcast
_ADD_SCRATCH = 1024  # a table of 256 int32, NN_ADD_SCRATCH


@dataclass(frozen=True)
class _Operation:
    """An operation of two int8 values: the kernel that computes it, and the same in Python for tables."""

    kernel: str
    fields: tuple[Field, ...]
    value: Callable[[int, int], int]
    swapped: bool = False  # the kernel takes the second operand first
    scratch_bytes: int = 0
    fallible: bool = False


def lower_lookup(node: Node, table: tables.Table) -> list[Step]:
    """Gives a table look-up of the node's one computed input."""
    array = Array(f"table_{node.operator.index}", "int8_t", table, "for -128 .. 127")
    count = math.prod(node.output.shape)
    computed = next(tensor for tensor in node.inputs if tensor is not None and not tensor.data)
    if math.prod(computed.shape) != count:
        raise Unsupported(f"gives the shape {list(node.output.shape)} from {list(computed.shape)}")
    fields = ("count", count), ("table", array)
    values = np.array(table)
    return [
        Step(node, "nn_lookup", fields, (computed.index,), shares=(0,), function=lambda inputs: values[inputs[0] + 128])
    ]


def lower_requantize(node: Node) -> list[Step]:
    """Gives QUANTIZE from int8 to int8 as a table."""
    return lower_lookup(node, tables.requantize_table(affine_of(node.input(0)), affine_of(node.output)))


def lower_relu(node: Node) -> list[Step]:
    """Gives RELU, RELU6 or RELU_N1_TO_1 as a table."""
    low, high = {"RELU": (0.0, None), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}[node.op]
    return lower_lookup(node, tables.relu_table(affine_of(node.input(0)), affine_of(node.output), low, high))


def lower_function(node: Node) -> list[Step]:
    """Gives LOGISTIC or LOG as a table."""
    make = {"LOGISTIC": tables.logistic_table, "LOG": tables.log_table}[node.op]
    return lower_lookup(node, make(affine_of(node.input(0)), affine_of(node.output)))


def lower_binary(node: Node) -> list[Step]:
    """Gives ADD, SUB, MUL, DIV, MAXIMUM or MINIMUM: a table where one operand says it all, else a kernel."""
    first, second = node.input(0), node.input(1)
    for tensor in (first, second):
        affine_of(tensor)
    operation = _OPERATIONS[node.op](node)
    if first.index == second.index and not operation.fallible:
        return lower_lookup(node, tuple(operation.value(q, q) for q in tables.INT8))
    if _is_single(second) and not _divides_by_zero(node, second):
        constant = int(node.constant(1).ravel()[0])
        return lower_lookup(node, tuple(operation.value(q, constant) for q in tables.INT8))
    if _is_single(first) and not operation.fallible:
        constant = int(node.constant(0).ravel()[0])
        return lower_lookup(node, tuple(operation.value(constant, q) for q in tables.INT8))
    tensors = (second, first) if operation.swapped else (first, second)
    shape = _broadcast(tensors[0].shape, tensors[1].shape, node.output.shape)
    count = math.prod(node.output.shape)
    shares = tuple(i for i, t in enumerate(tensors) if not t.data and math.prod(t.shape) == count)
    fields = (("shape", shape), *operation.fields)
    inputs = (tensors[0].index, tensors[1].index)
    return [
        Step(node, operation.kernel, fields, inputs, shares=shares, scratch_bytes=operation.scratch_bytes,
             takes_scratch=operation.scratch_bytes > 0, fallible=operation.fallible,
             function=None if operation.fallible else _pairwise(operation))
    ]  # fmt: skip


def _pairwise(operation: _Operation) -> Function:
    """Gives an operation for arrays; the kernel's first input may be the second operand."""

    def function(inputs: Sequence[Values]) -> Values:
        first, second = np.broadcast_arrays(*(reversed(inputs) if operation.swapped else inputs))
        pairs, places = np.unique(first * 256 + second, return_inverse=True)
        high = (pairs + 128) // 256
        results = [operation.value(int(a), int(b)) for a, b in zip(high, pairs - high * 256, strict=True)]
        return np.array(results, np.int64)[places].reshape(first.shape)

    return function


def _is_single(tensor: Tensor) -> bool:
    return bool(tensor.data) and math.prod(tensor.shape) == 1


def _divides_by_zero(node: Node, divisor: Tensor) -> bool:
    return node.op == "DIV" and int(node.constant(1).ravel()[0]) == affine_of(divisor).zero_point


def _finisher(fields: tuple[Field, ...]) -> Callable[[int], int]:
    """Gives what ``nn_finish`` does with these fields of ``struct nn_output``."""
    values = {name: value for name, value in fields if isinstance(value, int)}
    return lambda x: wrap8(clamp(wrap32(x + values["offset"]), values["minimum"], values["maximum"]))


def _add(node: Node) -> _Operation:
    return _sum(node, 1)


def _sub(node: Node) -> _Operation:
    return _sum(node, -1)


def _sum(node: Node, sign: int) -> _Operation:
    """ADD (sign 1) and SUB (sign -1), as ``add.cc`` and ``sub.cc`` prepare them."""
    first, second, output = affine_of(node.input(0)), affine_of(node.input(1)), affine_of(node.output)
    swapped = second.scale > first.scale
    wide, narrow = (second, first) if swapped else (first, second)
    narrow_multiplier, narrow_shift = quantize_multiplier(narrow.scale / (2 * wide.scale))
    factor = 2 * wide.scale / float32_product(2.0**_LEFT_SHIFT, output.scale)
    multiplier, shift = quantize_multiplier(factor)
    if shift > 0:  # ADD ends the reference's process, SUB shifts by a negative count
        raise Unsupported(f"has the output scale {output.scale!r}, for which the reference has no defined result")
    wide_factor = (sign if swapped else 1) << (_LEFT_SHIFT - 1)
    narrow_sign = 1 if swapped else sign
    result = output_fields(node, output)
    finish = _finisher(result)

    def value(a: int, b: int) -> int:
        w, n = (b, a) if swapped else (a, b)
        scaled = requantize((n - narrow.zero_point) << _LEFT_SHIFT, narrow_multiplier, narrow_shift)
        total = (w - wide.zero_point) * wide_factor + scaled * narrow_sign
        return finish(requantize(total, multiplier, shift))

    fields = (
        ("wide_zero_point", wide.zero_point), ("wide_factor", wide_factor),
        ("narrow_zero_point", narrow.zero_point), ("narrow_multiplier", narrow_multiplier),
        ("narrow_shift", narrow_shift), ("narrow_sign", narrow_sign),
        ("multiplier", multiplier), ("shift", shift), ("output", result),
    )  # fmt: skip
    return _Operation("nn_add", fields, value, swapped, _ADD_SCRATCH)


def _mul(node: Node) -> _Operation:
    first, second, output = affine_of(node.input(0)), affine_of(node.input(1)), affine_of(node.output)
    factor = float32_ratio(float32_product(first.scale, second.scale), output.scale)
    multiplier, shift = quantize_rescale(factor)
    result = output_fields(node, output)
    finish = _finisher(result)

    def value(a: int, b: int) -> int:
        return finish(requantize((a - first.zero_point) * (b - second.zero_point), multiplier, shift))

    fields = (
        ("first_zero_point", first.zero_point), ("second_zero_point", second.zero_point),
        ("multiplier", multiplier), ("shift", shift), ("output", result),
    )  # fmt: skip
    return _Operation("nn_mul", fields, value)


def _div(node: Node) -> _Operation:
    first, second, output = affine_of(node.input(0)), affine_of(node.input(1)), affine_of(node.output)
    factor = float32_ratio(first.scale, float32_product(second.scale, output.scale))
    multiplier, shift = quantize_multiplier(factor)
    result = output_fields(node, output)
    finish = _finisher(result)

    def value(a: int, b: int) -> int:
        divisor = b - second.zero_point
        dividend = (a - first.zero_point) * (1 if divisor > 0 else -1)
        inverse, bits = reciprocal(abs(divisor))
        doublings = 31 - (dividend if dividend >= 0 else ~dividend).bit_length()
        unscaled = high_multiply(wrap32(dividend << doublings), inverse)
        return finish(divide_by_power(high_multiply(unscaled, multiplier), bits + doublings - shift))

    fields = (
        ("first_zero_point", first.zero_point), ("second_zero_point", second.zero_point),
        ("multiplier", multiplier), ("shift", shift), ("output", result),
    )  # fmt: skip
    return _Operation("nn_div", fields, value, fallible=True)


def _extreme(node: Node) -> _Operation:
    largest = node.op == "MAXIMUM"
    return _Operation("nn_extreme", (("largest", largest),), max if largest else min)


_OPERATIONS = {"ADD": _add, "SUB": _sub, "MUL": _mul, "DIV": _div, "MAXIMUM": _extreme, "MINIMUM": _extreme}


def _broadcast(
    first: tuple[int, ...], second: tuple[int, ...], output: tuple[int, ...]
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Gives the fields of ``struct nn_broadcast``: dimensions that run on in both operands become one."""
    dims: list[tuple[int, int, int]] = []
    for size, a, b in zip(output, _steps(first, output), _steps(second, output), strict=True):
        if size == 1:
            continue
        if dims and dims[-1][1] == a * size and dims[-1][2] == b * size:
            dims[-1] = (dims[-1][0] * size, a, b)
        else:
            dims.append((size, a, b))
    if len(dims) > _DIMENSIONS:
        raise Unsupported(f"repeats {list(first)} and {list(second)} along too many dimensions")
    dims = [(1, 0, 0)] * (_DIMENSIONS - len(dims)) + dims
    sizes, firsts, seconds = zip(*dims, strict=True)
    return ("size", sizes), ("first_step", firsts), ("second_step", seconds)


def _steps(shape: tuple[int, ...], output: tuple[int, ...]) -> list[int]:
    """Gives how far an operand moves for one element of each dimension of the output; 0 where it is repeated."""
    padded = (1,) * (len(output) - len(shape)) + shape
    if len(padded) != len(output) or any(n not in {1, size} for n, size in zip(padded, output, strict=True)):
        raise Unsupported(f"cannot repeat {list(shape)} to {list(output)}")
    return [0 if n == 1 else math.prod(padded[i + 1 :]) for i, n in enumerate(padded)]
