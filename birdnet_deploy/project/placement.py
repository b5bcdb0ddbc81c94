"""Which memory of a board takes the arena and which constants: the fast ones first, as far as they reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from birdnet_deploy.errors import ModelError
from birdnet_deploy.npu.data import Pool
from birdnet_deploy.npu.targets import Board

ALIGNMENT = 16
_KILOBYTE = 1024


@dataclass(frozen=True)
class Placed:
    """``arena`` is the name of a region; ``fast`` are the constant arrays copied to region ``fast_region`` at boot.

    ``prologue`` is the part of an NPU's memory that the float layers take, None where they lie with other data.
    """

    arena: str
    fast_region: str
    fast: tuple[str, ...]
    fast_bytes: int
    prologue: Pool | None = None

    def to_json(self) -> dict[str, Any]:
        """Gives it as JSON values."""
        return {
            "arena": self.arena, "fast_region": self.fast_region, "fast_bytes": self.fast_bytes,
            "fast_constants": list(self.fast),
        }  # fmt: skip


def place(plan: Mapping[str, Any] | None, board: Board) -> Placed:
    """Gives where the arena and the constants of a memory plan go on a board.

    The arena goes to the first of the board's ``arena`` regions that holds it, else where data goes (the linker says
    so where that is too small). What is left of ``fast`` takes the constants that are read most often for each byte.
    """
    memory = board.memory
    room = {region.name: region.bytes for region in board.regions}
    room[memory.stack] -= memory.stack_bytes
    if plan is None:
        return Placed(memory.data, memory.fast, (), 0)
    needed = _aligned(int(plan["arena_bytes"])) + ALIGNMENT  # kernels may read one vector beyond the end
    arena = next((name for name in memory.arena if room[name] >= needed), memory.data)
    room[arena] -= needed
    fast: list[str] = []
    left = room[memory.fast] if memory.fast != memory.constants else 0
    for constant in sorted(plan["constants"], key=lambda c: (-c["reads"], c["name"])):
        size = _aligned(int(constant["bytes"]))
        if size <= left:
            fast.append(constant["name"])
            left -= size
    sizes = {constant["name"]: _aligned(int(constant["bytes"])) for constant in plan["constants"]}
    return Placed(arena, memory.fast, tuple(sorted(fast)), sum(sizes[name] for name in fast))


def place_for_npu(board: Board, pools: Sequence[Pool], prologue_bytes: int) -> Placed:
    """Gives where things go beside an NPU, whose compiler places the network in ``pools``.

    A prologue's tensors are larger than what the application leaves; they take the start of the first pool, and the
    compiler is told of the rest.

    Raises: ModelError (exit 3) where that pool is too small.
    """
    plain = place(None, board)
    if prologue_bytes == 0:
        return plain
    size = -(-(prologue_bytes + ALIGNMENT) // _KILOBYTE) * _KILOBYTE  # ST's files count pools in KiB
    if size > pools[0].bytes:
        raise ModelError(
            f"its tensors take {size:,} bytes, {pools[0].name} has {pools[0].bytes:,}", where="prologue",
            fix="convert again with a cut whose layers are smaller (--prologue)",
        )  # fmt: skip
    return replace(plain, prologue=Pool(pools[0].name, pools[0].address, size))


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
