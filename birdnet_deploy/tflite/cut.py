"""An exact part of a ``.tflite``: from any tensors to any tensors, and the tensors at which one graph becomes two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from birdnet_deploy.errors import InternalError
from birdnet_deploy.tflite.edit import drop_unused, pack, unpack
from birdnet_deploy.tflite.model import TfliteModel


def cut_model(model: bytes, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
    """Gives the model that computes tensors ``outputs`` from tensors ``inputs``, with the operators in between.

    Operators keep their order, constants and options, so that the part computes bit by bit what the whole does;
    what it does not need is gone. The same arguments give the same bytes.

    Raises: InternalError where ``outputs`` depend on an activation that is not among ``inputs``.
    """
    unpacked = unpack(model)
    (graph,) = unpacked.subgraphs
    needed, kept = set(outputs), []
    for op in reversed(graph.operators):
        if needed & {int(i) for i in op.outputs} - set(inputs):
            kept.append(op)
            needed |= {int(i) for i in op.inputs if i >= 0}
    made = {int(i) for op in kept for i in op.outputs}
    for index in sorted(needed - made - set(inputs)):
        data = unpacked.buffers[graph.tensors[index].buffer].data
        if data is None or not len(data):
            raise InternalError(f"tensor {index} is left without a value", where="cut_model", fix="report this")
    graph.operators = kept[::-1]
    graph.inputs, graph.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
    drop_unused(unpacked)
    return pack(unpacked)


def articulation_tensors(model: TfliteModel) -> tuple[int, ...]:
    """Gives the activations through which everything passes, in the order of execution, the graph's ends left out.

    At such a tensor the graph is two: one that computes it from the input, one that needs nothing else.
    """
    last_read = {index: op.index for op in model.operators for index in op.inputs}
    live = set(model.inputs)
    found = []
    for op in model.operators:
        live |= set(op.outputs)
        live = {i for i in live if last_read.get(i, -1) > op.index or i in model.outputs}
        if len(live) == 1 and op.index < len(model.operators) - 1:
            found.append(next(iter(live)))
    return tuple(dict.fromkeys(found))
