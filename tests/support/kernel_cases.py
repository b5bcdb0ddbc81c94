"""Random one-operator models for each kernel: shapes, strides, paddings, scales (extreme ones too), activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tests.support.int8_models import ACTIVATIONS, SAME, VALID, ModelBuilder

Case = tuple[str, bytes, NDArray[np.int8]]


def scale(rng: Generator) -> float:
    """Gives a float32 scale: mostly of the usual size, sometimes degenerate; powers of two make exact halves."""
    exponent = rng.choice([rng.uniform(-4, 0), rng.uniform(-9.5, -6), rng.uniform(0, 4)], p=[0.85, 0.1, 0.05])
    if rng.random() < 0.2:
        return float(2.0 ** round(exponent / math.log10(2)))
    return float(np.float32(10.0**exponent))


def is_power(value: float) -> bool:
    """Says whether a scale is a power of two."""
    return math.frexp(value)[0] == 0.5


def times_power(rng: Generator, value: float, low: float, high: float) -> float:
    """Gives ``value`` times a power of two between ``2**low`` and ``2**high``, a third of them whole powers."""
    exponent = rng.uniform(low, high)
    whole = is_power(value) or rng.random() < 0.35
    return float(np.float32(value * 2.0 ** (round(exponent) if whole else exponent)))


def zero_point(rng: Generator) -> int:
    """Gives a zero point, the ends of its range often."""
    return int(rng.choice([-128, 127, 0, rng.integers(-128, 128)], p=[0.3, 0.1, 0.1, 0.5]))


def values(rng: Generator, shape: tuple[int, ...]) -> NDArray[np.int8]:
    """Gives random int8 values, all of the range."""
    return rng.integers(-128, 128, shape).astype(np.int8)


def stack(rng: Generator, shape: tuple[int, ...]) -> NDArray[np.int8]:
    """Gives inputs for one model: random ones, and the ends of the range."""
    ends = [np.full(shape, value, np.int8) for value in (-128, 127)]
    return np.stack([values(rng, shape), values(rng, shape), *ends])


def activation(rng: Generator) -> int:
    return int(rng.choice(ACTIVATIONS, p=[0.4, 0.2, 0.1, 0.3]))


def _output_scale(rng: Generator, product: float, taps: int) -> float:
    """Gives an output scale that keeps most sums in range, or one that does not."""
    usual = times_power(rng, product, *(math.log2(60 * math.sqrt(taps)) + np.array([-3, 3])))
    return usual if rng.random() < 0.85 else scale(rng)


def _bias(rng: Generator, channels: int, taps: int) -> NDArray[np.int32]:
    width = int(rng.choice([2000 * math.isqrt(taps), 2**31 - 1], p=[0.85, 0.15]))
    return rng.integers(-width, width, channels).astype(np.int32)


def _weight_scales(rng: Generator, channels: int, single: bool, source_scale: float) -> NDArray[np.float32]:
    base = scale(rng)
    powers = rng.uniform(-2, 2, 1 if single else channels)
    if is_power(source_scale):
        base, powers = 2.0 ** round(math.log2(base)), np.round(powers)
    spread = np.exp2(powers) * base
    dead = rng.random(len(spread)) < 0.05
    return np.where(dead, 3.9e-9, spread).astype(np.float32)


def _weights(rng: Generator, shape: tuple[int, ...]) -> NDArray[np.int8]:
    return rng.integers(-127, 128, shape).astype(np.int8)


def _window_options(rng: Generator, height: int, width: int) -> dict[str, int]:
    return {"padding": SAME if rng.random() < 0.6 else VALID, "strideH": height, "strideW": width}


def windowed(padding: int, length: int, reach: int, stride: int) -> int:
    return -(-length // stride) if padding == SAME else max(0, -(-(length - reach + 1) // stride))


def conv(rng: Generator) -> Case:
    """A convolution: any filter up to 5x4, groups, dilation; a third of them pointwise."""
    groups = int(rng.choice([1, 1, 1, 2, 3]))
    depth, channels = int(rng.integers(1, 21)) * groups, int(rng.integers(1, 14)) * groups
    pointwise = rng.random() < 0.35
    size = (1, 1) if pointwise else (int(rng.integers(1, 6)), int(rng.integers(1, 5)))
    strides = (1, 1) if rng.random() < 0.6 else tuple(int(n) for n in rng.integers(1, 4, 2))
    dilation = (1, 1) if rng.random() < 0.5 or strides != (1, 1) else tuple(int(n) for n in rng.integers(1, 4, 2))
    image = tuple(int(n) for n in rng.integers(1, 12, 2))
    filters = _weights(rng, (channels, *size, depth // groups))
    return _convolution(rng, "CONV_2D", image, depth, filters, strides, dilation, channels, 0)


def depthwise(rng: Generator) -> Case:
    """A depthwise convolution: 3x3 often, other filters, several filters a channel, dilation."""
    depth = int(rng.integers(1, 25))
    multiplier = int(rng.choice([1, 1, 1, 2, 3]))
    size = [(3, 3), (1, 1), tuple(int(n) for n in rng.integers(1, 6, 2))][int(rng.choice(3, p=[0.5, 0.15, 0.35]))]
    strides = tuple([int(rng.choice([1, 1, 2, 3]))] * 2)
    dilation = (1, 1) if strides != (1, 1) or rng.random() < 0.5 else tuple(int(n) for n in rng.integers(1, 4, 2))
    image = tuple(int(n) for n in rng.integers(1, 12, 2))
    filters = _weights(rng, (1, *size, depth * multiplier))
    return _convolution(rng, "DEPTHWISE_CONV_2D", image, depth, filters, strides, dilation, depth * multiplier, 3)


def wide_conv(rng: Generator) -> Case:
    """A convolution of more pixels or channels than a kernel takes at once."""
    pointwise = rng.random() < 0.6
    depth = int(rng.choice([8, 16, 32, 48, 64, 96, 100, 128, 160, 256, 300]))
    channels = depth if rng.random() < 0.4 else int(rng.integers(1, 70))
    size = (1, 1) if pointwise else (3, 3)
    image = (int(rng.integers(1, 5)), int(rng.choice([1, 2, 33, 65, 130, 141])))
    strides = (1, 1) if pointwise or rng.random() < 0.5 else (1, 2)
    filters = _weights(rng, (channels, *size, depth))
    return _convolution(rng, "CONV_2D", image, depth, filters, strides, (1, 1), channels, 0)


def wide_depthwise(rng: Generator) -> Case:
    """A depthwise convolution, or one of a single input channel, on an image of several parts."""
    of_one = rng.random() < 0.4
    depth = 1 if of_one else int(rng.choice([1, 2, 5, 16]))
    channels = int(rng.integers(1, 19)) if of_one else depth * int(rng.choice([1, 1, 2]))
    image = tuple(int(n) for n in rng.choice([(1, 300), (40, 64), (9, 129), (33, 130), (70, 20), (65, 3)]))
    size = tuple(int(n) for n in rng.choice([(3, 3), (3, 3), (3, 3), (1, 9), (4, 4), (5, 3), (2, 2)]))
    strides = tuple(int(n) for n in rng.choice([(1, 1), (2, 2), (1, 2), (3, 1)])) if of_one else (1, 1)
    strides = strides if of_one else (int(rng.choice([1, 2])),) * 2
    dilation = (1, int(rng.choice([1, 2, 13]))) if strides == (1, 1) else (1, 1)
    if of_one:
        filters = _weights(rng, (channels, *size, 1))
        return _convolution(rng, "CONV_2D", image, depth, filters, strides, dilation, channels, 0)
    filters = _weights(rng, (1, *size, channels))
    return _convolution(rng, "DEPTHWISE_CONV_2D", image, depth, filters, strides, dilation, channels, 3)


def _convolution(
    rng: Generator, name: str, image: tuple[int, ...], depth: int, filters: NDArray[np.int8],
    strides: tuple[int, ...], dilation: tuple[int, ...], channels: int, axis: int,
) -> Case:  # fmt: skip
    options: dict[str, Any] = _window_options(rng, *strides)
    size = filters.shape[1:3]
    reach = [(n - 1) * d + 1 for n, d in zip(size, dilation, strict=True)]
    image = tuple(max(n, r) if options["padding"] == VALID else n for n, r in zip(image, reach, strict=True))
    output = [windowed(options["padding"], n, r, s) for n, r, s in zip(image, reach, strides, strict=True)]
    taps = filters.size // channels
    source_scale = scale(rng)
    scales = _weight_scales(rng, channels, rng.random() < 0.2, source_scale)
    build = ModelBuilder()
    source = build.tensor((1, *image, depth), source_scale, zero_point(rng))
    weights = build.tensor(filters.shape, scales, data=filters, axis=axis)
    inputs = [source, weights]
    if name == "CONV_2D" or rng.random() < 0.9:
        inputs.append(build.tensor([channels], scales * np.float32(source_scale), dtype="int32",
                                   data=_bias(rng, channels, taps)))  # fmt: skip
    result = build.tensor(
        (1, *output, channels), _output_scale(rng, source_scale * float(np.median(scales)), taps), zero_point(rng)
    )
    if name == "DEPTHWISE_CONV_2D":
        options["depthMultiplier"] = channels // depth
    build.operator(name, inputs, result, fusedActivationFunction=activation(rng),
                   dilationHFactor=dilation[0], dilationWFactor=dilation[1], **options)  # fmt: skip
    shape = (1, *image, depth)
    return f"{name} {filters.shape} on {shape}", build.finish([source], [result]), stack(rng, shape)


def wide_sum(rng: Generator) -> Case:
    """A sum, difference or product of many values, rows of them repeated."""
    return binary(str(rng.choice(["ADD", "SUB", "MUL"])), (3, 5, int(rng.choice([16, 33, 64]))))(rng)


def fully_connected(rng: Generator) -> Case:
    """A fully connected layer with one weight scale or one a channel, of one row or more."""
    rows, depth, channels = int(rng.integers(1, 4)), int(rng.integers(1, 70)), int(rng.integers(1, 20))
    source_scale = scale(rng)
    scales = _weight_scales(rng, channels, rng.random() < 0.4, source_scale)
    build = ModelBuilder()
    source = build.tensor((1, rows, depth), source_scale, zero_point(rng))
    weights = build.tensor((channels, depth), scales, data=_weights(rng, (channels, depth)))
    inputs = [source, weights]
    output_scale = _output_scale(rng, source_scale * float(np.median(scales)), depth)
    if rng.random() < 0.9:
        inputs.append(build.tensor([channels], scales * np.float32(source_scale), dtype="int32",
                                   data=_bias(rng, channels, depth)))  # fmt: skip
    result = build.tensor((1, rows, channels), output_scale, zero_point(rng))
    build.operator("FULLY_CONNECTED", inputs, result, fusedActivationFunction=activation(rng), keepNumDims=True)
    name = f"FULLY_CONNECTED {channels}x{depth}, {len(scales)} scales"
    return name, build.finish([source], [result]), stack(rng, (1, rows, depth))


def _operand_shape(rng: Generator, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Gives a shape that repeats to ``shape``: a number, a channel vector, [N, 1, 1, C], or any mixture."""
    kind = rng.integers(0, 5)
    if kind == 0:
        return ()
    if kind == 1:
        return shape[-1:]
    if kind == 2 and len(shape) == 4:
        return (shape[0], 1, 1, shape[3])
    if kind == 3:
        return tuple(n if rng.random() < 0.5 else 1 for n in shape)
    return shape


