"""What a project consists of: which sources are copied, which are rendered, how the compiler finds them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass

from birdnet_deploy.support.resources import firmware_dir, templates_dir

GENERATED = "generated"
FRONTEND_SOURCES = ("core/frontend*.c", "core/fft.c")
FRONTEND_TABLES = f"{GENERATED}/frontend_tables.c"
PROLOGUE_HEADERS = "core/prologue/*.h"
PROLOGUE_HOST = "core/prologue/prologue_host.c"
HOST_ONLY = "_host.c"  # entries of the host's shared library, not part of the firmware


@dataclass(frozen=True)
class Sources:
    """The files of a project as sorted POSIX paths from its top.

    ``copied`` are those of ``firmware_stub``; ``kernels`` (what computes) and ``others`` are all the C files of the
    firmware; ``host_frontend`` is the frontend with its entries for the host.
    """

    copied: tuple[str, ...]
    kernels: tuple[str, ...]
    others: tuple[str, ...]
    host_frontend: tuple[str, ...]
    include_folders: tuple[str, ...]


def sources_of(
    ports: tuple[str, ...], kernel_sources: tuple[str, ...], generated: tuple[str, ...],
    prologue_sources: tuple[str, ...] = (), *, engine: bool = True,
) -> Sources:  # fmt: skip
    """Gives the sources of a project for the folders ``ports`` of ``firmware_stub/port``.

    Without ``engine`` (the network is the NPU's) no header of the kernels comes along.

    ``kernel_sources`` are names in ``core/nn`` that the network calls, ``generated`` are its own files;
    ``prologue_sources`` are names in ``core/prologue``, none without a prologue.
    """
    stub = firmware_dir()
    boards = tuple(f"port/{port}" for port in ports)
    patterns = ["app/*.[ch]", "core/*.[ch]", "port/*.h", *(f"{board}/*.[chS]" for board in boards)]
    patterns += ["core/nn/*.h"] if engine else []
    prologue = {f"core/prologue/{name}" for name in prologue_sources}
    if prologue:
        patterns.append(PROLOGUE_HEADERS)
        prologue.add(PROLOGUE_HOST)
    found = {path.relative_to(stub).as_posix() for pattern in patterns for path in stub.glob(pattern)}
    copied = tuple(sorted(found | prologue | {f"core/nn/{name}" for name in kernel_sources}))
    rendered = tuple(f"{GENERATED}/{name}" for name in generated)
    compiled = [name for name in sorted({*copied, *rendered}) if name.endswith(".c") and not name.endswith(HOST_ONLY)]
    computing = {path.relative_to(stub).as_posix() for pattern in FRONTEND_SOURCES for path in stub.glob(pattern)}
    kernels = [
        name for name in compiled
        if name in computing
        or name.startswith(("core/nn/", "core/prologue/", f"{GENERATED}/network", f"{GENERATED}/prologue"))
    ]  # fmt: skip
    others = [name for name in compiled if name not in kernels]
    folders = ("app", "core", *(("core/nn",) if engine else ()), "port", *boards, GENERATED)
    rendered_prologue = {name for name in compiled if name.startswith(f"{GENERATED}/prologue")}
    host_frontend = tuple(sorted({*computing, FRONTEND_TABLES, *prologue, *rendered_prologue}))
    return Sources(copied, tuple(kernels), tuple(others), host_frontend, folders)


def rendered_files(groups: tuple[str, ...]) -> dict[str, str]:
    """Gives template -> output path of ``templates/manifest.toml`` for groups, ``common`` included."""
    manifest = tomllib.loads((templates_dir() / "manifest.toml").read_text(encoding="utf-8"))
    return {template: output for group in ("common", *groups) for template, output in manifest[group].items()}
