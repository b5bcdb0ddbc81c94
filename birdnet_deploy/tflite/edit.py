"""A ``.tflite`` as objects that can be changed, and back to bytes; the same objects give the same bytes.

For models that this project or its converters made: `reader` is the one that bounds what a stranger's file holds.
The objects are those of the schema that ai-edge-litert generates (``ModelT`` and below).
"""

from __future__ import annotations

from typing import Any

import numpy as np

_IDENTIFIER = b"TFL3"
_PLACEHOLDER = 127  # a deprecatedBuiltinCode that means: see builtinCode


def unpack(model: bytes) -> Any:
    """Gives the ``ModelT`` of a model's bytes."""
    from ai_edge_litert import schema_py_generated as schema

    unpacked = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    for buffer in unpacked.buffers:  # ai-edge-quantizer puts data of 64 KiB and more behind the flatbuffer
        if buffer.offset > 1:
            buffer.data = np.frombuffer(model[buffer.offset : buffer.offset + buffer.size], np.uint8)
            buffer.offset = buffer.size = 0
    return unpacked


def pack(model: Any) -> bytes:
    """Gives the bytes of a ``ModelT``."""
    import flatbuffers

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def operator_name(model: Any, operator: Any) -> str:
    """Gives ``CONV_2D`` and the like."""
    code = model.operatorCodes[operator.opcodeIndex]
    return _names()[max(code.builtinCode, code.deprecatedBuiltinCode)]


def rename_operators(model: Any, names: dict[str, str]) -> None:
    """Turns operators into others that take the same options, where ``names`` has them."""
    numbers = {name: number for number, name in _names().items()}
    for code in model.operatorCodes:
        name = _names()[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if name in names:
            code.builtinCode = numbers[names[name]]
            code.deprecatedBuiltinCode = min(code.builtinCode, _PLACEHOLDER)


def _names() -> dict[int, str]:
    from ai_edge_litert import schema_py_generated as schema

    return {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}


def constant(model: Any, tensor: Any, dtype: Any) -> Any:
    """Gives the values of a constant tensor as an array of its shape; empty for an activation."""
    data = model.buffers[tensor.buffer].data
    if data is None or not len(data):
        return np.empty(0, dtype)
    return np.frombuffer(np.asarray(data, np.uint8).tobytes(), dtype).reshape(list(tensor.shape))


def set_constant(model: Any, tensor: Any, values: Any) -> None:
    """Gives a constant tensor new values of the same type, in a buffer of its own."""
    from ai_edge_litert import schema_py_generated as schema

    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    tensor.buffer = len(model.buffers)
    model.buffers.append(buffer)


def drop_unused(model: Any) -> None:
    """Drops tensors, buffers and operator codes that nothing uses, metadata and signatures; keeps every order."""
    from ai_edge_litert import schema_py_generated as schema

    (graph,) = model.subgraphs
    used = {index for op in graph.operators for index in (*op.inputs, *op.outputs) if index >= 0}
    kept = sorted(used | {*graph.inputs, *graph.outputs})
    place = {old: new for new, old in enumerate(kept)} | {-1: -1}
    graph.tensors = [graph.tensors[index] for index in kept]
    for holder in (graph, *graph.operators):
        holder.inputs = np.array([place[index] for index in holder.inputs], np.int32)
        holder.outputs = np.array([place[index] for index in holder.outputs], np.int32)
    codes = sorted({op.opcodeIndex for op in graph.operators})
    model.operatorCodes = [model.operatorCodes[index] for index in codes]
    for op in graph.operators:
        op.opcodeIndex = codes.index(op.opcodeIndex)
    buffers = [schema.BufferT()]  # the first is empty by the schema
    for tensor in graph.tensors:
        data = model.buffers[tensor.buffer].data
        if data is None or not len(data):
            tensor.buffer = 0
            continue
        buffers.append(model.buffers[tensor.buffer])
        tensor.buffer = len(buffers) - 1
    model.buffers = buffers
    model.metadata = model.metadataBuffer = model.signatureDefs = None
