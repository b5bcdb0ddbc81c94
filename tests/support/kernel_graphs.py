"""Random int8 graphs of many operators: branches that join, views, results that overwrite operands."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from tests.support.int8_models import SAME, ModelBuilder
from tests.support.kernel_cases import Case, stack, values

Shape = tuple[int, ...]


class RandomGraph:
    """Grows a graph from one image; every tensor is [1, height, width, channels] of a usual scale."""

    def __init__(self, rng: Generator) -> None:
        self.rng = rng
        self.build = ModelBuilder()
        self.shape: Shape = (1, *(int(n) for n in rng.integers(2, 7, 2)), int(rng.choice([4, 5, 8])))
        self.source = self._tensor(self.shape)
        self.live: list[tuple[int, Shape]] = [(self.source, self.shape)]

    def _tensor(self, shape: Shape) -> int:
        return self.build.tensor(shape, float(self.rng.uniform(0.02, 0.06)), int(self.rng.integers(-60, 60)))

    def _pick(self, shape: Shape | None = None) -> tuple[int, Shape]:
        """Gives a tensor that is there, the newest often."""
        fitting = [item for item in self.live if shape is None or item[1] == shape]
        newest = self.rng.random() < 0.5
        return fitting[-1] if newest else fitting[int(self.rng.integers(0, len(fitting)))]

    def _add(self, tensor: int, shape: Shape) -> None:
        self.live.append((tensor, shape))

    def grow(self) -> None:
        """Adds one operator of a random kind."""
        kinds = (
            self.sum, self.gate, self.pointwise, self.table, self.view, self.split, self.depthwise, self.softmax,
            self.own_row,
        )  # fmt: skip
        kinds[int(self.rng.integers(0, len(kinds)))]()

    def sum(self) -> None:
        """Two tensors of one shape, added or multiplied."""
        first, shape = self._pick()
        second, _ = self._pick(shape)
        output = self._tensor(shape)
        self.build.operator(str(self.rng.choice(["ADD", "SUB", "MUL"])), [first, second], output)
        self._add(output, shape)

    def gate(self) -> None:
        """A tensor times its own mean over the image, as squeeze and excitation has it."""
        tensor, shape = self._pick()
        mean = self._tensor((1, 1, 1, shape[3]))
        self.build.operator("MEAN", [tensor, self.build.ints([1, 2])], mean, keepDims=True)
        output = self._tensor(shape)
        self.build.operator("MUL", [tensor, mean], output)
        self._add(output, shape)

    def own_row(self) -> None:
        """A tensor plus one row of itself: the sum may not overwrite what it still reads through the view."""
        tensor, shape = self._pick()
        fresh = self._tensor(shape)
        self.build.operator("QUANTIZE", [tensor], fresh)
        row = self.build.tensor((1, 1, *shape[2:]), *self.build.affine(fresh))
        begin = self.build.ints([0, int(self.rng.integers(0, shape[1])), 0, 0])
        self.build.operator("SLICE", [fresh, begin, self.build.ints([1, 1, *shape[2:]])], row)
        output = self._tensor(shape)
        self.build.operator("ADD", [fresh, row], output)
        self._add(output, shape)

    def pointwise(self) -> None:
        """A 1x1 convolution, often with as many channels as before."""
        tensor, shape = self._pick()
        channels = shape[3] if self.rng.random() < 0.7 else int(self.rng.integers(1, 10))
        self._convolution("CONV_2D", tensor, shape, (channels, 1, 1, shape[3]), channels)

    def depthwise(self) -> None:
        """A depthwise convolution, 1x1 or 3x3."""
        tensor, shape = self._pick()
        size = int(self.rng.choice([1, 3]))
        self._convolution("DEPTHWISE_CONV_2D", tensor, shape, (1, size, size, shape[3]), shape[3])

    def _convolution(self, name: str, tensor: int, shape: Shape, filters: Shape, channels: int) -> None:
        scale = 0.02 / math.sqrt(math.prod(filters) / channels)
        weights = self.build.tensor(filters, scale, data=values(self.rng, filters))
        bias = self.build.tensor([channels], 0.001, data=self.rng.integers(-999, 999, channels).astype(np.int32),
                                 dtype="int32")  # fmt: skip
        output = self._tensor((*shape[:3], channels))
        options = {"depthMultiplier": 1} if name == "DEPTHWISE_CONV_2D" else {}
        self.build.operator(name, [tensor, weights, bias], output, padding=SAME, strideH=1, strideW=1, **options)
        self._add(output, (*shape[:3], channels))

    def table(self) -> None:
        """A function of one value."""
        tensor, shape = self._pick()
        output = self._tensor(shape)
        self.build.operator(str(self.rng.choice(["RELU", "RELU6", "QUANTIZE"])), [tensor], output)
        self._add(output, shape)

    def view(self) -> None:
        """The same values under another shape, and back; both are read."""
        tensor, shape = self._pick()
        flat = (1, 1, shape[1] * shape[2], shape[3])
        affine = self.build.affine(tensor)
        reshaped = self.build.tensor(flat, *affine)
        self.build.operator("RESHAPE", [tensor, self.build.ints(flat)], reshaped)
        self._add(reshaped, flat)

    def split(self) -> None:
        """Rows of an image put together in another order: views, then copies."""
        tensor, shape = self._pick()
        if shape[1] < 2:
            return
        affine = self.build.affine(tensor)
        parts = []
        for begin, rows in ((1, shape[1] - 1), (0, 1)):
            part = self.build.tensor((1, rows, *shape[2:]), *affine)
            sizes = self.build.ints([1, rows, *shape[2:]])
            self.build.operator("SLICE", [tensor, self.build.ints([0, begin, 0, 0]), sizes], part)
            parts.append(part)
        output = self.build.tensor(shape, *affine)
        self.build.operator("CONCATENATION", parts, output, axis=1)
        self._add(output, shape)

    def softmax(self) -> None:
        """A softmax, brought back to a usual scale."""
        tensor, shape = self._pick()
        probabilities = self.build.tensor(shape, 1 / 256, -128)
        self.build.operator("SOFTMAX", [tensor], probabilities, beta=1.0)
        output = self._tensor(shape)
        self.build.operator("QUANTIZE", [probabilities], output)
        self._add(output, shape)

    def finish(self) -> bytes:
        """Joins the newest tensors of each shape into the output and gives the model."""
        newest = {shape: tensor for tensor, shape in self.live}
        affine = (0.04, 3)
        parts = []
        for shape, tensor in newest.items():
            scaled = self.build.tensor(shape, *affine)
            self.build.operator("QUANTIZE", [tensor], scaled)
            flat = self.build.tensor((1, math.prod(shape)), *affine)
            self.build.operator("RESHAPE", [scaled, self.build.ints((1, math.prod(shape)))], flat)
            parts.append(flat)
        output = self.build.tensor((1, sum(math.prod(shape) for shape in newest)), *affine)
        self.build.operator("CONCATENATION", parts, output, axis=1)
        return self.build.finish([self.source], [output])


def random_graph(rng: Generator) -> Case:
    """A graph of up to 25 operators."""
    graph = RandomGraph(rng)
    count = int(rng.integers(3, 20))
    for _ in range(count):
        graph.grow()
    return f"a graph of {count} blocks", graph.finish(), stack(rng, graph.shape)
