"""What ``tools.toml`` says: external tools and trees of sources, where they are, what was tried, what needs them."""

from __future__ import annotations

import os
import platform
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("tools.toml")
_VARIABLE = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True)
class ToolSpec:
    """How a tool is found and asked for its version; ``minimum`` is the oldest that can do the work.

    ``places`` are looked at where it is not on PATH: patterns of ``tools.toml`` by the system's name.
    """

    name: str
    commands: tuple[str, ...]
    minimum: tuple[int, ...]
    version_pattern: str
    hint: str
    places: Mapping[str, tuple[str, ...]] | None = None

    @property
    def variable(self) -> str:
        """The environment variable that names it."""
        return "BIRDNET_" + self.name.upper().replace("-", "_")


@dataclass(frozen=True)
class Tested:
    """The versions that a tool was tried with; ``how`` is ``run``, or ``read`` of artefacts and reports of others."""

    oldest: str
    newest: str
    how: str

    def holds(self, version: str) -> bool:
        """Says whether a version is in the range, compared as far as the range's numbers go."""
        oldest, newest = _numbers(self.oldest), _numbers(self.newest)
        return oldest <= _numbers(version)[: len(oldest)] and _numbers(version)[: len(newest)] <= newest

    @property
    def text(self) -> str:
        """The range in words."""
        span = self.oldest if self.oldest == self.newest else f"{self.oldest} to {self.newest}"
        return f"tried with {span}" if self.how == "run" else f"known from reports: {span}; not tried here"


@dataclass(frozen=True)
class TreeSpec:
    """A tree of others' sources; ``name`` is its environment variable."""

    name: str
    title: str
    hint: str
    places: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Needs:
    """What a command needs; ``processor`` is that of the boards that it is meant for, None for all.

    ``network`` are tools that make the NPU's network, which a project may hold already. An ``optional`` command is
    another way to do something.
    """

    name: str
    processor: str | None
    tools: tuple[str, ...]
    trees: tuple[str, ...]
    network: tuple[str, ...]
    packages: tuple[str, ...]
    optional: bool


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))


def _places(raw: Mapping[str, list[str]]) -> Mapping[str, tuple[str, ...]]:
    return {system: tuple(patterns) for system, patterns in raw.items()}


@lru_cache(maxsize=1)
def st_tools() -> Mapping[str, ToolSpec]:
    """Gives the tools that are installed apart, by name."""
    return {
        raw["name"]: ToolSpec(
            raw["name"], tuple(raw["commands"]), tuple(raw["minimum"]), raw["version_pattern"], raw["hint"],
            _places(raw["places"]),
        )
        for raw in _table()["tool"]
    }  # fmt: skip


def trees() -> Mapping[str, TreeSpec]:
    """Gives the trees of sources by the name of their environment variable."""
    return {
        raw["name"]: TreeSpec(raw["name"], raw["title"], raw["hint"], _places(raw["places"]))
        for raw in _table()["tree"]
    }


def tried_range(name: str) -> Tested | None:
    """Gives the versions that a tool was tried with, None where it never was."""
    raw = _table()["tested"].get(name)
    return None if raw is None else Tested(**raw)


def commands() -> tuple[Needs, ...]:
    """Gives the commands and what they need, in the order of the work."""
    return tuple(_needs(raw) for raw in _table()["command"])


def _needs(raw: Mapping[str, Any]) -> Needs:
    tools, needed, network, packages = (tuple(raw.get(key, ())) for key in ("tools", "trees", "network", "packages"))
    return Needs(raw["name"], raw.get("processor"), tools, needed, network, packages, bool(raw.get("optional", False)))


def matches(
    places: Mapping[str, tuple[str, ...]], *, variables: Mapping[str, str] | None = None, system: str | None = None,
    root: Path | None = None,
) -> tuple[Path, ...]:  # fmt: skip
    """Gives what is there of the first place that holds something, the newest version first.

    ``variables`` fill in ${NAME} (the environment by default); ``root`` stands in front of absolute places.
    """
    for _, pattern in expanded(places, variables=variables, system=system):
        if found := _glob(pattern, root):
            return found
    return ()


def expanded(
    places: Mapping[str, tuple[str, ...]], *, variables: Mapping[str, str] | None = None, system: str | None = None
) -> tuple[tuple[str, str], ...]:
    """Gives the places of a system as they are written, and with variables and ~ filled in.

    Those whose variable is not set are left out.
    """
    known = os.environ if variables is None else variables
    home = known.get("HOME") or known.get("USERPROFILE") or str(Path.home())
    filled = []
    for place in places.get(system or platform.system(), ()):
        names = _VARIABLE.findall(place)
        if all(known.get(name) for name in names):
            text = _VARIABLE.sub(lambda match: known[match[1]].rstrip("/\\"), place)
            filled.append((place, home + text[1:] if text.startswith("~") else text))
    return tuple(filled)


def _glob(pattern: str, root: Path | None) -> tuple[Path, ...]:
    """Gives the paths of a pattern with *, the highest numbers first; a folder may have any name, also one with []."""
    parts = Path(pattern).parts
    base = Path(parts[0]) if root is None else root / re.sub(r"\W", "", parts[0])
    found = [base]
    for part in parts[1:]:
        if "*" not in part:
            found = [path / part for path in found]
            continue
        shape = re.compile(re.escape(part).replace(r"\*", ".*"), re.IGNORECASE)
        found = [inner for path in found for inner in _inside(path) if shape.fullmatch(inner.name)]
    there = [path for path in found if path.exists()]
    return tuple(sorted(there, key=lambda path: (_numbers(str(path)), str(path)), reverse=True))


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
