"""A ``.tflite`` model as C: ``network.c`` (a sequence of kernel calls) and its weights, with the plan for reports."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from birdnet_deploy.codegen.arena import Arena, plan_arena
from birdnet_deploy.codegen.compose_moves import compose_moves
from birdnet_deploy.codegen.graph import Affine, affine_of, read_graph
from birdnet_deploy.codegen.kernels import header_of, sources_of
from birdnet_deploy.codegen.lower import Program, lower
from birdnet_deploy.codegen.packing import Buffer
from birdnet_deploy.codegen.steps import Array, Field, Step, Value, is_struct
from birdnet_deploy.support.templating import render
from birdnet_deploy.tflite.reader import Tensor, TfliteModel

_NAME_WIDTH = 80  # of a tensor's name in a comment; fused layers join many


@dataclass(frozen=True)
class PlannedStep:
    """One kernel call as reports show it; offsets are bytes in the arena, None for constants."""

    operator: int
    operators: tuple[int, ...]
    op: str
    name: str
    kernel: str
    input_shapes: tuple[tuple[int, ...], ...]
    output_shape: tuple[int, ...]
    macs: int
    weight_bytes: int
    input_offsets: tuple[int | None, ...]
    output_offset: int
    scratch_offset: int | None


@dataclass(frozen=True)
class ConstantArray:
    """A constant array of ``network_weights.c``; ``reads`` is how often a value of it is used, on average."""

    name: str
    size_bytes: int
    reads: float


@dataclass(frozen=True)
class GeneratedNetwork:
    """The C of a network, and what is known of it; shapes are without the batch of 1."""

    files: Mapping[str, str]
    kernel_sources: tuple[str, ...]
    arena_bytes: int
    arena_lower_bound: int
    macs: int
    weight_bytes: int
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    input_quantization: Affine
    output_quantization: Affine
    plan: tuple[PlannedStep, ...]
    buffers: tuple[Buffer, ...]
    constants: tuple[ConstantArray, ...]
    tensor_names: Mapping[int, str]


def generate_network(model: TfliteModel) -> GeneratedNetwork:
    """Gives ``network.c``, ``network_weights.c`` and ``network_weights.h`` of a full-int8 model.

    The same model gives the same text.

    Raises: ModelError (exit 3) for float inputs or outputs, a batch, or operators without a kernel, which are
    listed all at once.
    """
    graph = read_graph(model)
    program, arena = _planned_program(lower(graph))
    constants = _Constants(program)
    context = _context(program, arena, constants)
    names = ("network.c", "network_weights.c", "network_weights.h")
    return GeneratedNetwork(
        files={name: render(f"c/{name}.j2", context) for name in names},
        kernel_sources=sources_of(step.kernel for step in program.steps),
        arena_bytes=arena.size_bytes,
        arena_lower_bound=arena.lower_bound,
        macs=sum(step.macs for step in program.steps),
        weight_bytes=sum(array.size_bytes for array in constants.arrays),
        input_shape=graph.input.shape[1:],
        output_shape=graph.output.shape[1:],
        input_quantization=affine_of(graph.input),
        output_quantization=affine_of(graph.output),
        plan=tuple(_planned(i, step, model, arena) for i, step in enumerate(program.steps)),
        buffers=arena.buffers,
        constants=_used(program, constants),
        tensor_names={tensor: model.tensors[tensor].name for buffer in arena.buffers for tensor in buffer.tensors},
    )


def _planned_program(program: Program) -> tuple[Program, Arena]:
    """Gives the program with composed moves and its arena, or as it is where that takes less memory."""
    plain = plan_arena(program)
    composed = compose_moves(program)
    arena = plan_arena(composed)
    return (composed, arena) if arena.size_bytes <= plain.size_bytes else (program, plain)


def _used(program: Program, constants: _Constants) -> tuple[ConstantArray, ...]:
    """Gives the arrays with their reads: products of the steps that name them, at least one for each output value."""
    reads = {array.name: 0 for array in constants.arrays}
    for step in program.steps:
        for array in step.arrays():
            reads[constants.name(array)] += max(step.macs, math.prod(step.node.output.shape))
    return tuple(
        ConstantArray(array.name, array.size_bytes, reads[array.name] / max(array.size_bytes, 1))
        for array in constants.arrays
    )


class _Constants:
    """All constant arrays of a program; two of the same content are one."""

    def __init__(self, program: Program) -> None:
        self._names: dict[tuple[str, tuple[int | float, ...]], str] = {}
        self.arrays: list[Array] = []
        self.tensors: dict[int, str] = {}
        for step in program.steps:
            for array in step.arrays():
                self._add(array)
        for index in self._constant_tensors(program):
            tensor = program.graph.model.tensors[index]
            values = tuple(memoryview(tensor.data).cast("b").tolist())
            self.tensors[index] = self._add(Array(f"constant_{index}", "int8_t", values, "as in the model"))

    @staticmethod
    def _constant_tensors(program: Program) -> list[int]:
        """Constant tensors that steps read, directly or through a view, or that are the output."""
        sources = {alias.tensor: alias.source for alias in program.aliases}
        used = [i for step in program.steps for i in step.inputs] + [program.graph.output.index]
        found = set()
        for index in used:
            while index in sources:
                index = sources[index]  # noqa: PLW2901 - follows a chain
            if program.graph.model.tensors[index].data:
                found.add(index)
        return sorted(found)

    def _add(self, array: Array) -> str:
        key = (array.c_type, array.values)
        if key not in self._names:
            self._names[key] = array.name
            self.arrays.append(array)
        return self._names[key]

    def name(self, array: Array) -> str:
        """Gives the C name under which an array's content is kept."""
        return self._names[(array.c_type, array.values)]


