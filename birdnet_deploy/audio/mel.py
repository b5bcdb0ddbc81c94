"""Mel projection, the magnitude scales of `librosa`, and the cosine transform of `mfcc`, on float32 arrays.

Sums run one term after the other in the order of the bins, so that C can repeat them bit by bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.audio.elementary import compress, decibels, exponential, natural_log, normalize
from birdnet_deploy.audio.fft import cosine
from birdnet_deploy.model.config import ModelConfig
from birdnet_deploy.model.mel import slaney_mel_basis

Floats = NDArray[np.float32]

MEL_FMIN = 150.0  # Hz; the filters end at Nyquist
# Where a filter ends on a bin, the bin's weight is 0 or a rounding residue of 1e-17; real weights are above 1e-9.
_LEAST_WEIGHT = 1e-12

# docs/input-contract.md: 0.40 x plus, for each (threshold, slope), slope * relu(x - threshold)
_PWL_SLOPE = np.float32(0.40)
_PWL_BRANCHES = ((0.10, 0.25), (0.35, 0.15), (0.65, 0.08))

# librosa.pcen's defaults, on magnitudes scaled to 32 bits
_PCEN_SCALE = np.float32(2**31)
_PCEN_GAIN = np.float32(0.98)
_PCEN_BIAS = np.float32(2.0)
_PCEN_TIME_CONSTANT = 0.4  # s
_PCEN_EPSILON = np.float32(1e-6)


@dataclass(frozen=True, eq=False)
class MelBank:
    """Sparse mel filters: filter ``m`` weighs ``taps[m]`` bins from ``first[m]`` on.

    ``weights`` is float32 ``[mels, most taps]``, each row zero from ``taps[m]`` on.
    """

    first: NDArray[np.intp]
    taps: NDArray[np.intp]
    weights: Floats


def mel_bank(config: ModelConfig) -> MelBank:
    """Gives the Slaney filters of a config, from 150 Hz to Nyquist."""
    return _bank(config.sample_rate, config.fft_length, config.num_mels)


@cache
def _bank(sample_rate: int, fft_length: int, num_mels: int) -> MelBank:
    basis = slaney_mel_basis(sample_rate, fft_length, num_mels, MEL_FMIN, sample_rate / 2)
    used = basis > _LEAST_WEIGHT  # a triangle: what is used is one run of bins
    first, taps = used.argmax(axis=1), np.count_nonzero(used, axis=1)
    weights = np.zeros((num_mels, int(taps.max())), dtype=np.float32)
    for mel, (start, count) in enumerate(zip(first, taps, strict=True)):
        weights[mel, :count] = basis[mel, start : start + count]
    return MelBank(first, taps, weights)


def project(spectrogram: Floats, bank: MelBank) -> Floats:
    """Gives float32 ``[mels, frames]`` of ``[bins, frames]``; terms of weight 0 change no sum."""
    last = len(spectrogram) - 1
    total = np.zeros((len(bank.first), spectrogram.shape[1]), dtype=np.float32)
    for tap, weights in enumerate(bank.weights.T):
        total += weights[:, None] * spectrogram[np.minimum(bank.first + tap, last)]
    return total


def scale_magnitudes(mels: Floats, config: ModelConfig) -> Floats:
    """Gives mel magnitudes after the config's ``mag_scale``, or after its ``input_compression`` where that is none."""
    if config.mag_scale == "pwl":
        return piecewise_linear(normalize(mels))
    if config.mag_scale == "db":
        return decibels(mels, power=False)
    if config.mag_scale == "pcen":
        return pcen(mels, config.sample_rate / config.hop_length)
    return compress(mels, config.input_compression)


def piecewise_linear(x: Floats) -> Floats:
    """Gives ``0.40 x + 0.25 relu(x - 0.10) + 0.15 relu(x - 0.35) + 0.08 relu(x - 0.65)``."""
    total = _PWL_SLOPE * x
    for threshold, slope in _PWL_BRANCHES:
        total = total + np.float32(slope) * np.maximum(x - np.float32(threshold), np.float32(0))
    return total


def pcen(mels: Floats, frame_rate: float) -> Floats:
    """Gives the per-channel energy normalisation of mel magnitudes; ``frame_rate`` in Hz.

    ``sqrt(E / (eps + M)**gain + bias) - sqrt(bias)``, with ``M`` the first-order smoothing of ``E``, written
    without cancellation: ``sqrt(1 + q) - 1 = q / (sqrt(1 + q) + 1)``. The smoother starts as if ``E`` had
    been 1, as ``librosa.pcen`` does without ``zi``.

    Source: Lostanlen et al., Per-Channel Energy Normalization: Why and How (IEEE SPL 2019).
    """
    keep, take = pcen_smoothing(frame_rate)
    energy = mels * _PCEN_SCALE
    smooth = np.empty_like(energy)
    state = np.ones(len(energy), dtype=np.float32)
    for frame in range(energy.shape[1]):
        state = keep * state + take * energy[:, frame]
        smooth[:, frame] = state
    gain = exponential(-_PCEN_GAIN * natural_log(_PCEN_EPSILON + smooth))
    q = energy * gain / _PCEN_BIAS
    scaled: Floats = np.sqrt(_PCEN_BIAS) * (q / (np.sqrt(np.float32(1) + q) + np.float32(1)))
    return scaled


def pcen_smoothing(frame_rate: float) -> tuple[np.float32, np.float32]:
    """Gives how much PCEN's smoother keeps of its state and takes of a new frame; ``frame_rate`` in Hz."""
    frames = _PCEN_TIME_CONSTANT * frame_rate
    take = (math.sqrt(1 + 4 * frames**2) - 1) / (2 * frames**2)
    return np.float32(1 - take), np.float32(take)


def cosine_transform(levels: Floats, rows: int) -> Floats:
    """Gives the first ``rows`` of the orthonormal DCT-II over the first axis."""
    table = dct_table(len(levels), min(rows, len(levels)))
    total = np.zeros((len(table), levels.shape[1]), dtype=np.float32)
    for index, level in enumerate(levels):
        total += table[:, index, None] * level
    return total


@cache
def dct_table(count: int, rows: int) -> Floats:
    """Gives the first ``rows`` of the orthonormal DCT-II of ``count`` values, float32 ``[rows, count]``."""
    cosines = [[cosine(row * (2 * n + 1), 4 * count) for n in range(count)] for row in range(rows)]
    table = np.array(cosines) * math.sqrt(2 / count)
    table[0] /= math.sqrt(2)
    return table.astype(np.float32)
