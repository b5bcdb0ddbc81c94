"""DS-CNNs of chosen size with random weights, written field by field: what cost depends on, without a checkpoint."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tests.support.int8_models import SAME, ModelBuilder

_INPUT_SCALE, _INPUT_ZERO_POINT = 1 / 255, -128
_SPREAD = 40.0  # int8 steps: the standard deviation that scales aim at
_WEIGHT_STD = 127 / math.sqrt(3)  # of weights that are uniform in int8
RELU6 = 3


class _Network:
    """Grows a chain of layers; activations are int8 with a spread of about 40 steps."""

    def __init__(self, height: int, width: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.build = ModelBuilder()
        self.shape = (1, height, width, 1)
        self.source = self.tensor = self.build.tensor(self.shape, _INPUT_SCALE, _INPUT_ZERO_POINT)

    def _weights(self, shape: tuple[int, ...], channels: int, taps: int, axis: int) -> tuple[list[int], float]:
        """Adds weights and a bias; gives their indices and the scale of an output with the spread aimed at."""
        scales = self.rng.uniform(0.5, 1.5, channels) / 127
        weights = self.rng.integers(-127, 128, shape).astype(np.int8)
        scale, _ = self.build.affine(self.tensor)
        bias = np.rint(self.rng.normal(0, 20 * _WEIGHT_STD * math.sqrt(taps), channels)).astype(np.int32)
        filters = self.build.tensor(shape, scales, data=weights, axis=axis)
        biases = self.build.tensor([channels], scales * scale, data=bias, dtype="int32")
        return [filters, biases], scale * float(scales.mean()) * _WEIGHT_STD * math.sqrt(taps)

    def convolution(self, channels: int, size: int, stride: int = 1, activation: int = RELU6) -> None:
        """Adds CONV_2D."""
        taps = size * size * self.shape[3]
        constants, scale = self._weights((channels, size, size, self.shape[3]), channels, taps, 0)
        self._output("CONV_2D", constants, scale, channels, stride, activation)

    def depthwise(self, size: int = 3, stride: int = 1) -> None:
        """Adds DEPTHWISE_CONV_2D."""
        channels = self.shape[3]
        constants, scale = self._weights((1, size, size, channels), channels, size * size, 3)
        self._output("DEPTHWISE_CONV_2D", constants, scale, channels, stride, RELU6, depthMultiplier=1)

    def _output(
        self, name: str, constants: list[int], scale: float, channels: int, stride: int, activation: int, **options: int
    ) -> None:
        _, height, width, _ = self.shape
        self.shape = (1, -(-height // stride), -(-width // stride), channels)
        output = self.build.tensor(self.shape, scale, -100 if activation else -5)
        self.build.operator(
            name, [self.tensor, *constants], output, padding=SAME, strideH=stride, strideW=stride,
            fusedActivationFunction=activation, **options,
        )  # fmt: skip
        self.tensor = output

    def add(self, other: int) -> None:
        """Adds ADD with a tensor of the same shape."""
        scale = math.hypot(self.build.affine(self.tensor)[0], self.build.affine(other)[0])
        output = self.build.tensor(self.shape, scale, -10)
        self.build.operator("ADD", [other, self.tensor], output)
        self.tensor = output

    def classify(self, classes: int) -> None:
        """Adds MEAN and FULLY_CONNECTED."""
        channels = self.shape[3]
        scale, zero_point = self.build.affine(self.tensor)
        mean = self.build.tensor((1, channels), scale, zero_point)
        self.build.operator("MEAN", [self.tensor, self.build.ints([1, 2])], mean)
        self.tensor = mean
        constants, scale = self._weights((classes, channels), classes, channels, 0)
        output = self.build.tensor((1, classes), scale, 3)
        self.build.operator("FULLY_CONNECTED", [mean, *constants], output)
        self.tensor = output


def ds_cnn(height: int, width: int, channels: tuple[int, ...], classes: int = 10, seed: int = 1) -> bytes:
    """Gives a model: a stem of stride 2, then for each of ``channels`` a depthwise and a pointwise convolution.

    Where the number of channels stays, a second such pair follows with a residual sum; where it grows, the depthwise
    one has stride 2.
    """
    network = _Network(height, width, seed)
    network.convolution(channels[0], 3, stride=2)
    for before, now in zip((channels[0], *channels), channels, strict=False):
        network.depthwise(stride=1 if now == before else 2)
        network.convolution(now, 1)
        kept = network.tensor
        network.depthwise()
        network.convolution(now, 1, activation=0)
        network.add(kept)
    network.classify(classes)
    return network.build.finish([network.source], [network.tensor])


def noise(shape: tuple[int, ...], count: int) -> NDArray[np.int8]:
    """Gives int8 inputs [count, ...] that look like spectrograms: most values low, some high."""
    maps = np.random.default_rng(5).exponential(40, (count, *shape)) - 128
    return np.clip(maps, -128, 127).astype(np.int8)
