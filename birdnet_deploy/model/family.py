"""The DS-CNN family, name by name as birdnet-stm32 documents it.

Importing this module is cheap, so that the command line can read the signature; building imports TensorFlow.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from birdnet_deploy.model.config import FRONTEND_ALIASES, FRONTENDS, MAG_SCALES, MAX_SAMPLES

CLASS_ACTIVATIONS = ("softmax", "sigmoid")
_STAGES = ((32, 2), (64, 3), (128, 4), (256, 2))  # base filters, base repeats
_STEM_FILTERS = 16


def normalize_frontend_name(name: str, *, stacklevel: int = 2) -> str:
    """Gives the canonical name of a frontend; ``precomputed`` and ``tf`` are deprecated aliases.

    Raises: ValueError that lists the valid names.
    """
    if name in FRONTENDS:
        return name
    if name in FRONTEND_ALIASES:
        canonical = FRONTEND_ALIASES[name]
        message = f"the frontend name {name!r} is deprecated, use {canonical!r}"
        warnings.warn(message, DeprecationWarning, stacklevel=stacklevel)
        return canonical
    raise ValueError(f"unknown audio_frontend {name!r}; valid: {', '.join(FRONTENDS)}")


def build_dscnn_model(
    num_mels: int,
    spec_width: int,
    sample_rate: int,
    chunk_duration: float,
    embeddings_size: int,
    num_classes: int,
    audio_frontend: str = "precomputed",
    alpha: float = 1.0,
    depth_multiplier: float = 1,
    fft_length: int = 512,
    mag_scale: str = "none",
    frontend_trainable: bool = False,
    class_activation: str = "softmax",
    dropout_rate: float = 0.5,
    n_mfcc: int = 20,
    weight_decay: float = 1e-4,
    use_se: bool = False,
    se_reduction: int = 4,
    use_inverted_residual: bool = False,
    expansion_factor: int = 6,
    use_attention_pooling: bool = False,
) -> Any:
    """Gives an uncompiled functional model ``dscnn_audio``, scores of ``num_classes`` from one window.

    ``sample_rate`` in Hz, ``chunk_duration`` in s, ``fft_length`` in samples. The input is ``[B, rows,
    spec_width, 1]`` (rows: ``num_mels``, ``n_mfcc``, or ``fft_length // 2 + 1`` for hybrid), or ``[B,
    samples, 1]`` for raw.

    Raises: ValueError for a frontend, scaling or activation that is not valid, or a raw window of 65536
    samples.
    """
    frontend = normalize_frontend_name(audio_frontend, stacklevel=3)
    _check_choice("mag_scale", mag_scale, MAG_SCALES)
    _check_choice("class_activation", class_activation, CLASS_ACTIVATIONS)
    samples = int(sample_rate * chunk_duration)
    if frontend == "raw" and samples >= MAX_SAMPLES:
        raise ValueError(
            f"raw input of sample_rate*chunk_duration={samples} samples is not below {MAX_SAMPLES}: "
            "use 16000 Hz, 2 s windows, or the hybrid or librosa frontend"
        )
    import keras

    from birdnet_deploy.model import blocks
    from birdnet_deploy.model.layers import AudioFrontendLayer

    rows = n_mfcc if frontend == "mfcc" else num_mels
    inputs = _input(frontend, samples, fft_length // 2 + 1 if frontend == "hybrid" else rows, spec_width)
    x = AudioFrontendLayer(
        mode=frontend if frontend in ("hybrid", "raw") else "precomputed",
        mel_bins=rows,
        spec_width=spec_width,
        sample_rate=sample_rate,
        chunk_duration=chunk_duration,
        fft_length=fft_length,
        mag_scale="none" if frontend in ("mfcc", "log_mel") else mag_scale,
        is_trainable=frontend_trainable,
    )(inputs)
    x = blocks.stem(x, blocks.make_divisible(int(_STEM_FILTERS * alpha)))
    for stage, (filters, repeats) in enumerate(_STAGES, 1):
        channels = blocks.make_divisible(int(filters * alpha))
        for index in range(1, max(1, math.ceil(repeats * depth_multiplier)) + 1):
            stride = 2 if index == 1 else 1
            if use_inverted_residual:
                x = blocks.inverted_residual_block(
                    x, channels, expansion_factor, stride, stride, use_se, se_reduction, weight_decay,
                    name=f"stage{stage}_ir{index}",
                )  # fmt: skip
                continue
            x = blocks.ds_conv_block(x, channels, stride, stride, f"stage{stage}_ds{index}", weight_decay)
            if use_se:
                x = blocks.se_block(x, se_reduction, f"stage{stage}_se{index}")
    x = blocks.embeddings(x, blocks.make_divisible(int(embeddings_size)))
    outputs = blocks.head(x, num_classes, class_activation, dropout_rate, attention=use_attention_pooling)
    return keras.Model(inputs, outputs, name="dscnn_audio")


def _check_choice(key: str, value: str, valid: tuple[str, ...]) -> None:
    if value not in valid:
        raise ValueError(f"unknown {key} {value!r}; valid: {', '.join(valid)}")


def _input(frontend: str, samples: int, rows: int, spec_width: int) -> Any:
    import keras

    if frontend == "raw":
        return keras.Input((samples, 1), name="raw_audio_input")
    name = "linear_spectrogram_input" if frontend == "hybrid" else "mel_spectrogram_input"
    return keras.Input((rows, spec_width, 1), name=name)
