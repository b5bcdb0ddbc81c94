"""What this machine has of the tools, source trees and Python packages, and which commands work with that."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from birdnet_deploy.artifacts import PROJECT_FILE
from birdnet_deploy.errors import ToolchainError, UsageError
from birdnet_deploy.settings import TOOLS as NAMES
from birdnet_deploy.settings import VENDOR, Settings
from birdnet_deploy.support.inputs import read_input_text
from birdnet_deploy.toolchain.catalogue import Needs, commands, expanded, trees, tried_range
from birdnet_deploy.toolchain.find import find_tool, searched_places, spec_of
from birdnet_deploy.toolchain.vendor import CARD_TREE, find_tree, variables_with

_PACKAGE = "birdnet-deploy"
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*([^;]*)")
_LEAST = re.compile(r"(?:>=|==)\s*(\d+(?:\.\d+)*)")


@dataclass(frozen=True)
class Item:
    """A tool, tree or package: its version and place where it is there, else why not; how to get it.

    ``kind`` is ``tool``, ``tree`` or ``package``. ``tested`` is the range of versions that was tried, or what is
    required of a package; ``note`` says where the version is outside of it.
    """

    kind: str
    name: str
    found: bool
    version: str
    path: str
    tested: str
    note: str
    searched: tuple[str, ...]
    hint: str


@dataclass(frozen=True)
class Command:
    """A command, and what it lacks here; ``required`` where the asked target needs it."""

    name: str
    lacks: tuple[str, ...]
    required: bool


@dataclass(frozen=True)
class Diagnosis:
    """What ``doctor`` found for a target."""

    target: str
    items: tuple[Item, ...]
    commands: tuple[Command, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """What the target needs and is not there, in the order of the commands."""
        return tuple(dict.fromkeys(name for command in self.commands if command.required for name in command.lacks))

    def to_json(self) -> dict[str, Any]:
        """Gives plain JSON types."""
        items = [
            {key: list(value) if isinstance(value, tuple) else value for key, value in vars(item).items()}
            for item in self.items
        ]
        told = [{"name": c.name, "works": not c.lacks, "lacks": list(c.lacks)} for c in self.commands if c.required]
        others = [
            {"name": c.name, "works": not c.lacks, "lacks": list(c.lacks)} for c in self.commands if not c.required
        ]
        return {
            "target": self.target, "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(), "items": items, "commands": told, "optional_commands": others,
            "missing": list(self.missing),
        }  # fmt: skip


def diagnose(
    target: str, processor: str, settings: Settings, *, has_network: bool = False, has_card: bool = True
) -> Diagnosis:
    """Gives what is here for a target whose network runs on ``processor`` (``cpu`` or ``npu``).

    A board that has no card (``has_card``) is built without FatFs.

    ``has_network`` says that a project holds its compiled network already, so that nothing has to make it.
    """
    items = [
        *(_tool(name, settings) for name in NAMES),
        *(_tree(name.upper(), settings) for name in VENDOR),
        *(_package(name, wanted) for name, wanted in requirements().items()),
    ]
    there = {item.name: item.found for item in items}
    told = [
        Command(needs.name, _lacks(needs, there.get, has_network, has_card), _is_asked(needs, processor))
        for needs in commands() if needs.processor in (None, processor)
    ]  # fmt: skip
    return Diagnosis(target, tuple(items), tuple(told))


def target_of(project: Path) -> str:
    """Gives the board that a project was rendered for.

    Raises: UsageError (exit 2) where the folder is no project.
    """
    try:
        target = json.loads(read_input_text(project / PROJECT_FILE))["target"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        fix = "make one with: birdnet-deploy generate BUNDLE"
        raise UsageError("not a project of this tool", where=project, fix=fix) from error
    return str(target)


def requirements() -> dict[str, str]:
    """Gives the Python packages that this one requires, by name, with the versions; empty where it is not installed."""
    try:
        lines = requires(_PACKAGE) or []
    except PackageNotFoundError:
        lines = sorted({name for needs in commands() for name in needs.packages})
    found = (_REQUIREMENT.match(line) for line in lines if "extra ==" not in line)
    return {match[1]: match[2].strip() for match in found if match}


def _is_asked(needs: Needs, processor: str) -> bool:
    """Says whether a target needs a command: what is for its processor, or for all where the network runs here."""
    return not needs.optional and (needs.processor == processor or (needs.processor is None and processor == "cpu"))


def _lacks(
    needs: Needs, there: Callable[[str], bool | None], has_network: bool, has_card: bool
) -> tuple[str, ...]:  # fmt: skip
    trees_ = [name for name in needs.trees if has_card or name != CARD_TREE]
    wanted = [*needs.tools, *trees_, *(() if has_network else needs.network)]
    return tuple(name for name in wanted if not there(name)) + tuple(n for n in needs.packages if there(n) is False)


def _tool(name: str, settings: Settings) -> Item:
    spec, range_ = spec_of(name), tried_range(name)
    named = [f"[tools] {name}", spec.variable, "PATH"]
    searched = (*named, *searched_places(spec, variables_with(settings.vendor)))
    how = "not tried" if range_ is None else range_.text
    try:
        tool = find_tool(name, settings.tools, variables_with(settings.vendor))
    except ToolchainError as error:
        note = "not found" if error.what.startswith("not found in PATH") else error.what
        return Item("tool", name, False, "", "", how, note, searched, spec.hint)
    note = "" if range_ is None or range_.holds(tool.version) else "outside the range that was tried"
    return Item("tool", name, True, tool.version, str(tool.path), how, note, searched, spec.hint)


def _tree(name: str, settings: Settings) -> Item:
    spec = trees()[name]
    usual = [text for _, text in expanded(spec.places, variables=variables_with(settings.vendor))]
    searched = (f"[vendor] {name.lower()}", name, *usual)
    try:
        tree = find_tree(name, settings.vendor)
    except ToolchainError as error:
        note = error.what if " lacks " in error.what else "not found"
        return Item("tree", name, False, "", "", "", note, searched, spec.hint)
    told = ", ".join(f"{what} {number}" for what, number in tree.versions.items())
    return Item("tree", name, True, told, str(tree.path), "", "", searched, spec.hint)


def _package(name: str, wanted: str) -> Item:
    hint = f"pip install '{name}{wanted}'"
    try:
        there = version(name)
    except PackageNotFoundError:
        return Item("package", name, False, "", "", wanted, "not installed", (), hint)
    least = _LEAST.search(wanted)
    enough = least is None or _numbers(there) >= _numbers(least[1])
    return Item("package", name, enough, there, "", wanted, "" if enough else "too old", (), hint)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))
