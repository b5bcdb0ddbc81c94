"""Operators -> kernel calls. All that cannot be generated is said at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from birdnet_deploy.codegen import lower_elementwise, lower_moves, lower_products, lower_reductions
from birdnet_deploy.codegen.fold_tables import fold_tables
from birdnet_deploy.codegen.graph import Graph, Node, check_tensors
from birdnet_deploy.codegen.steps import Alias, Lowered, Step
from birdnet_deploy.codegen.unsupported import Unsupported
from birdnet_deploy.errors import ModelError

LOWERINGS: dict[str, Callable[[Node], Lowered]] = {
    "ADD": lower_elementwise.lower_binary,
    "AVERAGE_POOL_2D": lower_reductions.lower_pool,
    "CONCATENATION": lower_moves.lower_concatenation,
    "CONV_2D": lower_products.lower_conv_2d,
    "DEPTHWISE_CONV_2D": lower_products.lower_depthwise_conv_2d,
    "DIV": lower_elementwise.lower_binary,
    "EXPAND_DIMS": lower_moves.lower_reshape,
    "FULLY_CONNECTED": lower_products.lower_fully_connected,
    "LOG": lower_elementwise.lower_function,
    "LOGISTIC": lower_elementwise.lower_function,
    "MAXIMUM": lower_elementwise.lower_binary,
    "MAX_POOL_2D": lower_reductions.lower_pool,
    "MEAN": lower_reductions.lower_mean,
    "MINIMUM": lower_elementwise.lower_binary,
    "MUL": lower_elementwise.lower_binary,
    "PAD": lower_moves.lower_pad,
    "PADV2": lower_moves.lower_pad,
    "QUANTIZE": lower_elementwise.lower_requantize,
    "REDUCE_MAX": lower_reductions.lower_reduce_max,
    "RELU": lower_elementwise.lower_relu,
    "RELU6": lower_elementwise.lower_relu,
    "RELU_N1_TO_1": lower_elementwise.lower_relu,
    "RESHAPE": lower_moves.lower_reshape,
    "SLICE": lower_moves.lower_slice,
    "SOFTMAX": lower_reductions.lower_softmax,
    "SQUEEZE": lower_moves.lower_reshape,
    "STRIDED_SLICE": lower_moves.lower_strided_slice,
    "SUB": lower_elementwise.lower_binary,
    "SUM": lower_reductions.lower_sum,
    "TRANSPOSE": lower_moves.lower_transpose,
}
_SHOWN_PROBLEMS = 20


@dataclass(frozen=True)
class Program:
    """The kernel calls in order, and which tensors are other names for memory."""

    graph: Graph
    steps: tuple[Step, ...]
    aliases: tuple[Alias, ...]


def lower(graph: Graph) -> Program:
    """Gives the kernel calls of a graph.

    Raises: ModelError (exit 3) that lists every operator without a kernel.
    """
    steps: list[Step] = []
    aliases: list[Alias] = []
    problems: list[str] = []
    for node in graph.nodes:
        try:
            lowered = _lower_node(node)
        except Unsupported as problem:
            problems.append(f"operator {node.operator.index} ({node.op}) {problem}")
            continue
        if isinstance(lowered, Alias):
            aliases.append(lowered)
        else:
            steps.extend(lowered)
    _refuse(problems)
    return Program(graph, tuple(fold_tables(graph, steps, aliases)), tuple(aliases))


def _lower_node(node: Node) -> Lowered:
    lowering = LOWERINGS.get(node.op)
    if lowering is None:
        raise Unsupported("has no kernel")
    check_tensors(node)
    return lowering(node)


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        count = f"{len(problems)} operator{'s' if len(problems) > 1 else ''} cannot run on the int8 engine"
        more = len(problems) - _SHOWN_PROBLEMS
        rest = f"; and {more} more, which birdnet-deploy validate lists" if more > 0 else ""
        dynamic = any("dynamic shape" in problem for problem in problems)
        raise ModelError(
            f"{count}: {'; '.join(problems[:_SHOWN_PROBLEMS])}{rest}", where="model.tflite",
            fix="convert the .keras with a static batch of 1: birdnet-deploy convert MODEL.keras" if dynamic
            else "build the model from the operators that docs/int8-arithmetic.md lists",
        )  # fmt: skip
