"""Models that are broken in one way each: by the TensorFlow converter, or by an edit through TFLite's own schema.

Nothing here uses the project's reader, so that a mistake in it cannot hide itself.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.schema import schema

Edit = Callable[[Any], None]  # of a ModelT; its first subgraph is the graph


@dataclass(frozen=True)
class BrokenModel:
    """``base`` is a model of ``make_tflite_models``; ``findings`` counts all errors and warnings by rule.

    ``where`` is how the place of the first finding of the first rule begins.
    """

    base: str
    findings: Mapping[str, int]
    where: str
    edit: Edit | None = None


def tensor(index: int, **changes: Any) -> Edit:
    """Sets attributes of a tensor."""

    def edit(tree: Any) -> None:
        for name, value in changes.items():
            setattr(tree.subgraphs[0].tensors[index], name, value)

    return edit


def quantized(index: int, **changes: Any) -> Edit:
    """Sets attributes of a tensor's quantization."""

    def edit(tree: Any) -> None:
        for name, value in changes.items():
            setattr(tree.subgraphs[0].tensors[index].quantization, name, value)

    return edit


def option(op: int, **changes: Any) -> Edit:
    """Sets options of an operator."""

    def edit(tree: Any) -> None:
        for name, value in changes.items():
            setattr(tree.subgraphs[0].operators[op].builtinOptions, name, value)

    return edit


def becomes(op: int, kind: str, **code: Any) -> Edit:
    """Makes another operator of one, without options."""

    def edit(tree: Any) -> None:
        tree.operatorCodes.append(operator_code(kind, **code))
        changed = tree.subgraphs[0].operators[op]
        changed.opcodeIndex = len(tree.operatorCodes) - 1
        changed.builtinOptionsType, changed.builtinOptions = 0, None

    return edit


def operator_code(kind: str, **changes: Any) -> Any:
    """Gives an operator code by the name of the schema."""
    code = schema().OperatorCodeT()
    number = getattr(schema().BuiltinOperator, kind)
    code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
    for name, value in changes.items():
        setattr(code, name, value)
    return code


def inserted(after: int, kind: str, **changes: Any) -> Edit:
    """Puts an operator behind another: it reads what that one makes, and all others read it.

    ``changes`` are those of the new tensor's quantization.
    """

    def edit(tree: Any) -> None:
        graph = tree.subgraphs[0]
        source = graph.operators[after].outputs[0]
        made = copy.deepcopy(graph.tensors[source])
        made.name = f"inserted_{kind.lower()}".encode()
        for name, value in changes.items():
            setattr(made.quantization, name, value)
        graph.tensors.append(made)
        tree.operatorCodes.append(operator_code(kind))
        op = schema().OperatorT()
        op.opcodeIndex, op.inputs, op.outputs = len(tree.operatorCodes) - 1, [source], [len(graph.tensors) - 1]
        for other in graph.operators[after + 1 :]:
            other.inputs = [op.outputs[0] if index == source else index for index in other.inputs]
        graph.operators.insert(after + 1, op)

    return edit


def both(*edits: Edit) -> Edit:
    """Does one edit after the other."""

    def edit(tree: Any) -> None:
        for change in edits:
            change(tree)

    return edit


def more_outputs(tree: Any) -> None:
    graph = tree.subgraphs[0]
    graph.outputs = [*graph.outputs, graph.operators[0].outputs[0]]


def more_inputs(tree: Any) -> None:
    graph = tree.subgraphs[0]
    extra = copy.deepcopy(graph.tensors[graph.inputs[0]])
    extra.name = b"second"
    graph.tensors.append(extra)
    graph.inputs = [*graph.inputs, len(graph.tensors) - 1]


def weights(op: int, **changes: Any) -> Edit:
    """Sets attributes of an operator's weights; ``data`` replaces their bytes, ``quantization`` is a mapping."""

    def edit(tree: Any) -> None:
        graph = tree.subgraphs[0]
        held = graph.tensors[graph.operators[op].inputs[1]]
        for name, value in changes.items():
            if name == "data":
                tree.buffers[held.buffer].data = value
            elif name == "quantization":
                for key, part in value.items():
                    setattr(held.quantization, key, part)
            else:
                setattr(held, name, value)

    return edit


def dtype(name: str) -> int:
    """Gives a tensor type by the name of the schema."""
    return int(getattr(schema().TensorType, name))
