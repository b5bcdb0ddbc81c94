"""The family's own Keras layers; their attribute names are the paths under which people's files keep weights.

Nothing here asks a tensor for its batch size, so that a graph traced at batch 1 has no SHAPE, PACK or FILL.
Importing this module imports Keras and TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from birdnet_deploy.model.magnitude import Magnitude, MagnitudeScalingLayer, check_method
from birdnet_deploy.model.mel import slaney_mel_basis

MODES = ("precomputed", "hybrid", "raw")
LAYOUTS = ("2025", "2026")
RAW_KERNEL = 16  # samples under one filter of the raw frontend
_RETIRED_KEYS = ("train_mel_scale",)  # written by birdnet-stm32, without effect there


class AudioFrontendLayer(Magnitude, keras.layers.Layer):  # type: ignore[misc]
    """Turns the model's input into ``[B, mel_bins, spec_width, 1]``.

    Modes: ``precomputed`` slices a mel spectrogram to ``spec_width``; ``hybrid`` projects linear STFT
    magnitudes ``[B, rows, T, 1]`` onto a mel basis, ``rows`` being ``fft_length // 2 + 1`` or, without
    Nyquist, one less; ``raw`` filters a waveform ``[B, samples, 1]``.

    Two keywords are ours, for the files that people have: ``layout`` says where the magnitude weights are
    (``2026``: in ``mag_layer``; ``2025``: directly in this layer), ``sample_norm`` whether hybrid divides
    each sample by its maximum (as the 2026 forward does; None follows the layout).

    Raises: ValueError that lists the valid modes, methods or layouts.
    """

    peak_floor: float = 0.0

    def __init__(
        self,
        mode: str,
        mel_bins: int,
        spec_width: int,
        sample_rate: int,
        chunk_duration: float,
        fft_length: int = 512,
        pcen_K: int = 8,
        init_mel: bool = True,
        mel_fmin: float = 150.0,
        mel_fmax: float | None = None,
        mel_norm: str = "slaney",
        mag_scale: str = "pwl",
        name: str = "audio_frontend",
        is_trainable: bool = False,
        layout: str = "2026",
        sample_norm: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        if mode not in MODES:
            raise ValueError(f"unknown mode {mode!r}; valid: {', '.join(MODES)}")
        if layout not in LAYOUTS:
            raise ValueError(f"unknown layout {layout!r}; valid: {', '.join(LAYOUTS)}")
        if mel_norm != "slaney":
            raise ValueError(f"unknown mel_norm {mel_norm!r}; valid: slaney")
        self.mode, self.mag_scale, self.layout = mode, check_method(mag_scale), layout
        self.mel_bins, self.spec_width, self.sample_rate = int(mel_bins), int(spec_width), int(sample_rate)
        self.chunk_duration, self.fft_length, self.pcen_K = chunk_duration, int(fft_length), int(pcen_K)
        self.init_mel, self.mel_fmin, self.mel_fmax, self.mel_norm = (
            bool(init_mel),
            mel_fmin,
            mel_fmax,
            mel_norm,
        )
        self.is_trainable = bool(is_trainable)
        self.sample_norm = layout == "2026" if sample_norm is None else bool(sample_norm)
        self.samples = int(sample_rate * chunk_duration)
        if mode == "hybrid":
            self.mel_mixer = keras.layers.Conv2D(
                self.mel_bins, (1, 1), use_bias=False, kernel_constraint=keras.constraints.NonNeg(),
                trainable=False, name=f"{name}_mel_mixer",
            )  # fmt: skip
        if mode == "raw":
            self._make_filter_bank(name)
        if layout == "2026":
            self.mag_layer = MagnitudeScalingLayer(
                mag_scale, self.mel_bins, self.pcen_K, self.is_trainable, name=f"{name}_mag"
            )
        else:
            self.make_magnitude(mag_scale, self.pcen_K, self.is_trainable, name)

    def _make_filter_bank(self, name: str) -> None:
        self.stride = math.ceil(self.samples / self.spec_width)
        padding = max(0, self.stride * (self.spec_width - 1) + RAW_KERNEL - self.samples)
        self.pad_left, self.pad_right = padding // 2, padding - padding // 2
        self.fb2d = keras.layers.Conv2D(
            self.mel_bins, (1, RAW_KERNEL), strides=(1, self.stride), padding="valid", use_bias=False,
            trainable=self.is_trainable, name=f"{name}_raw_fb2d",
        )  # fmt: skip
        self.fb_bn = keras.layers.BatchNormalization(
            momentum=0.99, epsilon=1e-3, trainable=self.is_trainable, name=f"{name}_raw_fb2d_bn"
        )
        self.fb_relu = keras.layers.ReLU(max_value=6, name=f"{name}_raw_fb2d_relu")

    def magnitude(self) -> Magnitude:
        """Gives whoever holds the magnitude sub-layers: ``mag_layer``, or this layer in the 2025 layout."""
        return self.mag_layer if self.layout == "2026" else self

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes the weights; the mel mixer starts from the Slaney basis.

        Raises: ValueError where hybrid gets neither of its two numbers of rows.
        """
        if self.mode == "hybrid":
            self._build_mel_mixer(input_shape[1])
        if self.mode == "raw":
            self.fb2d.build((None, 1, self.samples + self.pad_left + self.pad_right, 1))
            self.fb_bn.build((None, 1, self.spec_width, self.mel_bins))
        scaled = (None, 1, self.spec_width, self.mel_bins)
        if self.layout == "2026":
            self.mag_layer.build(scaled)
        else:
            self.build_magnitude(scaled)
        self.built = True

    def _build_mel_mixer(self, rows: int | None) -> None:
        full = self.fft_length // 2 + 1
        if rows not in (full, full - 1):
            raise ValueError(f"hybrid takes {full} rows, or {full - 1} without Nyquist, not {rows}")
        self.pad_rows = -rows % 8
        self.mel_mixer.build((None, 1, self.spec_width, rows + self.pad_rows))
        if self.init_mel:
            fmax = self.sample_rate // 2 if self.mel_fmax is None else self.mel_fmax
            basis = slaney_mel_basis(self.sample_rate, self.fft_length, self.mel_bins, self.mel_fmin, float(fmax))
            kernel = np.pad(basis[:, :rows].T, ((0, self.pad_rows), (0, 0)))
            self.mel_mixer.set_weights([kernel[None, None]])

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Gives ``[B, mel_bins, spec_width, 1]``."""
        if self.mode == "precomputed":
            return self._first_frames(inputs)
        y = self.before_magnitude(inputs, training=training)
        y = self.mag_layer(y) if self.layout == "2026" else self.scale(y)
        return ops.transpose(y, (0, 3, 2, 1))

    def before_magnitude(self, inputs: Any, training: bool | None = None) -> Any:
        """Gives the non-negative ``[B, 1, spec_width, mel_bins]`` that is scaled next (hybrid, raw)."""
        if self.mode == "hybrid":
            y = self.mel_spectrum(inputs)
            return y / self._divisor(self.loudest(y)) if self.sample_norm else y
        y = inputs if inputs.shape[1] == self.samples else inputs[:, : self.samples, :]
        if self.pad_left or self.pad_right:
            y = ops.pad(y, ((0, 0), (self.pad_left, self.pad_right), (0, 0)))
        return self.fb_relu(self.fb_bn(self.fb2d(ops.expand_dims(y, 1)), training=training))

    def mel_spectrum(self, inputs: Any) -> Any:
        """Gives hybrid's ``[B, 1, spec_width, mel_bins]`` before any division."""
        y = self._first_frames(inputs)
        if self.pad_rows:
            y = ops.pad(y, ((0, 0), (0, self.pad_rows), (0, 0), (0, 0)))
        return ops.relu(self.mel_mixer(ops.transpose(y, (0, 3, 2, 1))))

    @staticmethod
    def loudest(y: Any) -> Any:
        """Gives the largest value of each sample, ``[B, 1, 1, 1]``."""
        return ops.max(y, axis=(1, 2, 3), keepdims=True)

    def _divisor(self, peak: Any) -> Any:
        """In int8 a peak below half a step is a division by zero; ``peak_floor`` (0: none) keeps it above one."""
        if self.peak_floor:
            return ops.relu(peak - self.peak_floor) + (self.peak_floor + 1e-6)
        return peak + 1e-6

    def _first_frames(self, x: Any) -> Any:
        return x if x.shape[2] == self.spec_width else x[:, :, : self.spec_width, :]

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Gives ``(batch, mel_bins, spec_width, 1)``."""
        return (input_shape[0], self.mel_bins, self.spec_width, 1)

    def get_config(self) -> dict[str, Any]:
        """Gives the constructor's arguments; ours only where not the default, as birdnet-stm32 lacks them."""
        names = (
            "mode", "mel_bins", "spec_width", "sample_rate", "chunk_duration", "fft_length", "pcen_K",
            "init_mel", "mel_fmin", "mel_fmax", "mel_norm", "mag_scale", "is_trainable",
        )  # fmt: skip
        own = {name: getattr(self, name) for name in names}
        if self.layout != "2026":
            own["layout"] = self.layout
        if self.sample_norm != (self.layout == "2026"):
            own["sample_norm"] = self.sample_norm
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> AudioFrontendLayer:
        """Makes the layer of a file's config; retired keys are dropped."""
        return cls(**{key: value for key, value in config.items() if key not in _RETIRED_KEYS})


class AttentionPooling(keras.layers.Layer):  # type: ignore[misc]
    """Averages ``[B, H, W, C]`` over positions to ``[B, C]``, weighted by a softmax of a learned score."""

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes the score's weights."""
        self._score_dense = keras.layers.Dense(1, use_bias=False, name="score")
        self._score_dense.build((None, input_shape[-1]))
        self.built = True

    def call(self, x: Any) -> Any:
        """Gives the weighted average; positions are known, so every shape is a constant."""
        _, height, width, channels = x.shape
        positions = height * width
        scores = ops.reshape(self._score_dense(ops.reshape(x, (-1, channels))), (-1, positions))
        weights = ops.reshape(ops.softmax(scores, axis=-1), (-1, positions, 1))
        # a mean, as the int8 SUM of TFLite's reference kernels is wrong: it reads int8 as uint8
        return ops.mean(ops.reshape(x, (-1, positions, channels)) * weights, axis=1) * positions

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Gives ``(batch, channels)``."""
        return (input_shape[0], input_shape[-1])
