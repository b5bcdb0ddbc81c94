"""Multiply-accumulates of a ``.tflite``, counted from its graph.

A convolution counts its whole kernel at every output position, at the borders too: hardware pads, and so does the
generated C for the NPU's part. A 1x1 convolution of which less than half of the weights are not zero (a mel
projection) counts only those, as the float C of the prologue computes only those. Additions, pooling, activations
and moves count nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from birdnet_deploy.tflite.model import Operator, TfliteModel
from birdnet_deploy.tflite.reader import read_model

SPARSE_BELOW = 0.5  # share of weights that are not zero


@dataclass(frozen=True)
class MacCount:
    """The multiply-accumulates of one window, of each operator in its order."""

    by_operator: tuple[int, ...]

    @property
    def total(self) -> int:
        """Those of the whole graph."""
        return sum(self.by_operator)


def count_macs(model: TfliteModel | bytes, *, sparse: bool = False) -> MacCount:
    """Gives the multiply-accumulates of a model; ``sparse`` leaves out zero weights where the float C does.

    Raises: ModelError (exit 3) for bytes that are no sound ``.tflite``.
    """
    read = read_model(model) if isinstance(model, bytes) else model
    return MacCount(tuple(operator_macs(read, op, sparse=sparse) for op in read.operators))


def operator_macs(model: TfliteModel, op: Operator, *, sparse: bool = False) -> int:
    """Gives the multiply-accumulates of one operator; 0 for those without weights or products."""
    if op.op == "BATCH_MATMUL":
        first, output = model.tensors[op.inputs[0]], model.tensors[op.outputs[0]]
        inner = first.shape[-2] if op.options.get("adj_x") else first.shape[-1]
        return math.prod(output.shape) * inner
    if op.op not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        return 0
    weights, output = model.tensors[op.inputs[1]], model.tensors[op.outputs[0]]
    if op.op == "DEPTHWISE_CONV_2D":
        return math.prod(output.shape) * math.prod(weights.shape[1:3])
    positions = math.prod(output.shape) // weights.shape[0]
    products = math.prod(weights.shape)
    if sparse and op.op == "CONV_2D" and weights.shape[1:3] == (1, 1) and weights.dtype == "float32":
        left = int(np.count_nonzero(np.frombuffer(weights.data, np.float32)))
        products = left if left < SPARSE_BELOW * products else products
    return positions * products
