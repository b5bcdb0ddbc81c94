"""From one window of sound to the model's input tensor: the numpy twin of the firmware's frontend.

The two share no code and agree bit by bit: everything is elementwise float32, in the order that the C states
(`firmware_stub/core/`), without fused multiply-adds. The contract is docs/input-contract.md; librosa is the
oracle of both in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from birdnet_deploy.audio.elementary import compress, decibels, natural_log1p, normalize
from birdnet_deploy.audio.fft import FftPlan, fft_plan
from birdnet_deploy.audio.mel import cosine_transform, mel_bank, project, scale_magnitudes
from birdnet_deploy.audio.spectrogram import PCM_SCALE, magnitudes
from birdnet_deploy.errors import AudioError, ConfigError
from birdnet_deploy.model.config import ModelConfig, config_from_mapping
from birdnet_deploy.support.progress import Progress, Silent, counted

Floats = NDArray[np.float32]

MAX_AMPLITUDE = 1e3  # beyond this a sample is no sound (F11)
_RAW_EPSILON = np.float32(1e-6)


def model_input(samples: ArrayLike, config: Mapping[str, Any] | ModelConfig) -> Floats:
    """Gives the float32 tensor of one window, in the model's input shape without batch.

    ``samples`` are one window of mono sound in [-1, 1] at the config's rate; fewer than a window are
    zero-padded at the end. ``config`` is a ``ModelConfig`` or any mapping with the keys of
    ``*_model_config.json``.

    Raises: AudioError (exit 3) for another shape, too many samples, or values that are no sound; ConfigError
    (exit 2) for a config that is not valid, or an input shape that its frontend does not give.
    """
    checked = config if isinstance(config, ModelConfig) else config_from_mapping(config)
    output_shape(checked)
    features = _FRONTENDS[checked.audio_frontend](_window_steps(samples, checked), checked)
    return features.reshape(checked.shape)


def features_of_pcm(pcm: NDArray[np.int16], config: ModelConfig) -> Floats:
    """Gives the float32 tensor of one window of int16 samples; what the firmware computes, bit by bit.

    Raises: as ``model_input``.
    """
    if pcm.dtype != np.int16:
        raise AudioError(f"samples are {pcm.dtype}, not int16", fix="read recordings with read_pcm16")
    return model_input(pcm.astype(np.float32) * PCM_SCALE, config)


def features_of_windows(pcm: NDArray[np.int16], config: ModelConfig, progress: Progress | None = None) -> Floats:
    """Gives the tensors of int16 ``[n, samples]`` windows, float32 ``[n, *shape]``.

    Raises: as ``model_input``.
    """
    features = np.empty((len(pcm), *config.shape), dtype=np.float32)
    for index, window in enumerate(counted(pcm, len(pcm), progress or Silent())):
        features[index] = features_of_pcm(window, config)
    return features


def stft_plan(config: ModelConfig) -> FftPlan:
    """Gives the FFT's constants for a config: float32, and float64 for `librosa` with PCEN.

    PCEN brings every band to the same level, also one that holds nothing but rounding residue: of ten
    seconds of DC, float32 would leave an error of 3e-1 in it.

    Raises: ConfigError (exit 2) where ``fft_length`` is not a power of two that host and firmware compute.
    """
    lifts_residue = config.audio_frontend == "librosa" and config.mag_scale == "pcen"
    try:
        return fft_plan(config.fft_length, np.float64 if lifts_residue else np.float32)
    except ValueError as error:
        raise ConfigError(
            f"fft_length is {config.fft_length}",
            where="model config",
            fix="use a power of two from 64 to 4096",
        ) from error


def output_shape(config: ModelConfig) -> tuple[int, int, int]:
    """Gives rows, columns and channels of the tensor; the model's own shape says whether Nyquist is a row.

    Raises: ConfigError (exit 2) where the model's input shape is not one that its frontend gives.
    """
    possible = {
        "hybrid": [
            (config.fft_length // 2 + 1, config.spec_width, 1),
            (config.fft_length // 2, config.spec_width, 1),
        ],
        "raw": [(config.window_samples, 1, 1)],
        "mfcc": [(min(config.n_mfcc, config.num_mels), config.spec_width, 1)],
    }.get(config.audio_frontend, [(config.num_mels, config.spec_width, 1)])
    for shape in possible:
        if config.shape in (shape, shape[:2]):
            return shape
    expected = " or ".join(str(shape) for shape in possible)
    raise ConfigError(
        f"input_shape is {config.shape}, but the {config.audio_frontend} frontend gives {expected}",
        where="model config", fix="mend audio_frontend, spec_width, fft_length, num_mels or chunk_duration",
    )  # fmt: skip


def _window_steps(samples: ArrayLike, config: ModelConfig) -> Floats:
    """Gives the samples in PCM16 steps (a power of two: exact), padded to one window."""
    values = np.asarray(samples, dtype=np.float32)
    if values.ndim != 1 or not 0 < len(values) <= config.window_samples:
        raise AudioError(
            f"samples have shape {values.shape}, the model takes ({config.window_samples},)",
            fix="cut windows with window_starts and window_at",
        )
    if not (np.abs(values) <= MAX_AMPLITUDE).all():
        raise AudioError(f"a sample that is not finite or beyond {MAX_AMPLITUDE:g}", fix="mend or remove the recording")
    steps = np.zeros(config.window_samples, dtype=np.float32)
    np.multiply(values, np.float32(32768), out=steps[: len(values)])
    return steps


def _spectrogram(steps: Floats, config: ModelConfig) -> Floats:
    return magnitudes(steps, stft_plan(config), config.hop_length, config.spec_width)


def _hybrid(steps: Floats, config: ModelConfig) -> Floats:
    rows = output_shape(config)[0]
    return normalize(compress(_spectrogram(steps, config)[:rows], config.input_compression))


def _raw(steps: Floats, config: ModelConfig) -> Floats:
    samples = steps * PCM_SCALE
    scaled: Floats = samples / (np.abs(samples).max() + _RAW_EPSILON)
    return scaled


def _librosa(steps: Floats, config: ModelConfig) -> Floats:
    mels = project(_spectrogram(steps, config), mel_bank(config))
    return normalize(scale_magnitudes(mels, config))


def _log_mel(steps: Floats, config: ModelConfig) -> Floats:
    return normalize(natural_log1p(project(_spectrogram(steps, config), mel_bank(config))))


def _mfcc(steps: Floats, config: ModelConfig) -> Floats:
    spectrogram = _spectrogram(steps, config)
    levels = decibels(project(spectrogram * spectrogram, mel_bank(config)), power=True)
    return normalize(cosine_transform(levels, config.n_mfcc))


_FRONTENDS: dict[str, Callable[[Floats, ModelConfig], Floats]] = {
    "hybrid": _hybrid,
    "raw": _raw,
    "librosa": _librosa,
    "log_mel": _log_mel,
    "mfcc": _mfcc,
}
