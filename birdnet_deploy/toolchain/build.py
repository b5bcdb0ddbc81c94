"""Building a project's ELF with make and arm-none-eabi-gcc."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from birdnet_deploy.artifacts import BuiltFirmware, Firmware, Project
from birdnet_deploy.errors import BuildError, ToolchainError, UsageError
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.support.progress import Progress, Silent
from birdnet_deploy.toolchain.elf import read_sizes
from birdnet_deploy.toolchain.find import TOOLS, Tool, ask, find_tools
from birdnet_deploy.toolchain.run import run_tool

ELF_NAME = "firmware.elf"
LOG_NAME = "build.log"
UNFINISHED_NAME = "unfinished"  # lies in the build folder while make works: what a killed one left is not trusted
_GCC = "arm-none-eabi-gcc"
BUILDERS = (_GCC, "make")
_BUILD_TIMEOUT_S = 1800.0
_OUTPUT_SYNC_SINCE = (4, 0)  # of make
# The line to show is the first that says most: what does not fit, what does not compile, what is missing.
_ERROR_LINES = (
    re.compile(r"region `?\w+'? overflowed"),
    re.compile(r"will not fit in region|section .* overlaps"),
    re.compile(r": (fatal )?error: (?!ld returned)"),
    re.compile(r"undefined reference|multiple definition|cannot find|error:"),
    re.compile(r"\*\*\*"),
)


def build_project(
    project: Project, *, tools: Mapping[str, Path] | None = None, progress: Progress | None = None,
    variables: Mapping[str, str] | None = None,
) -> BuiltFirmware:  # fmt: skip
    """Gives the project's ELF, compiled and linked; what did not change is not compiled again.

    ``tools`` names programs that are not taken from PATH, by name; ``variables`` are set for make.

    Raises: ToolchainError (exit 6) where a tool is missing, before any work; BuildError (exit 6) with the
    first error line and the log. After a failure there is no ELF.
    """
    progress = progress or Silent()
    found = find_tools(BUILDERS, tools)
    _check_compiler(found[_GCC])
    elf = project.build_dir / ELF_NAME
    log = project.build_dir / LOG_NAME
    progress.step(f"compiling with {_GCC} {found[_GCC].version}")
    try:
        project.build_dir.mkdir(exist_ok=True)
        unfinished = project.build_dir / UNFINISHED_NAME
        if unfinished.exists():
            _forget(project.build_dir)
        unfinished.touch()
        command = [*_make_command(found), *(f"{name}={value}" for name, value in (variables or {}).items())]
        status = run_tool(command, name="make", log=log, timeout_s=_BUILD_TIMEOUT_S, cwd=project.path)
        unfinished.unlink()  # make has ended by itself, and removes what it could not finish
        if status != 0:
            raise BuildError(first_error(log), where=project.path, fix=f"see {log}")
        if not elf.is_file():
            raise BuildError("make ended without an ELF", where=project.path, fix=f"see {log}")
        sizes = read_sizes(elf)
    except OSError as error:
        elf.unlink(missing_ok=True)
        raise BuildError(
            f"cannot be built here ({error.strerror})", where=project.build_dir, fix="free room"
        ) from error
    except BaseException:
        elf.unlink(missing_ok=True)
        raise
    return BuiltFirmware(project, elf, sha256_file(elf), sizes.text_bytes, sizes.data_bytes, sizes.bss_bytes)


def open_firmware(project: Project) -> Firmware:
    """Gives the ELF that ``build`` left in a project; no tool is needed.

    Raises: UsageError (exit 2) with the command to type where there is none.
    """
    elf = project.build_dir / ELF_NAME
    if not elf.is_file() or (project.build_dir / UNFINISHED_NAME).exists():
        raise UsageError("not built", where=project.path, fix=f"birdnet-deploy build {shlex.quote(str(project.path))}")
    return Firmware(project, elf, sha256_file(elf))


def _forget(build: Path) -> None:
    """Removes what make would take for finished: a compiler or linker that is killed leaves half a file, newly made."""
    for path in [*build.rglob("*.o"), *build.glob("*.elf")]:
        path.unlink()


def first_error(log: Path) -> str:
    """Gives the line of a build log that says most about why it failed."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    for pattern in _ERROR_LINES:
        for line in lines:
            if pattern.search(line):
                return re.sub(r"^\S*(?:/|\\)(?:[\w.-]*ld(?:\.exe)?): ", "", line).strip()
    return lines[-1].strip() if lines else "make failed and said nothing"


def _make_command(found: Mapping[str, Tool]) -> list[str]:
    make = found["make"]
    version = tuple(int(part) for part in make.version.split("."))
    sync = ["--output-sync=target"] if version >= _OUTPUT_SYNC_SINCE else []
    return [
        str(make.path),
        f"-j{os.cpu_count() or 1}",
        *sync,
        f"GCC={found[_GCC].path.as_posix()}",
        "BUILD=build",
    ]


def _check_compiler(gcc: Tool) -> None:
    """Refuses a gcc for another machine, and one without a C library (Debian packs it apart)."""
    machine = ask(_GCC, gcc.path, "-dumpmachine")
    if not machine.startswith("arm-none-eabi"):
        raise ToolchainError(f"compiles for {machine}, not arm-none-eabi", where=gcc.path, fix=TOOLS[_GCC].hint)
    if ask(_GCC, gcc.path, "-print-file-name=libc.a") == "libc.a":
        raise ToolchainError("has no C library (newlib)", where=gcc.path, fix=TOOLS[_GCC].hint)
