"""The memory plan as data: which buffers live from step to step at which address, and what reads which constants."""

from __future__ import annotations

from typing import Any

from birdnet_deploy.codegen.network import GeneratedNetwork

SCHEMA_VERSION = 1


def describe_memory(network: GeneratedNetwork) -> dict[str, Any]:
    """Gives the plan as JSON values: sizes and offsets in bytes, ``first`` and ``last`` are numbers of ``steps``.

    ``optimal`` says that no plan under the rules of docs/engine.md is smaller, which the bound proves. A buffer without
    tensors is the scratch of its step. ``reads`` of a constant are how often a value of it is used, on average.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "arena_bytes": network.arena_bytes,
        "lower_bound_bytes": network.arena_lower_bound,
        "optimal": network.arena_bytes == network.arena_lower_bound,
        "steps": [
            {
                "operator": step.operator, "op": step.op, "kernel": step.kernel, "name": step.name,
                "output_shape": list(step.output_shape), "macs": step.macs,
            }
            for step in network.plan
        ],
        "buffers": [
            {
                "offset": buffer.offset, "bytes": buffer.size_bytes, "first": buffer.first, "last": buffer.last,
                "tensors": [network.tensor_names[tensor] for tensor in buffer.tensors],
            }
            for buffer in network.buffers
        ],
        "constants": [
            {"name": constant.name, "bytes": constant.size_bytes, "reads": round(constant.reads, 3)}
            for constant in network.constants
        ],
    }  # fmt: skip
