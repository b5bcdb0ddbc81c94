"""Which tensor of a float graph is which of the int8 graph that was made of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.support.alike import sqnr_db
from birdnet_deploy.tflite.interpreter import QuantParams, input_port
from birdnet_deploy.tflite.model import Operator, Tensor, TfliteModel

_RESCALING = frozenset({"QUANTIZE", "DEQUANTIZE"})
MOVING = frozenset({"RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS", "STRIDED_SLICE", "SLICE", "PAD"})
_TYPES = {"float32": np.float32, "int8": np.int8}


@dataclass(frozen=True)
class Pair:
    """One activation of both graphs: its indices, its int8 quantization and the operator that writes it.

    ``position`` and ``int8_position`` are that operator's, -1 for the input.
    """

    float_index: int
    int8_index: int
    quantization: QuantParams
    operator: str = ""
    position: int = -1
    int8_position: int = -1


def match_tensors(floats: TfliteModel, whole: TfliteModel) -> list[Pair]:
    """Gives the activations of both graphs in the order of execution, those left out that an operator only moves.

    Operators are matched one by one as long as both graphs have the same, QUANTIZE and DEQUANTIZE apart; behind that,
    and only there, tensors are matched by their names.
    """
    ours = [op for op in floats.operators if op.op not in _RESCALING]
    theirs = [op for op in whole.operators if op.op not in _RESCALING]
    alike = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a.op != b.op), None)
    alike = min(len(ours), len(theirs)) if alike is None else alike
    matched = list(zip(ours[:alike], theirs[:alike], strict=True))
    named = {whole.tensors[op.outputs[0]].name: op for op in theirs[alike:]}
    for op in ours[alike:]:
        other = named.get(floats.tensors[op.outputs[0]].name)
        if other is not None:
            matched.append((op, other))
    pairs = [_pair(floats, whole, a, b) for a, b in matched if a.op not in MOVING and len(a.outputs) == 1]
    after = {op.inputs[0]: op.outputs[0] for op in whole.operators if op.op == "QUANTIZE"}
    entry = whole.inputs[0]
    inner = after.get(entry, entry) if whole.tensors[entry].dtype == "float32" else entry
    first = Pair(floats.inputs[0], inner, input_port(whole).quantization)
    return [first, *(pair for pair in pairs if pair is not None)]


def _pair(floats: TfliteModel, whole: TfliteModel, mine: Operator, other: Operator) -> Pair | None:
    a, b = floats.tensors[mine.outputs[0]], whole.tensors[other.outputs[0]]
    found = b.quantization
    alike = a.dtype == "float32" and b.dtype == "int8" and math.prod(a.shape) == math.prod(b.shape)
    if not alike or found is None or len(found.scales) != 1:
        return None
    return Pair(a.index, b.index, QuantParams(found.scales[0], found.zero_points[0]), mine.op, mine.index, other.index)


def weights_sqnr_db(floats: TfliteModel, whole: TfliteModel, pair: Pair) -> float | None:
    """Gives the signal to noise ratio of the int8 weights of a pair's operator; None where it has none."""
    if pair.position < 0:
        return None
    wanted = _weights(floats, floats.operators[pair.position])
    got = _weights(whole, whole.operators[pair.int8_position])
    if wanted is None or got is None or wanted.shape != got.shape:
        return None
    return sqnr_db(wanted.reshape(1, -1), got.reshape(1, -1))


def _weights(model: TfliteModel, op: Operator) -> NDArray[Any] | None:
    """Gives an operator's largest constant with real values."""
    constants = [model.tensors[i] for i in op.inputs if i >= 0 and model.tensors[i].data]
    real = [tensor for tensor in constants if tensor.dtype in _TYPES and len(tensor.shape) > 1]
    return _values(max(real, key=lambda tensor: math.prod(tensor.shape))) if real else None


def _values(tensor: Tensor) -> NDArray[Any]:
    values = np.frombuffer(tensor.data, _TYPES[tensor.dtype]).reshape(tensor.shape)
    if tensor.dtype == "float32" or tensor.quantization is None:
        return values
    scales, zeros = (np.asarray(part) for part in (tensor.quantization.scales, tensor.quantization.zero_points))
    shape = [1] * values.ndim
    if len(scales) > 1:
        shape[tensor.quantization.axis] = -1
    return np.asarray((values.astype(np.float64) - zeros.reshape(shape)) * scales.reshape(shape))
