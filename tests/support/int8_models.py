"""Writes small int8 ``.tflite`` models field by field, so that tests reach scales and shapes no converter gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import ArrayLike, NDArray

_TYPES = {"int8": schema.TensorType.INT8, "int32": schema.TensorType.INT32, "float32": schema.TensorType.FLOAT32}
_OPTIONS = {
    "ADD": schema.AddOptionsT, "SUB": schema.SubOptionsT, "MUL": schema.MulOptionsT, "DIV": schema.DivOptionsT,
    "CONV_2D": schema.Conv2DOptionsT, "DEPTHWISE_CONV_2D": schema.DepthwiseConv2DOptionsT,
    "FULLY_CONNECTED": schema.FullyConnectedOptionsT, "AVERAGE_POOL_2D": schema.Pool2DOptionsT,
    "MAX_POOL_2D": schema.Pool2DOptionsT, "MEAN": schema.ReducerOptionsT, "SUM": schema.ReducerOptionsT,
    "REDUCE_MAX": schema.ReducerOptionsT, "SOFTMAX": schema.SoftmaxOptionsT, "RESHAPE": schema.ReshapeOptionsT,
    "SQUEEZE": schema.SqueezeOptionsT, "CONCATENATION": schema.ConcatenationOptionsT,
    "STRIDED_SLICE": schema.StridedSliceOptionsT, "SLICE": schema.SliceOptionsT,
}  # fmt: skip
_VERSIONS = {
    "CONV_2D": 3, "DEPTHWISE_CONV_2D": 6, "FULLY_CONNECTED": 7, "ADD": 2, "SUB": 2, "MUL": 2, "DIV": 2, "LOG": 2,
    "MEAN": 2, "SUM": 2, "REDUCE_MAX": 2, "SOFTMAX": 2, "LOGISTIC": 2, "RELU": 2, "RELU6": 2,
    "QUANTIZE": 2, "CONCATENATION": 2, "PAD": 2, "PADV2": 2, "TRANSPOSE": 2, "SLICE": 2, "STRIDED_SLICE": 2,
    "AVERAGE_POOL_2D": 2, "MAX_POOL_2D": 2, "MAXIMUM": 2, "MINIMUM": 2,
}  # fmt: skip


class ModelBuilder:
    """Adds tensors and operators, then gives the bytes of the model."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: list[Any] = []
        self._buffers: list[Any] = [schema.BufferT()]

    def tensor(
        self, shape: Sequence[int], scale: ArrayLike | None = None, zero_point: int = 0, *,
        data: NDArray[Any] | None = None, dtype: str = "int8", axis: int = 0, signature: Sequence[int] | None = None,
    ) -> int:  # fmt: skip
        """Adds a tensor and gives its index; with ``data`` it is constant."""
        tensor = schema.TensorT()
        tensor.name = f"tensor {len(self._tensors)}"
        tensor.shape, tensor.type, tensor.buffer = list(shape), _TYPES[dtype], 0
        tensor.shapeSignature = None if signature is None else list(signature)
        if scale is not None:
            quantization = schema.QuantizationParametersT()
            quantization.scale = np.atleast_1d(np.asarray(scale, np.float32)).tolist()
            quantization.zeroPoint = [zero_point] * len(quantization.scale)
            quantization.quantizedDimension = axis
            tensor.quantization = quantization
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self._buffers.append(buffer)
            tensor.buffer = len(self._buffers) - 1
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def affine(self, tensor: int) -> tuple[float, int]:
        """Gives the scale and zero point of a tensor."""
        quantization = self._tensors[tensor].quantization
        return quantization.scale[0], quantization.zeroPoint[0]

    def ints(self, values: ArrayLike) -> int:
        """Adds an int32 constant, such as axes."""
        data = np.asarray(values, np.int32)
        return self.tensor(data.shape, data=data, dtype="int32")

    def operator(self, name: str, inputs: Sequence[int], output: int, **options: Any) -> None:
        """Adds an operator; ``options`` have the schema's names in camel case."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = _VERSIONS.get(name, 1)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self._codes)
        operator.inputs, operator.outputs = list(inputs), [output]
        if name in _OPTIONS:
            values = _OPTIONS[name]()
            for key, value in options.items():
                assert hasattr(values, key), f"{name} has no option {key}"
                setattr(values, key, value)
            operator.builtinOptions = values
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(values).__name__[:-1])
        self._codes.append(code)
        self._operators.append(operator)

    def finish(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """Gives the bytes of the model."""
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = list(inputs), list(outputs)
        model = schema.ModelT()
        model.version, model.operatorCodes = 3, self._codes
        model.buffers, model.subgraphs = self._buffers, [graph]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


ACTIVATIONS = (
    schema.ActivationFunctionType.NONE, schema.ActivationFunctionType.RELU,
    schema.ActivationFunctionType.RELU_N1_TO_1, schema.ActivationFunctionType.RELU6,
)  # fmt: skip
SAME, VALID = schema.Padding.SAME, schema.Padding.VALID


def prefix_of(model: bytes, count: int) -> bytes:
    """Gives the model of the first ``count`` operators of a model; its output is that of the last of them."""
    whole = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    graph = whole.subgraphs[0]
    graph.operators = graph.operators[:count]
    graph.outputs = list(graph.operators[-1].outputs)
    whole.signatureDefs = []
    builder = flatbuffers.Builder(1024)
    builder.Finish(whole.Pack(builder), b"TFL3")
    return bytes(builder.Output())
