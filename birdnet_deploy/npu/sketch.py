"""Making a graph by hand: operators and tensors of int8 without values, as the converter names and shapes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from birdnet_deploy.tflite.reader import Operator, Tensor, TfliteModel

MAX_VALUES = 1 << 28  # 256 MiB, twice the flash of the board
_BYTES = {"int8": 1, "int32": 4}
_FUSING = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "SUB", "MUL"})
_NONE = "NONE"


class Sketch:
    """A graph that grows operator by operator; indices are those of tensors, shapes have a batch of 1."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []
        self._makers: dict[int, int] = {}
        self._readers: set[int] = set()

    def activation(self, name: str, shape: Sequence[int]) -> int:
        """Adds a tensor that is computed, or the graph's input."""
        return self._tensor(name, tuple(shape), "int8", b"")

    def constant(self, name: str, shape: Sequence[int], dtype: str = "int8") -> int:
        """Adds a tensor with data: zeros, as only their number counts.

        Raises: ValueError where no target has room for it.
        """
        if math.prod(shape) > MAX_VALUES:
            raise ValueError(f"{name} of {list(shape)} values")
        return self._tensor(name, tuple(shape), dtype, bytes(math.prod(shape) * _BYTES[dtype]))

    def _tensor(self, name: str, shape: tuple[int, ...], dtype: str, data: bytes) -> int:
        self.tensors.append(Tensor(len(self.tensors), name, shape, None, dtype, None, data))
        return len(self.tensors) - 1

    def shape(self, index: int) -> tuple[int, ...]:
        """Gives the shape of a tensor."""
        return self.tensors[index].shape

    def add(self, op: str, inputs: Sequence[int], shape: Sequence[int], name: str, **options: Any) -> int:
        """Adds an operator; gives its output."""
        output = self.activation(name, shape)
        self._makers[output] = len(self.operators)
        self._readers.update(inputs)
        self.operators.append(Operator(len(self.operators), op, 1, tuple(inputs), (output,), options))
        return output

    def fuse(self, index: int, activation: str, name: str) -> int:
        """Adds an activation; the operator in front computes it on its way out where it can, as the converter does it.

        A reshape in between is no hindrance: the converter moves the activation in front of it.
        """
        maker, read = self._makers.get(index), index
        readers = self._readers
        while maker is not None and read not in readers and self.operators[maker].op == "RESHAPE":
            read = self.operators[maker].inputs[0]
            readers = self._readers - {read}
            maker = self._makers.get(read)
        if maker is not None and read not in readers:
            op = self.operators[maker]
            if op.op in _FUSING and op.options.get("fused_activation_function", _NONE) == _NONE:
                options = {**op.options, "fused_activation_function": activation}
                self.operators[maker] = replace(op, options=options)
                return index
        return self.add(activation, [index], self.shape(index), name)

    def convolution(
        self, source: int, channels: int | None, kernel: Sequence[int], name: str, *, stride: Sequence[int] = (1, 1),
        padding: str = "VALID", dilation: Sequence[int] = (1, 1), bias: bool = True, multiplier: int = 1,
    ) -> int:  # fmt: skip
        """Adds a convolution of ``[1, H, W, C]``; a depthwise one where ``channels`` is None."""
        _, height, width, depth = self.shape(source)
        out = depth * multiplier if channels is None else channels
        weights = (1, *kernel, out) if channels is None else (channels, *kernel, depth)
        inputs = [source, self.constant(f"{name}/kernel", weights)]
        if bias:
            inputs.append(self.constant(f"{name}/bias", (out,), "int32"))
        size = window_outputs((height, width), kernel, stride, padding, dilation)
        return self.add(
            "DEPTHWISE_CONV_2D" if channels is None else "CONV_2D", inputs, (1, *size, out), name,
            padding=padding, stride_h=stride[0], stride_w=stride[1], dilation_h_factor=dilation[0],
            dilation_w_factor=dilation[1], depth_multiplier=multiplier, fused_activation_function=_NONE,
        )  # fmt: skip

    def dense(self, source: int, units: int, name: str, *, bias: bool = True) -> int:
        """Adds a fully connected layer over the last axis."""
        shape = self.shape(source)
        inputs = [source, self.constant(f"{name}/kernel", (units, shape[-1]))]
        if bias:
            inputs.append(self.constant(f"{name}/bias", (units,), "int32"))
        return self.add("FULLY_CONNECTED", inputs, (*shape[:-1], units), name, fused_activation_function=_NONE)

    def reshape(self, source: int, shape: Sequence[int], name: str) -> int:
        """Adds a reshape."""
        target = self.constant(f"{name}/shape", (len(shape),), "int32")
        return self.add("RESHAPE", [source, target], shape, name, new_shape=tuple(shape))

    def transpose(self, source: int, order: Sequence[int], name: str) -> int:
        """Adds a transposition."""
        shape = self.shape(source)
        perm = self.constant(f"{name}/perm", (len(order),), "int32")
        return self.add("TRANSPOSE", [source, perm], tuple(shape[axis] for axis in order), name)

    def pad(self, source: int, pads: Mapping[int, int], name: str) -> int:
        """Adds positions along axes: axis -> how many."""
        shape = self.shape(source)
        amounts = self.constant(f"{name}/paddings", (len(shape), 2), "int32")
        made = tuple(size + pads.get(axis, 0) for axis, size in enumerate(shape))
        return self.add("PAD", [source, amounts], made, name)

    def pool(self, op: str, source: int, kernel: Sequence[int], stride: Sequence[int], padding: str, name: str) -> int:
        """Adds a pooling window."""
        _, height, width, depth = self.shape(source)
        size = window_outputs((height, width), kernel, stride, padding)
        return self.add(
            op, [source], (1, *size, depth), name, padding=padding, stride_h=stride[0], stride_w=stride[1],
            filter_height=kernel[0], filter_width=kernel[1], fused_activation_function=_NONE,
        )  # fmt: skip

    def reduce(self, op: str, source: int, axes: Sequence[int], keep: bool, name: str) -> int:
        """Adds a reduction over axes."""
        shape = self.shape(source)
        made = [1 if axis in axes else size for axis, size in enumerate(shape) if keep or axis not in axes]
        at = self.constant(f"{name}/axes", (len(axes),), "int32")
        return self.add(op, [source, at], made, name, keep_dims=keep)

    def model(self, sha256: str, size_bytes: int, inputs: Sequence[int], outputs: Sequence[int]) -> TfliteModel:
        """Gives what was drawn."""
        return TfliteModel(
            sha256, size_bytes, tuple(self.tensors), tuple(self.operators), tuple(inputs), tuple(outputs)
        )  # fmt: skip


def window_outputs(
    size: tuple[int, int], kernel: Sequence[int], stride: Sequence[int], padding: str,
    dilation: Sequence[int] = (1, 1),
) -> tuple[int, int]:  # fmt: skip
    """Gives the positions of a window over a map: height and width."""
    if padding == "SAME":
        return (-(-size[0] // stride[0]), -(-size[1] // stride[1]))
    reach = [(kernel[i] - 1) * dilation[i] + 1 for i in (0, 1)]
    return (max(0, size[0] - reach[0]) // stride[0] + 1, max(0, size[1] - reach[1]) // stride[1] + 1)
