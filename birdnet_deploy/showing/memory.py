"""What fills the memories of a board: the plan of the activations, and each region with what lies in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from birdnet_deploy.artifacts import MEMORY_PLAN_FILE, Bundle, Project
from birdnet_deploy.errors import DeployError, ModelError
from birdnet_deploy.npu.data import Pool, read_target
from birdnet_deploy.npu.targets import board_names, read_board
from birdnet_deploy.showing.names import layer_name
from birdnet_deploy.support.inputs import read_input_text
from birdnet_deploy.toolchain.build import ELF_NAME
from birdnet_deploy.toolchain.elf import Placed, read_placed

# What a section of firmware_stub's linker scripts holds; the copy of constants that are read often may shrink.
_CONTENT = {
    ".text": "code", ".fast": "weights read often (a copy, as many as fit)", ".rodata": "weights and constants",
    ".data": "initialised data", ".arena": "activations", ".bss": "zeroed memory", ".stack": "stack",
}  # fmt: skip
_MOVABLE = frozenset({".fast"})


def engine_plan(bundle: Bundle, project: Project | None) -> dict[str, Any] | None:
    """Gives the plan of the generated engine, from the project or planned now; None where the engine refuses the model.

    Raises: ModelError (exit 3) where a project's plan is damaged.
    """
    if project is not None and (project.path / MEMORY_PLAN_FILE).is_file():
        path = project.path / MEMORY_PLAN_FILE
        try:
            found: dict[str, Any] = json.loads(read_input_text(path))
            _engine_picture(found)
            sum(constant["bytes"] for constant in found["constants"])
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            what = f"not a readable plan ({type(error).__name__}: {error})"
            raise ModelError(what, where=path, fix="generate the project again") from error
        return found
    from birdnet_deploy.codegen.memory_plan import describe_memory
    from birdnet_deploy.codegen.network import generate_network
    from birdnet_deploy.tflite.ends import strip_float_ends
    from birdnet_deploy.tflite.reader import read_model

    try:
        return describe_memory(generate_network(read_model(strip_float_ends(bundle.network))))
    except DeployError:  # the validator says why
        return None


def shown_plan(
    target: str, bundle: Bundle | None, engine: Mapping[str, Any] | None, estimate: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Gives which buffer lies where from step to step: the engine's plan, on an NPU the one that was estimated.

    ``pools`` are stacked from ``base`` on; ``offset`` of a buffer counts from the lowest base.
    """
    if not read_target(target).is_npu:
        return None if engine is None else _engine_picture(engine)
    arena = (estimate or {}).get("arena")
    if not arena or not arena["buffers"] or bundle is None:
        return None
    from birdnet_deploy.tflite.reader import read_model

    names = [tensor.name for tensor in read_model(bundle.network).tensors]
    pools, bases, base = [], {}, 0
    for pool in arena["pools"]:
        if pool["used_bytes"]:
            pools.append({"name": pool["name"], "base": base, "bytes": pool["size_bytes"]})
            bases[pool["name"]] = base
            base += pool["size_bytes"]
    buffers = [
        _buffer(
            bases[b["pool"]] + b["offset"], b["size_bytes"], b["first"], b["last"], [names[i] for i in b["tensors"]]
        )
        for b in arena["buffers"]
        if b["pool"] is not None
    ]
    unplaced = sum(b["pool"] is None for b in arena["buffers"])
    return {
        "kind": "estimated; ST's compiler decides anew", "bytes": arena["bytes"], "lower_bound_bytes": None,
        "optimal": None, "unplaced": unplaced, "steps": [layer["op"] for layer in (estimate or {})["layers"]],
        "pools": pools, "buffers": buffers,
    }  # fmt: skip


def _engine_picture(plan: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": "of the generated engine", "bytes": plan["arena_bytes"],
        "lower_bound_bytes": plan["lower_bound_bytes"], "optimal": plan["optimal"], "unplaced": 0,
        "steps": [step["op"] for step in plan["steps"]],
        "pools": [{"name": "arena", "base": 0, "bytes": plan["arena_bytes"]}],
        "buffers": [_buffer(b["offset"], b["bytes"], b["first"], b["last"], b["tensors"]) for b in plan["buffers"]],
    }  # fmt: skip


def _buffer(offset: int, size: int, first: int, last: int, tensors: Sequence[str]) -> dict[str, Any]:
    names = [layer_name(name) for name in tensors]
    return {"offset": offset, "bytes": size, "first": first, "last": last, "tensors": names}


def regions_of(
    target: str, project: Project | None, plan: Mapping[str, Any] | None, estimate: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Gives the regions of a target, each with what fills it: ``what``, ``bytes``, and whether it may shrink.

    ``source`` says what it rests on: the ELF of a project, else the plan and the estimate.
    """
    elf = None if project is None else project.build_dir / ELF_NAME
    if elf is not None and elf.is_file() and target in board_names():
        regions = read_board(target).regions
        return {"source": "the project's ELF", "regions": _filled(regions, read_placed(elf))}
    board = read_target(target)
    if target in board_names():
        return {"source": "the plan; the project is not built", "regions": _planned(target, plan)}
    pools = {pool["name"]: pool["used_bytes"] for pool in (estimate or {}).get("arena", {}).get("pools", ())}
    flash = (estimate or {}).get("flash")
    found = [_region(pool, [_fill("activations", pools.get(pool.name, 0))]) for pool in board.activations]
    for pool in board.weights[:1]:
        found.append(_region(pool, [_fill("weights", flash["bytes"] if flash else 0)]))
    return {"source": "an estimate, before ST's compiler", "regions": found}


def _planned(target: str, plan: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    from birdnet_deploy.project.placement import place

    board, fills = read_board(target), dict[str, list[dict[str, Any]]]()
    placed = place(plan, board)
    if plan is not None:
        constants = sum(constant["bytes"] for constant in plan["constants"])
        fills = {region.name: [] for region in board.regions}
        fills[placed.arena].append(_fill(_CONTENT[".arena"], plan["arena_bytes"]))
        fills[placed.fast_region].append(_fill(_CONTENT[".fast"], placed.fast_bytes, movable=True))
        fills[board.memory.constants].append(_fill(_CONTENT[".rodata"], constants))
        fills[board.memory.stack].append(_fill(_CONTENT[".stack"], board.memory.stack_bytes))
    return [_region(region, fills.get(region.name, [])) for region in board.regions]


def _filled(regions: Sequence[Pool], sections: Sequence[Placed]) -> list[dict[str, Any]]:
    found = []
    for region in regions:
        end = region.address + region.bytes
        fills = [
            _fill(_CONTENT.get(section.name, section.name), section.bytes, movable=section.name in _MOVABLE)
            for section in sections
            if region.address <= section.address < end
        ]
        fills += [
            _fill(f"{_CONTENT.get(section.name, section.name).split(' (')[0]}, as loaded", section.bytes)
            for section in sections
            if section.load_address != section.address and region.address <= section.load_address < end
        ]
        found.append(_region(region, fills))
    return found


def _fill(what: str, size: int, *, movable: bool = False) -> dict[str, Any]:
    return {"what": what, "bytes": int(size), "movable": movable}


def _region(pool: Pool, fills: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    used = [fill for fill in fills if fill["bytes"]]
    return {
        "name": pool.name, "address": pool.address, "bytes": pool.bytes,
        "used_bytes": sum(fill["bytes"] for fill in used),
        "needed_bytes": sum(fill["bytes"] for fill in used if not fill["movable"]),
        "fills": sorted(used, key=lambda fill: (-fill["bytes"], fill["what"])),
    }  # fmt: skip
