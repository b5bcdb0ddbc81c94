"""Trees of ST's sources: found by path, read where the user has them, never edited."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from birdnet_deploy.errors import ToolchainError
from birdnet_deploy.npu.runtime_versions import defined_ll_aton, library_runtime, read_head, wanted_ll_aton
from birdnet_deploy.npu.vendor_layouts import Layout, layouts
from birdnet_deploy.toolchain.catalogue import TreeSpec, expanded, matches, trees

_HAL = re.compile(r"#define\s+__STM32N6xx_HAL_VERSION_(MAIN|SUB1|SUB2|RC)\s+\((0x[0-9A-Fa-f]+|\d+)")
_FATFS = re.compile(r"FatFs module\s+R(\d+\.\d+\w?)|\bR(\d+\.\d+\w?)\b")


@dataclass(frozen=True)
class Tree:
    """A tree that is there: its root, who named it, and the folder of each part by the part's name."""

    name: str
    path: Path
    named_by: str
    parts: Mapping[str, Path]
    missing: tuple[str, ...]

    @property
    def versions(self) -> dict[str, str]:
        """The versions that its parts tell, by what they are the version of."""
        told = {
            "LL_ATON": _ll_aton(self.parts.get("ll-aton")), "runtime": _runtime(self.parts.get("runtime-library")),
            "HAL": _hal(self.parts.get("hal")), "FatFs": _fatfs(self.parts.get("fatfs")),
        }  # fmt: skip
        return {name: version for name, version in told.items() if version}


def find_tree(name: str, named: Mapping[str, Path] | None = None) -> Tree:
    """Gives a tree by its environment variable: from ``named`` (the settings), the environment, or its usual places.

    A place that was named is the only one that is looked at.

    Raises: ToolchainError (exit 6) with where it was looked for, or with the parts that a named tree lacks.
    """
    spec = trees()[name]
    path, named_by = _located(spec, named or {})
    if path is None:
        usual = [text for _, text in expanded(spec.places, variables=variables_with(named))]
        searched = ", ".join([f"{name} (not set)", *usual])
        raise ToolchainError(f"not found in {searched}", where=name, fix=_fix(spec))
    tree = read_tree(name, path, named_by)
    if tree.missing:
        lacking = "; ".join(_lacking(layout) for layout in layouts() if layout.name in tree.missing)
        raise ToolchainError(f"{path} ({named_by}) lacks {lacking}", where=name, fix=_fix(spec))
    return tree


def find_trees(names: Sequence[str], named: Mapping[str, Path] | None = None) -> dict[str, Tree]:
    """Gives several trees, as ``find_tree`` does.

    Raises: ToolchainError (exit 6) with all that are missing.
    """
    found, problems = {}, []
    for name in names:
        try:
            found[name] = find_tree(name, named)
        except ToolchainError as error:
            problems.append(error)
    if problems:
        raise joined(problems)
    return found


def known_trees(named: Mapping[str, Path] | None = None) -> tuple[Path, ...]:
    """Gives the roots of the trees that are named or in their usual places, each once; none is looked into."""
    found = []
    for spec in trees().values():
        try:
            path, _ = _located(spec, named or {})
        except ToolchainError:
            continue
        found += [path] if path is not None else []
    return tuple(dict.fromkeys(found))


def joined(problems: Sequence[ToolchainError]) -> ToolchainError:
    """Gives one error of several, with every remedy once."""
    if len(problems) == 1:
        return problems[0]
    what = "; ".join(f"{error.where}: {error.what}" if error.where else error.what for error in problems)
    return ToolchainError(what, fix="; ".join(dict.fromkeys(error.fix or "" for error in problems)))


def read_tree(name: str, path: Path, named_by: str) -> Tree:
    """Gives what a folder holds of a tree; nothing in it is written."""
    wanted = [layout for layout in layouts() if layout.root == name]
    parts = {layout.name: folder for layout in wanted if (folder := find_part(layout, path)) is not None}
    return Tree(name, path, named_by, parts, tuple(layout.name for layout in wanted if layout.name not in parts))


def find_part(layout: Layout, root: Path) -> Path | None:
    """Gives the folder of a part below a tree's root, None where no layout has it."""
    for pattern in layout.folders:
        for folder in sorted(root.glob(pattern)) if "*" in pattern else [root / pattern]:
            if folder.is_dir() and next(folder.glob(layout.file), None) is not None:
                return folder
    return None


def make_variables(found: Mapping[str, Tree]) -> dict[str, str]:
    """Gives the variables that name the trees and their parts to make and CMake, with / between folders."""
    of_parts = {layout.name: layout.variable for layout in layouts()}
    variables = {name: tree.path.as_posix() for name, tree in found.items()}
    for tree in found.values():
        variables |= {of_parts[part]: folder.as_posix() for part, folder in tree.parts.items()}
    return variables


def check_network_version(source: Path, tree: Tree) -> None:
    """Refuses a ``network.c`` that was made for another LL_ATON than the tree has; the compiler would only say #error.

    Raises: ToolchainError (exit 6) with both versions.
    """
    wanted, there = wanted_ll_aton(source), tree.versions.get("LL_ATON")
    if wanted is not None and there is not None and wanted != there:
        raise ToolchainError(
            f"made for LL_ATON {wanted}, but {tree.path} has {there}", where=source,
            fix=f"set {tree.name} to the ST Edge AI Core that made the network, or make the network again",
        )  # fmt: skip


def _located(spec: TreeSpec, named: Mapping[str, Path]) -> tuple[Path | None, str]:
    if spec.name in named:
        return _folder(named[spec.name], spec, "birdnet-deploy.toml"), "birdnet-deploy.toml"
    if text := os.environ.get(spec.name):
        return _folder(Path(text).expanduser(), spec, spec.name), spec.name
    usual = matches(spec.places, variables=variables_with(named))
    whole = [path for path in usual if path.is_dir() and not read_tree(spec.name, path, "").missing]
    return (whole[0].absolute() if whole else None), "its usual place"


def _folder(path: Path, spec: TreeSpec, named_by: str) -> Path:
    if not path.is_dir():
        raise ToolchainError(f"not found in {path} ({named_by})", where=spec.name, fix=_fix(spec))
    return path.absolute()


def variables_with(named: Mapping[str, Path] | None) -> dict[str, str]:
    """Gives the environment with the trees that the settings name, to fill in the places of tools."""
    return {**os.environ, **{name: str(path) for name, path in (named or {}).items()}}


def _fix(spec: TreeSpec) -> str:
    return f"{spec.hint}, and name it in {spec.name} or in [vendor] of birdnet-deploy.toml"


def _lacking(layout: Layout) -> str:
    return f"{layout.title} ({layout.file} in {' or '.join(layout.folders)})"


def _ll_aton(folder: Path | None) -> str | None:
    return defined_ll_aton(folder / "ll_aton_version.h") if folder else None


def _runtime(folder: Path | None) -> str | None:
    files = sorted(folder.glob("NetworkRuntime*_CM55_GCC.a")) if folder else []
    return next((number for path in files if (number := library_runtime(path))), None)


def _hal(folder: Path | None) -> str | None:
    numbers = dict(_HAL.findall(read_head(folder / "Inc" / "stm32n6xx_hal.h"))) if folder else {}
    known = [numbers.get(part) for part in ("MAIN", "SUB1", "SUB2")]
    return ".".join(str(int(part, 0)) for part in known if part) if all(known) else None


def _fatfs(folder: Path | None) -> str | None:
    found = _FATFS.search(read_head(folder / "ff.h")) if folder else None
    return f"R{found[1] or found[2]}" if found else None
