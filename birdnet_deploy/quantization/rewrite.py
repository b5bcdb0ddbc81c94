"""Float graphs rewritten so that they compute the same and lose less as int8; each is proven on data by the caller.

- ``swap_layout``: hybrid and raw frontends give ``[1, 1, T, M]``; instead of a TRANSPOSE the rest of the network takes
  time as rows, its kernels and strides transposed.
- ``scale_channels``: what a convolution writes is scaled channel by channel, and the next convolution's weights undo
  it, so that one scale for the tensor serves all channels.
- ``split_planes``: a tensor of one channel becomes planes ``relu6(6 / width * (x - start))``, a step each of its range,
  and the next convolution adds them up: as many times finer steps as there are planes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.tflite.edit import constant, drop_unused, operator_name, pack, set_constant, unpack

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")
_REDUCTIONS = ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN")
_ELEMENTWISE = (
    "ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "LOGISTIC", "RELU", "RELU6", "LOG", "SQRT", "RSQRT", "TANH",
    "FULLY_CONNECTED", "SOFTMAX", "BATCH_MATMUL",
)  # fmt: skip
_TO_MEL_MAJOR = (0, 3, 2, 1)
CAP = 6.0


class _Graph:
    """A model's objects with who writes and who reads each tensor."""

    def __init__(self, model: bytes) -> None:
        self.model = unpack(model)
        (self.graph,) = self.model.subgraphs
        self.operators: list[Any] = self.graph.operators
        self.tensors: list[Any] = self.graph.tensors

    def name(self, op: Any) -> str:
        return operator_name(self.model, op)

    def values(self, index: int, dtype: Any = np.float32) -> Any:
        return constant(self.model, self.tensors[index], dtype)

    def set_values(self, index: int, values: Any) -> None:
        set_constant(self.model, self.tensors[index], values)
        self.tensors[index].shape = np.array(values.shape, np.int32)

    def writer(self, index: int) -> Any:
        return next((op for op in self.operators if index in op.outputs), None)

    def readers(self, index: int) -> list[Any]:
        return [op for op in self.operators if index in op.inputs]

    def bytes(self) -> bytes:
        drop_unused(self.model)
        return pack(self.model)


def swap_layout(model: bytes) -> bytes | None:
    """Gives the model without the TRANSPOSE behind its frontend; None where there is none, or no way around it."""
    view = _Graph(model)
    found = next((op for op in view.operators if _turns_to_mel_major(view, op)), None)
    if found is None:
        return None
    start = view.operators.index(found)
    swapped = {int(found.outputs[0])}
    for op in view.operators[start + 1 :]:
        if not swapped & {int(i) for i in op.inputs}:
            return None  # something beside the frontend
        if not _swap_operator(view, op):
            return None
        swapped.add(int(op.outputs[0]))
    _to_reshape(view, found)
    for index in swapped:
        tensor = view.tensors[index]
        if len(tensor.shape) == 4:
            tensor.shape = np.array([tensor.shape[i] for i in (0, 2, 1, 3)], np.int32)
            tensor.shapeSignature = None
    shape = np.array(view.tensors[int(found.outputs[0])].shape, np.int32)
    _add_constant(view, found, shape)
    return view.bytes()


def _turns_to_mel_major(view: _Graph, op: Any) -> bool:
    if view.name(op) != "TRANSPOSE" or tuple(view.values(op.inputs[1], np.int32)) != _TO_MEL_MAJOR:
        return False
    shape = list(view.tensors[int(op.inputs[0])].shape)
    return len(shape) == 4 and shape[1] == 1 and shape[3] > 1


def _swap_operator(view: _Graph, op: Any) -> bool:
    name, options = view.name(op), op.builtinOptions
    if name in _CONVOLUTIONS:
        weights = int(op.inputs[1])
        if len(view.readers(weights)) > 1:
            return False
        view.set_values(weights, view.values(weights).transpose(0, 2, 1, 3))
        options.strideH, options.strideW = options.strideW, options.strideH
        options.dilationHFactor, options.dilationWFactor = options.dilationWFactor, options.dilationHFactor
    elif name in _POOLS:
        options.strideH, options.strideW = options.strideW, options.strideH
        options.filterHeight, options.filterWidth = options.filterWidth, options.filterHeight
    elif name in _REDUCTIONS:
        axes = view.values(int(op.inputs[1]), np.int32)
        if len(view.tensors[int(op.inputs[0])].shape) == 4 and sorted(axes) != [1, 2] and set(axes) & {1, 2}:
            return False
    elif name == "RESHAPE":
        return _reshape_is_symmetric(view, op)
    else:
        return name in _ELEMENTWISE
    return True


def _reshape_is_symmetric(view: _Graph, op: Any) -> bool:
    """A reshape to rows of positions permutes them, which the proof on data judges; one to maps must have no sides."""
    shape = list(view.tensors[int(op.outputs[0])].shape)
    return len(shape) < 4 or shape[1] == shape[2] == 1


