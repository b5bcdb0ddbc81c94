"""The frontend's rendered files: `frontend_config.h` and `frontend_tables.c` of one model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.audio.fft import FftPlan
from birdnet_deploy.audio.frontend import output_shape, stft_plan
from birdnet_deploy.audio.mel import dct_table, mel_bank, pcen_smoothing
from birdnet_deploy.model.config import ModelConfig
from birdnet_deploy.support.templating import render

CONFIG_HEADER = "frontend_config.h"
TABLES_SOURCE = "frontend_tables.c"


def frontend_files(config: ModelConfig, input_scale: float, input_zero_point: int) -> Mapping[str, str]:
    """Gives the text of the files that the firmware's frontend is compiled with, by name.

    They hold what the config's frontend uses, and nothing of keys that it does not use. ``input_scale`` and
    ``input_zero_point`` quantize the features to the model's int8 input.

    Raises: ConfigError (exit 2) for a shape that the frontend does not give, or an ``fft_length`` that is not a
    power of two from 64 to 4096.
    """
    shape = output_shape(config)
    context = {
        "frontend": config.audio_frontend.upper(),
        "window": config.window_samples,
        "rows": shape[0],
        "width": shape[1],
        "size": math.prod(shape),
        "scale": input_scale,
        "zero_point": input_zero_point,
        **_scaling(config),
        **_stft(config),
        **_mels(config),
        "cosines": dct_table(config.num_mels, shape[0]) if config.audio_frontend == "mfcc" else None,
    }
    return {
        CONFIG_HEADER: render(f"c/{CONFIG_HEADER}.j2", context),
        TABLES_SOURCE: render(f"c/{TABLES_SOURCE}.j2", context),
    }


def input_order(points: int) -> list[int]:
    """Gives the order in which an in-place FFT takes its points: decimated by 4, at last by 2 or 4."""
    return _order(points, 0, 1)


def _order(points: int, first: int, stride: int) -> list[int]:
    if points == 1:
        return [first]
    radix = 2 if points == 2 else 4
    parts = (_order(points // radix, first + j * stride, stride * radix) for j in range(radix))
    return [index for part in parts for index in part]


def _scaling(config: ModelConfig) -> dict[str, Any]:
    """Gives mag_scale and input_compression where the frontend applies them."""
    librosa = config.audio_frontend == "librosa"
    compresses = config.audio_frontend == "hybrid" or (librosa and config.mag_scale == "none")
    pcen = librosa and config.mag_scale == "pcen"
    return {
        "mag_scale": config.mag_scale.upper() if librosa else None,
        "compression": config.input_compression.upper() if compresses else None,
        "smoothing": pcen_smoothing(config.sample_rate / config.hop_length) if pcen else None,
    }


def _stft(config: ModelConfig) -> dict[str, Any]:
    if config.audio_frontend == "raw":
        return {"plan": None, "double_fft": False}
    plan = stft_plan(config)
    real = plan.hann.dtype.type
    return {
        "plan": plan,
        "double_fft": real is np.float64,
        "hop": config.hop_length,
        "window_table": real(0.5) * plan.hann,
        "order": input_order(plan.points),
        "twiddles": _stage_twiddles(plan),
        "split_twiddles": np.stack([plan.split_cos, plan.split_sin], axis=1),
    }


def _stage_twiddles(plan: FftPlan) -> NDArray[np.floating[Any]]:
    """Gives cos and sin of w1, w2, w3 for each k of each stage after the first, as the C reads them."""
    stages = [stage for stage in plan.stages if stage.length > 1]
    return np.concatenate([np.stack([stage.cos, stage.sin], axis=1).transpose(2, 0, 1).ravel() for stage in stages])


def _mels(config: ModelConfig) -> dict[str, Any]:
    """Gives the filters without their zeros, one after the other."""
    if config.audio_frontend in ("hybrid", "raw"):
        return {"mel_taps": None}
    bank = mel_bank(config)
    weights = [row[:taps] for row, taps in zip(bank.weights, bank.taps, strict=True)]
    return {"mel_first": bank.first, "mel_taps": bank.taps, "mel_weights": np.concatenate(weights)}