def _context(program: Program, arena: Arena, constants: _Constants) -> dict[str, Any]:
    pointers = _pointers(program, arena, constants)
    graph = program.graph
    return {
        "headers": sorted({header_of(step.kernel) for step in program.steps}),
        "fallible": any(step.fallible for step in program.steps),
        "arena_bytes": max(arena.size_bytes, 1),
        "input": pointers[graph.input.index],
        "output": pointers[graph.output.index],
        "input_count": math.prod(graph.input.shape),
        "output_count": math.prod(graph.output.shape),
        "arrays": constants.arrays,
        "steps": [_step_context(i, step, arena, pointers, constants) for i, step in enumerate(program.steps)],
    }


def _pointers(program: Program, arena: Arena, constants: _Constants) -> dict[int, str]:
    """Gives the C expression of each tensor's address."""
    pointers = {tensor: f"arena + {offset}" for tensor, offset in arena.places.items()} | constants.tensors
    for alias in program.aliases:
        if alias.tensor not in pointers and alias.source in pointers:
            pointers[alias.tensor] = f"{pointers[alias.source]} + {alias.offset}"
    return pointers


def _step_context(
    index: int, step: Step, arena: Arena, pointers: Mapping[int, str], constants: _Constants
) -> dict[str, Any]:
    arguments = [pointers[i] for i in (*step.inputs, step.output)]
    if step.takes_scratch:
        arguments.append(f"arena + {arena.scratch[index]}" if index in arena.scratch else "NULL")
    shapes = [_shape(tensor) for tensor in step.node.inputs if tensor is not None and not tensor.data]
    return {
        "number": index,
        "kernel": step.kernel,
        "struct": step.struct_name,
        "fallible": step.fallible,
        "fields": _rendered_fields(step.fields, constants),
        "arguments": ", ".join(arguments),
        "title": f"{step.node.operator.index} {step.node.op}{_folded(step)}: {', '.join(shapes)} -> "
        f"{_shape(step.node.output)}",
        "name": step.node.output.name.split(";")[0][:_NAME_WIDTH],
    }


def _folded(step: Step) -> str:
    others = [str(operator) for operator in step.folds if operator != step.node.operator.index]
    return f" with {', '.join(others)}" if others else ""


def _shape(tensor: Tensor) -> str:
    return "x".join(str(n) for n in tensor.shape) or "scalar"


def _rendered_fields(fields: Sequence[Field], constants: _Constants, indent: str = "    ") -> list[str]:
    """Gives the lines of a designated initialiser."""
    lines: list[str] = []
    for name, value in fields:
        if is_struct(value):
            assert isinstance(value, tuple)
            lines += [f"{indent}.{name} = {{", *_rendered_fields(value, constants, indent + "    ")]  # type: ignore[arg-type]
            lines.append(f"{indent}}},")
        else:
            lines.append(f"{indent}.{name} = {_rendered_value(value, constants)},")
    return lines


def _rendered_value(value: Value, constants: _Constants) -> str:
    if isinstance(value, Array):
        return constants.name(value)
    if isinstance(value, tuple):
        return "{" + ", ".join(str(n) for n in value) + "}"
    return str(int(value))


def _planned(index: int, step: Step, model: TfliteModel, arena: Arena) -> PlannedStep:
    return PlannedStep(
        operator=step.node.operator.index,
        operators=step.folds or (step.node.operator.index,),
        op=step.node.op,
        name=step.node.output.name,
        kernel=step.kernel,
        input_shapes=tuple(model.tensors[i].shape for i in step.inputs),
        output_shape=step.node.output.shape,
        macs=step.macs,
        weight_bytes=sum(array.size_bytes for array in step.arrays()),
        input_offsets=tuple(arena.places.get(i) for i in step.inputs),
        output_offset=arena.places[step.output],
        scratch_offset=arena.scratch.get(index),
    )
