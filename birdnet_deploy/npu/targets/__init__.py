"""How firmware is built for a target and what lies where in memory: [build] and [memory] of its TOML file.

A board is one file here and one folder in ``firmware_stub/port``, beside those that it shares with others. The
memories of ``npu.data`` (activations and weights) are regions of the linker too, so an address stands once.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import UsageError
from birdnet_deploy.npu.data import Pool, Target, read_target, target_names

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Placement:
    """Which region takes what: names of ``Board.regions``; the stack has ``stack_bytes``.

    ``arena`` are the regions for activations in the order of preference, ``fast`` takes constants that are read often,
    ``dma`` what peripherals share with the core ("" where none does).
    """

    code: str
    constants: str
    data: str
    stack: str
    stack_bytes: int
    arena: tuple[str, ...]
    fast: str
    dma: str = ""


@dataclass(frozen=True)
class Flash:
    """The external flash: which loader programs it, and its slots by name (``fsbl``, ``app``, ``weights``).

    ``header_bytes`` of the slot ``app`` are the signed image's header.
    """

    loader: str
    header_bytes: int
    slots: Mapping[str, Pool]


@dataclass(frozen=True)
class Board:
    """What a project for one target is made of.

    ``port`` is a folder of ``firmware_stub/port``, ``families`` are those that it shares with other boards,
    ``templates`` are groups of ``templates/manifest.toml``, ``defines`` those of the port. The rest are flags of gcc.
    ``features`` are ``sd``, ``microphone``, ``psram``: what the board has. ``xip`` places code that runs from flash.
    """

    name: str
    title: str
    port: str
    families: tuple[str, ...]
    templates: tuple[str, ...]
    machine_flags: tuple[str, ...]
    optimize: str
    optimize_kernels: str
    regions: tuple[Pool, ...]
    memory: Placement
    defines: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    xip: Placement | None = None
    flash: Flash | None = None

    @property
    def ports(self) -> tuple[str, ...]:
        """The folders of ``firmware_stub/port`` that it is made of."""
        return (*self.families, self.port)


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
    placement: dict[str, Any] = dict(raw["memory"])
    own = tuple(Pool(**region) for region in placement.pop("regions"))
    xip = placement.pop("xip", None)
    regions = sorted({*own, *target.activations, *target.weights}, key=lambda region: region.address)
    return Board(
        name, target.title, **build, regions=tuple(regions), memory=_placement(placement),
        xip=_placement({**placement, **xip}) if xip else None, flash=_flash(raw, target),
    )  # fmt: skip


def _placement(entries: Mapping[str, Any]) -> Placement:
    values: dict[str, Any] = {key: tuple(value) if key == "arena" else value for key, value in entries.items()}
    return Placement(**values)


def _flash(raw: Mapping[str, Any], target: Target) -> Flash | None:
    if "flash" not in raw or target.application is None:
        return None
    entry = raw["flash"]
    slots = {"fsbl": Pool(**entry["fsbl"]), "app": target.application, "weights": target.weights[0]}
    return Flash(entry["loader"], entry["header_bytes"], slots)


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
