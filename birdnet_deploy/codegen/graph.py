"""A ``.tflite`` model as the generator sees it: checked to be one static int8 graph of batch 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.codegen.fixed_point import float32_ratio, round_half_away, to_int32, wrap32
from birdnet_deploy.codegen.unsupported import Unsupported
from birdnet_deploy.errors import ModelError
from birdnet_deploy.tflite.reader import Operator, Tensor, TfliteModel

_NUMPY = {"int8": "<i1", "int32": "<i4", "int64": "<i8", "float32": "<f4"}
_ACTIVATIONS: dict[str, tuple[float | None, float | None]] = {
    "NONE": (None, None), "RELU": (0.0, None), "RELU_N1_TO_1": (-1.0, 1.0), "RELU6": (0.0, 6.0),
}  # fmt: skip


@dataclass(frozen=True)
class Affine:
    """``real = scale * (q - zero_point)`` for all of a tensor; ``scale`` is an exact float32."""

    scale: float
    zero_point: int


@dataclass(frozen=True)
class Node:
    """One operator with its tensors; ``None`` stands for an input that is absent."""

    operator: Operator
    inputs: tuple[Tensor | None, ...]
    output: Tensor

    @property
    def op(self) -> str:
        """The operator's name in the schema."""
        return self.operator.op

    def input(self, position: int) -> Tensor:
        """Gives an input that must be there."""
        tensor = self.inputs[position] if position < len(self.inputs) else None
        if tensor is None:
            raise Unsupported(f"input {position} is absent")
        return tensor

    def optional(self, position: int) -> Tensor | None:
        """Gives an input that may be absent."""
        return self.inputs[position] if position < len(self.inputs) else None

    def constant(self, position: int) -> NDArray[Any]:
        """Gives the values of an input that must be constant."""
        return constant_of(self.input(position))

    def option(self, name: str) -> Any:
        """Gives an option of the operator."""
        return self.operator.options[name]


@dataclass(frozen=True)
class Graph:
    """The operators in the order of execution, and the one input and output."""

    model: TfliteModel
    nodes: tuple[Node, ...]
    input: Tensor
    output: Tensor


def read_graph(model: TfliteModel) -> Graph:
    """Gives the graph of a full-int8 model.

    Raises: ModelError (exit 3) for float inputs or outputs, several of them, a batch, or a shape that is not static.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            f"the model has {len(model.inputs)} inputs and {len(model.outputs)} outputs", where="model.tflite",
            fix="the engine runs models of one input and one output",
        )  # fmt: skip
    source, sink = model.tensors[model.inputs[0]], model.tensors[model.outputs[0]]
    for what, tensor in (("input", source), ("output", sink)):
        _check_boundary(what, tensor)
    nodes = tuple(_node(model, operator) for operator in model.operators)
    return Graph(model, nodes, source, sink)


def _node(model: TfliteModel, operator: Operator) -> Node:
    inputs = tuple(None if i < 0 else model.tensors[i] for i in operator.inputs)
    if len(operator.outputs) != 1:
        raise ModelError(
            f"operator {operator.index} ({operator.op}) has {len(operator.outputs)} outputs", where="model.tflite",
            fix="the engine has no operator of several outputs",
        )  # fmt: skip
    return Node(operator, inputs, model.tensors[operator.outputs[0]])


def _check_boundary(what: str, tensor: Tensor) -> None:
    if tensor.dtype != "int8":
        raise ModelError(
            f"the model's {what} is {tensor.dtype}, and the firmware computes in int8 only", where="model.tflite",
            fix="convert it with --io int8",
        )  # fmt: skip
    if len(tensor.shape) < 2 or tensor.shape[0] != 1:
        raise ModelError(
            f"the model's {what} has the shape {list(tensor.shape)}", where="model.tflite",
            fix="convert the model with a static batch of 1",
        )  # fmt: skip


def activations(node: Node) -> Iterator[Tensor]:
    """Yields the tensors of a node that are computed and not constant."""
    yield from (tensor for tensor in node.inputs if tensor is not None and not tensor.data)
    yield node.output


def check_tensors(node: Node) -> None:
    """Holds a node to static int8 tensors.

    Raises: Unsupported.
    """
    for tensor in activations(node):
        if tensor.dtype != "int8":
            raise Unsupported(f"works on {tensor.dtype}")
        if tensor.shape_signature is not None and -1 in tensor.shape_signature:
            raise Unsupported(f"has the dynamic shape {list(tensor.shape_signature)}")
        if math.prod(tensor.shape) == 0:
            raise Unsupported("has an empty tensor")


def constant_of(tensor: Tensor) -> NDArray[Any]:
    """Gives the values of a constant tensor in its shape.

    Raises: Unsupported where it is computed, or of a type that no operator takes as a constant.
    """
    if not tensor.data or tensor.dtype not in _NUMPY:
        raise Unsupported(f"needs the tensor '{tensor.name}' as a constant")
    return np.frombuffer(tensor.data, dtype=_NUMPY[tensor.dtype]).reshape(tensor.shape)


def affine_of(tensor: Tensor) -> Affine:
    """Gives the one scale and zero point of an int8 tensor.

    Raises: Unsupported where there is none, more than one, or a scale that is 0.
    """
    quantization = tensor.quantization
    if tensor.dtype != "int8" or quantization is None or len(quantization.scales) != 1:
        raise Unsupported(f"needs '{tensor.name}' as int8 with one scale")
    if quantization.scales[0] == 0.0:
        raise Unsupported(f"needs a scale of '{tensor.name}' that is not 0")
    return Affine(quantization.scales[0], quantization.zero_points[0])


def activation_range(function: str, output: Affine) -> tuple[int, int]:
    """Gives the least and largest int8 value that a fused activation lets through.

    Raises: Unsupported for another function, or where the reference kernels refuse the scale.
    """
    if function not in _ACTIVATIONS:
        raise Unsupported(f"has the fused activation {function}")
    low, high = _ACTIVATIONS[function]
    return clamped_range(low, high, output, _checked)


def clamped_range(
    low: float | None, high: float | None, output: Affine, whole: Callable[[float], int]
) -> tuple[int, int]:
    """Gives real bounds as int8 bounds; ``whole`` makes an int of a rounded float32."""

    def quantized(bound: float) -> int:
        return wrap32(output.zero_point + whole(round_half_away(float32_ratio(bound, output.scale))))

    least = -128 if low is None else max(-128, quantized(low))
    largest = 127 if high is None else min(127, quantized(high))
    return least, largest


def _checked(rounded: float) -> int:
    if not -(2.0**31) <= rounded <= 2.0**31:
        raise Unsupported("has an output scale too small for its activation (the reference refuses it)")
    return to_int32(rounded)
