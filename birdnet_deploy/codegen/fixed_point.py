"""The integer arithmetic of TensorFlow Lite's reference kernels, for constants and tables made ahead of time.

Bit for bit what the C in ``firmware_stub/core/nn`` does with the same numbers. Definitions: LiteRT, Apache-2.0,
``tflite/kernels/internal/{common.h,quantization_util.cc}``, and gemmlowp's ``fixedpoint.h``; see
docs/int8-arithmetic.md.
"""

from __future__ import annotations

import math

import numpy as np

from birdnet_deploy.codegen.unsupported import Unsupported

INT32_MIN = -(2**31)
INT32_MAX = 2**31 - 1
_FRACTION_BITS = 31

# exp(-2^k) in Q0.31 for k = -2 .. 4, and the constants of the Taylor series about -1/8 (gemmlowp).
_EXP_OF_POWERS = (
    (-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308), (2, 39332535), (3, 720401), (4, 242),
)  # fmt: skip
_EXP_OF_MINUS_EIGHTH = 1895147668
_ONE_THIRD = 715827883
_SCALED_INTEGER_BITS = 5  # softmax gives exp() its argument in Q5.26


def wrap32(value: int) -> int:
    """Gives ``value`` modulo 2^32 as a signed number."""
    return (value + 2**31) % 2**32 - 2**31


def wrap8(value: int) -> int:
    """Gives ``value`` modulo 2^8 as a signed number."""
    return (value + 128) % 256 - 128


def clamp(value: int, low: int, high: int) -> int:
    """Gives the nearest number of ``low..high``, and ``high`` where the bounds are the wrong way round."""
    return min(high, max(low, value))


def quantize_multiplier(factor: float) -> tuple[int, int]:
    """Gives ``(multiplier, shift)`` with ``factor`` about ``multiplier * 2**(shift - 31)``.

    The multiplier is 0 or in [2^30, 2^31); factors below 2^-32 become 0.

    Raises: Unsupported where the factor is infinite or no number.
    """
    if not math.isfinite(factor):
        raise Unsupported("has scales whose ratio is no finite number")
    if factor == 0.0:
        return 0, 0
    fraction, shift = math.frexp(factor)
    multiplier = math.floor(fraction * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift + 1
    if shift < -31:
        return 0, 0
    return multiplier, shift


def quantize_rescale(factor: float) -> tuple[int, int]:
    """Gives ``quantize_multiplier`` for ``requantize``: a left shift counts modulo 32, as on the reference's hosts.

    Raises: Unsupported where the factor is infinite or no number.
    """
    multiplier, shift = quantize_multiplier(factor)
    return multiplier, shift % 32 if shift > 0 else shift


def high_multiply(a: int, b: int) -> int:
    """Gives ``a * b / 2^31`` rounded to nearest, halves up."""
    return (a * b + 2**30) >> 31


def divide_by_power(x: int, exponent: int) -> int:
    """Gives ``x / 2^exponent`` rounded to nearest, halves away from zero; counts beyond 31 as x86-64 takes them."""
    mask = wrap32(2 ** (exponent % 64) - 1)
    threshold = (mask >> 1) + (x < 0)
    return (x >> (exponent % 32)) + ((x & mask) > threshold)


def requantize(x: int, multiplier: int, shift: int) -> int:
    """Gives ``x * multiplier * 2^(shift - 31)``, rounded twice; ``x * 2^shift`` wraps at 32 bits."""
    if shift > 0:
        return high_multiply(wrap32(x << shift), multiplier)
    return divide_by_power(high_multiply(x, multiplier), -shift)


def reciprocal(x: int) -> tuple[int, int]:
    """Gives 1 / (x / 2^k) in Q0.31 by three Newton steps, and k, for a positive ``x`` of k + 1 bits."""
    leading = 32 - x.bit_length()
    half = ((x << leading) - 2**31 + 2**31) // 2
    y = 1515870810 + high_multiply(half, -1010580540)  # 48/17 - 32/17 * half in Q2.29
    for _ in range(3):
        y += _saturating_shift_left(high_multiply(y, 2**29 - high_multiply(half, y)), 2)
    return _saturating_shift_left(y, 1), 31 - leading


def exp_of_negative(x: int) -> int:
    """Gives exp(x) in Q0.31 for ``x <= 0`` in Q5.26, as gemmlowp's ``exp_on_negative_values`` does."""
    if x == 0:
        return INT32_MAX
    fraction_bits = _FRACTION_BITS - _SCALED_INTEGER_BITS
    quarter = 1 << (fraction_bits - 2)
    within = (x & (quarter - 1)) - quarter
    result = _exp_of_last_quarter(wrap32(within << _SCALED_INTEGER_BITS))
    rest = within - x
    for power, factor in _EXP_OF_POWERS:
        if rest & (1 << (fraction_bits + power)):
            result = high_multiply(result, factor)
    return result


def _exp_of_last_quarter(a: int) -> int:
    """exp(a) for a in [-1/4, 0), Q0.31: the Taylor series about -1/8."""
    x = a + (1 << 28)
    x2 = high_multiply(x, x)
    x3 = high_multiply(x2, x)
    x4_over_4 = divide_by_power(high_multiply(x2, x2), 2)
    higher = divide_by_power(high_multiply(x4_over_4 + x3, _ONE_THIRD) + x2, 1)
    return _EXP_OF_MINUS_EIGHTH + high_multiply(_EXP_OF_MINUS_EIGHTH, x + higher)


def _saturating_shift_left(x: int, count: int) -> int:
    limit = INT32_MAX >> count
    if x > limit:
        return INT32_MAX
    return INT32_MIN if x < -limit else x << count


def round_half_away(x: float) -> float:
    """Gives ``x`` rounded to a whole number, halves away from zero, as C's ``round``."""
    if not math.isfinite(x):
        return x
    whole = math.trunc(x)
    return float(whole + (1 if x - whole >= 0.5 else 0) - (1 if x - whole <= -0.5 else 0))


def to_int32(x: float) -> int:
    """Gives ``x`` towards zero as int32; what does not fit becomes INT32_MIN, as on x86-64."""
    return int(x) if math.isfinite(x) and -(2.0**31) - 1 < x < 2.0**31 else INT32_MIN


def float32_ratio(a: float, b: float) -> float:
    """Gives ``a / b`` rounded to float32."""
    with np.errstate(all="ignore"):
        return float(np.float32(a) / np.float32(b))


def float32_product(a: float, b: float) -> float:
    """Gives ``a * b`` rounded to float32."""
    with np.errstate(all="ignore"):
        return float(np.float32(a) * np.float32(b))
