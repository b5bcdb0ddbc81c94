"""What rules ask about a model: who makes and reads a tensor, what an operator costs, what lives at once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property

from birdnet_deploy.support.printable import printable
from birdnet_deploy.tflite.reader import Operator, Tensor, TfliteModel

CONVOLUTIONS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"})
WEIGHTED = CONVOLUTIONS | {"FULLY_CONNECTED"}
_WEIGHT_INPUT = 1
_BYTES = {"int64": 8, "float64": 8, "int32": 4, "float32": 4, "int16": 2, "float16": 2, "uint16": 2}


class Graph:
    """A read model with its connections."""

    def __init__(self, model: TfliteModel) -> None:
        self.model = model
        self.producer: dict[int, Operator] = {i: op for op in model.operators for i in op.outputs}
        self.consumers: dict[int, list[Operator]] = {}
        for op in model.operators:
            for index in dict.fromkeys(op.inputs):
                self.consumers.setdefault(index, []).append(op)

    def is_activation(self, tensor: Tensor) -> bool:
        """Says whether a tensor is computed while running: a graph input or an operator's output."""
        return tensor.index in self.producer or tensor.index in self.model.inputs

    @cached_property
    def activations(self) -> tuple[Tensor, ...]:
        """All tensors that are computed while running."""
        return tuple(t for t in self.model.tensors if self.is_activation(t))

    @cached_property
    def constants(self) -> tuple[Tensor, ...]:
        """All tensors with data in the file that some operator reads."""
        return tuple(t for t in self.model.tensors if t.data and t.index in self.consumers)

    @cached_property
    def used(self) -> tuple[Tensor, ...]:
        """All tensors that play a part: activations and constants, by index."""
        return tuple(sorted((*self.activations, *self.constants), key=lambda t: t.index))

    def weighted(self) -> Iterator[tuple[Operator, Tensor]]:
        """Yields the convolutions and dense layers that have constant weights, with the weights."""
        for op in self.model.operators:
            if op.op in WEIGHTED and self.model.tensors[op.inputs[_WEIGHT_INPUT]].data:
                yield op, self.model.tensors[op.inputs[_WEIGHT_INPUT]]

    def input_of(self, op: Operator) -> Tensor:
        """Gives the activation that an operator reads first (a transposed convolution's is its third)."""
        return self.model.tensors[op.inputs[2 if op.op == "TRANSPOSE_CONV" else 0]]

    def output_of(self, op: Operator) -> Tensor:
        """Gives an operator's first output."""
        return self.model.tensors[op.outputs[0]]

    def channels(self, op: Operator) -> tuple[int, int]:
        """Gives the input and output channels of a convolution or dense layer: the last axes."""
        return _last(self.input_of(op)), _last(self.output_of(op))

    def macs(self, op: Operator) -> int:
        """Gives the multiply-accumulates of an operator; 0 for those that are not counted."""
        if op.op not in WEIGHTED or len(op.inputs) <= _WEIGHT_INPUT:
            return 0
        weights = self.model.tensors[op.inputs[_WEIGHT_INPUT]].shape
        positions = math.prod(self.output_of(op).shape[:-1])
        if op.op == "TRANSPOSE_CONV":
            positions = math.prod(self.input_of(op).shape[:-1])
        elif op.op == "FULLY_CONNECTED" and weights:
            positions = math.prod(self.output_of(op).shape) // max(1, weights[0])
        return positions * math.prod(weights)

    def peak(self) -> tuple[int, str]:
        """Gives the most bytes of activations that are alive at once, and where: a lower bound of the arena.

        An operator's inputs and outputs are alive together: nothing is computed in place.
        """
        last = {i: op.index for op in self.model.operators for i in op.inputs if i >= 0}
        last |= dict.fromkeys(self.model.outputs, len(self.model.operators))
        alive = set(self.model.inputs)
        peak, where = sum(self.size(i) for i in alive), "the input"
        for op in self.model.operators:
            alive.update(op.outputs)
            total = sum(self.size(i) for i in alive)
            if total > peak:
                peak, where = total, self.label(op)
            alive = {i for i in alive if last.get(i, -1) > op.index}
        return peak, where

    def size(self, index: int) -> int:
        """Gives the bytes that a tensor's values take."""
        tensor = self.model.tensors[index]
        return math.prod(tensor.shape) * _BYTES.get(tensor.dtype, 1)

    def kind(self, op: Operator) -> str:
        """Gives the name under which the operator table has an operator."""
        if op.op == "QUANTIZE" and not self.input_of(op).dtype.startswith("float"):
            return "REQUANTIZE"
        return op.op

    def label(self, op: Operator) -> str:
        """Gives an operator's place for a message: index, kind and the name of what it makes."""
        name = self.model.tensors[op.outputs[0]].name if op.outputs else ""
        return f"op {op.index} {op.op} {printable(name)}".rstrip()


def tensor_label(tensor: Tensor) -> str:
    """Gives a tensor's place for a message: index and name."""
    return f"tensor {tensor.index} {printable(tensor.name)}".rstrip()


def _last(tensor: Tensor) -> int:
    return tensor.shape[-1] if tensor.shape else 1
