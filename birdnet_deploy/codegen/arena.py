"""One arena for all activations: who shares memory, who lives when, and where everything lies.

Sharing is exact: a view is its source, and an elementwise result may take over the memory of an operand that
nobody reads afterwards. Offsets are found by first fit over several orders, then by a seeded search, until the
lower bound (the most bytes alive at one step) is met or the search ends.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from birdnet_deploy.codegen.lower import Program
from birdnet_deploy.codegen.steps import Step

ALIGNMENT = 16
_SEARCHES = 400


@dataclass(frozen=True)
class Buffer:
    """A piece of the arena: alive from before step ``first`` until after step ``last``.

    ``tensors`` are the indices of the tensors that it holds; a scratch buffer holds none.
    """

    tensors: tuple[int, ...]
    size_bytes: int
    first: int
    last: int
    offset: int = 0


@dataclass(frozen=True)
class Arena:
    """The plan: ``places`` maps a tensor to its byte offset, ``scratch`` a step to that of its scratch.

    ``lower_bound`` is what no plan with the same sharing can go below.
    """

    buffers: tuple[Buffer, ...]
    places: dict[int, int]
    scratch: dict[int, int]
    size_bytes: int
    lower_bound: int


def plan_arena(program: Program) -> Arena:
    """Gives the smaller of two plans: with results that take over the memory of operands, and without."""
    plans = [_plan(_Sharing(program, takes_over)) for takes_over in (True, False)]
    return min(plans, key=lambda plan: plan.size_bytes)


class _Sharing:
    """Which tensors lie in one buffer, and the steps of its life."""

    def __init__(self, program: Program, takes_over: bool) -> None:
        self.program = program
        self.takes_over = takes_over
        self.views = self._views()
        self.last_read = self._last_reads()
        self.owner: dict[int, int] = {}  # tensor that owns memory -> the tensor whose buffer it is in
        self.first: dict[int, int] = {program.graph.input.index: 0}
        self.last: dict[int, int] = {}
        self.scratch_bytes: dict[int, int] = {}
        self._walk()

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
        views: dict[int, tuple[int, int]] = {}
        for alias in self.program.aliases:
            source, offset = views.get(alias.source, (alias.source, 0))
            views[alias.tensor] = (source, offset + alias.offset)
        return views

    def _last_reads(self) -> dict[int, int]:
        """The last step that reads or writes what lies in the memory of each owner."""
        last: dict[int, int] = {}
        for index, step in enumerate(self.program.steps):
            for tensor in (*step.inputs, step.output):
                last[self.place(tensor)[0]] = index
        last[self.place(self.program.graph.output.index)[0]] = len(self.program.steps)
        last.setdefault(self.program.graph.input.index, 0)
        return last

    def _walk(self) -> None:
        source = self.program.graph.input.index
        self.owner[source] = source
        self.last[source] = self.last_read[source]
        for index, step in enumerate(self.program.steps):
            if step.output not in self.owner:
                buffer = self._operand_to_take_over(index, step)
                buffer = step.output if buffer is None else buffer
                self.owner[step.output] = buffer
                self.first.setdefault(buffer, index)
                self.last[buffer] = max(self.last.get(buffer, index), self.last_read[step.output])
            if step.scratch_bytes:
                self.scratch_bytes[index] = step.scratch_bytes

    def _operand_to_take_over(self, index: int, step: Step) -> int | None:
        """Gives the buffer of an operand that the output may overwrite, or None."""
        if not self.takes_over:
            return None
        for position in step.shares:
            owner, offset = self.place(step.inputs[position])
            if self.is_constant(owner) or offset or self.size(owner) != self.size(step.output):
                continue
            buffer = self.owner[owner]
            others = [i for i in range(len(step.inputs)) if i != position]
            clear = all(self._is_harmless(step, i, buffer) for i in others)
            if self.last[buffer] == index and clear:
                return buffer
        return None

    def _is_harmless(self, step: Step, position: int, buffer: int) -> bool:
        """Says whether an operand may be read while the output overwrites ``buffer``."""
        owner, offset = self.place(step.inputs[position])
        if self.is_constant(owner) or self.owner[owner] != buffer:
            return True
        return position in step.shares and offset == 0


def _plan(sharing: _Sharing) -> Arena:
    """Gives the offsets for one way of sharing."""
    members: dict[int, list[int]] = {}
    for tensor, buffer in sharing.owner.items():
        members.setdefault(buffer, []).append(tensor)
    buffers = [
        Buffer(tuple(tensors), _aligned(max(sharing.size(t) for t in tensors)), sharing.first[b], sharing.last[b])
        for b, tensors in members.items()
    ]
    scratch = [Buffer((), _aligned(size), index, index) for index, size in sharing.scratch_bytes.items()]
    bound = lower_bound([*buffers, *scratch])
    placed = place_buffers([*buffers, *scratch], bound)
    owners = {tensor: buffer.offset for buffer in placed for tensor in buffer.tensors}
    places = dict(owners)
    for tensor, (owner, offset) in sharing.views.items():
        if owner in owners:
            places[tensor] = owners[owner] + offset
    scratch_places = {buffer.first: buffer.offset for buffer in placed if not buffer.tensors}
    size = max((buffer.offset + buffer.size_bytes for buffer in placed), default=0)
    return Arena(tuple(placed), places, scratch_places, size, bound)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def lower_bound(buffers: Sequence[Buffer]) -> int:
    """Gives the most bytes that are alive at one step."""
    steps = {buffer.first for buffer in buffers}
    return max((sum(b.size_bytes for b in buffers if b.first <= step <= b.last) for step in steps), default=0)


def place_buffers(buffers: Sequence[Buffer], bound: int) -> list[Buffer]:
    """Gives the buffers with offsets, none of two that live at once overlapping; deterministic."""
    orders = [
        sorted(buffers, key=lambda b: (-b.size_bytes, b.first)),
        sorted(buffers, key=lambda b: (-b.size_bytes * (b.last - b.first + 1), b.first)),
        sorted(buffers, key=lambda b: (b.first, -b.size_bytes)),
        sorted(buffers, key=lambda b: (b.first - b.last, -b.size_bytes)),
    ]
    best = min((_first_fit(order) for order in orders), key=_height)
    generator = random.Random(0)  # noqa: S311 - a search that must give the same plan each time
    order = list(best)
    for _ in range(_SEARCHES):
        if _height(best) == bound:
            break
        i, j = generator.randrange(len(order)), generator.randrange(len(order))
        order[i], order[j] = order[j], order[i]
        found = _first_fit(order)
        if _height(found) <= _height(best):
            best = found
        else:
            order[i], order[j] = order[j], order[i]
    return sorted(best, key=lambda b: (b.first, b.last, b.offset, b.tensors))


def _height(placed: Sequence[Buffer]) -> int:
    return max((buffer.offset + buffer.size_bytes for buffer in placed), default=0)


def _first_fit(order: Sequence[Buffer]) -> list[Buffer]:
    placed: list[Buffer] = []
    for buffer in order:
        offset = 0
        rivals = (b for b in placed if b.first <= buffer.last and buffer.first <= b.last)
        for rival in sorted(rivals, key=lambda b: b.offset):
            if offset + buffer.size_bytes <= rival.offset:
                break
            offset = max(offset, rival.offset + rival.size_bytes)
        placed.append(replace(buffer, offset=offset))
    return placed
