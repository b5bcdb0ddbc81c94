"""The validator's data: limits with their sources, the operator table and the targets, read once."""

from __future__ import annotations

import csv
import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import UsageError

_FOLDER = Path(__file__).parent
DEFAULT_TARGET = "stm32n6570-dk"


@dataclass(frozen=True)
class Limit:
    """One number that models are held to, and where it comes from."""

    value: float
    source: str


@dataclass(frozen=True)
class Support:
    """How one operator runs on the NPU (``hw``, ``partly``, ``sw``, ``no``), and whether the C engine has it."""

    npu: str
    engine: bool
    condition: str
    source: str


@dataclass(frozen=True)
class Pool:
    """One memory; ``bytes`` long from ``address``."""

    name: str
    address: int
    bytes: int


@dataclass(frozen=True)
class Version:
    """One release of ST Edge AI Core, with the LL_ATON and the NetworkRuntime that belong to it."""

    tool: str
    ll_aton: str
    runtime: str

    def __str__(self) -> str:
        return f"Core {self.tool}: LL_ATON {self.ll_aton}" + (f", runtime {self.runtime}" if self.runtime else "")


@dataclass(frozen=True)
class Target:
    """One board: what computes there (``npu`` or ``cpu``) and which memories it has.

    ``application`` is the flash slot of the signed application, None where the linker alone decides.
    """

    name: str
    title: str
    processor: str
    activations: tuple[Pool, ...]
    weights: tuple[Pool, ...]
    application: Pool | None = None

    @property
    def is_npu(self) -> bool:
        """Whether the NPU computes the network, rather than the C engine."""
        return self.processor == "npu"

    @property
    def activation_bytes(self) -> int:
        """All on-chip memory for activations, in bytes."""
        return sum(pool.bytes for pool in self.activations)

    @property
    def weight_bytes(self) -> int:
        """All memory for weights, in bytes."""
        return sum(pool.bytes for pool in self.weights)


def _toml(path: Path) -> Mapping[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _limits() -> Mapping[str, Any]:
    return _toml(_FOLDER / "limits.toml")


def limit(name: str) -> Limit:
    """Gives a limit of ``limits.toml`` by name."""
    entry = _limits()[name]
    return Limit(entry["value"], source(entry["source"]))


def source(name: str) -> str:
    """Gives the text of a source that ``limits.toml`` lists, else the name itself."""
    text: str = _limits()["sources"].get(name, name)
    return text


@lru_cache(maxsize=1)
def versions() -> tuple[Version, ...]:
    """Gives the releases of ST Edge AI Core that are known."""
    return tuple(Version(**entry) for entry in _limits()["versions"])


@lru_cache(maxsize=1)
def operators() -> Mapping[str, Support]:
    """Gives the operator table by TFLite name; ``REQUANTIZE`` is a QUANTIZE between integer tensors."""
    with (_FOLDER / "operators.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["op"]: Support(row["npu"], row["engine"] == "yes", row["condition"], source(row["source"]))
            for row in csv.DictReader(file)
        }


def target_names() -> tuple[str, ...]:
    """Gives the names of the targets there are, sorted."""
    return tuple(sorted(path.stem for path in (_FOLDER / "targets").glob("*.toml")))


@lru_cache(maxsize=8)
def read_target(name: str) -> Target:
    """Gives a target by its name.

    Raises: UsageError (exit 2) with the valid names.
    """
    names = target_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"unknown target {name!r}", fix=f"{hint}valid: {', '.join(names)}")
    raw = _toml(_FOLDER / "targets" / f"{name}.toml")
    pools = {kind: tuple(Pool(**pool) for pool in raw[kind]["pools"]) for kind in ("activations", "weights")}
    application = Pool(**raw["application"]["pool"]) if "application" in raw else None
    return Target(name, raw["title"], raw["processor"], **pools, application=application)
