"""Compiling a network for the NPU with ST's stedgeai, into ``build/npu``. Not tried with the tool itself."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from birdnet_deploy.artifacts import NETWORK_FOLDER, Project
from birdnet_deploy.errors import ToolchainError
from birdnet_deploy.npu.network_folder import SOURCE, WEIGHTS
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.hashes import sha256_bytes, sha256_file
from birdnet_deploy.support.progress import Progress
from birdnet_deploy.toolchain.find import Tool
from birdnet_deploy.toolchain.run import run_tool

STEDGEAI = "stedgeai"
MADE = "npu"  # of build/: what `build` made itself
PROFILE = "default"
_STAMP = "made_from.json"
_LEFT_IN_WORKSPACE = (SOURCE, "network_ecblobs.h")  # some releases leave the C there
_REPORTS = ("network_c_info.json", "network_generate_report.txt")
_TIMEOUT_S = 3600.0
_ERROR = re.compile(r"^(?:E\d{3}\b.*|.*\berror:.*)$", re.IGNORECASE | re.MULTILINE)


def network_folder(project: Path) -> Path | None:
    """Gives where a project's compiled network is: supplied, else made by ``build``; None where there is none."""
    folders = (project / NETWORK_FOLDER, project / "build" / MADE)
    return next((folder for folder in folders if (folder / SOURCE).is_file()), None)


def needs_stedgeai(project: Project) -> bool:
    """Says whether a project's network is still to be compiled, or was for another model or profile."""
    if (project.path / NETWORK_FOLDER / SOURCE).is_file():
        return False
    made = project.build_dir / MADE
    return _lacking(made) != [] or _read_stamp(made).get("inputs") != _inputs(project)


def generate_command(program: Path, project: Project, version: str, output: Path, workspace: Path) -> list[str]:
    """Gives the argument list that compiles a project's network; run it from the project's ``neuralart`` folder.

    The profile's memory pool is named relative to that folder; every other path is absolute.
    Source: ST Edge AI Core, command-line interface, 2.2.0 and 3.0.0.
    """
    return [
        str(program), "generate", "-m", str(project.bundle.network.resolve()),
        "--target", "stm32n6", "--name", "network",
        "--st-neural-art", f"{PROFILE}@{_profiles(project, version).resolve()}", "--input-data-type", "int8",
        "--output-data-type", "int8", "--output", str(output.resolve()), "--workspace", str(workspace.resolve()),
    ]  # fmt: skip


def compile_network(project: Project, tool: Tool, progress: Progress) -> Path:
    """Gives the folder of the compiled network: C, weights, report.

    Raises: ToolchainError (exit 6) where the tool fails, hangs, or says that it is done and leaves a file out. After a
    failure there is no network.
    """
    output, workspace = project.build_dir / MADE, project.build_dir / "st_ai_ws"
    log = project.build_dir / "stedgeai.log"
    shutil.rmtree(output, ignore_errors=True)
    shutil.rmtree(workspace, ignore_errors=True)
    output.mkdir(parents=True)
    progress.step(f"compiling the network with {STEDGEAI} {tool.version}")
    command = generate_command(tool.path, project, tool.version, output, workspace)
    try:
        status = run_tool(command, name=STEDGEAI, log=log, timeout_s=_TIMEOUT_S, cwd=project.path / "neuralart")
        if status != 0:
            raise ToolchainError(f"ended with {status} ({_complaint(log)})", where=STEDGEAI, fix=f"see {log}")
        _take_from_workspace(workspace, output)
        if lacking := _lacking(output):
            what = f"ended with 0 but left no {', '.join(lacking)}"
            raise ToolchainError(
                what, where=STEDGEAI, fix=f"see {log}, and whether this version is one that doctor lists"
            )
    except BaseException:
        shutil.rmtree(output, ignore_errors=True)
        raise
    jsonfile.write(output / _STAMP, {"inputs": _inputs(project), "stedgeai": tool.version})
    return output


def made_by(folder: Path) -> str | None:
    """Gives the version of the stedgeai that ``build`` made a network with, None for one that was supplied."""
    version = _read_stamp(folder).get("stedgeai")
    return version if isinstance(version, str) else None


def _profiles(project: Project, version: str) -> Path:
    release = version.partition(".")[0]
    path = project.path / "neuralart" / f"user_neuralart_{release}.json"
    if not path.is_file():
        raise ToolchainError(
            f"version {version} has no profiles in {path.parent.name}/", where=STEDGEAI,
            fix="install a version that doctor lists, or compile it elsewhere and generate --network-dir",
        )  # fmt: skip
    return path


def _inputs(project: Project) -> str:
    """One hash of what the network is made from: the model, the profiles and pools."""
    files = sorted((project.path / "neuralart").glob("*"))
    digests = [f"{path.name} {sha256_file(path)}" for path in (project.bundle.network, *files) if path.is_file()]
    return sha256_bytes("\n".join(digests).encode())


def _read_stamp(folder: Path) -> Mapping[str, object]:
    try:
        stamp = json.loads((folder / _STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _take_from_workspace(workspace: Path, output: Path) -> None:
    for name in _LEFT_IN_WORKSPACE:
        left = workspace / "neural_art__network" / name
        if left.is_file() and not (output / name).is_file():
            shutil.copyfile(left, output / name)


def _lacking(folder: Path) -> list[str]:
    """Names what a run must leave and did not: empty files count as missing."""
    there = {path.name for path in folder.glob("*") if path.is_file() and path.stat().st_size}
    lacking = [name for name in (SOURCE, WEIGHTS) if name not in there]
    return lacking + ([] if there & set(_REPORTS) else [" or ".join(_REPORTS)])


def _complaint(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace")
    found = _ERROR.search(text)
    lines = text.strip().splitlines()
    return (found[0] if found else lines[-1] if lines else "it said nothing").strip()[:300]
