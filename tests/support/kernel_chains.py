"""Random int8 models whose values go their own ways: chains and branches that become look-up tables."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from tests.support.int8_models import SAME, ModelBuilder
from tests.support.kernel_cases import Case, activation, scale, stack, values, zero_point

Shape = tuple[int, ...]


class _Chain:
    """Grows functions of one tensor [1, height, width, channels]; every tensor has that shape."""

    def __init__(self, rng: Generator) -> None:
        self.rng = rng
        self.build = ModelBuilder()
        channels = int(rng.choice([1, 3, 4, 8, 9, 20]))
        self.shape: Shape = (1, int(rng.choice([1, 8, 12])), int(rng.choice([9, 16, 130])), channels)
        self.source = self._tensor()
        self.live = [self.source]

    def _tensor(self) -> int:
        usual = self.rng.random() < 0.9
        return self.build.tensor(
            self.shape, float(self.rng.uniform(0.02, 0.06)) if usual else scale(self.rng), zero_point(self.rng)
        )

    def _pick(self) -> int:
        return self.live[-1] if self.rng.random() < 0.6 else int(self.rng.choice(self.live))

    def grow(self) -> None:
        """Adds one operator of a random kind."""
        kinds = (self.product, self.product, self.table, self.sum, self.constant, self.extreme)
        self.live.append(kinds[int(self.rng.integers(0, len(kinds)))]())

    def product(self) -> int:
        """A depthwise filter of one tap."""
        channels = self.shape[3]
        scales = np.float32(10.0) ** self.rng.uniform(-3, -1, channels).astype(np.float32)
        scales[self.rng.random(channels) < 0.1] = 3.9e-9
        data = self.rng.integers(-127, 128, (1, 1, 1, channels)).astype(np.int8)
        weights = self.build.tensor(data.shape, scales, data=data, axis=3)
        bias = self.build.tensor([channels], scales * np.float32(0.05), dtype="int32",
                                 data=self.rng.integers(-3000, 3000, channels).astype(np.int32))  # fmt: skip
        source, output = self._pick(), self._tensor()
        self.build.operator("DEPTHWISE_CONV_2D", [source, weights, bias], output, padding=SAME, strideH=1, strideW=1,
                            depthMultiplier=1, fusedActivationFunction=activation(self.rng))  # fmt: skip
        return output

    def table(self) -> int:
        source, output = self._pick(), self._tensor()
        self.build.operator(str(self.rng.choice(["RELU", "RELU6", "QUANTIZE"])), [source], output)
        return output

    def sum(self) -> int:
        """Two branches, added or multiplied."""
        pair, output = [self._pick(), self._pick()], self._tensor()
        self.build.operator(str(self.rng.choice(["ADD", "SUB", "MUL"])), pair, output,
                            fusedActivationFunction=activation(self.rng))  # fmt: skip
        return output

    def constant(self) -> int:
        """A branch and a constant: one number, one for each channel, or one for each value."""
        shapes = ((), (1,), self.shape[3:], (1, 1, 1, self.shape[3]), self.shape)
        data = values(self.rng, shapes[int(self.rng.choice(5, p=[0.2, 0.1, 0.3, 0.3, 0.1]))])
        other = self.build.tensor(data.shape, float(self.rng.uniform(0.01, 0.06)), zero_point(self.rng), data=data)
        pair = [self._pick(), other] if self.rng.random() < 0.7 else [other, self._pick()]
        output = self._tensor()
        self.build.operator(str(self.rng.choice(["ADD", "SUB", "MUL"])), pair, output)
        return output

    def extreme(self) -> int:
        """The larger or smaller of a tensor and itself with its own scale."""
        source = self._pick()
        output = self.build.tensor(self.shape, *self.build.affine(source))
        other = self.build.tensor(self.shape[3:], *self.build.affine(source), data=values(self.rng, self.shape[3:]))
        self.build.operator(str(self.rng.choice(["MAXIMUM", "MINIMUM"])), [source, other], output)
        return output

    def finish(self) -> bytes:
        """Reads one or two of the tensors beside the newest, so that not all of the chain is folded away."""
        parts = sorted({self.live[-1], *(self._pick() for _ in range(2))})
        maxima = []
        for part in parts:
            scaled = self.build.tensor(self.shape, 0.05, 0)
            self.build.operator("QUANTIZE", [part], scaled)
            maxima.append(scaled)
        output = self.build.tensor((*self.shape[:3], self.shape[3] * len(parts)), 0.05, 0)
        self.build.operator("CONCATENATION", maxima, output, axis=3)
        return self.build.finish([self.source], [output])


def chain(rng: Generator) -> Case:
    """A graph of up to 12 functions of one tensor."""
    graph = _Chain(rng)
    count = int(rng.integers(1, 12))
    for _ in range(count):
        graph.grow()
    return f"a chain of {count} on {graph.shape}", graph.finish(), stack(rng, graph.shape)
