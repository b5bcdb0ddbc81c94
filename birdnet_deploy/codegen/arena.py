"""One arena for all activations: who shares memory, who lives when, and where everything lies.

The rules of sharing, all exact:

- a view (reshape, slice that is contiguous) is its source's memory;
- an output may take over the memory of an operand of the same size that nobody reads afterwards, where the kernel
  says that it reads each place before it writes it.

What any choice of these needs at least follows from the lives of the tensors alone: ``Arena.lower_bound``. A plan that
meets it is the optimum of the rules. All such sharing is taken first; where that misses the bound, plans with one
sharing less or another operand are tried too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from birdnet_deploy.codegen.lower import Program
from birdnet_deploy.codegen.packing import Buffer, Packing, aligned, pack
from birdnet_deploy.codegen.steps import Step

_MOST_CHOICES = 64

Choice = Mapping[int, int | None]  # step -> the tensor whose memory its output takes over


@dataclass(frozen=True)
class Arena:
    """The plan: ``places`` maps a tensor to its byte offset, ``scratch`` a step to that of its scratch.

    ``lower_bound`` is what no plan under the rules of sharing can go below; ``is_optimal`` says that none is lower than
    this one, which is proven where the size is the bound.
    """

    buffers: tuple[Buffer, ...]
    places: dict[int, int]
    scratch: dict[int, int]
    size_bytes: int
    lower_bound: int

    @property
    def is_optimal(self) -> bool:
        """Whether the plan is proven to be the smallest."""
        return self.size_bytes == self.lower_bound


def plan_arena(program: Program) -> Arena:
    """Gives the smallest plan that is found; the same program gives the same plan."""
    lives = _Lives(program)
    best: Arena | None = None
    for choice in lives.choices():
        found = _planned(lives, choice)
        if best is None or found.size_bytes < best.size_bytes:
            best = found
        if best.is_optimal:
            break
    assert best is not None
    return best


class _Lives:
    """Which tensors own memory, from which step to which each is needed, and what may be shared."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.views = self._views()
        self.first: dict[int, int] = {program.graph.input.index: 0}
        self.last: dict[int, int] = {program.graph.input.index: 0}
        self._walk()
        self.scratch = {i: aligned(step.scratch_bytes) for i, step in enumerate(program.steps) if step.scratch_bytes}
        self.operands = {i: found for i, step in enumerate(program.steps) if (found := self._operands(i, step))}

    def size(self, tensor: int) -> int:
        """Bytes of a tensor."""
        return math.prod(self.program.graph.model.tensors[tensor].shape)

    def is_constant(self, tensor: int) -> bool:
        """Says whether a tensor is no part of the arena."""
        return bool(self.program.graph.model.tensors[tensor].data)

    def place(self, tensor: int) -> tuple[int, int]:
        """Gives the tensor whose memory a tensor lies in, and the offset there."""
        return self.views.get(tensor, (tensor, 0))

    def _views(self) -> dict[int, tuple[int, int]]:
        sources = {alias.tensor: (alias.source, alias.offset) for alias in self.program.aliases}
        views: dict[int, tuple[int, int]] = {}
        for tensor, (source, offset) in sources.items():
            while source in sources:
                source, more = sources[source]  # noqa: PLW2901 - follows a chain
                offset += more  # noqa: PLW2901
            views[tensor] = (source, offset)
        return views

    def _walk(self) -> None:
        for index, step in enumerate(self.program.steps):
            for tensor in (*step.inputs, step.output):
                owner, _ = self.place(tensor)
                if not self.is_constant(owner):
                    self.first.setdefault(owner, index)
                    self.last[owner] = index
        result, _ = self.place(self.program.graph.output.index)
        if not self.is_constant(result):
            self.first.setdefault(result, 0)
            self.last[result] = len(self.program.steps)

    def _operands(self, index: int, step: Step) -> list[int]:
        """Gives the tensors whose memory the output of a step may take over."""
        output, offset = self.place(step.output)
        if offset or self.first[output] != index or self.size(output) != self.size(step.output):
            return []
        return [
            owner
            for position in step.shares
            for owner, at in [self.place(step.inputs[position])]
            if not self.is_constant(owner) and at == 0 and self.last[owner] == index and owner != output
            and self.size(owner) == self.size(output)
            and all(self._is_harmless(step, i, owner) for i in range(len(step.inputs)) if i != position)
        ]  # fmt: skip

    def _is_harmless(self, step: Step, position: int, owner: int) -> bool:
        """Says whether an operand may be read while the output overwrites the memory of ``owner``."""
        other, offset = self.place(step.inputs[position])
        return other != owner or (position in step.shares and offset == 0)

    def lower_bound(self) -> int:
        """Gives the most bytes that tensors and scratch need at one step, with all the sharing that there is."""
        steps = range(len(self.program.steps) + 1)
        return max(self._alive(step) for step in steps)

    def _alive(self, step: int) -> int:
        alive = sum(aligned(self.size(t)) for t, first in self.first.items() if first <= step <= self.last[t])
        shared = aligned(self.size(self.program.steps[step].output)) if step in self.operands else 0
        return alive - shared + self.scratch.get(step, 0)

    def choices(self) -> Iterator[Choice]:
        """Yields all sharing, then what differs from it in one step, then none."""
        every: dict[int, int | None] = {step: operands[0] for step, operands in self.operands.items()}
        yield every
        others = [(step, o) for step, operands in self.operands.items() for o in (*operands[1:], None)]
        for step, operand in others[:_MOST_CHOICES]:
            yield every | {step: operand}
        yield {}

    def buffers(self, choice: Choice) -> list[Buffer]:
        """Gives the pieces of memory for one choice, without offsets."""
        taken = {self.place(self.program.steps[step].output)[0]: operand for step, operand in choice.items()}
        members: dict[int, list[int]] = {}
        for tensor in sorted(self.first, key=lambda t: (self.first[t], t)):
            home = tensor
            while (operand := taken.get(home)) is not None:
                home = operand
            members.setdefault(home, []).append(tensor)
        found = [
            Buffer(
                tuple(ts), aligned(self.size(home)), min(self.first[t] for t in ts), max(self.last[t] for t in ts)
            )
            for home, ts in members.items()
        ]  # fmt: skip
        return found + [Buffer((), size, index, index) for index, size in self.scratch.items()]


def _planned(lives: _Lives, choice: Choice) -> Arena:
    packing: Packing = pack(lives.buffers(choice))
    places = {tensor: buffer.offset for buffer in packing.buffers for tensor in buffer.tensors}
    for tensor, (owner, offset) in lives.views.items():
        if owner in places:
            places[tensor] = places[owner] + offset
    scratch = {buffer.first: buffer.offset for buffer in packing.buffers if not buffer.tensors}
    return Arena(packing.buffers, places, scratch, packing.height, lives.lower_bound())
