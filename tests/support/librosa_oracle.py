"""The input contract said with librosa: the oracle of the frontends' tests, never a part of the tool."""

from __future__ import annotations

import librosa
import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.model.config import ModelConfig

Array = NDArray[np.float32]


def oracle_features(pcm: NDArray[np.int16], config: ModelConfig) -> Array:
    """Gives what the model was trained on, in its input shape."""
    samples = pcm / np.float32(32768)
    if config.audio_frontend == "raw":
        return (samples / (np.abs(samples).max() + 1e-6)).astype(np.float32).reshape(config.shape)
    spectrum = librosa.stft(
        samples, n_fft=config.fft_length, hop_length=config.hop_length, window="hann", center=True, pad_mode="constant"
    )
    magnitude = np.abs(spectrum)[:, : config.spec_width]
    frontend = {"hybrid": _hybrid, "librosa": _librosa, "log_mel": _log_mel, "mfcc": _mfcc}[config.audio_frontend]
    return _min_max(frontend(magnitude, config)).reshape(config.shape).astype(np.float32)


def _min_max(x: Array) -> Array:
    return (x - x.min()) / (x.max() - x.min() + 1e-10)


def _mel(spectrogram: Array, config: ModelConfig) -> Array:
    return librosa.feature.melspectrogram(
        S=spectrogram, sr=config.sample_rate, n_fft=config.fft_length, n_mels=config.num_mels, fmin=150
    )


def _compressed(x: Array, config: ModelConfig) -> Array:
    if config.input_compression == "sqrt":
        return np.sqrt(x)
    if config.input_compression == "log":
        return np.log(np.maximum(x, max(x.max(), 1e-10) * 10 ** (-80 / 20)))
    return x


def _hybrid(magnitude: Array, config: ModelConfig) -> Array:
    return _compressed(magnitude[: config.shape[0]], config)


def _librosa(magnitude: Array, config: ModelConfig) -> Array:
    mels = _mel(magnitude, config)
    if config.mag_scale == "pwl":
        x = _min_max(mels)
        return 0.40 * x + sum(k * np.maximum(x - t, 0) for t, k in ((0.10, 0.25), (0.35, 0.15), (0.65, 0.08)))
    if config.mag_scale == "db":
        return librosa.amplitude_to_db(mels, ref=np.max)
    if config.mag_scale == "pcen":
        return librosa.pcen(mels * 2**31, sr=config.sample_rate, hop_length=config.hop_length)
    return _compressed(mels, config)


def _log_mel(magnitude: Array, config: ModelConfig) -> Array:
    return np.log1p(_mel(magnitude, config))


def _mfcc(magnitude: Array, config: ModelConfig) -> Array:
    levels = librosa.power_to_db(_mel(magnitude**2, config), ref=np.max)
    return librosa.feature.mfcc(S=levels, n_mfcc=config.n_mfcc)
