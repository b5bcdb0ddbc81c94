"""BD4xx: memory."""

from __future__ import annotations

from collections.abc import Iterator

from birdnet_deploy.npu.data import source
from birdnet_deploy.npu.graph import tensor_label
from birdnet_deploy.npu.rules.rule import Hit, Rules
from birdnet_deploy.npu.subject import Subject

_RULES = Rules("graph")


@_RULES.add(
    "BD401", "activations-do-not-fit", "error", limit="the target's activation pools together",
    source=source("st-pools"), fix="use fewer mel bands, frames or channels, or a smaller alpha",
    bad="num_mels 128, spec_width 1024, alpha 2", good="num_mels 64, spec_width 256, alpha 1",
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
    "BD402", "buffer-larger-than-a-pool", "warning", limit="the target's smallest activation pool",
    source=source("st-pools"), fix="compile with --enable-virtual-mem-pools, or make the map smaller",
    bad="a map of 1024 x 512 x 8: 4 MiB", good="a map of 64 x 128 x 16: 128 KiB",
)  # fmt: skip
def buffer_larger_than_a_pool(subject: Subject) -> Iterator[Hit]:
    """Each activation fits one memory pool, whichever it is.

    Without --enable-virtual-mem-pools a buffer may not span two pools, and across pools it is slower.
    """
    pools = sorted(subject.target.activations, key=lambda pool: pool.bytes)
    smallest, largest = pools[0], pools[-1]
    for tensor in subject.graph.activations:
        size = subject.graph.size(tensor.index)
        if size > largest.bytes:
            yield Hit(tensor_label(tensor), f"{size} bytes, the largest pool ({largest.name}) has {largest.bytes}")
        elif size > smallest.bytes:
            fitting = ", ".join(pool.name for pool in pools if size <= pool.bytes)
            yield Hit(tensor_label(tensor), f"{size} bytes fit {fitting} only; {smallest.name} has {smallest.bytes}")


@_RULES.add(
    "BD403", "weights-do-not-fit", "error", limit="the target's memory for weights",
    source=source("st-pools"), fix="use a smaller alpha, depth_multiplier or embedding",
    bad="a dense layer of 8192 x 8192", good="a dense layer of 256 x 100",
)  # fmt: skip
def weights_do_not_fit(subject: Subject) -> Iterator[Hit]:
    """The weights fit the flash that the target has for them.

    What lies behind the weights in flash would be overwritten, or the weights cut off.
    """
    total = sum(len(tensor.data) for tensor in subject.graph.constants)
    if total > subject.target.weight_bytes:
        yield Hit("model", f"{total} bytes of weights, {subject.target.title} has {subject.target.weight_bytes}")


@_RULES.add(
    "BD404", "application-does-not-fit", "error", limit="the target's slot for the signed application",
    source=source("st-flash"), fix="build with -Os, or move the weights and their pool up in flash",
    needs=("project",), bad="an application of 600 KiB", good="an application of 200 KiB",
)  # fmt: skip
def application_does_not_fit(subject: Subject) -> Iterator[Hit]:
    """The built application, signed, fits the flash slot in front of the weights.

    It would overwrite the first weights, and the board computes with what is left of them.
    """
    rendered, slot = subject.rendered, subject.target.application
    if rendered is None or slot is None:
        return
    for name, size in rendered.images:
        if size > slot.bytes:
            yield Hit(name, f"{size} bytes of application, the slot of {subject.target.title} has {slot.bytes}")


RULES = tuple(_RULES.all)
