"""Graphs built by hand: a convolution, a sum, a view and a dense layer whose costs can be told by head."""

from __future__ import annotations

from collections.abc import Sequence

from birdnet_deploy.npu.graph import Graph
from birdnet_deploy.tflite.model import Operator, Quantization, Tensor, TfliteModel

SCALE = Quantization((0.1,), (0,), 0)


def tensor(
    index: int, shape: tuple[int, ...], *, name: str = "", dtype: str = "int8", constant: bool = False
) -> Tensor:
    """Gives a tensor; a constant one holds zeros."""
    count = 1
    for axis in shape:
        count *= axis
    data = bytes(count * {"int8": 1, "int32": 4, "float32": 4}[dtype]) if constant else b""
    return Tensor(index, name or f"t{index}", shape, None, dtype, SCALE, data)


def graph_of(
    tensors: Sequence[Tensor], operators: Sequence[tuple[str, tuple[int, ...], tuple[int, ...]]],
    outputs: tuple[int, ...],
) -> Graph:  # fmt: skip
    """Gives a graph whose input is tensor 0."""
    made = [Operator(i, op, 1, inputs, outs, {}) for i, (op, inputs, outs) in enumerate(operators)]
    return Graph(TfliteModel("0" * 64, 1, tuple(tensors), tuple(made), (0,), outputs))


def small_graph(name: str = "stem") -> Graph:
    """8x8x8 -> CONV_2D (3x3, 16) -> ADD with itself -> RESHAPE -> FULLY_CONNECTED (10)."""
    tensors = [
        tensor(0, (1, 8, 8, 8)), tensor(1, (16, 3, 3, 8), constant=True),
        tensor(2, (16,), dtype="int32", constant=True),
        tensor(3, (1, 8, 8, 16), name=name), tensor(4, (1, 8, 8, 16)), tensor(5, (2,), dtype="int32", constant=True),
        tensor(6, (1, 1024)), tensor(7, (10, 1024), constant=True), tensor(8, (1, 10)),
    ]  # fmt: skip
    operators = [
        ("CONV_2D", (0, 1, 2), (3,)), ("ADD", (3, 3), (4,)), ("RESHAPE", (4, 5), (6,)),
        ("FULLY_CONNECTED", (6, 7, -1), (8,)),
    ]  # fmt: skip
    return graph_of(tensors, operators, (8,))
