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
from birdnet_deploy.model.config import ModelConfig
from birdnet_deploy.model.mel import slaney_mel_basis

Floats = NDArray[np.float32]

MEL_FMIN = 150.0  # Hz; the filters end at Nyquist

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
    """Sparse mel filters: filter ``m`` weighs the bins from ``first[m]`` on with ``weights[m]`` (zeros at the end)."""

    first: NDArray[np.intp]
    weights: Floats


def mel_bank(config: ModelConfig) -> MelBank:
    """Gives the Slaney filters of a config, from 150 Hz to Nyquist."""
    return _bank(config.sample_rate, config.fft_length, config.num_mels)


@cache
def _bank(sample_rate: int, fft_length: int, num_mels: int) -> MelBank:
    basis = slaney_mel_basis(sample_rate, fft_length, num_mels, MEL_FMIN, sample_rate / 2)
    used = basis > 0
    bins = basis.shape[1]
    first = np.where(used.any(axis=1), used.argmax(axis=1), 0)
    last = np.where(used.any(axis=1), bins - used[:, ::-1].argmax(axis=1), 0)
    longest = max(1, int((last - first).max()))
    first = np.minimum(first, bins - longest)
    return MelBank(first, np.stack([row[start : start + longest] for row, start in zip(basis, first, strict=True)]))


def project(spectrogram: Floats, bank: MelBank) -> Floats:
    """Gives float32 ``[mels, frames]`` of ``[bins, frames]``."""
    total = np.zeros((len(bank.first), spectrogram.shape[1]), dtype=np.float32)
    for offset in range(bank.weights.shape[1]):
        total += bank.weights[:, offset, None] * spectrogram[bank.first + offset]
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
    frames = _PCEN_TIME_CONSTANT * frame_rate
    b = (math.sqrt(1 + 4 * frames**2) - 1) / (2 * frames**2)
    keep, take = np.float32(1 - b), np.float32(b)
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


def cosine_transform(levels: Floats, rows: int) -> Floats:
    """Gives the first ``rows`` of the orthonormal DCT-II over the first axis."""
    table = _cosines(len(levels), min(rows, len(levels)))
    total = np.zeros((len(table), levels.shape[1]), dtype=np.float32)
    for index, level in enumerate(levels):
        total += table[:, index, None] * level
    return total


@cache
def _cosines(count: int, rows: int) -> Floats:
    k, n = np.arange(rows)[:, None], np.arange(count)[None, :]
    table = np.cos(np.pi * k * (2 * n + 1) / (2 * count)) * math.sqrt(2 / count)
    table[0] /= math.sqrt(2)
    return table.astype(np.float32)
