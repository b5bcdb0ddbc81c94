"""Random one-operator models for look-ups, moves, reductions, pools and softmax."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator

from tests.support.int8_models import SAME, VALID, ModelBuilder
from tests.support.kernel_cases import Case, activation, scale, stack, times_power, values, windowed, zero_point


def lookup(name: str) -> Callable[[Generator], Case]:
    """Gives a maker of models of one function of one value; the input holds all 256."""

    def make(rng: Generator) -> Case:
        build = ModelBuilder()
        source_scale = scale(rng)
        source = build.tensor((1, 256), source_scale, zero_point(rng))
        output_scale, output_zero = times_power(rng, source_scale, -4, 4), zero_point(rng)
        if name == "LOGISTIC":
            output_scale, output_zero = 1 / 256, -128
        elif rng.random() < 0.2:
            output_scale = scale(rng)
        result = build.tensor((1, 256), output_scale, output_zero)
        build.operator(name, [source], result)
        inputs = np.arange(-128, 128, dtype=np.int8).reshape(1, 1, 256)
        return f"{name} {source_scale} to {output_scale}", build.finish([source], [result]), inputs

    return make


def _shape(rng: Generator, rank: int, most: int = 7) -> tuple[int, ...]:
    return (1, *(int(n) for n in rng.integers(1, most, rank - 1)))


def _move(
    rng: Generator, name: str, shape: tuple[int, ...], output: tuple[int, ...], *more: Any, **options: Any
) -> Case:
    """A model of one move; ``more`` are int32 constants."""
    build = ModelBuilder()
    affine = (scale(rng), zero_point(rng))
    source = build.tensor(shape, *affine)
    extra = [build.ints(values) for values in more]
    # A batch of 1 in front, whatever the move does to the first axis.
    moved = build.tensor(output, *affine)
    build.operator(name, [source, *extra], moved, **options)
    result = build.tensor((1, math.prod(output)), *affine)
    build.operator("RESHAPE", [moved, build.ints((1, math.prod(output)))], result)
    return f"{name} {shape} -> {output} {more} {options}", build.finish([source], [result]), stack(rng, shape)


def transpose(rng: Generator) -> Case:
    """A transpose of up to five dimensions."""
    rank = int(rng.integers(2, 6))
    shape = _shape(rng, rank)
    order = rng.permutation(rank)
    return _move(rng, "TRANSPOSE", shape, tuple(shape[i] for i in order), order)


def reshape(rng: Generator) -> Case:
    """A reshape, squeeze or new axis."""
    shape = _shape(rng, 4)
    kind = rng.integers(0, 3)
    if kind == 0:
        output = (math.prod(shape[:2]), math.prod(shape[2:]))
        return _move(rng, "RESHAPE", shape, output, output, newShape=list(output))
    if kind == 1:
        return _move(rng, "SQUEEZE", shape, shape[1:], squeezeDims=[0])
    axis = int(rng.integers(0, 5))
    return _move(rng, "EXPAND_DIMS", shape, (*shape[:axis], 1, *shape[axis:]), axis)


def slices(rng: Generator) -> Case:
    """A slice with begin and size."""
    shape = _shape(rng, int(rng.integers(2, 5)))
    begin = [int(rng.integers(0, n)) for n in shape]
    size = [int(rng.integers(1, n - b + 1)) for n, b in zip(shape, begin, strict=True)]
    given = [-1 if s == n - b and rng.random() < 0.5 else s for n, b, s in zip(shape, begin, size, strict=True)]
    return _move(rng, "SLICE", shape, tuple(size), begin, given)


def strided_slice(rng: Generator) -> Case:
    """A strided slice: negative strides, negative indices, masks, axes that vanish."""
    shape = _shape(rng, int(rng.integers(2, 5)))
    begin, end, strides, masks, index = [], [], [], [0, 0, 0], []
    for axis, n in enumerate(shape):
        step = int(rng.choice([1, 1, 2, -1, -2]))
        first, last = sorted(int(i) for i in rng.integers(0, n, 2))
        if step < 0:
            first, last = last, first
        stop = last + (1 if step > 0 else -1)
        open_begin, open_end = rng.random() < 0.3, rng.random() < 0.3 or stop < 0
        shrink = axis > 0 and rng.random() < 0.15
        masks[0] |= int(open_begin and not shrink) << axis
        masks[1] |= int(open_end and not shrink) << axis
        masks[2] |= int(shrink) << axis
        begin.append(first - n if rng.random() < 0.3 else first)
        end.append(stop if stop >= 0 else 0)
        strides.append(1 if shrink else step)
        ends = (None if open_begin else first, None if open_end else stop, step)
        index.append(first if shrink else slice(*ends))
    output = np.zeros(shape)[tuple(index)].shape
    return _move(rng, "STRIDED_SLICE", shape, output, begin, end, strides, beginMask=masks[0], endMask=masks[1],
                 shrinkAxisMask=masks[2])  # fmt: skip


def concatenation(rng: Generator) -> Case:
    """The input, a constant and the input again, side by side."""
    shape = _shape(rng, int(rng.integers(2, 5)))
    axis = int(rng.integers(1, len(shape)))
    build = ModelBuilder()
    affine = (scale(rng), zero_point(rng))
    source = build.tensor(shape, *affine)
    other = list(shape)
    other[axis] = int(rng.integers(1, 6))
    constant = build.tensor(other, *affine, data=values(rng, tuple(other)))
    output = list(shape)
    output[axis] = 2 * shape[axis] + other[axis]
    result = build.tensor(output, *affine)
    build.operator("CONCATENATION", [source, constant, source], result, axis=axis - (len(shape) if axis % 2 else 0))
    return f"CONCATENATION {shape} axis {axis}", build.finish([source], [result]), stack(rng, shape)


def pad(rng: Generator) -> Case:
    """A pad of any sides, with the zero point or a constant."""
    shape = _shape(rng, int(rng.integers(2, 5)))
    pads = [(0, 0), *([int(n) for n in rng.integers(0, 4, 2)] for _ in shape[1:])]
    output = tuple(n + a + b for n, (a, b) in zip(shape, pads, strict=True))
    build = ModelBuilder()
    affine = (scale(rng), zero_point(rng))
    source = build.tensor(shape, *affine)
    inputs = [source, build.ints(pads)]
    constant = rng.random() < 0.3
    if constant:
        inputs.append(build.tensor((1,), *affine, data=values(rng, (1,))))
    result = build.tensor(output, *affine)
    build.operator("PADV2" if constant else "PAD", inputs, result)
    return f"PAD {shape} {pads}", build.finish([source], [result]), stack(rng, shape)


def reduction(name: str) -> Callable[[Generator], Case]:
    """Gives a maker of models of a mean, sum or maximum over any axes."""

    def make(rng: Generator) -> Case:
        rank = int(rng.integers(3, 5))
        shape = _shape(rng, rank, 12)
        axes = [int(i) for i in rng.permutation(np.arange(1, rank))[: int(rng.integers(1, rank))]]
        keep = bool(rng.random() < 0.5)
        output = tuple(1 if i in axes else n for i, n in enumerate(shape) if keep or i not in axes)
        source_scale, source_zero = scale(rng), zero_point(rng)
        count = math.prod(shape[i] for i in axes)
        usual = times_power(rng, source_scale * (count if name == "SUM" else 1), -2, 2)
        affine = (usual if rng.random() < 0.85 else scale(rng), zero_point(rng))
        if name == "REDUCE_MAX":
            affine = (source_scale, source_zero)
        build = ModelBuilder()
        source = build.tensor(shape, source_scale, source_zero)
        reduced = build.tensor(output, *affine)
        given = [axis - rank if rng.random() < 0.3 else axis for axis in axes]
        build.operator(name, [source, build.ints(given)], reduced, keepDims=keep)
        result = build.tensor((1, math.prod(output)), *affine)
        build.operator("RESHAPE", [reduced, build.ints((1, math.prod(output)))], result)
        return f"{name} {shape} over {axes}", build.finish([source], [result]), stack(rng, shape)

    return make


def pool(name: str) -> Callable[[Generator], Case]:
    """Gives a maker of models of an average or maximum over windows."""

    def make(rng: Generator) -> Case:
        size, strides = ([int(n) for n in rng.integers(1, 5, 2)] for _ in range(2))
        padding = SAME if rng.random() < 0.6 else VALID
        image = [max(int(rng.integers(1, 12)), n if padding == VALID else 1) for n in size]
        output = [windowed(padding, *numbers) for numbers in zip(image, size, strides, strict=True)]
        depth = int(rng.integers(1, 12))
        affine = (scale(rng), zero_point(rng))
        build = ModelBuilder()
        source = build.tensor((1, *image, depth), *affine)
        result = build.tensor((1, *output, depth), *affine)
        build.operator(name, [source], result, padding=padding, filterHeight=size[0], filterWidth=size[1],
                       strideH=strides[0], strideW=strides[1], fusedActivationFunction=activation(rng))  # fmt: skip
        shape = (1, *image, depth)
        return f"{name} {size} on {shape}", build.finish([source], [result]), stack(rng, shape)

    return make


def softmax(rng: Generator) -> Case:
    """A softmax over the last dimension, steep and flat."""
    shape = _shape(rng, int(rng.integers(2, 5)), 20)
    source_scale = float(np.float32(10.0 ** rng.uniform(-5, 1)))
    build = ModelBuilder()
    source = build.tensor(shape, source_scale, zero_point(rng))
    result = build.tensor(shape, 1 / 256, -128)
    beta = float(rng.choice([1.0, 1.0, 0.3, 2.5]))
    build.operator("SOFTMAX", [source], result, beta=beta)
    return f"SOFTMAX {shape} scale {source_scale} beta {beta}", build.finish([source], [result]), stack(rng, shape)
