"""A float ``.tflite`` and the ranges of its activations -> full int8, without TensorFlow (ai-edge-quantizer).

Weights are symmetric int8 with a scale a channel, biases int32, activations int8 with one scale a tensor; the
weight scales are min/max (of int8 weights beside float activations nothing audible comes: measured, see
benchmarks/fidelity).
"""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Mapping
from contextlib import redirect_stderr
from functools import lru_cache
from typing import Any

import numpy as np

from birdnet_deploy.quantization.ranges import Range
from birdnet_deploy.tflite.edit import (
    constant,
    drop_unused,
    operator_name,
    pack,
    rename_operators,
    set_constant,
    unpack,
)
from birdnet_deploy.tflite.floats import activation_tensors, read_once
from birdnet_deploy.tflite.reader import read_model

# Operators that ai-edge-quantizer does not know, and ones with the same options and the same rule for scales.
_STAND_INS = {"REDUCE_MAX": "REDUCE_MIN", "LOG": "SQRT"}
_MOST_BIAS = 2.0**30  # int32 with room for the products
_LEAST_SCALE = 1e-6  # of a channel's weights, against the layer's largest
_WITH_BIAS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


class Unsupported(Exception):
    """The graph holds what ai-edge-quantizer cannot quantize; the converter of TensorFlow may."""


def quantize_graph(model: bytes, ranges: Mapping[str, Range], *, float_ends: bool = False) -> bytes:
    """Gives the full-int8 model of a float one; ``ranges`` has the lowest and highest value of each activation by name.

    ``float_ends`` puts a QUANTIZE before and a DEQUANTIZE behind it.

    Raises: Unsupported where ai-edge-quantizer refuses the graph.
    """
    from ai_edge_quantizer import quantizer, recipe

    read = read_once(model)
    used = {op.op for op in read.operators}
    stand_ins = {name: other for name, other in _STAND_INS.items() if name in used}
    if used & set(stand_ins.values()):
        raise Unsupported(f"the graph has {' and '.join(sorted(used & set(stand_ins.values())))}")
    told = {
        tensor.name: _told(ranges[tensor.name], len(tensor.shape)) for tensor in read.tensors if tensor.name in ranges
    }
    try:
        # it shows a progress bar of its own for graphs of more than a hundred tensors
        with warnings.catch_warnings(), np.errstate(all="ignore"), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            worker = quantizer.Quantizer(_renamed(model, stand_ins), recipe.static_wi8_ai8())
            result = worker.quantize(told, enable_progress_report=False, enable_progress_bar=False)
    except (ValueError, RuntimeError, KeyError) as error:
        raise Unsupported(" ".join(str(error).split())[:300]) from error
    quantized = unpack(bytes(result.quantized_model))
    rename_operators(quantized, {other: name for name, other in stand_ins.items()})
    _revive_biases(quantized, _unpacked(model))
    if float_ends:
        _add_float_ends(quantized)
    drop_unused(quantized)
    return pack(quantized)


def _renamed(model: bytes, names: dict[str, str]) -> bytes:
    if not names:
        return model
    unpacked = unpack(model)
    rename_operators(unpacked, names)
    return pack(unpacked)


@lru_cache(maxsize=4)
def _unpacked(model: bytes) -> Any:
    """Gives the objects of a float model, which nobody changes."""
    return unpack(model)


def is_supported(model: bytes) -> bool:
    """Says whether ``quantize_graph`` takes a float model and leaves nothing in float."""
    read = read_once(model)
    spans = {read.tensors[index].name: (-1.0, 1.0) for index in activation_tensors(read)}
    try:
        quantized = read_model(quantize_graph(model, spans))
    except Unsupported:
        return False
    return all(tensor.dtype != "float32" for tensor in quantized.tensors)


def _told(span: Range, rank: int) -> dict[str, Any]:
    low, high = (np.full((1,) * max(rank, 1), value, np.float32) for value in span)
    return {"min": low, "max": high}


def _revive_biases(model: Any, floats: Any) -> None:
    """Gives channels without weights a scale in which int32 holds their bias.

    A scale of all-zero weights is next to nothing, their bias in its units beyond int32: a channel that is its bias
    would come out as anything. Operators and their inputs are in the same places in ``floats``.
    """
    pairs = zip(model.subgraphs[0].operators, floats.subgraphs[0].operators, strict=True)
    for op, float_op in pairs:
        if operator_name(model, op) not in _WITH_BIAS or len(op.inputs) < 3 or op.inputs[2] < 0:
            continue
        source, weights, bias = (model.subgraphs[0].tensors[index] for index in op.inputs[:3])
        float_weights, float_bias = (floats.subgraphs[0].tensors[index] for index in float_op.inputs[1:3])
        wanted = constant(floats, float_bias, np.float32).astype(np.float64)
        scales = np.asarray(weights.quantization.scale, np.float64)
        step = float(source.quantization.scale[0])
        least = np.maximum(_LEAST_SCALE * scales.max(), np.abs(wanted).max(initial=0) / step / _MOST_BIAS)
        if len(scales) == len(wanted):
            least = np.maximum(_LEAST_SCALE * scales.max(), np.abs(wanted) / step / _MOST_BIAS)
        if (scales >= least).all():
            continue
        scales = np.maximum(scales, least).astype(np.float32)
        values = constant(floats, float_weights, np.float32)
        along = [1] * values.ndim
        along[weights.quantization.quantizedDimension] = len(scales)
        steps = np.rint(values / scales.reshape(along)).clip(-127, 127).astype(np.int8)
        set_constant(model, weights, steps)
        weights.quantization.scale = scales
        bias.quantization.scale = (np.float32(step) * scales).astype(np.float32)
        set_constant(model, bias, np.rint(wanted / (step * scales.astype(np.float64))).astype(np.int32))


def _add_float_ends(model: Any) -> None:
    """Puts a QUANTIZE before the input and a DEQUANTIZE behind the output, as upstream's conversion has them."""
    from ai_edge_litert import schema_py_generated as schema

    (graph,) = model.subgraphs
    for side, name in (("inputs", "QUANTIZE"), ("outputs", "DEQUANTIZE")):
        inner = int(getattr(graph, side)[0])
        outer = copy.copy(graph.tensors[inner])
        outer.name, outer.type, outer.quantization = b"float_" + outer.name, schema.TensorType.FLOAT32, None
        graph.tensors.append(outer)
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
        code.version = 1
        model.operatorCodes.append(code)
        op = schema.OperatorT()
        op.opcodeIndex = len(model.operatorCodes) - 1
        pair = [len(graph.tensors) - 1, inner]
        op.inputs, op.outputs = (np.array([i], np.int32) for i in (pair if name == "QUANTIZE" else pair[::-1]))
        graph.operators = [op, *graph.operators] if name == "QUANTIZE" else [*graph.operators, op]
        setattr(graph, side, np.array(pair[:1], np.int32))
