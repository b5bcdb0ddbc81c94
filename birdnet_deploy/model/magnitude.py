"""Magnitude scaling, channel by channel, of trainable 1x1 depthwise convolutions.

Importing this module imports Keras and TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import initializers, ops

from birdnet_deploy.model.config import MAG_SCALES

_PWL_GAIN = 0.40
_PWL_BRANCHES = (
    (0.10, 0.25),
    (0.35, 0.15),
    (0.65, 0.08),
)  # threshold, gain: initial values, files hold trained ones


def _depthwise(value: float, name: str, *, trainable: bool, bias: float | None = None) -> Any:
    return keras.layers.DepthwiseConv2D(
        (1, 1),
        padding="same",
        use_bias=bias is not None,
        depthwise_initializer=initializers.Constant(value),
        bias_initializer=initializers.Constant(bias or 0.0),
        trainable=trainable,
        name=name,
    )


class Magnitude:
    """Magnitude scaling of ``[B, H, W, C]``, channel by channel, as attributes of its layer.

    2026 files keep these sub-layers in a ``MagnitudeScalingLayer``, 2025 files directly in the frontend: both
    mix this in, and Keras finds the weights by attribute name.
    """

    # set by `quantization.simplify`, never saved
    dead_branches: frozenset[int] = frozenset()
    gain_folded: bool = False

    def make_magnitude(self, method: str, pcen_k: int, trainable: bool, prefix: str) -> None:
        """Makes the sub-layers of a method; ``prefix`` begins their names."""
        self._method = method
        if method == "pwl":
            self._pwl_k0_dw = _depthwise(_PWL_GAIN, f"{prefix}_pwl_k0_dw", trainable=trainable)
            self._pwl_shift_dws = [
                _depthwise(1.0, f"{prefix}_pwl_shift{i}_dw", trainable=trainable, bias=-threshold)
                for i, (threshold, _) in enumerate(_PWL_BRANCHES, 1)
            ]
            self._pwl_k_dws = [
                _depthwise(gain, f"{prefix}_pwl_k{i}_dw", trainable=trainable)
                for i, (_, gain) in enumerate(_PWL_BRANCHES, 1)
            ]
        elif method == "pcen":
            self._pcen_pools = [
                keras.layers.AveragePooling2D((1, 1), strides=(1, 1), padding="same", name=f"{prefix}_pcen_ema{k}")
                for k in range(pcen_k)
            ]
            self._pcen_agc_dw = _depthwise(0.6, f"{prefix}_pcen_agc_dw", trainable=trainable)
            self._pcen_k1_dw = _depthwise(0.15, f"{prefix}_pcen_k1_dw", trainable=trainable)
            self._pcen_shift_dw = _depthwise(1.0, f"{prefix}_pcen_shift_dw", trainable=trainable, bias=-0.2)
            self._pcen_k2mk1_dw = _depthwise(0.45, f"{prefix}_pcen_k2mk1_dw", trainable=trainable)

    def magnitude_layers(self) -> list[Any]:
        """Gives the sub-layers."""
        if self._method == "pwl":
            return [self._pwl_k0_dw, *self._pwl_shift_dws, *self._pwl_k_dws]
        if self._method == "pcen":
            convolutions = [self._pcen_agc_dw, self._pcen_k1_dw, self._pcen_shift_dw, self._pcen_k2mk1_dw]
            return [*self._pcen_pools, *convolutions]
        return []

    def build_magnitude(self, shape: Sequence[int | None]) -> None:
        """Makes their weights for magnitudes of ``shape``."""
        for layer in self.magnitude_layers():
            if not layer.built:
                layer.build(shape)

    def linear_gain(self) -> Any | None:
        """Gives the depthwise layer that scales the magnitude itself, which may fold into the mel kernel.

        A method, as a property would be a second path to its weights: Keras saves every attribute it finds.
        """
        return self._pwl_k0_dw if self._method == "pwl" else None

    def branches(self) -> list[tuple[Any, Any]]:
        """Gives the (shift, gain) layers of every ``gain * relu(shift(x))`` branch."""
        if self._method == "pwl":
            return list(zip(self._pwl_shift_dws, self._pwl_k_dws, strict=True))
        return [(self._pcen_shift_dw, self._pcen_k2mk1_dw)] if self._method == "pcen" else []

    def branch_input(self, x: Any) -> Any:
        """Gives what the branches see: the magnitude, or what PCEN's gain control leaves of it."""
        if self._method != "pcen":
            return x
        smooth = x
        for pool in self._pcen_pools:
            smooth = pool(smooth)
        return ops.relu(x - self._pcen_agc_dw(smooth))

    def scale(self, x: Any) -> Any:
        """Gives the scaled magnitudes, in the shape of ``x``."""
        if self._method == "none":
            return x
        if self._method == "db":
            return ops.log(ops.maximum(x, 1e-6)) * (10.0 / math.log(10.0))
        x = self.branch_input(x)
        gain = self._pwl_k0_dw if self._method == "pwl" else self._pcen_k1_dw
        y = x if self.gain_folded else gain(x)
        for index, (shift, branch_gain) in enumerate(self.branches()):
            if index not in self.dead_branches:
                y = y + branch_gain(ops.relu(shift(x)))
        return ops.relu(y) if self._method == "pcen" else y


def check_method(method: str) -> str:
    if method not in MAG_SCALES:
        raise ValueError(f"unknown mag_scale {method!r}; valid: {', '.join(MAG_SCALES)}")
    return method


class MagnitudeScalingLayer(Magnitude, keras.layers.Layer):  # type: ignore[misc]
    """Scales magnitudes ``[B, H, W, C]`` channel by channel: ``none``, ``pwl``, ``pcen`` or ``db``.

    ``pwl`` is ``k0*x`` plus three branches ``k*relu(x - t)``; ``pcen`` is ``relu(k1*y + k2*relu(y - t))`` of
    ``y = relu(x - agc*x)``; both of trainable 1x1 depthwise convolutions. ``db`` is
    ``10*log10(max(x, 1e-6))``.

    Raises: ValueError that lists the valid methods.
    """

    def __init__(
        self,
        method: str,
        channels: int,
        pcen_K: int = 8,
        is_trainable: bool = False,
        name: str = "mag_scale",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.method = check_method(method)
        self.channels = int(channels)
        self.pcen_K = int(pcen_K)
        self.is_trainable = bool(is_trainable)
        self.make_magnitude(method, self.pcen_K, self.is_trainable, name)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes the weights for ``channels`` channels."""
        self.build_magnitude((None, *input_shape[1:]))
        self.built = True

    def call(self, x: Any) -> Any:
        """Gives the scaled magnitudes, in the shape of ``x``."""
        return self.scale(x)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Gives the shape of the input."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Gives the constructor's arguments."""
        own = {name: getattr(self, name) for name in ("method", "channels", "pcen_K", "is_trainable")}
        return {**super().get_config(), **own}
