"""Where buffers of known lives go in one arena: the least height, by heuristics first and branch and bound after.

There is a lowest packing in which every buffer lies at 0 or directly on a rival, one that lives at the same time; taken
in the order of their offsets, each lies on the highest rival before it. So the search builds packings in that order and
knows a bound at each node: at any step, what is not yet placed and alive must lie on top of what is placed and alive.

The search is bounded by a count of nodes, not by time, so that the same model gives the same plan everywhere.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

ALIGNMENT = 16
MOST_NODES = 20_000
_SWAPS = 300


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

    def rivals(self, other: Buffer) -> bool:
        """Says whether both live at one step."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Packing:
    """Buffers with offsets; ``is_least`` says that no packing of these buffers is lower, which is proven."""

    buffers: tuple[Buffer, ...]
    height: int
    is_least: bool


def aligned(size: int) -> int:
    """Gives the next multiple of the arena's alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def most_alive(buffers: Sequence[Buffer]) -> int:
    """Gives the most bytes that are alive at one step: no packing is lower."""
    steps = {buffer.first for buffer in buffers}
    return max((sum(b.size_bytes for b in buffers if b.first <= step <= b.last) for step in steps), default=0)


def pack(buffers: Sequence[Buffer], most_nodes: int = MOST_NODES) -> Packing:
    """Gives the lowest packing that is found, the first of several; deterministic.

    The bound is met by first fit over some orders in most cases, or by swaps in the best of them; else up to
    ``most_nodes`` partial packings are looked at, after which the best one found is taken and not called the least.
    """
    bound = most_alive(buffers)
    placed = _swapped(min((_first_fit(order) for order in _orders(buffers)), key=_height), bound)
    is_least = _height(placed) == bound
    if not is_least:
        search = _Search(buffers, placed, bound, most_nodes)
        placed, is_least = search.best, search.is_complete
    ordered = sorted(placed, key=lambda b: (b.first, b.last, b.offset, b.tensors))
    return Packing(tuple(ordered), _height(placed), is_least)


def _orders(buffers: Sequence[Buffer]) -> list[list[Buffer]]:
    return [
        sorted(buffers, key=lambda b: (-b.size_bytes, b.first)),
        sorted(buffers, key=lambda b: (-b.size_bytes * (b.last - b.first + 1), b.first)),
        sorted(buffers, key=lambda b: (b.first, -b.size_bytes)),
        sorted(buffers, key=lambda b: (b.first - b.last, -b.size_bytes)),
    ]


def _height(placed: Sequence[Buffer]) -> int:
    return max((buffer.offset + buffer.size_bytes for buffer in placed), default=0)


def _first_fit(order: Sequence[Buffer]) -> list[Buffer]:
    placed: list[Buffer] = []
    for buffer in order:
        offset = 0
        for rival in sorted((b for b in placed if b.rivals(buffer)), key=lambda b: b.offset):
            if offset + buffer.size_bytes <= rival.offset:
                break
            offset = max(offset, rival.offset + rival.size_bytes)
        placed.append(replace(buffer, offset=offset))
    return placed


def _swapped(placed: list[Buffer], bound: int) -> list[Buffer]:
    """Gives the lowest first fit over orders that differ by swaps, drawn the same way each time."""
    generator = random.Random(0)  # noqa: S311 - no secret
    order = list(placed)
    for _ in range(_SWAPS):
        if _height(placed) == bound:
            break
        i, j = generator.randrange(len(order)), generator.randrange(len(order))
        order[i], order[j] = order[j], order[i]
        found = _first_fit(order)
        if _height(found) <= _height(placed):
            placed = found
        else:
            order[i], order[j] = order[j], order[i]
    return placed


class _Search:
    """Branch and bound over the order of offsets; ``best`` and ``is_complete`` are the result."""

    def __init__(self, buffers: Sequence[Buffer], start: list[Buffer], bound: int, most_nodes: int) -> None:
        steps = sorted({buffer.first for buffer in buffers})
        self.buffers = sorted(buffers, key=lambda b: (-b.size_bytes * (b.last - b.first + 1), b.first, b.tensors))
        self.alive = [[i for i, step in enumerate(steps) if b.first <= step <= b.last] for b in self.buffers]
        self.best, self.height, self.bound = start, _height(start), bound
        self.nodes_left = most_nodes
        self.offsets = [0] * len(self.buffers)
        self.skyline = [0] * len(steps)
        self.waiting = [sum(b.size_bytes for b in self.buffers if b.first <= step <= b.last) for step in steps]
        self._descend(tuple(range(len(self.buffers))), (0, -1))
        self.is_complete = self.nodes_left > 0 or self.height == bound

    def _descend(self, rest: tuple[int, ...], after: tuple[int, int]) -> None:
        """Places each of ``rest`` next, lowest offset first; ``after`` is the offset and number of the one before."""
        if not rest:
            self.height = max(b.size_bytes + offset for b, offset in zip(self.buffers, self.offsets, strict=True))
            self.best = [replace(b, offset=offset) for b, offset in zip(self.buffers, self.offsets, strict=True)]
            return
        candidates = sorted((max(self.skyline[s] for s in self.alive[i]), i) for i in rest)
        for offset, i in candidates:
            if self.nodes_left <= 0 or self.height == self.bound:
                return
            if (offset, i) > after:  # equal offsets in one order only: such buffers are no rivals
                self._try(offset, i, rest)

    def _try(self, offset: int, i: int, rest: tuple[int, ...]) -> None:
        self.nodes_left -= 1
        size, steps = self.buffers[i].size_bytes, self.alive[i]
        before = [self.skyline[s] for s in steps]
        for s in steps:
            self.skyline[s] = offset + size
            self.waiting[s] -= size
        self.offsets[i] = offset
        others = tuple(j for j in rest if j != i)
        if self._least(offset) < self.height:
            self._descend(others, (offset, i))
        for s, top in zip(steps, before, strict=True):
            self.skyline[s] = top
            self.waiting[s] += size

    def _least(self, level: int) -> int:
        """Gives what the height will be at least: what waits goes above ``level`` and the skyline."""
        return max(
            max(top, level) + waiting if waiting else top
            for top, waiting in zip(self.skyline, self.waiting, strict=True)
        )
