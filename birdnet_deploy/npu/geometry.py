"""How a convolution or pooling window moves over its map: kernel, stride, dilation and padding in positions."""

from __future__ import annotations

import math
from dataclasses import dataclass

from birdnet_deploy.npu.graph import CONVOLUTIONS, Graph
from birdnet_deploy.tflite.reader import Operator

POOLS = frozenset({"AVERAGE_POOL_2D", "MAX_POOL_2D"})
MOST_CHANNELS = 65536
_MAP_RANK = 4


@dataclass(frozen=True)
class Window:
    """Pairs are (height, width); ``pads`` are top, bottom, left, right. ``map_size`` is that of the input."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pads: tuple[int, int, int, int]
    map_size: tuple[int, int]
    channels: tuple[int, int]

    @property
    def is_global(self) -> bool:
        """Whether the window covers the whole map at once."""
        return self.kernel == self.map_size


def window_of(graph: Graph, op: Operator) -> Window | None:
    """Gives the window of a convolution or pooling; None for another operator, or where shapes are no maps.

    Source of SAME padding: TensorFlow Lite, kernels/padding.h.
    """
    if op.op not in CONVOLUTIONS | POOLS or not op.inputs or not op.outputs:
        return None
    source, output = graph.input_of(op), graph.output_of(op)
    weights = graph.model.tensors[op.inputs[1]].shape if op.op in CONVOLUTIONS else (0,) * _MAP_RANK
    if not len(source.shape) == len(output.shape) == len(weights) == _MAP_RANK:
        return None
    told = op.options
    kernel = (weights[1], weights[2])
    if op.op in POOLS:
        kernel = (int(told.get("filter_height", 0)), int(told.get("filter_width", 0)))
    stride = (int(told.get("stride_h", 1)), int(told.get("stride_w", 1)))
    dilation = (int(told.get("dilation_h_factor", 1)), int(told.get("dilation_w_factor", 1)))
    size = (source.shape[1], source.shape[2])
    pads = (0, 0, 0, 0)
    if told.get("padding") == "SAME" and op.op != "TRANSPOSE_CONV":
        made = (output.shape[1], output.shape[2])
        total = [
            max(0, (made[i] - 1) * stride[i] + (kernel[i] - 1) * dilation[i] + 1 - size[i]) for i in (0, 1)
        ]  # fmt: skip
        pads = (total[0] // 2, total[0] - total[0] // 2, total[1] // 2, total[1] - total[1] // 2)
    return Window(kernel, stride, dilation, pads, size, (source.shape[3], output.shape[3]))


def reduced_positions(graph: Graph, op: Operator) -> int:
    """Gives how many positions a MEAN, or a pooling window over the whole map, takes together; 0 for others."""
    if op.op == "MEAN" and op.outputs:
        source = math.prod(graph.input_of(op).shape)
        return source // max(1, math.prod(graph.output_of(op).shape))
    window = window_of(graph, op)
    return math.prod(window.map_size) if window is not None and op.op in POOLS and window.is_global else 0


def is_prime(number: int) -> bool:
    """Says whether a number is prime; what no axis may be as long as is none."""
    return 1 < number < MOST_CHANNELS and all(number % divisor for divisor in range(2, math.isqrt(number) + 1))
