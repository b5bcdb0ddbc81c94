"""Where a model's activations could lie in a target's pools: who shares memory, who lives when, and at which offset.

The compiler of ST decides this anew; the plan shows that one exists, and which pools it needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from birdnet_deploy.npu.data import Pool
from birdnet_deploy.npu.graph import Graph
from birdnet_deploy.tflite.reader import Operator

ALIGNMENT = 32  # a cache line of the Cortex-M55: what is cleaned or invalidated shares none
MAX_BUFFERS = 512  # the family has about 60; more is no model that fits
_VIEWS = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})


@dataclass(frozen=True)
class Planned:
    """One buffer: the tensors in it, the operators before and after which it lives, and its place.

    ``pool`` is None where no pool has room for it; a buffer larger than every pool needs them joined
    (--enable-virtual-mem-pools).
    """

    tensors: tuple[int, ...]
    size_bytes: int
    first: int
    last: int
    pool: str | None = None
    offset: int = 0


def is_view(op: Operator) -> bool:
    """Says whether an operator only renames its input's bytes."""
    return op.op in _VIEWS


def plan_memory(graph: Graph, pools: Sequence[Pool]) -> tuple[Planned, ...]:
    """Gives every buffer with its place, in the order of execution; nothing for a graph of too many buffers.

    Largest first, each at the lowest free offset of the first pool that has room. Pools are taken from the highest
    address down, as ST's compiler does: NPU memory before the processor's.
    """
    buffers = list(buffers_of(graph))
    if len(buffers) > MAX_BUFFERS:
        return ()
    placed: list[Planned] = []
    for buffer in sorted(buffers, key=lambda b: (-b.size_bytes, b.first, b.tensors)):
        rivals = [b for b in placed if b.first <= buffer.last and buffer.first <= b.last]
        placed.append(_placed(buffer, rivals, sorted(pools, key=lambda pool: -pool.address)))
    return tuple(sorted(placed, key=lambda b: (b.first, b.tensors)))


def buffers_of(graph: Graph) -> Iterator[Planned]:
    """Yields the buffers of a graph's activations, without places; a view is in its source's buffer."""
    owner: dict[int, int] = {}
    for op in graph.model.operators:
        source = op.inputs[0] if is_view(op) and op.inputs and op.outputs else -1
        if source >= 0 and graph.is_activation(graph.model.tensors[source]):
            owner[op.outputs[0]] = owner.get(source, source)
    members: dict[int, list[int]] = {}
    for tensor in graph.activations:
        members.setdefault(owner.get(tensor.index, tensor.index), []).append(tensor.index)
    end = len(graph.model.operators)
    for tensors in members.values():
        makers = [graph.producer[t].index if t in graph.producer else 0 for t in tensors]
        readers = [op.index for t in tensors for op in graph.consumers.get(t, ())]
        last = end if any(t in graph.model.outputs for t in tensors) else max([*makers, *readers])
        size = max(graph.size(t) for t in tensors)
        yield Planned(tuple(tensors), -(-size // ALIGNMENT) * ALIGNMENT, min(makers), last)


def _placed(buffer: Planned, rivals: Sequence[Planned], pools: Sequence[Pool]) -> Planned:
    for pool in pools:
        offset = 0
        for rival in sorted((b for b in rivals if b.pool == pool.name), key=lambda b: b.offset):
            if offset + buffer.size_bytes <= rival.offset:
                break
            offset = max(offset, rival.offset + rival.size_bytes)
        if offset + buffer.size_bytes <= pool.bytes:
            return Planned(buffer.tensors, buffer.size_bytes, buffer.first, buffer.last, pool.name, offset)
    return buffer


def used_bytes(plan: Sequence[Planned], pool: Pool) -> int:
    """Gives how much of a pool a plan needs: the highest end of a buffer in it."""
    return max((b.offset + b.size_bytes for b in plan if b.pool == pool.name), default=0)
