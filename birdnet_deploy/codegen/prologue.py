"""The prologue as C: one call of a kernel a step, weights laid out for it, all tensors in one arena.

Arithmetic and layout are the kernels' (``firmware_stub/core/prologue``); this renders their parameters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from birdnet_deploy.codegen.packing import Buffer, aligned, most_alive, pack
from birdnet_deploy.codegen.prologue_tables import CTable, fields_of, kernel_of, scratch_floats, tables_of
from birdnet_deploy.errors import ModelError
from birdnet_deploy.prologue.graph import Prologue, Step
from birdnet_deploy.support.templating import render

FILES = ("prologue.c", "prologue_config.h", "prologue_weights.c", "prologue_weights.h")
QUANTIZE_SOURCE = "prologue_quantize.c"
_FLOAT_BYTES = 4
_IN_PLACE = frozenset({"affine", "binary", "unary"})
_LEAST_SCALE = 1e-30  # its inverse is a normal float32


@dataclass(frozen=True)
class GeneratedPrologue:
    """The C of a prologue, and what is known of it; ``sources`` are file names in ``core/prologue``."""

    files: Mapping[str, str]
    sources: tuple[str, ...]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    arena_bytes: int
    arena_lower_bound: int
    macs: int
    weight_bytes: int


def generate_prologue(prologue: Prologue, scale: float, zero_point: int) -> GeneratedPrologue:
    """Gives the files of a prologue whose output is quantized with ``scale`` and ``zero_point``.

    The same prologue gives the same text.

    Raises: ModelError (exit 3) for a scale that is no scale.
    """
    if not _LEAST_SCALE <= scale < math.inf:
        raise ModelError(f"the network's input has the scale {scale!r}", where="the prologue", fix="run convert again")
    offsets, scratch, size, bound = plan_tensors(prologue)
    tables = [tables_of(index, step) for index, step in enumerate(prologue.steps)]
    context = {
        "input_size": prologue.sizes[prologue.input],
        "output_size": prologue.sizes[prologue.output],
        "scale": scale,
        "zero_point": zero_point,
        "headers": sorted({kernel_of(step)[1] for step in prologue.steps}),
        "arena_floats": size // _FLOAT_BYTES,
        "input": _address(offsets[prologue.input]),
        "output": _address(offsets[prologue.output]),
        "tables": [table for group in tables for table in group.values()],
        "steps": [_context(i, step, prologue, offsets, scratch, tables[i]) for i, step in enumerate(prologue.steps)],
    }
    sources = {kernel_of(step)[1].removesuffix(".h") + ".c" for step in prologue.steps} | {QUANTIZE_SOURCE}
    return GeneratedPrologue(
        files={name: render(f"c/{name}.j2", context) for name in FILES},
        sources=tuple(sorted(sources)),
        input_shape=prologue.input_shape,
        output_shape=prologue.output_shape,
        arena_bytes=size,
        arena_lower_bound=bound,
        macs=prologue.macs,
        weight_bytes=sum(table.size_bytes for group in tables for table in group.values()),
    )


def _address(offset: int) -> str:
    return f"prologue_arena + {offset // _FLOAT_BYTES}"


def _context(
    index: int,
    step: Step,
    prologue: Prologue,
    offsets: Mapping[int, int],
    scratch: Mapping[int, int],
    tables: Mapping[str, CTable],
) -> dict[str, Any]:
    kernel, _ = kernel_of(step)
    arguments = [_address(offsets[tensor]) for tensor in step.inputs]
    if "b" in tables:
        arguments.append(tables["b"].name)
    arguments.append(_address(offsets[step.output]))
    if index in scratch:
        arguments.append(_address(scratch[index]))
    return {
        "number": index,
        "kernel": kernel,
        "fields": fields_of(step, tables),
        "arguments": ", ".join(arguments),
        "name": step.name,
        "output": _address(offsets[step.output]),
        "count": prologue.sizes[step.output],
    }


def plan_tensors(prologue: Prologue) -> tuple[dict[int, int], dict[int, int], int, int]:
    """Gives the byte offset of each tensor and of each step's scratch, the size of the arena, and what no plan with
    the same sharing goes below.

    A result of a step that works value by value takes over the memory of an operand that nobody reads afterwards.
    """
    last = {prologue.input: 0}
    for index, step in enumerate(prologue.steps):
        last |= dict.fromkeys((*step.inputs, step.output), index)
    last[prologue.output] = len(prologue.steps)
    owner = {prologue.input: prologue.input}
    first = {prologue.input: 0}
    end = {prologue.input: last[prologue.input]}
    for index, step in enumerate(prologue.steps):
        if step.output in owner:
            continue
        source = (
            owner[step.inputs[0]] if step.kind in _IN_PLACE and _may_take_over(prologue, step, index, last) else None
        )
        if source is not None and end[source] != index:
            source = None
        owner[step.output] = step.output if source is None else source
        first.setdefault(owner[step.output], index)
        end[owner[step.output]] = last[step.output]
    members: dict[int, list[int]] = {}
    for tensor, buffer in owner.items():
        members.setdefault(buffer, []).append(tensor)
    buffers = [
        Buffer(tuple(tensors), aligned(max(prologue.sizes[t] for t in tensors) * _FLOAT_BYTES), first[b], end[b])
        for b, tensors in members.items()
    ]
    buffers += [
        Buffer((), aligned(n * _FLOAT_BYTES), i, i)
        for i, step in enumerate(prologue.steps)
        if (n := scratch_floats(step))
    ]
    packing = pack(buffers)
    offsets = {tensor: buffer.offset for buffer in packing.buffers for tensor in buffer.tensors}
    scratch = {buffer.first: buffer.offset for buffer in packing.buffers if not buffer.tensors}
    return offsets, scratch, packing.height, most_alive(buffers)


def _may_take_over(prologue: Prologue, step: Step, index: int, last: Mapping[int, int]) -> bool:
    source = step.inputs[0]
    whole = prologue.sizes[source] == prologue.sizes[step.output] == step.elements
    return whole and last[source] == index and source not in step.inputs[1:]