def binary(name: str, size: tuple[int, ...] = ()) -> Callable[[Generator], Case]:
    """Gives a maker of models of one operation of two tensors; the second is constant or computed from the input.

    Without a ``size`` shapes are random.
    """

    def make(rng: Generator) -> Case:
        shape = (1, *(size or (int(n) for n in rng.integers(1, 9, int(rng.integers(1, 4))))))
        scales = [scale(rng) for _ in range(3)]
        if rng.random() < 0.8:
            scales[1] = times_power(rng, scales[0], -6, 6)
            usual = {"MUL": scales[0] * scales[1] * 64, "DIV": scales[0] / scales[1] / 16}.get(name, max(scales[:2]))
            scales[2] = times_power(rng, usual, -1, 2)
        if name in {"MAXIMUM", "MINIMUM"}:
            scales = [scales[0]] * 3
        build = ModelBuilder()
        source = build.tensor(shape, scales[0], zero_point(rng))
        other_zero = zero_point(rng)
        other = _second(rng, build, source, shape, scales[1], other_zero, name == "DIV")
        pair = [source, other] if rng.random() < 0.7 or name == "DIV" else [other, source]
        result = build.tensor(shape, scales[2], zero_point(rng))
        options = {} if name in {"MAXIMUM", "MINIMUM"} else {"fusedActivationFunction": activation(rng)}
        build.operator(name, pair, result, **options)
        return f"{name} {shape} {scales}", build.finish([source], [result]), stack(rng, shape)

    return make


def _second(
    rng: Generator, build: ModelBuilder, source: int, shape: tuple[int, ...], second_scale: float, zero: int,
    not_zero: bool,
) -> int:  # fmt: skip
    """Gives the other operand: the input itself, a transposed look at it, or a constant."""
    kind = rng.random()
    if not not_zero and kind < 0.1:
        return source
    if not not_zero and kind < 0.5:
        other = build.tensor(shape, second_scale, zero)
        build.operator("QUANTIZE", [source], other)
        return other
    data = values(rng, _operand_shape(rng, shape))
    if not_zero:
        data = np.where(data == zero, np.int8(zero - 1 if zero > -128 else zero + 1), data).astype(np.int8)
    return build.tensor(data.shape, second_scale, zero, data=data)
