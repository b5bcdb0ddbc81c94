"""BD4xx: memory."""

from __future__ import annotations

from collections.abc import Iterator

from birdnet_deploy.npu.data import source
from birdnet_deploy.npu.graph import tensor_label
from birdnet_deploy.npu.rules.rule import Hit, Rules
from birdnet_deploy.npu.subject import Subject

_RULES = Rules()


@_RULES.add(
    "BD401", "activations-do-not-fit", "error", limit="the target's activation pools together",
    source=source("st-pools"), fix="use fewer mel bands, frames or channels, or a smaller alpha",
)  # fmt: skip
def activations_do_not_fit(subject: Subject) -> Iterator[Hit]:
    """The activations that live at the same time fit the target's on-chip memory.

    The number is a lower bound: the tensors an operator reads and writes, and those that later ones still
    need, without gaps. Past it the compiler refuses, or spills into external memory that is 5 to 20 times
    slower.
    """
    peak, where = subject.graph.peak()
    if peak > subject.target.activation_bytes:
        room = subject.target.activation_bytes
        message = f"{peak} bytes of activations at once, {subject.target.title} has {room}"
        yield Hit(where, message)


@_RULES.add(
    "BD402", "buffer-larger-than-a-pool", "warning", limit="the target's largest activation pool",
    source=source("st-pools"), fix="compile with --enable-virtual-mem-pools, or make the map smaller",
)  # fmt: skip
def buffer_larger_than_a_pool(subject: Subject) -> Iterator[Hit]:
    """Each activation fits one memory pool.

    Without --enable-virtual-mem-pools a buffer may not span two pools, and across pools it is slower.
    """
    largest = max(subject.target.activations, key=lambda pool: pool.bytes)
    for tensor in subject.graph.activations:
        size = subject.graph.size(tensor.index)
        if size > largest.bytes:
            yield Hit(tensor_label(tensor), f"{size} bytes, the largest pool ({largest.name}) has {largest.bytes}")


@_RULES.add(
    "BD403", "weights-do-not-fit", "error", limit="the target's memory for weights",
    source=source("st-pools"), fix="use a smaller alpha, depth_multiplier or embedding",
)  # fmt: skip
def weights_do_not_fit(subject: Subject) -> Iterator[Hit]:
    """The weights fit the flash that the target has for them.

    What lies behind the weights in flash would be overwritten, or the weights cut off.
    """
    total = sum(len(tensor.data) for tensor in subject.graph.constants)
    if total > subject.target.weight_bytes:
        yield Hit("model", f"{total} bytes of weights, {subject.target.title} has {subject.target.weight_bytes}")


RULES = tuple(_RULES.all)
