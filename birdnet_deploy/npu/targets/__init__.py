"""How firmware is built for a target and what lies where in memory: [build] and [memory] of its TOML file.

A board is one file here and one folder in ``firmware_stub/port``. The memories of ``npu.data`` (activations
and weights) are regions of the linker too, so an address stands in one place only.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import UsageError
from birdnet_deploy.npu.data import Pool, read_target, target_names

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Placement:
    """Which region takes what: names of ``Board.regions``; the stack has ``stack_bytes``.

    ``arena`` are the regions for activations in the order of preference, ``fast`` takes constants that are read often.
    """

    code: str
    constants: str
    data: str
    stack: str
    stack_bytes: int
    arena: tuple[str, ...]
    fast: str


@dataclass(frozen=True)
class Board:
    """What a project for one target is made of.

    ``port`` is a folder of ``firmware_stub/port``, ``templates`` are groups of ``templates/manifest.toml``, the
    rest are flags of gcc.
    """

    name: str
    title: str
    port: str
    templates: tuple[str, ...]
    machine_flags: tuple[str, ...]
    optimize: str
    optimize_kernels: str
    regions: tuple[Pool, ...]
    memory: Placement


def board_names() -> tuple[str, ...]:
    """Gives the names of the targets that firmware can be generated for, sorted."""
    return tuple(name for name in target_names() if "build" in _read(name))


@lru_cache(maxsize=8)
def read_board(name: str) -> Board:
    """Gives the board of a target by its name.

    Raises: UsageError (exit 2) with the valid names, where there is no such target or no firmware for it.
    """
    target = read_target(name)
    raw = _read(name)
    if "build" not in raw:
        raise UsageError(f"there is no firmware for {name!r}", fix=f"valid: {', '.join(board_names())}")
    build: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in raw["build"].items()
    }
    placement: dict[str, Any] = {key: tuple(value) if key == "arena" else value for key, value in raw["memory"].items()}
    own = tuple(Pool(**region) for region in placement.pop("regions"))
    regions = sorted({*own, *target.activations, *target.weights}, key=lambda region: region.address)
    return Board(name, target.title, **build, regions=tuple(regions), memory=Placement(**placement))


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
