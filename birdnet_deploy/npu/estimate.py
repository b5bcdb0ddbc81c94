"""What a model needs on its target, told without a board: layers, memory, flash and, for the NPU, latency.

All of it is estimated from the graph; what each number rests on stands in ``estimate.toml`` and ``latency.toml``.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from birdnet_deploy.npu.data import Target, operators
from birdnet_deploy.npu.graph import WEIGHTED, Graph
from birdnet_deploy.npu.latency import Latency, estimate_latency, read_fit
from birdnet_deploy.npu.memory_map import Planned, is_view, plan_memory, used_bytes
from birdnet_deploy.npu.subject import Subject
from birdnet_deploy.support.printable import printable
from birdnet_deploy.tflite.reader import Operator, Tensor

_FILE = Path(__file__).with_name("estimate.toml")
_BIAS_INPUT = 2


@dataclass(frozen=True)
class Layer:
    """One operator: where it runs (``hw``, ``partly``, ``sw``, ``no``; ``view`` moves nothing) and what it costs.

    ``read_bytes`` and ``written_bytes`` are activations, ``weight_bytes`` constants as they lie in the file.
    """

    index: int
    op: str
    name: str
    where: str
    output_shape: tuple[int, ...]
    macs: int
    weight_bytes: int
    read_bytes: int
    written_bytes: int


@lru_cache(maxsize=1)
def _known() -> Mapping[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))


def estimate_of(subject: Subject) -> dict[str, Any]:
    """Gives the estimate for a subject as plain JSON types; ``latency`` and ``flash`` are None but for an NPU."""
    return estimate(subject.graph, subject.target)


def estimate(graph: Graph, target: Target) -> dict[str, Any]:
    """Gives the estimate for a graph on a target as plain JSON types."""
    layers = layers_of(graph)
    moving = [layer for layer in layers if layer.where != "view"]
    moved = sum(layer.read_bytes + layer.written_bytes for layer in moving)
    largest = max((layer.read_bytes + layer.written_bytes for layer in moving), default=0)
    plan = plan_memory(graph, target.activations)
    on_npu = target.is_npu
    flash = flash_of(parameters(graph)) if on_npu else None
    latency, shares = None, _time_shares(layers) if on_npu else [None] * len(layers)
    if flash is not None and moved:
        error = _known()["weights"]["error"]
        latency = estimate_latency(flash["bytes"], moved, len(moving), weights_error=error)
    return {
        "layers": [{**asdict(layer), "time_share": share} for layer, share in zip(layers, shares, strict=True)],
        "macs": sum(layer.macs for layer in layers),
        "moved_bytes": moved,
        "largest_layer_bytes": largest,
        "internal_ram": _internal_ram(largest) if on_npu else None,
        "arena": _arena(plan, target),
        "flash": flash,
        "latency": None if latency is None else _latency(latency),
        "notes": list(_notes(layers, plan, latency, target)),
    }


def layers_of(graph: Graph) -> tuple[Layer, ...]:
    """Gives every operator of a graph as a layer."""
    return tuple(
        Layer(
            op.index, op.op, printable(graph.output_of(op).name), _where(graph, op), graph.output_of(op).shape,
            graph.macs(op), sum(len(tensor.data) for tensor in _inputs(graph, op) if not graph.is_activation(tensor)),
            sum(graph.size(tensor.index) for tensor in _inputs(graph, op) if graph.is_activation(tensor)),
            sum(graph.size(index) for index in op.outputs),
        )
        for op in graph.model.operators
        if op.outputs
    )  # fmt: skip


def _time_shares(layers: Sequence[Layer]) -> list[float | None]:
    """Gives the part of the estimated time that each layer takes; they sum to 1."""
    fit = read_fit()
    times = [
        0.0 if layer.where == "view" else fit.predict(layer.weight_bytes, layer.read_bytes + layer.written_bytes)
        for layer in layers
    ]
    total = sum(times) or 1.0
    return [round(time / total, 4) for time in times]


def _inputs(graph: Graph, op: Operator) -> list[Tensor]:
    """The different inputs of an operator; one that is read twice moves once."""
    return [graph.model.tensors[index] for index in dict.fromkeys(op.inputs) if index >= 0]


def _where(graph: Graph, op: Operator) -> str:
    if is_view(op):
        return "view"
    tensors = [*_inputs(graph, op), *(graph.model.tensors[index] for index in op.outputs)]
    support = operators().get(graph.kind(op))
    if support is None:
        return "no"
    in_float = any(t.dtype.startswith("float") for t in tensors if graph.is_activation(t))
    return "sw" if in_float else support.npu


def parameters(graph: Graph) -> int:
    """Gives the number of weights and biases; shapes and axes are no parameters."""
    biases = {
        op.inputs[_BIAS_INPUT] for op in graph.model.operators if op.op in WEIGHTED and len(op.inputs) > _BIAS_INPUT
    }
    return sum(
        math.prod(tensor.shape)
        for tensor in graph.constants
        if tensor.index in biases or not tensor.dtype.startswith(("int32", "int64"))
    )


def flash_of(count: int) -> dict[str, Any]:
    """Gives the bytes that so many parameters take once they are compiled, with a band and its source."""
    known = _known()["weights"]
    size = round(count * known["per_parameter"] + known["fixed_bytes"])
    return {
        "parameters": count, "bytes": size, "low_bytes": round(size / (1 + known["error"])),
        "high_bytes": round(size / (1 - known["error"])), "older_tools_add_bytes": known["older"]["bytes"],
        "source": known["source"],
    }  # fmt: skip


def _internal_ram(largest: int) -> dict[str, Any]:
    known = _known()["internal_ram"]
    sizes = {f"{name}_bytes": round(known[name] * largest) for name in ("low", "median", "high")}
    return {**sizes, "source": known["source"]}


def _arena(plan: Sequence[Planned], target: Target) -> dict[str, Any]:
    """What the plan takes of each pool; ``fits`` is False where a buffer found no place."""
    pools = [
        {"name": pool.name, "address": pool.address, "size_bytes": pool.bytes, "used_bytes": used_bytes(plan, pool)}
        for pool in target.activations
    ]
    return {
        "bytes": sum(used_bytes(plan, pool) for pool in target.activations),
        "fits": bool(plan) and all(buffer.pool is not None for buffer in plan),
        "pools": pools,
        "buffers": [asdict(buffer) for buffer in plan],
    }


def _latency(latency: Latency) -> dict[str, Any]:
    fit = read_fit()
    return {
        "ms": round(latency.ms, 3), "low_ms": round(latency.low_ms, 3), "high_ms": round(latency.high_ms, 3),
        "inside_fit": latency.inside,
        "places": [
            {"what": place.what, "value": float(f"{place.value:.4g}"), "low": place.low, "high": place.high,
             "inside": place.inside}
            for place in latency.places
        ],
        "fit": {
            "rows": fit.rows, "families": list(fit.families), "mean_error": fit.mean_error,
            "left_out_mean_error": fit.left_out_mean_error, "left_out_low": fit.left_out_low,
            "left_out_high": fit.left_out_high,
        },
        "source": fit.source,
    }  # fmt: skip


def _notes(layers: Sequence[Layer], plan: Sequence[Planned], latency: Latency | None, target: Target) -> Iterator[str]:
    if not target.is_npu:
        yield f"{target.title} has no NPU: its latency is not estimated"
    if plan and any(buffer.pool is None for buffer in plan):
        yield "some activations find no place on chip in a plan without joined pools; off chip is 5 to 20 times slower"
    if latency is None:
        return
    software = sum(layer.where in ("sw", "no") for layer in layers)
    if software > _known()["latency"]["software_epochs"]:
        yield f"{software} operators run in software or not at all, which the fit does not cover: expect more"
    for place in latency.places:
        if not place.inside:
            yield f"outside the fit: {place}"
    if sum(layer.where != "view" for layer in layers) < read_fit().ranges["layers"][0]:
        yield "few layers pay for their start: published nets of one layer took 1.5 to 4.4 times the estimate"
