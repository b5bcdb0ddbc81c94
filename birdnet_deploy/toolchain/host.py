"""Building the frontend's C for the host: the bits that the board computes, for comparison and speed."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from birdnet_deploy.artifacts import PROJECT_FILE, Project
from birdnet_deploy.errors import BuildError
from birdnet_deploy.support.progress import Progress, Silent
from birdnet_deploy.toolchain.build import first_error
from birdnet_deploy.toolchain.find import Tool, find_tool
from birdnet_deploy.toolchain.run import run_tool

# No fused multiply-add: with it, a sixth of the values differ from the board's (docs/input-contract.md).
_FLAGS = (
    "-std=c11",
    "-O2",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fPIC",
    "-shared",
    "-Icore",
    "-Igenerated",
)
_HEADERS = ("core/*.h", "core/prologue/*.h", "generated/frontend_config.h", "generated/prologue*.h")
_TIMEOUT_S = 300.0


def build_host_frontend(
    project: Project, *, tools: Mapping[str, Path] | None = None, progress: Progress | None = None
) -> Path:
    """Gives a shared library of the project's frontend, compiled with the native C compiler.

    Its name carries the hash of what it was made from, so one that is there is taken as it is.

    Raises: ToolchainError (exit 6) without a compiler; BuildError (exit 6) with the first error and the log.
    """
    compiler = find_tool("cc", tools)
    sources = _sources(project)
    folder = project.build_dir / "host"
    library = folder / f"frontend-{_identity(project.path, sources, compiler)}{_suffix()}"
    if library.is_file():
        return library
    (progress or Silent()).step(f"compiling the host's frontend with {compiler.path.name} {compiler.version}")
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "build.log"
    beside = library.with_suffix(f".part-{os.getpid()}")
    command = [str(compiler.path), *_FLAGS, *sources, "-o", str(beside.resolve())]
    status = run_tool(command, name="cc", log=log, timeout_s=_TIMEOUT_S, cwd=project.path)
    if status != 0 or not beside.is_file():
        raise BuildError(first_error(log), where=project.path, fix=f"see {log}")
    beside.replace(library)
    return library


def _sources(project: Project) -> list[str]:
    description = json.loads((project.path / PROJECT_FILE).read_text(encoding="utf-8"))
    return [str(name) for name in description["host_frontend"]]


def _identity(project: Path, sources: list[str], compiler: Tool) -> str:
    digest = hashlib.sha256(repr((_FLAGS, str(compiler.path), compiler.version)).encode())
    headers = sorted(path.relative_to(project).as_posix() for pattern in _HEADERS for path in project.glob(pattern))
    for name in (*sources, *headers):
        digest.update(name.encode() + b"\0" + (project / name).read_bytes())
    return digest.hexdigest()[:16]


def _suffix() -> str:
    return {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
