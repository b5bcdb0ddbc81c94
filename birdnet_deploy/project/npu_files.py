"""What the files of a project for the STM32N6 take: vendor trees, flash, the compiler's profiles and memory pools."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from birdnet_deploy.artifacts import BUNDLE_FOLDER, MODEL_FILE, NETWORK_FOLDER, NPU_MODEL_FILE, Bundle
from birdnet_deploy.errors import InternalError
from birdnet_deploy.npu.data import Pool, Target, read_target, versions
from birdnet_deploy.npu.targets import Board
from birdnet_deploy.npu.vendor_layouts import CARD_TREE, layouts
from birdnet_deploy.project.getting_started import getting_started_context
from birdnet_deploy.project.placement import Placed, place, place_for_npu

PROFILES = ("default", "strict")
_TABLE = Path(__file__).with_name("neuralart.toml")
_DEFINES = (
    "LL_ATON_PLATFORM=LL_ATON_PLAT_STM32N6", "LL_ATON_OSAL=LL_ATON_OSAL_BARE_METAL",
    "LL_ATON_RT_MODE=LL_ATON_RT_ASYNC", "LL_ATON_SW_FALLBACK", "LL_ATON_DBG_BUFFER_INFO_EXCLUDED=1", "NDEBUG",
)  # fmt: skip
_MEGABYTE = 1 << 20
_NUMBERS = ("byteWidth", "freqRatio", "read_power", "write_power")  # of a pool; sizes and addresses are strings there


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Any]:
    return tomllib.loads(_TABLE.read_text(encoding="utf-8"))


def place_all(board: Board, memory_plan: Mapping[str, Any] | None, prologue_bytes: int) -> Placed:
    """Gives where a project's memories go, with an NPU or without; ``prologue_bytes`` is 0 without a prologue.

    Raises: ModelError (exit 3) where a prologue does not fit beside the NPU.
    """
    target = read_target(board.name)
    if target.is_npu:
        return place_for_npu(board, target.activations, prologue_bytes)
    return place(memory_plan, board)


def npu_context(board: Board, bundle: Bundle, taken: Pool | None) -> dict[str, Any]:
    """Gives what the templates of the group ``n6`` take beyond those of every board.

    ``taken`` is the part of the network's memory that the prologue takes.

    Raises: InternalError for a target without a flash layout.
    """
    if board.flash is None:
        raise InternalError("an NPU target without [flash]", where=board.name, fix="complete its TOML file")
    target = read_target(board.name)
    slots = board.flash.slots
    parts = tuple(part for part in layouts() if part.root != CARD_TREE or "sd" in board.features)
    return {
        "parts": parts,
        "roots": tuple(dict.fromkeys(part.root for part in parts)),
        "defines": (*board.defines, *_DEFINES),
        "tflite": f"{BUNDLE_FOLDER}/{MODEL_FILE if bundle.prologue is None else NPU_MODEL_FILE}",
        "network_folder": NETWORK_FOLDER,
        "flash": board.flash,
        "fsbl": slots["fsbl"],
        "app": slots["app"],
        "weights": slots["weights"],
        "releases": versions(),
        "layouts": ("lrun", "xip") if board.xip is not None else ("lrun",),
        "neuralart_options": _table()["options"],
        "profiles": PROFILES,
        "pools": {profile: _pools(board, target, profile, taken) for profile in PROFILES},
        **getting_started_context(bundle.config, bundle.labels),
    }


def _pools(board: Board, target: Target, profile: str, taken: Pool | None) -> list[dict[str, Any]]:
    """Gives the memory pools in ST's order; sizes in the unit that ST's files use."""
    given = {pool.name: _behind(pool, taken) for pool in (*target.activations, *target.weights)}
    pools = []
    for entry in _table()["pools"]:
        pool = given.get(entry["name"])
        size = pool.bytes if pool else 0
        if "psram" in board.features and profile == "default":
            size = size or entry.get("psram_bytes", 0)
        large = size % _MEGABYTE == 0 and entry["properties"]["latency"] == "HIGH"
        pools.append({
            "name": entry["name"], "file": entry["file"], "properties": entry["properties"],
            "numbers": _NUMBERS,
            "address": pool.address if pool else entry["address"],
            "size": size // _MEGABYTE if large else size // 1024, "unit": "MBYTES" if large else "KBYTES",
        })  # fmt: skip
    return pools


def _behind(pool: Pool, taken: Pool | None) -> Pool:
    """Gives what is left of a pool for the network."""
    if taken is None or taken.name != pool.name:
        return pool
    return Pool(pool.name, pool.address + taken.bytes, pool.bytes - taken.bytes)
