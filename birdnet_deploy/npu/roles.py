"""Which part of the DS-CNN a convolution or dense layer is; the family's channel rule depends on it.

``frontend``: before the stem (mel kernel, filterbank, magnitude scaling). ``stem``: the first convolution
over time and frequency of a spectrogram, which has one channel or a few planes. ``head``: makes the outputs.
``gate``: inside squeeze-and-excite. ``score``: attention pooling's weights. ``body``: all others (blocks, embeddings).
"""

from __future__ import annotations

import math

from birdnet_deploy.npu.graph import WEIGHTED, Graph
from birdnet_deploy.tflite.reader import Operator

_SHAPE_OPS = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "QUANTIZE", "DEQUANTIZE"})
_LAYOUT_OPS = _SHAPE_OPS | {"STRIDED_SLICE", "SLICE", "PAD", "PADV2", "CONCATENATION"}
_MOST_PLANES = 4  # a spectrogram has one channel, a picture three or four colours
_REARRANGING = frozenset({"RESHAPE", "TRANSPOSE", "CONCATENATION", "PACK", "SPACE_TO_DEPTH"})
_HEAD_TAIL = _SHAPE_OPS | {"SOFTMAX", "LOGISTIC"}
_GATE_PATH = _SHAPE_OPS | {"FULLY_CONNECTED", "CONV_2D", "RELU", "RELU6", "LOGISTIC", "HARD_SWISH"}


def roles(graph: Graph) -> dict[int, str]:
    """Gives the role of every convolution and dense layer by operator index."""
    stem = _stem(graph)
    frontend = _ancestors(graph, stem) if stem is not None else set()
    found = {}
    for op in graph.model.operators:
        if op.op in WEIGHTED:
            found[op.index] = _role(graph, op, stem, frontend)
    return found


def _role(graph: Graph, op: Operator, stem: Operator | None, frontend: set[int]) -> str:
    if op is stem:
        return "stem"
    if op.index in frontend:
        return "frontend"
    one_position = math.prod(graph.output_of(op).shape[:-1]) == 1
    if (op.op == "FULLY_CONNECTED" or one_position) and _reaches_output(graph, op):
        return "head"
    if _is_gate(graph, op):
        return "gate"
    if graph.channels(op)[1] == 1 and _reaches(graph, op, _SHAPE_OPS, "SOFTMAX"):
        return "score"
    return "body"


def reads_graph_input(graph: Graph, op: Operator) -> bool:
    """Says whether an operator reads the graph's input, only laid out differently."""
    index = graph.input_of(op).index
    while index not in graph.model.inputs:
        producer = graph.producer.get(index)
        if producer is None or producer.op not in _LAYOUT_OPS:
            return False
        index = next((i for i in producer.inputs if i >= 0 and not graph.model.tensors[i].data), -1)
    return True


def _stem(graph: Graph) -> Operator | None:
    """Gives the first convolution of a spectrogram with a kernel over both axes, unlike a filterbank's."""
    for op, weights in graph.weighted():
        if op.op == "CONV_2D" and len(weights.shape) == 4:
            _, height, width, _ = weights.shape
            if height > 1 and width > 1 and _reads_spectrogram(graph, op):
                return op
    return None


def _reads_spectrogram(graph: Graph, op: Operator) -> bool:
    """Says whether an operator reads a map of one channel, or of planes that no layer made as its own channels."""
    planes = graph.channels(op)[0]
    if planes == 1 or planes > _MOST_PLANES:
        return planes == 1
    maker = graph.producer.get(graph.input_of(op).index)
    while maker is not None and maker.op not in _REARRANGING:
        if maker.op in WEIGHTED:
            return False
        maker = graph.producer.get(next((i for i in maker.inputs if not graph.model.tensors[i].data), -1))
    return True


def _ancestors(graph: Graph, op: Operator) -> set[int]:
    """Gives the indices of all operators that an operator's input depends on."""
    found: set[int] = set()
    todo = list(op.inputs)
    while todo:
        producer = graph.producer.get(todo.pop())
        if producer is not None and producer.index not in found:
            found.add(producer.index)
            todo.extend(producer.inputs)
    return found


def _reaches_output(graph: Graph, op: Operator) -> bool:
    index = op.outputs[0]
    while index not in graph.model.outputs:
        readers = graph.consumers.get(index, [])
        if len(readers) != 1 or readers[0].op not in _HEAD_TAIL:
            return False
        index = readers[0].outputs[0]
    return True


def _reaches(graph: Graph, op: Operator, through: frozenset[str], goal: str) -> bool:
    """Says whether the only way of an operator's output leads to an operator of kind ``goal``."""
    index = op.outputs[0]
    while True:
        readers = graph.consumers.get(index, [])
        if len(readers) != 1:
            return False
        if readers[0].op == goal:
            return True
        if readers[0].op not in through:
            return False
        index = readers[0].outputs[0]


def _is_gate(graph: Graph, op: Operator) -> bool:
    """Says whether a layer works on one pooled position and its result, through a sigmoid, scales a map."""
    if math.prod(graph.output_of(op).shape[:-1]) != 1:
        return False
    gated = _reaches(graph, op, _GATE_PATH - {"LOGISTIC"}, "LOGISTIC")
    return gated and _reaches(graph, op, _GATE_PATH, "MUL")
