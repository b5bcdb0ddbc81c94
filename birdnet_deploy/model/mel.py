"""The Slaney mel filter bank (``htk=False``, area-normalised), in numpy.

Source of the scale and the normalisation: M. Slaney, Auditory Toolbox, 1998, as librosa.filters.mel computes
it; a test holds the two together.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_HZ_PER_MEL = 200.0 / 3  # linear below 1 kHz
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = math.log(6.4) / 27.0  # 27 mels from 1 kHz to 6.4 kHz


def _hz_to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _HZ_PER_MEL
    return _BREAK_MEL + math.log(hz / _BREAK_HZ) / _LOG_STEP


def _mel_to_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mels, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mels < _BREAK_MEL, mels * _HZ_PER_MEL, above)


def slaney_mel_basis(sample_rate: int, fft_length: int, num_mels: int, fmin: float, fmax: float) -> NDArray[np.float32]:
    """Gives the triangular filters, float32 ``[num_mels, fft_length // 2 + 1]``; frequencies are in Hz."""
    bins = np.arange(fft_length // 2 + 1) * (sample_rate / fft_length)
    edges = _mel_to_hz(np.linspace(_hz_to_mel(fmin), _hz_to_mel(fmax), num_mels + 2))
    widths = np.diff(edges)
    ramps = edges[:, None] - bins[None, :]
    rising = -ramps[:-2] / widths[:-1, None]
    falling = ramps[2:] / widths[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    area = 2.0 / (edges[2:] - edges[:-2])
    return (triangles * area[:, None]).astype(np.float32)
