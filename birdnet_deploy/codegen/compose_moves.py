"""Moves of moves become one: a transposed pad, the concatenation of a transposed tensor, a slice of a concatenation.

Where a tensor is made by moves alone and read by one move alone, that move takes each value from where it came from,
and the tensor is never made. Where values come from is asked of the numbers of the elements, so nothing here knows an
operator.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.codegen.lower import Program
from birdnet_deploy.codegen.lower_moves import DIMENSIONS
from birdnet_deploy.codegen.steps import Step

Indices = NDArray[np.int64]
_NOWHERE = -1


def compose_moves(program: Program) -> Program:
    """Gives the program with such moves composed, one after the other until none is left."""
    while (composed := _composed_once(program)) is not None:
        program = composed
    return program


def _composed_once(program: Program) -> Program | None:
    """Gives the program with the first pair of moves that can be one; None where there is none."""
    places = _places(program)
    for last, step in enumerate(program.steps):
        if step.kernel != "nn_copy":
            continue
        owner, offset = places.get(step.inputs[0], (step.inputs[0], 0))
        makers = [i for i, other in enumerate(program.steps) if places.get(other.output, (other.output, 0))[0] == owner]
        if not _is_only_between(program, owner, makers, last, places):
            continue
        moves = _through(program, [program.steps[i] for i in makers], step, owner, offset)
        if moves is not None:
            kept = [other for i, other in enumerate(program.steps[:last]) if i not in makers]
            return replace(program, steps=(*kept, *moves, *program.steps[last + 1 :]))
    return None


def _places(program: Program) -> dict[int, tuple[int, int]]:
    """Gives the tensor whose memory a view lies in, and the offset there."""
    sources = {alias.tensor: (alias.source, alias.offset) for alias in program.aliases}
    found: dict[int, tuple[int, int]] = {}
    for tensor, (source, offset) in sources.items():
        owner, total = source, offset
        while owner in sources:
            owner, more = sources[owner]
            total += more
        found[tensor] = (owner, total)
    return found


def _is_only_between(
    program: Program, owner: int, makers: Sequence[int], reader: int, places: dict[int, tuple[int, int]]
) -> bool:
    """Says whether a tensor is made by moves alone and read by the step ``reader`` alone."""
    result = program.graph.output.index
    if not makers or max(makers) > reader or owner in (places.get(result, (result, 0))[0], program.graph.input.index):
        return False
    moves = all(program.steps[i].kernel in ("nn_copy", "nn_fill") for i in makers)
    readers = {
        i for i, step in enumerate(program.steps) for t in step.inputs if places.get(t, (t, 0))[0] == owner
    }  # fmt: skip
    return moves and readers == {reader}


def _through(program: Program, makers: Sequence[Step], last: Step, owner: int, offset: int) -> list[Step] | None:
    """Gives the steps that do what ``makers`` and then ``last`` do; None where they are no strided moves."""
    size = math.prod(program.graph.model.tensors[owner].shape)
    maker = np.full(size, _NOWHERE)
    origin = np.zeros(size, np.int64)
    for number, step in enumerate(makers):
        if step.kernel == "nn_fill":
            maker[:] = number
            continue
        numbers, targets = _moved(step)
        maker[targets], origin[targets] = number, numbers
    numbers, targets = _moved(last)
    numbers = numbers + offset
    made_by = maker[numbers]
    covers_all = len(targets) == math.prod(last.node.output.shape)
    folds = tuple(sorted({operator for step in (*makers, last) for operator in _operators(step)}))
    found: list[Step] = []
    for number in sorted({*made_by.tolist()}, key=lambda n: makers[n].kernel != "nn_fill"):
        mine = made_by == number
        if number == _NOWHERE:
            return None
        if makers[number].kernel == "nn_fill":
            if not covers_all:
                return None
            fields = (("count", len(targets)), *makers[number].fields[1:])
            found.append(replace(makers[number], node=last.node, fields=fields, folds=folds))
            continue
        copied = _copy_fields(origin[numbers[mine]], targets[mine])
        if copied is None:
            return None
        found.append(replace(last, fields=copied, inputs=makers[number].inputs, folds=folds))
    return found


def _operators(step: Step) -> tuple[int, ...]:
    return step.folds or (step.node.operator.index,)


def _moved(step: Step) -> tuple[Indices, Indices]:
    """Gives the numbers of the elements that a copy reads, and of those that it writes, in the same order."""
    fields: dict[str, Any] = dict(step.fields)
    ends = []
    for side in ("input", "output"):
        numbers = np.array([fields[f"{side}_start"]], np.int64)
        for size, stride in zip(fields["size"], fields[f"{side}_step"], strict=True):
            numbers = (numbers[:, None] + np.arange(size) * stride).ravel()
        ends.append(numbers)
    return ends[0], ends[1]


def _copy_fields(numbers: Indices, targets: Indices) -> tuple[tuple[str, Any], ...] | None:
    """Gives the fields of ``struct nn_copy`` that move ``numbers`` to ``targets``; None where no strides do."""
    order = np.argsort(targets, kind="stable")
    numbers, targets = numbers[order], targets[order]
    start = int(numbers[0]), int(targets[0])
    dims: list[tuple[int, int, int]] = []  # the innermost first
    while len(numbers) > 1:
        steps = int(numbers[1] - numbers[0]), int(targets[1] - targets[0])
        steady = (np.diff(numbers) == steps[0]) & (np.diff(targets) == steps[1])
        size = len(numbers) if steady.all() else int(np.argmin(steady)) + 1
        if len(numbers) % size or len(dims) == DIMENSIONS:
            return None
        rows = numbers.reshape(-1, size), targets.reshape(-1, size)
        if any((row - row[:, :1] != np.arange(size) * step).any() for row, step in zip(rows, steps, strict=True)):
            return None
        dims.append((size, *steps))
        numbers, targets = rows[0][:, 0], rows[1][:, 0]
    padded = [(1, 0, 0)] * (DIMENSIONS - len(dims)) + dims[::-1]
    sizes, ins, outs = zip(*padded, strict=True)
    return (
        ("size", sizes), ("input_step", ins), ("output_step", outs), ("input_start", start[0]),
        ("output_start", start[1]),
    )  # fmt: skip
