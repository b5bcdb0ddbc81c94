"""How the values of a ``.tflite`` tensor lie in a row of floats: in which order of axes, and what is padded to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace


class Unsupported(Exception):
    """An operator has a form without a kernel; the text continues ``CONV_2D (stem) ...``."""


@dataclass(frozen=True)
class View:
    """``shape`` is the tensor's own; ``order`` names its axes from the outermost in memory to the innermost.

    ``pad`` is (axis, before, after): so many zeros belong to the tensor but are not in memory.
    """

    tensor: int
    shape: tuple[int, ...]
    order: tuple[int, ...]
    pad: tuple[int, int, int] | None = None

    @property
    def held(self) -> tuple[int, ...]:
        """The shape of what is in memory, in the tensor's order of axes."""
        if self.pad is None:
            return self.shape
        axis, before, after = self.pad
        return tuple(n - before - after if i == axis else n for i, n in enumerate(self.shape))

    @property
    def size(self) -> int:
        """Floats in memory."""
        return math.prod(self.held)

    @property
    def packed(self) -> tuple[int, ...]:
        """The order without axes of length 1, which have no place in memory."""
        return tuple(axis for axis in self.order if self.held[axis] != 1)

    @property
    def is_plain(self) -> bool:
        """Says whether the values lie row-major, all of them."""
        return self.pad is None and list(self.packed) == sorted(self.packed)

    @property
    def is_planar(self) -> bool:
        """Says whether the last axis is the outermost and the others follow row-major."""
        last = len(self.shape) - 1
        return bool(self.packed) and self.packed[0] == last and list(self.packed[1:]) == sorted(self.packed[1:])

    def blocks(self, axes: Sequence[int]) -> tuple[int, int, int] | None:
        """Gives (outer, count, inner) where ``axes`` lie side by side in memory, else None."""
        places = sorted(self.packed.index(axis) for axis in axes if axis in self.packed)
        if places and places != list(range(places[0], places[-1] + 1)):
            return None
        start, stop = (places[0], places[-1] + 1) if places else (0, 0)
        extents = [self.held[axis] for axis in self.packed]
        return math.prod(extents[:start]), math.prod(extents[start:stop]), math.prod(extents[stop:])

    def stride(self, axis: int) -> int:
        """Gives the distance in floats from one index along ``axis`` to the next."""
        behind = self.order[self.order.index(axis) + 1 :]
        return math.prod(self.held[i] for i in behind)

    def transposed(self, permutation: Sequence[int]) -> View:
        """Gives the same memory with axes renamed: axis ``j`` of the result is axis ``permutation[j]`` of this one."""
        place = {axis: j for j, axis in enumerate(permutation)}
        pad = None if self.pad is None else (place[self.pad[0]], *self.pad[1:])
        return View(self.tensor, tuple(self.shape[i] for i in permutation), tuple(place[i] for i in self.order), pad)

    def reshaped(self, shape: tuple[int, ...]) -> View | None:
        """Gives the same memory in another shape, or None where values would have to move."""
        if self.is_plain:
            return View(self.tensor, shape, tuple(range(len(shape))))
        ours = [axis for axis, n in enumerate(self.shape) if n != 1]
        theirs = [axis for axis, n in enumerate(shape) if n != 1]
        if self.pad is not None or [self.shape[i] for i in ours] != [shape[i] for i in theirs]:
            return None
        place = dict(zip(ours, theirs, strict=True))
        order = [place[axis] for axis in self.packed]
        return View(self.tensor, shape, (*(i for i, n in enumerate(shape) if n == 1), *order))

    def like(self, tensor: int) -> View:
        """Gives another tensor laid out as this one."""
        return replace(self, tensor=tensor)


def plain(tensor: int, shape: Sequence[int]) -> View:
    """Gives a tensor that lies row-major."""
    return View(tensor, tuple(shape), tuple(range(len(shape))))
