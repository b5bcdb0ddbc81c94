"""``network_c_info.json`` of ``stedgeai`` (schema 2.0), of a compilation or of a validation on a board."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from birdnet_deploy.errors import ModelError
from birdnet_deploy.npu.stedgeai import Epoch, PoolUse, StedgeaiRun, counted

_MOST = 2**40  # bytes, addresses and counts stay far below
_KINDS = {"NODE_HW": "hw", "NODE_EC": "ec", "NODE_HYBRID": "hybrid"}
_NO_WORK = frozenset({"Param", "Return", "Reshape"})  # epochs that hold only these are bookkeeping
_KIND_PREFIX = "Node kind="  # 2.1.0 tells a node's kind in its description


def parse_c_info(data: bytes, run: StedgeaiRun) -> StedgeaiRun:
    """Gives ``run`` with what the file tells.

    Raises: ModelError (exit 3) for text that is no JSON object, or a value of the wrong kind, with its key.
    """
    try:
        parsed = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"not readable JSON ({type(error).__name__})", where=run.path) from error
    try:
        return _parsed(_object(parsed, "the file"), run)
    except _Wrong as wrong:
        raise ModelError(str(wrong), where=run.path, fix="run stedgeai again") from None


class _Wrong(Exception):
    """A value is not what its key needs."""


def _parsed(data: Mapping[str, Any], run: StedgeaiRun) -> StedgeaiRun:
    epochs = tuple(_epochs(data))
    footprint = _object(data.get("memory_footprint") or {}, "memory_footprint")
    run = _tools(_object(data.get("environment") or {}, "environment"), run)
    if epochs:
        run = replace(
            run, epochs=epochs, epoch_count=len(epochs), software_epochs=counted(epochs, "sw"),
            hybrid_epochs=counted(epochs, "hybrid"),
        )  # fmt: skip
    return replace(
        run, pools=tuple(_pools(data)), weight_bytes=_optional(footprint, "weights"),
        activation_bytes=_optional(footprint, "activations"), latency_ms=_duration(data), cosine=_cosine(data),
    )  # fmt: skip


def _tools(environment: Mapping[str, Any], run: StedgeaiRun) -> StedgeaiRun:
    device = _text(environment.get("device"), "device")
    for tool in _objects(environment, "tools"):
        model = _object(tool.get("input_model") or {}, "input_model")
        arguments = _text(tool.get("arguments"), "arguments")
        version = (_text(tool.get("version"), "version") or "").split(" ")[0] or None
        if tool.get("name") == "ST.EdgeAI.Core":
            name = _text(model.get("name"), "name")
            run = replace(run, tool_version=version, command=arguments, model_name=name)
        elif arguments and "--load-mpool" in arguments:
            run = replace(run, options=arguments.strip(), compiler_version=version)
    return replace(run, device=device)


def _pools(data: Mapping[str, Any]) -> Iterator[PoolUse]:
    """Yields the pools that are memories; one that joins others (--enable-virtual-mem-pools) is none."""
    ends: dict[tuple[int, bool], int] = {}
    for buffer in _objects(data, "buffers"):
        end = _whole(buffer, "offset_start") + _whole(buffer, "size_bytes")
        key = (_whole(buffer, "mpool_id"), buffer.get("is_param") is True)
        ends[key] = max(ends.get(key, 0), end)
    for pool in _objects(data, "memory_pools"):
        if pool.get("subpools"):
            continue
        number, used = _whole(pool, "id"), _whole(pool, "used_size_bytes")
        weights = used if (number, False) not in ends else min(used, ends.get((number, True), 0))
        name = _text(pool.get("name"), "name") or "?"
        size = _whole(pool, "size_bytes")
        yield PoolUse(name, _whole(pool, "address"), size, used, weights, used - weights)


def _epochs(data: Mapping[str, Any]) -> Iterator[Epoch]:
    number = 0
    for graph in _objects(data, "graphs")[:1]:
        for node in _objects(graph, "nodes"):
            kinds = [_kind(inner) for inner in _objects(node, "subgraph_nodes")]
            if kinds and all(kind in _NO_WORK for kind in kinds):
                continue
            mapping = _text(node.get("mapping"), "mapping") or ""
            kind = _KINDS.get(mapping) or ("sw" if mapping.startswith("NODE_SW") else "unknown")
            number += 1
            yield Epoch(number, kind, ", ".join(filter(None, kinds)) if kind in ("sw", "hybrid") else "")


def _kind(node: Mapping[str, Any]) -> str:
    description = _text(node.get("description"), "description") or ""
    return _text(node.get("type"), "type") or description.removeprefix(_KIND_PREFIX)


def _duration(data: Mapping[str, Any]) -> float | None:
    """The sum of the epochs' times, where a board ran them."""
    times = [_real(entry, "duration_ms") for entry in _objects(data, "aton_execution_time")]
    return sum(times) if times else None


def _cosine(data: Mapping[str, Any]) -> float | None:
    validation = _object(data.get("validation") or {}, "validation")
    metrics = _objects(validation, "val_metrics")
    return _real(metrics[0], "cos") if metrics and metrics[0].get("cos") != "n.a." else None


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Wrong(f"{name} is no JSON object")
    return value


def _objects(data: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = data.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _Wrong(f"{name} is no list")
    return [_object(item, f"an entry of {name}") for item in value]


def _text(value: Any, name: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise _Wrong(f"{name} is no text")
    return value or None


def _whole(data: Mapping[str, Any], name: str) -> int:
    """A whole number, which some versions write as text."""
    value = data.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if type(value) is not int or not 0 <= value < _MOST:
        raise _Wrong(f"{name} is {str(value)[:40]!r}, not a number of bytes or an address")
    return value


def _optional(data: Mapping[str, Any], name: str) -> int | None:
    return None if data.get(name) is None else _whole(data, name)


def _real(data: Mapping[str, Any], name: str) -> float:
    value = data.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _MOST:  # NaN too
        raise _Wrong(f"{name} is {str(value)[:40]!r}, not a number")
    return float(value)
