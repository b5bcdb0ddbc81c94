"""What ``build`` joins for a board with an NPU: tools and trees, stedgeai, its report, make, ``build.json``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from birdnet_deploy import __version__
from birdnet_deploy.artifacts import BuiltFirmware, Project
from birdnet_deploy.errors import ToolchainError
from birdnet_deploy.flashing.parts import APP_FILE, SIGNED_FILE, WEIGHTS_FILE, check_weights_address, slots_of
from birdnet_deploy.npu.network_folder import SOURCE, WEIGHTS
from birdnet_deploy.npu.runtime_versions import wanted_ll_aton
from birdnet_deploy.npu.stedgeai import StedgeaiRun, is_stedgeai_output, read_stedgeai
from birdnet_deploy.npu.targets import Board, read_board
from birdnet_deploy.npu.vendor_layouts import CARD_TREE
from birdnet_deploy.settings import Settings
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.support.progress import Progress
from birdnet_deploy.toolchain.build import ELF_NAME, build_project
from birdnet_deploy.toolchain.catalogue import commands
from birdnet_deploy.toolchain.find import Tool, find_tools
from birdnet_deploy.toolchain.stedgeai import STEDGEAI, compile_network, made_by, needs_stedgeai, network_folder
from birdnet_deploy.toolchain.vendor import (
    Tree,
    check_network_version,
    find_trees,
    joined,
    make_variables,
    variables_with,
)

BUILD_FILE = "build.json"
_CORE = "STEDGEAI_CORE_DIR"


@dataclass(frozen=True)
class NpuFirmware(BuiltFirmware):
    """The firmware and what the NPU's compiler made of the network, None where its files tell nothing."""

    network: StedgeaiRun | None


def needed_trees(board: Board) -> tuple[str, ...]:
    """Gives the trees that a board's firmware is built with; FatFs only where there is a card."""
    names = dict.fromkeys(name for needs in commands() if needs.processor == "npu" for name in needs.trees)
    return tuple(name for name in names if name != CARD_TREE or "sd" in board.features)


def build_npu(project: Project, settings: Settings, progress: Progress) -> NpuFirmware:
    """Gives the firmware of a project for an NPU: network compiled where it is not there, C compiled and linked.

    Raises: ToolchainError (exit 6) with all that is missing before any work, or where a tool fails; BuildError (6) with
    the first error line. After a failure there is no ELF and nothing to flash.
    """
    board = read_board(project.target)
    tools, trees = find_builders(project, settings)
    with _nothing_stale(project):
        project.build_dir.mkdir(exist_ok=True)
        if needs_stedgeai(project):
            compile_network(project, tools[STEDGEAI], progress)
        folder = network_folder(project.path)
        assert folder is not None
        check_network_version(folder / SOURCE, trees[_CORE])
        check_weights_address(project, slots_of(board)["weights"])
        variables = {
            **make_variables(_without_spaces(project, trees)),
            "NETWORK_DIR": folder.relative_to(project.path).as_posix(),
        }
        built = build_project(project, tools=settings.tools, progress=progress, variables=variables)
        if not (project.build_dir / APP_FILE).is_file():
            raise ToolchainError(f"make left no {APP_FILE}", where=project.path, fix="generate the project again")
        (project.build_dir / WEIGHTS_FILE).unlink(missing_ok=True)
        if (folder / WEIGHTS).is_file():
            shutil.copyfile(folder / WEIGHTS, project.build_dir / WEIGHTS_FILE)
        jsonfile.write(project.build_dir / BUILD_FILE, _record(built, folder, tools, trees))
    run = read_stedgeai(folder) if is_stedgeai_output(folder) else None
    return NpuFirmware(**{field.name: getattr(built, field.name) for field in fields(built)}, network=run)


def find_builders(project: Project, settings: Settings) -> tuple[dict[str, Tool], dict[str, Tree]]:
    """Gives the tools and trees that build a project for an NPU.

    Raises: ToolchainError (exit 6) that tells all that are missing at once.
    """
    board = read_board(project.target)
    wanted = ["arm-none-eabi-gcc", "make", *([STEDGEAI] if needs_stedgeai(project) else [])]
    tools: dict[str, Tool] = {}
    trees: dict[str, Tree] = {}
    problems: list[ToolchainError] = []
    try:
        tools = find_tools(wanted, settings.tools, variables_with(settings.vendor))
    except ToolchainError as error:
        problems.append(error)
    try:
        trees = find_trees(needed_trees(board), settings.vendor)
    except ToolchainError as error:
        problems.append(error)
    if problems:
        raise joined(problems)
    return tools, trees


@contextmanager
def _nothing_stale(project: Project) -> Iterator[None]:
    """Removes what an older build left when the body fails: it must never be flashed."""
    try:
        yield
    except BaseException:
        for name in (ELF_NAME, APP_FILE, SIGNED_FILE, WEIGHTS_FILE, BUILD_FILE):
            (project.build_dir / name).unlink(missing_ok=True)
        raise


def _without_spaces(project: Project, trees: Mapping[str, Tree]) -> dict[str, Tree]:
    """Gives the trees by names that make can take: one with a space in its path by a link in ``build``."""
    named = {}
    for name, tree in trees.items():
        link = project.build_dir / "trees" / name
        link.unlink(missing_ok=True)
        named[name] = tree
        if any(c.isspace() for c in str(tree.path)):
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(tree.path, target_is_directory=True)
            parts = {part: _inside(link, folder, tree, project) for part, folder in tree.parts.items()}
            named[name] = replace(tree, path=link.relative_to(project.path), parts=parts)
    return named


def _inside(link: Path, folder: Path, tree: Tree, project: Project) -> Path:
    return link.relative_to(project.path) / folder.relative_to(tree.path)


def _record(
    built: BuiltFirmware, folder: Path, tools: Mapping[str, Tool], trees: Mapping[str, Tree]
) -> dict[str, Any]:  # fmt: skip
    """What a build was made of and made: versions and hashes, no path of this machine."""
    project = built.project
    made = [project.build_dir / name for name in (APP_FILE, WEIGHTS_FILE)]
    return {
        "schema": 1,
        "tool": f"birdnet-deploy {__version__}",
        "target": project.target,
        "model": project.bundle.model_sha256,
        "lock": project.bundle.lock_sha256,
        "tools": {name: tool.version for name, tool in tools.items() if name != STEDGEAI},
        "trees": {name: tree.versions for name, tree in trees.items()},
        "network": {
            "stedgeai": made_by(folder),
            "ll_aton": wanted_ll_aton(folder / SOURCE),
            "files": {path.name: sha256_file(path) for path in sorted(folder.glob("*.[chr]*")) if path.is_file()},
        },
        "elf": built.sha256,
        "files": {path.name: sha256_file(path) for path in made if path.is_file()},
        "bytes": {"text": built.text_bytes, "data": built.data_bytes, "bss": built.bss_bytes},
    }
