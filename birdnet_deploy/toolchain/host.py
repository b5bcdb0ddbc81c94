"""Building a project's C for the host: frontend, network, the whole firmware, with the bits of the board."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from birdnet_deploy.artifacts import PROJECT_FILE, Firmware, Project
from birdnet_deploy.errors import BuildError, UsageError
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.support.progress import Progress, Silent
from birdnet_deploy.support.resources import firmware_dir
from birdnet_deploy.toolchain.build import first_error
from birdnet_deploy.toolchain.find import Tool, find_tool
from birdnet_deploy.toolchain.run import run_tool

# No fused multiply-add: with it, a sixth of the values differ from the board's (docs/input-contract.md).
_FLAGS = ("-std=c11", "-ffp-contract=off", "-fno-math-errno", "-fPIC")
_FRONTEND_FLAGS = (*_FLAGS, "-O2", "-shared", "-DFRONTEND_HOST_LANES", "-Icore", "-Igenerated")
_ENGINE_FLAGS = (*_FLAGS, "-O3", "-D_GNU_SOURCE", "-Iapp", "-Icore", "-Icore/nn", "-Iport", "-Igenerated")
_FRONTEND_HEADERS = ("core/*.h", "core/prologue/*.h", "generated/frontend_config.h", "generated/prologue*.h")
_ALL_HEADERS = ("app/*.h", "core/**/*.h", "port/*.h", "generated/*.h")
_TIMEOUT_S = 300.0
_HOST_ENTRIES = "_host.c"  # of shared libraries; not part of a firmware


def build_host_frontend(
    project: Project, *, tools: Mapping[str, Path] | None = None, progress: Progress | None = None
) -> Path:
    """Gives a shared library of the project's frontend, compiled with the native C compiler.

    Its name carries the hash of what it was made from, so one that is there is taken as it is.

    Raises: ToolchainError (exit 6) without a compiler; BuildError (exit 6) with the first error and the log.
    """
    return _built(project.path, "frontend", _sources(project), _FRONTEND_FLAGS, _FRONTEND_HEADERS, tools, progress)


def build_frontend_alone(
    files: Mapping[str, str], folder: Path, *, tools: Mapping[str, Path] | None = None, progress: Progress | None = None
) -> Path:
    """Gives the frontend's library of its rendered files (name -> text) without a project, built in ``folder``.

    Raises: as ``build_host_frontend``.
    """
    core = folder / "core"
    core.mkdir(parents=True, exist_ok=True)
    for path in (firmware_dir() / "core").glob("*.[ch]"):
        shutil.copyfile(path, core / path.name)
    (folder / "generated").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "generated" / name).write_text(text, encoding="utf-8", newline="\n")
    sources = [*_found(folder, "core/frontend*.c", "core/fft.c"), "generated/frontend_tables.c"]
    return _built(folder, "frontend", sources, _FRONTEND_FLAGS, _FRONTEND_HEADERS, tools, progress)


def build_host_network(
    project: Project, *, tools: Mapping[str, Path] | None = None, progress: Progress | None = None
) -> Path:
    """Gives a shared library of the project's network: the generated C and its kernels in scalar form.

    Raises: UsageError (exit 2) for a project that an older version rendered; as ``build_host_frontend``.
    """
    entries = "core/network_host.c"
    if not (project.path / entries).is_file():
        raise UsageError("rendered by an older version", where=project.path, fix="generate it again")
    sources = [*_found(project.path, "core/nn/*.c"), *_found(project.path, "generated/network*.c"), entries]
    return _built(project.path, "network", sources, (*_ENGINE_FLAGS, "-shared"), _ALL_HEADERS, tools, progress)


def build_host_firmware(
    project: Project, *, tools: Mapping[str, Path] | None = None, progress: Progress | None = None
) -> Firmware:
    """Gives the whole firmware as a program of this machine: the project's sources behind the port of the host.

    Raises: as ``build_host_frontend``.
    """
    own = _found(project.path, "app/*.c", "core/**/*.c", "generated/*.c")
    sources = [name for name in own if not name.endswith(_HOST_ENTRIES)]
    port = [str(path) for path in sorted((firmware_dir() / "port" / "host").glob("*.c"))]
    folders = sorted({f"-I{path.parent.relative_to(project.path)}" for path in project.path.glob("core/**/*.h")})
    program = _built(
        project.path, "firmware", [*sources, *port], (*_ENGINE_FLAGS, *folders), _ALL_HEADERS, tools, progress,
        suffix="",
    )  # fmt: skip
    return Firmware(project, program, sha256_file(program))


def _found(project: Path, *patterns: str) -> list[str]:
    return sorted({path.relative_to(project).as_posix() for pattern in patterns for path in project.glob(pattern)})


def _built(
    root: Path, what: str, sources: Sequence[str], flags: Sequence[str], headers: Sequence[str],
    tools: Mapping[str, Path] | None, progress: Progress | None, suffix: str | None = None,
) -> Path:  # fmt: skip
    """Gives what the native compiler makes of ``sources``; what is there for the same sources is taken as it is."""
    compiler = find_tool("cc", tools)
    folder = root / "build" / "host"
    identity = _identity(root, sources, flags, headers, compiler)
    built = folder / f"{what}-{identity}{_suffix() if suffix is None else suffix}"
    if built.is_file():
        return built
    (progress or Silent()).step(f"compiling the host's {what} with {compiler.path.name} {compiler.version}")
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{what}.log"
    beside = built.with_name(f"{built.name}.part-{os.getpid()}")
    command = [str(compiler.path), *flags, *sources, "-o", str(beside.resolve())]
    status = run_tool(command, name="cc", log=log, timeout_s=_TIMEOUT_S, cwd=root)
    if status != 0 or not beside.is_file():
        raise BuildError(first_error(log), where=root, fix=f"see {log}")
    beside.replace(built)
    return built


def _sources(project: Project) -> list[str]:
    description = json.loads((project.path / PROJECT_FILE).read_text(encoding="utf-8"))
    return [str(name) for name in description["host_frontend"]]


def _identity(
    project: Path, sources: Sequence[str], flags: Sequence[str], headers: Sequence[str], compiler: Tool
) -> str:  # fmt: skip
    digest = hashlib.sha256(repr((tuple(flags), str(compiler.path), compiler.version)).encode())
    for name in (*sources, *_found(project, *headers)):
        digest.update(name.encode() + b"\0" + (project / name).read_bytes())
    return digest.hexdigest()[:16]


def _suffix() -> str:
    return {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
