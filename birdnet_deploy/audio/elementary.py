"""Steps on float32 arrays that the firmware repeats bit by bit: logarithm, compression, min-max."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_MANTISSA_BITS = 23
_SQRT_HALF_BITS = int(np.float32(math.sqrt(0.5)).view(np.int32))
# ln 2 in two parts: the first has 9 significant bits, so that any exponent times it is exact in float32.
_LN2_HIGH = np.float32(355 / 512)
_LN2_LOW = np.float32(math.log(2) - 355 / 512)
_SERIES = tuple(np.float32(2 / n) for n in (3, 5, 7, 9))

_FACTORIALS = tuple(np.float32(1 / math.factorial(n)) for n in (7, 6, 5, 4, 3, 2))
_INVERSE_LN2 = np.float32(1 / math.log(2))
_ROUNDING = np.float32(1.5 * 2**23)  # adding it and taking it away rounds to a whole number

_DB_PER_NEPER = np.float32(10 / math.log(10))
_LEAST_POWER = np.float32(1e-10)
_LEAST_MAGNITUDE = np.float32(1e-5)

LOG_FLOOR = np.float32(1e-4)  # 80 dB below the peak, as an amplitude
SILENT_PEAK = np.float32(1e-10)
_RANGE_EPSILON = np.float32(1e-10)


def natural_log(x: Floats) -> Floats:
    """Gives ``ln(x)`` of positive normal float32 values, within 1 ulp of the exact value.

    ``x = 2**e * m`` with ``m`` in [sqrt(1/2), sqrt(2)). With ``f = m - 1`` and ``s = f / (2 + f)``, ``ln(m) =
    2 artanh(s) = f - f*f/2 + s*(f*f/2 + R)``, where ``R = 2 s^2/3 + 2 s^4/5 + 2 s^6/7 + 2 s^8/9``; what the
    series leaves out is below 2e-9 of the result. numpy's and libm's logarithms differ from version to
    version and from machine to machine, this one does not.

    Source: the artanh series of the logarithm (Abramowitz and Stegun 4.1.27).
    """
    bits = x.view(np.int32)
    exponent = (bits - np.int32(_SQRT_HALF_BITS)) >> np.int32(_MANTISSA_BITS)
    mantissa = (bits - (exponent << np.int32(_MANTISSA_BITS))).view(np.float32)
    e = exponent.astype(np.float32)
    f = mantissa - np.float32(1)
    s = f / (np.float32(2) + f)
    z = s * s
    third, fifth, seventh, ninth = _SERIES
    series = z * (third + z * (fifth + z * (seventh + z * ninth)))
    half_square = np.float32(0.5) * f * f
    small = s * (half_square + series) + e * _LN2_LOW
    log: Floats = (f - (half_square - small)) + e * _LN2_HIGH
    return log


def natural_log1p(x: Floats) -> Floats:
    """Gives ``ln(1 + x)`` of float32 values from 0 on, within 2 ulp: the logarithm of the rounded sum, mended."""
    u = np.float32(1) + x
    lost = np.where(x < np.float32(1), x - (u - np.float32(1)), np.float32(1) - (u - x))
    log: Floats = natural_log(u) + lost / u
    return log


def exponential(x: Floats) -> Floats:
    """Gives ``e**x`` of float32 values from -80 to 80, within 2 ulp.

    ``x = k ln 2 + r`` with ``k`` the nearest whole number and ``|r| <= ln(2) / 2``; the Taylor series of
    ``e**r`` to ``r**7`` leaves out less than 6e-9 of the result.

    Source: Abramowitz and Stegun 4.2.1.
    """
    k = (x * _INVERSE_LN2 + _ROUNDING) - _ROUNDING
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    series = _FACTORIALS[0]
    for factor in _FACTORIALS[1:]:
        series = series * r + factor
    powers = ((k.astype(np.int32) + np.int32(127)) << np.int32(_MANTISSA_BITS)).view(np.float32)
    power: Floats = (np.float32(1) + (r + r * r * series)) * powers
    return power


def decibels(x: Floats, *, power: bool) -> Floats:
    """Gives levels in dB against the array's own maximum, floored at -80 dB.

    ``x`` are powers (10 log10) or magnitudes (20 log10); below 1e-10 or 1e-5 they count as that, as in
    librosa's ``power_to_db`` and ``amplitude_to_db`` with ``ref=np.max``.
    """
    least, per_neper = (_LEAST_POWER, _DB_PER_NEPER) if power else (_LEAST_MAGNITUDE, np.float32(2) * _DB_PER_NEPER)
    logs = natural_log(np.maximum(x, least))
    levels: Floats = np.maximum((logs - logs.max()) * per_neper, np.float32(-80))
    return levels


def compress(spectrogram: Floats, method: str) -> Floats:
    """Gives a magnitude spectrogram after the config's ``input_compression``: ``none``, ``sqrt`` or ``log``.

    ``log`` is natural and floored 80 dB below the spectrogram's own peak.
    """
    if method == "sqrt":
        return np.sqrt(spectrogram)
    if method == "log":
        floor = max(np.float32(spectrogram.max()), SILENT_PEAK) * LOG_FLOOR
        return natural_log(np.maximum(spectrogram, floor))
    return spectrogram


def normalize(spectrogram: Floats) -> Floats:
    """Gives ``(S - min) / (max - min + 1e-10)``, everything in float32."""
    low, high = np.float32(spectrogram.min()), np.float32(spectrogram.max())
    return (spectrogram - low) / ((high - low) + _RANGE_EPSILON)