def _to_reshape(view: _Graph, op: Any) -> None:
    from ai_edge_litert import schema_py_generated as schema

    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RESHAPE
    code.version = 1
    view.model.operatorCodes.append(code)
    op.opcodeIndex = len(view.model.operatorCodes) - 1
    op.builtinOptionsType, op.builtinOptions = schema.BuiltinOptions.NONE, None


def _add_constant(view: _Graph, op: Any, values: NDArray[np.int32]) -> None:
    """Gives an operator a second input of its own."""
    from ai_edge_litert import schema_py_generated as schema

    tensor = schema.TensorT()
    tensor.name, tensor.type = b"%s_shape" % view.tensors[int(op.outputs[0])].name, schema.TensorType.INT32
    tensor.shape, tensor.hasRank = np.array(values.shape, np.int32), True
    view.tensors.append(tensor)
    set_constant(view.model, tensor, values)
    op.inputs = np.array([op.inputs[0], len(view.tensors) - 1], np.int32)


def scalable(model: bytes, index: int) -> bool:
    """Says whether ``scale_channels`` takes a tensor: a convolution writes it, nothing but convolutions read it."""
    view = _Graph(model)
    writer, readers = view.writer(index), view.readers(index)
    known = (*_CONVOLUTIONS, "FULLY_CONNECTED")
    if writer is None or view.name(writer) not in known or index in view.graph.outputs or not readers:
        return False
    if len(writer.inputs) < 3 or _fused(writer) not in (0, 1, 3):  # none, RELU, RELU6
        return False
    return all(view.name(op) in known and int(op.inputs[0]) == index and _multiplies(view, op) for op in readers)


def _fused(op: Any) -> int:
    return int(op.builtinOptions.fusedActivationFunction)


def _multiplies(view: _Graph, op: Any) -> bool:
    return view.name(op) != "DEPTHWISE_CONV_2D" or int(op.builtinOptions.depthMultiplier) in (0, 1)


def scale_channels(model: bytes, index: int, gains: NDArray[np.float64]) -> bytes:
    """Gives the model with tensor ``index`` multiplied by ``gains``, one a channel, and its readers' weights divided.

    The same outputs as far as no cap (RELU6) is met that was not met before.
    """
    view = _Graph(model)
    writer = view.writer(index)
    weights, bias = int(writer.inputs[1]), int(writer.inputs[2])
    depthwise = view.name(writer) == "DEPTHWISE_CONV_2D"
    values = view.values(weights)
    along = (1,) * (values.ndim - 1)
    by_channel = gains.reshape((*along, -1) if depthwise else (-1, *along))
    view.set_values(weights, (values * by_channel).astype(np.float32))
    view.set_values(bias, (view.values(bias) * gains).astype(np.float32))
    for op in view.readers(index):
        kernel = int(op.inputs[1])
        view.set_values(kernel, (view.values(kernel) / gains).astype(np.float32))
    return view.bytes()


def splittable(model: bytes) -> tuple[int, ...]:
    """Gives the tensors that ``split_planes`` takes: positive, reshaped to one channel, read by one convolution."""
    view = _Graph(model)
    found = []
    for op in view.operators:
        index = int(op.outputs[0])
        readers = view.readers(index)
        if view.name(op) != "CONV_2D" or _fused(op) != 1 or len(readers) != 1 or view.name(readers[0]) != "RESHAPE":
            continue
        inner = int(readers[0].outputs[0])
        last = view.readers(inner)
        shape = view.tensors[inner].shape
        one = len(shape) == 4 and shape[3] == 1 and shape[2] == view.tensors[index].shape[3]
        if one and len(last) == 1 and view.name(last[0]) == "CONV_2D" and inner not in view.graph.outputs:
            found.append(index)
    return tuple(found)


def split_planes(model: bytes, index: int, widths: Sequence[float]) -> bytes:
    """Gives the model with tensor ``index`` in planes of these widths, from zero up; beyond their sum it is cut off."""
    view = _Graph(model)
    writer = view.writer(index)
    (reshape,) = view.readers(index)
    inner = int(reshape.outputs[0])
    (reader,) = view.readers(inner)
    gains = CAP / np.asarray(widths, np.float64)
    starts = np.cumsum([0.0, *widths[:-1]])
    weights, bias = int(writer.inputs[1]), int(writer.inputs[2])
    kernel, offset = view.values(weights).astype(np.float64), view.values(bias).astype(np.float64)
    planes = np.stack([kernel * gain for gain in gains], axis=1).reshape(-1, *kernel.shape[1:])
    view.set_values(weights, planes.astype(np.float32))
    view.set_values(bias, ((offset[:, None] - starts) * gains).reshape(-1).astype(np.float32))
    writer.builtinOptions.fusedActivationFunction = 3
    taps = int(reader.inputs[1])
    view.set_values(taps, (view.values(taps).astype(np.float64) / gains).astype(np.float32))
    view.tensors[index].shape = np.array([*view.tensors[index].shape[:3], len(planes)], np.int32)
    shape = np.array([*view.tensors[inner].shape[:3], len(gains)], np.int32)
    view.tensors[inner].shape = shape
    reshape.builtinOptions = None
    reshape.builtinOptionsType = 0
    _add_constant(view, reshape, shape)
    return view.bytes()
