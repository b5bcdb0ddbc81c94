"""Lowering of operators that only move values: an alias where nothing moves, else strided copies.

Where values go is asked of numpy: the operator is applied to the numbers of its input's elements, and strides are
read off the result.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.codegen.graph import Node, affine_of, constant_of
from birdnet_deploy.codegen.steps import Alias, Lowered, Step
from birdnet_deploy.codegen.unsupported import Unsupported
from birdnet_deploy.tflite.reader import Tensor

DIMENSIONS = 5  # of struct nn_copy


def lower_reshape(node: Node) -> Lowered:
    """Gives RESHAPE, SQUEEZE or EXPAND_DIMS: the same memory under another shape."""
    return _moved(node, _numbers(node.input(0)))


def lower_transpose(node: Node) -> Lowered:
    """Gives TRANSPOSE."""
    order = [int(i) for i in node.constant(1).ravel()]
    numbers = _numbers(node.input(0))
    if sorted(i % numbers.ndim for i in order) != list(range(numbers.ndim)):
        raise Unsupported(f"has the order {order}")
    return _moved(node, numbers.transpose(order))


def lower_slice(node: Node) -> Lowered:
    """Gives SLICE."""
    numbers = _numbers(node.input(0))
    begins, sizes = node.constant(1).ravel(), node.constant(2).ravel()
    if not len(begins) == len(sizes) == numbers.ndim:
        raise Unsupported(f"slices {numbers.ndim} dimensions by {len(begins)}")
    index = tuple(slice(int(b), None if n == -1 else int(b) + int(n)) for b, n in zip(begins, sizes, strict=True))
    return _moved(node, numbers[index])


def lower_strided_slice(node: Node) -> Lowered:
    """Gives STRIDED_SLICE with begin, end and shrink masks.

    Raises: Unsupported for an ellipsis or a new axis.
    """
    numbers = _numbers(node.input(0))
    begins, ends, strides = (node.constant(i).ravel() for i in (1, 2, 3))
    if node.option("ellipsis_mask") or node.option("new_axis_mask") or node.option("offset"):
        raise Unsupported("has an ellipsis, a new axis or relative ends")
    index: list[slice | int] = []
    for axis, (begin, end, stride) in enumerate(zip(begins.tolist(), ends.tolist(), strides.tolist(), strict=True)):
        bit = 1 << axis
        if node.option("shrink_axis_mask") & bit:
            index.append(0 if node.option("begin_mask") & bit else begin)
            continue
        first = None if node.option("begin_mask") & bit else begin
        last = None if node.option("end_mask") & bit else end
        index.append(slice(first, last, stride))
    return _moved(node, numbers[tuple(index)])


def lower_concatenation(node: Node) -> Lowered:
    """Gives CONCATENATION: each input goes to its part of the output."""
    if node.option("fused_activation_function") != "NONE":
        raise Unsupported("has a fused activation")
    output = affine_of(node.output)
    tensors = [node.input(i) for i in range(len(node.inputs))]
    if any(affine_of(tensor) != output for tensor in tensors):
        raise Unsupported("has inputs of another scale than its output (the reference refuses it)")
    axis = node.option("axis") % len(node.output.shape)
    places = _numbers(node.output)
    steps: list[Step] = []
    begin = 0
    for tensor in tensors:
        end = begin + tensor.shape[axis]
        part = places[(slice(None),) * axis + (slice(begin, end),)]
        steps.append(_copy(node, tensor, _numbers(tensor), part))
        begin = end
    if begin != node.output.shape[axis]:
        raise Unsupported(f"gives the shape {list(node.output.shape)}")
    return steps


def lower_pad(node: Node) -> Lowered:
    """Gives PAD or PADV2: the output filled, then the input copied into it."""
    pads = node.constant(1)
    source = node.input(0)
    value = affine_of(node.output).zero_point
    constant = node.optional(2)
    if constant is not None:
        value = int(constant_of(constant).ravel()[0])
    if pads.shape != (len(source.shape), 2) or (pads < 0).any():
        raise Unsupported(f"pads {list(source.shape)} by {pads.tolist()}")
    inside = tuple(slice(int(a), int(a) + n) for (a, _), n in zip(pads, source.shape, strict=True))
    fill = Step(node, "nn_fill", (("count", math.prod(node.output.shape)), ("value", value)), ())
    return [fill, _copy(node, source, _numbers(source), _numbers(node.output)[inside])]


def _numbers(tensor: Tensor) -> NDArray[Any]:
    return np.arange(math.prod(tensor.shape)).reshape(tensor.shape)


def _moved(node: Node, numbers: NDArray[Any]) -> Lowered:
    """Gives an alias or a copy that makes the node's output of the input elements ``numbers``, in that order."""
    count = math.prod(node.output.shape)
    if numbers.size != count:
        raise Unsupported(f"gives {numbers.size} values for the shape {list(node.output.shape)}")
    flat = numbers.ravel()
    if np.array_equal(flat, flat[0] + np.arange(count)):
        return Alias(node.output.index, node.input(0).index, int(flat[0]))
    return [_copy(node, node.input(0), numbers, _numbers(node.output).reshape(numbers.shape))]


def _copy(node: Node, source: Tensor, numbers: NDArray[Any], places: NDArray[Any]) -> Step:
    """Gives the copy of input elements ``numbers`` to output elements ``places``, arrays of one shape."""
    if numbers.shape != places.shape:
        raise Unsupported(f"has shapes that do not fit: {list(numbers.shape)} to {list(places.shape)}")
    dims: list[tuple[int, int, int]] = []
    for axis, size in enumerate(numbers.shape):
        if size == 1:
            continue
        step_in, step_out = _step(numbers, axis), _step(places, axis)
        if dims and dims[-1][1] == step_in * size and dims[-1][2] == step_out * size:
            dims[-1] = (dims[-1][0] * size, step_in, step_out)
        else:
            dims.append((size, step_in, step_out))
    if len(dims) > DIMENSIONS:
        raise Unsupported(f"moves values along {len(dims)} dimensions")
    dims = [(1, 0, 0)] * (DIMENSIONS - len(dims)) + (dims or [])
    sizes, ins, outs = zip(*dims, strict=True)
    fields = (
        ("size", sizes), ("input_step", ins), ("output_step", outs),
        ("input_start", int(numbers.flat[0])), ("output_start", int(places.flat[0])),
    )  # fmt: skip
    return Step(node, "nn_copy", fields, (source.index,))


def _step(numbers: NDArray[Any], axis: int) -> int:
    """Gives the difference from one index to the next along an axis."""
    line = numbers[tuple(slice(None) if i == axis else 0 for i in range(numbers.ndim))]
    return int(line[1] - line[0])
