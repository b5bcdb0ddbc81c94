"""Functions of one int8 value as tables of 256, computed exactly as the reference kernels compute them.

Sources (LiteRT): ``LUTPopulate`` of ``internal/common.h``, ``activations.cc``, ``elementwise.cc``, ``quantize.cc``.
Float steps are rounded to float32 where the reference holds a float.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from birdnet_deploy.codegen.fixed_point import (
    clamp,
    exp_of_negative,
    float32_ratio,
    high_multiply,
    quantize_multiplier,
    quantize_rescale,
    requantize,
    round_half_away,
    to_int32,
    wrap8,
    wrap32,
)
from birdnet_deploy.codegen.graph import Affine, clamped_range
from birdnet_deploy.codegen.unsupported import Unsupported

INT8 = range(-128, 128)
_SOFTMAX_INTEGER_BITS = 5

Table = tuple[int, ...]


def requantize_table(source: Affine, output: Affine) -> Table:
    """Gives the table of QUANTIZE from int8 to int8."""
    return _scaled(source, output, source.scale / output.scale, (-128, 127))


def relu_table(source: Affine, output: Affine, low: float, high: float | None) -> Table:
    """Gives the table of a RELU that is not fused, between the real bounds ``low`` and ``high``."""
    bounds = clamped_range(low, high, output, to_int32)
    return _scaled(source, output, float32_ratio(source.scale, output.scale), bounds)


def _scaled(source: Affine, output: Affine, factor: float, bounds: tuple[int, int]) -> Table:
    multiplier, shift = quantize_rescale(factor)
    scaled = (requantize(q - source.zero_point, multiplier, shift) for q in INT8)
    return tuple(wrap8(clamp(wrap32(value + output.zero_point), *bounds)) for value in scaled)


def logistic_table(source: Affine, output: Affine) -> Table:
    """Gives the table of LOGISTIC.

    Raises: Unsupported for an output scale that the reference refuses.
    """
    if output.scale != 1.0 / 256:
        raise Unsupported(f"has the output scale {output.scale!r}; the reference takes 1/256 only")

    def logistic(x: np.float32) -> np.float32:
        return np.float32(1) / (np.float32(1) + _rounded(math.exp, -x))

    return _looked_up(source, output, logistic)


def log_table(source: Affine, output: Affine) -> Table:
    """Gives the table of LOG; what is not positive gives the least output."""
    least = np.float32(-128 - output.zero_point) * np.float32(output.scale)
    return _looked_up(source, output, lambda x: _rounded(math.log, x) if x > 0 else least)


def _rounded(function: Callable[[float], float], x: np.float32) -> np.float32:
    """A function of the C library in float32, taken as the correctly rounded one."""
    try:
        return np.float32(function(float(x)))
    except OverflowError:
        return np.float32(math.inf)


def _looked_up(source: Affine, output: Affine, function: Callable[[np.float32], np.float32]) -> Table:
    with np.errstate(all="ignore"):
        inverse = np.float32(1) / np.float32(output.scale)
        values = []
        for q in INT8:
            real = np.float32(source.scale) * np.float32(q - source.zero_point)
            steps = np.float32(round_half_away(float(function(real) * inverse)))
            values.append(int(np.clip(steps + np.float32(output.zero_point), -128, 127)))
    return tuple(values)


def softmax_exponentials(source: Affine, beta: float) -> tuple[int, ...]:
    """Gives exp(-d * scale * beta) in Q0.31 for the distances d = 0, 1, .. that the reference does not cut off.

    Raises: Unsupported where the reference refuses the scale.
    """
    fraction_bits = 31 - _SOFTMAX_INTEGER_BITS
    factor = min(beta * source.scale * 2**fraction_bits, 2.0**31 - 1.0)
    if factor <= 1.0:
        raise Unsupported("has a softmax input scale too small for the reference")
    multiplier, shift = quantize_multiplier(factor)
    reach = math.floor((2**_SOFTMAX_INTEGER_BITS - 1) * 2**fraction_bits / 2**shift)
    distances = range(min(reach, 255) + 1)
    return tuple(exp_of_negative(high_multiply(wrap32(-d << shift), multiplier)) for d in distances)
