"""The drop-in for ST's Getting-Started audio package: its ``ai_model_config.h`` and mel tables, for this model.

ST's preprocessing is not this project's: what it does in another way is told in the rendered header.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from birdnet_deploy.audio.frontend import stft_plan
from birdnet_deploy.audio.mel import MEL_FMIN, mel_bank
from birdnet_deploy.model.config import ModelConfig

# What of ST's preprocessing (v2.0.0 of its headers) comes nearest to a frontend.
_NEAREST = {
    "librosa": "CTRL_AI_SPECTROGRAM_LOG_MEL", "log_mel": "CTRL_AI_SPECTROGRAM_LOG_MEL",
    "mfcc": "CTRL_AI_SPECTROGRAM_LOG_MEL", "hybrid": "CTRL_AI_STFT", "raw": "CTRL_AI_BYPASS",
}  # fmt: skip
_NOTES = {
    "librosa": "ST has no mag_scale but dB and log; frames are not centred and not padded",
    "log_mel": "frames are not centred and not padded",
    "mfcc": "ST's package computes no cosine transform: take this project's frontend",
    "hybrid": "ST's STFT normalizes each window by its loudest sample; frames are not centred and not padded",
    "raw": "ST's package feeds no samples to a network: take this project's input.c",
}


def getting_started_context(config: ModelConfig, labels: Sequence[str]) -> dict[str, Any]:
    """Gives ``st``: what the drop-in's templates take for a model's config and labels."""
    plan = None if config.audio_frontend == "raw" else stft_plan(config)
    has_mels = config.audio_frontend not in ("raw", "hybrid")
    decibels = config.audio_frontend == "mfcc" or config.mag_scale == "db"
    return {
        "st": {
            "preprocessing": _NEAREST[config.audio_frontend],
            "note": _NOTES[config.audio_frontend],
            "rate": config.sample_rate,
            "columns": config.spec_width,
            "hop": config.hop_length if plan else 1,
            "fft": plan.length if plan else 32,
            "mels": config.num_mels if has_mels else 0,
            "low": round(MEL_FMIN),
            "high": config.sample_rate // 2,
            "log": "LOGMELSPECTROGRAM_SCALE_DB" if decibels else "LOGMELSPECTROGRAM_SCALE_LOG",
            "labels": labels,
            "window": plan.hann.astype(np.float32) if plan else np.zeros(32, np.float32),
            **(_mels(config) if has_mels else {"weights": np.zeros(1, np.float32), "first": [0], "last": [0]}),
        }
    }


def _mels(config: ModelConfig) -> dict[str, Any]:
    """Gives the filters one after the other, with the first and the last bin of each."""
    bank = mel_bank(config)
    rows = [row[:taps] for row, taps in zip(bank.weights, bank.taps, strict=True)]
    return {"weights": np.concatenate(rows), "first": bank.first, "last": bank.first + bank.taps - 1}
