"""Finding the external tools: named in the settings, by the environment, on PATH or where installers put them."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from birdnet_deploy.errors import ToolchainError
from birdnet_deploy.toolchain.catalogue import ToolSpec, expanded, matches, st_tools
from birdnet_deploy.toolchain.run import run_tool

_PROBE_TIMEOUT_S = 30.0


_VERSION = r"(\d+(?:\.\d+)+)"
TOOLS: Mapping[str, ToolSpec] = {
    spec.name: spec
    for spec in (
        ToolSpec(
            "arm-none-eabi-gcc", ("arm-none-eabi-gcc",), (10, 0), rf"\) {_VERSION}",
            "apt install gcc-arm-none-eabi libnewlib-arm-none-eabi",
        ),
        ToolSpec("make", ("make", "gmake"), (3, 81), rf"GNU Make {_VERSION}", "apt install make"),
        ToolSpec(
            "qemu-system-arm", ("qemu-system-arm",), (6, 0), rf"QEMU emulator version {_VERSION}",
            "apt install qemu-system-arm",
        ),
        ToolSpec("cc", ("cc", "gcc", "clang"), (0,), _VERSION, "apt install gcc"),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Tool:
    """A tool that is there and answers."""

    name: str
    path: Path
    version: str


def spec_of(name: str) -> ToolSpec:
    """Gives how a tool is found."""
    return TOOLS[name] if name in TOOLS else st_tools()[name]


def find_tools(
    names: Sequence[str], tools: Mapping[str, Path] | None = None, variables: Mapping[str, str] | None = None
) -> dict[str, Tool]:
    """Gives the named tools, each found in ``tools`` (the settings), the environment, PATH or its installer's places.

    A place that was named is the only one that is looked at.

    Raises: ToolchainError (exit 6) with all that are missing or too old, where they were looked for, and how
    to get them.
    """
    found: dict[str, Tool] = {}
    problems: list[ToolchainError] = []
    for name in names:
        try:
            found[name] = find_tool(name, tools, variables)
        except ToolchainError as error:
            problems.append(error)
    if len(problems) > 1:
        what = "; ".join(f"{error.where}: {error.what}" for error in problems)
        fix = "; ".join(dict.fromkeys(error.fix or "" for error in problems))
        raise ToolchainError(what, fix=fix)
    if problems:
        raise problems[0]
    return found


def find_tool(name: str, tools: Mapping[str, Path] | None = None, variables: Mapping[str, str] | None = None) -> Tool:
    """Gives one tool, as ``find_tools`` does; ``variables`` fill in its installer's places.

    Raises: ToolchainError (exit 6).
    """
    spec = spec_of(name)
    path = locate(spec, tools or {}, variables)
    version = _version(spec, path)
    numbers = tuple(int(part) for part in version.split("."))
    if numbers < spec.minimum:
        oldest = ".".join(str(part) for part in spec.minimum)
        raise ToolchainError(f"{path} is version {version}, older than {oldest}", where=name, fix=_fix(spec))
    return Tool(name, path, version)


def locate(spec: ToolSpec, tools: Mapping[str, Path], variables: Mapping[str, str] | None = None) -> Path:
    """Gives the program of a tool without starting it; ``variables`` fill in the places (the environment by default).

    Raises: ToolchainError (exit 6) with where it was looked for.
    """
    named = tools.get(spec.name) or os.environ.get(spec.variable)
    for command in (str(named),) if named else spec.commands:
        found = shutil.which(command)
        if found:
            return Path(found).absolute()
    if spec.name in tools:
        searched = f"{named} (birdnet-deploy.toml)"
    elif named:
        searched = f"{named} ({spec.variable})"
    else:
        if installed := matches(executables(spec), variables=variables):
            return installed[0].absolute()
        searched = ", ".join([f"PATH ({os.environ.get('PATH', '')})", *searched_places(spec, variables)])
    raise ToolchainError(f"not found in {searched}", where=spec.name, fix=_fix(spec))


def executables(spec: ToolSpec) -> dict[str, tuple[str, ...]]:
    """Gives the places of a tool's program on each system; on Windows it is an .exe."""
    return {
        system: tuple(f"{place}.exe" if system == "Windows" else place for place in places)
        for system, places in (spec.places or {}).items()
    }


def searched_places(spec: ToolSpec, variables: Mapping[str, str] | None = None) -> list[str]:
    """Gives the places of this system where a tool is looked for, as paths with *."""
    return [filled for _, filled in expanded(executables(spec), variables=variables)]


def _fix(spec: ToolSpec) -> str:
    return f"{spec.hint}, or name it in [tools] of birdnet-deploy.toml or in {spec.variable}"


def _version(spec: ToolSpec, path: Path) -> str:
    text = ask(spec.name, path, "--version", strict=spec.places is None)
    match = re.search(spec.version_pattern, text, re.DOTALL)
    if match is None:
        raise ToolchainError(f"{path} does not answer like {spec.name}", where=spec.name, fix=_fix(spec))
    return match[1]


def ask(name: str, path: Path, *arguments: str, strict: bool = True) -> str:
    """Gives what a tool prints for a question such as ``--version``; only where ``strict`` it must end with 0.

    Raises: ToolchainError (exit 6) where it cannot be started, fails or hangs.
    """
    with tempfile.TemporaryDirectory(prefix="birdnet-deploy-probe-") as folder:
        log = Path(folder) / "log.txt"
        status = run_tool([str(path), *arguments], name=name, log=log, timeout_s=_PROBE_TIMEOUT_S)
        text = log.read_text(encoding="utf-8", errors="replace")
    if status != 0 and strict:
        fix = _fix(spec_of(name))
        raise ToolchainError(f"{path} {' '.join(arguments)} ended with {status}", where=name, fix=fix)
    return text.strip()
