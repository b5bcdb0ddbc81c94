"""The locks inside a project: ``generate.lock`` (what was rendered from what) and ``build.lock`` (what became the ELF).

Like ``birdnet.lock`` they hold no time and no absolute path: the same work gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from birdnet_deploy.artifacts import BUILD_LOCK, GENERATE_LOCK, Bundle, Firmware, Project
from birdnet_deploy.lock import versions_here
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.support.publish import MANIFEST
from birdnet_deploy.support.resources import firmware_dir, templates_dir

SCHEMA_VERSION = 1
NOT_RENDERED = ("build", "user")
_PACKAGES = ("numpy", "jinja2")


def write_generate_lock(staging: Path, bundle: Bundle, target: str, options: Mapping[str, Any]) -> None:
    """Writes what a staged project was rendered from: the bundle's hashes, board, options, tools and their versions."""
    jsonfile.write(staging / GENERATE_LOCK, _generated_from(bundle, target, options))


def _generated_from(bundle: Bundle, target: str, options: Mapping[str, Any]) -> dict[str, Any]:
    identities = {
        "lock": bundle.lock_sha256, "model": bundle.model_sha256, "npu": bundle.npu_sha256,
        "prologue": bundle.prologue_sha256,
    }  # fmt: skip
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "generate",
        "bundle": {name: digest for name, digest in identities.items() if digest is not None},
        "target": target,
        "options": dict(options),
        "sources": {"firmware_stub": tree_sha256(firmware_dir()), "templates": tree_sha256(templates_dir())},
        "versions": versions_here(_PACKAGES),
    }


def write_build_lock(firmware: Firmware, compilers: Mapping[str, str]) -> None:
    """Writes what an ELF was built from, beside it; ``compilers`` are the tools' versions by name."""
    jsonfile.write(firmware.project.build_dir / BUILD_LOCK, build_lock(firmware, compilers))


def build_lock(firmware: Firmware, compilers: Mapping[str, str]) -> dict[str, Any]:
    """Gives the content of the ``build.lock`` of an ELF."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "build",
        "lock": firmware.project.bundle.lock_sha256,
        "rendered": rendered_sha256(firmware.project.path),
        "elf": {"name": firmware.elf.name, "sha256": firmware.sha256},
        "versions": dict(compilers),
    }


def read_project_lock(path: Path) -> dict[str, Any] | None:
    """Gives the content of a lock in a project; None where there is none that can be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def rendered_lines(project: Project) -> list[str]:
    """Gives a line for each thing that is no longer what a project was rendered from."""
    held = read_project_lock(project.path / GENERATE_LOCK)
    if held is None:
        return [f"{GENERATE_LOCK} is not there or not readable"]
    options = held.get("options")
    here = _generated_from(project.bundle, project.target, options if isinstance(options, dict) else {})
    return differences(held, here, GENERATE_LOCK)


def built_lines(project: Project, compilers: Mapping[str, str] | None = None) -> list[str]:
    """Gives a line for each thing that is no longer what the ELF of a project was built from; none where it is not
    built. ``compilers`` are the versions of the tools that would build it now, where they matter.
    """
    path = project.build_dir / BUILD_LOCK
    if not path.is_file():
        return []
    held = read_project_lock(path)
    if held is None:
        return [f"{BUILD_LOCK} is not readable"]
    known, elf = held.get("elf"), None
    name = known.get("name") if isinstance(known, dict) else None
    if isinstance(name, str) and Path(name).name == name and (project.build_dir / name).is_file():
        elf = {"name": name, "sha256": sha256_file(project.build_dir / name)}
    versions = held.get("versions") if compilers is None else dict(compilers)
    here = {
        "lock": project.bundle.lock_sha256, "rendered": rendered_sha256(project.path), "elf": elf, "versions": versions,
    }  # fmt: skip
    return differences({key: held.get(key) for key in here}, here, BUILD_LOCK)


def rendered_sha256(project: Path) -> str:
    """Gives one SHA-256 over names and bytes of all that a project holds but what was built and what is the user's."""
    return tree_sha256(project, but=NOT_RENDERED)


def tree_sha256(folder: Path, but: tuple[str, ...] = ()) -> str:
    """Gives one SHA-256 over the names and bytes of a folder's files; hidden ones and Python's caches do not count."""
    digest = hashlib.sha256()
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    for name in names:
        parts = name.split("/")
        if parts[0] in but or name == MANIFEST or "__pycache__" in parts or any(part.startswith(".") for part in parts):
            continue
        digest.update(f"{name}\0{sha256_file(folder / name)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def differences(held: Any, here: Any, name: str) -> list[str]:
    """Gives a line for each value that a lock has otherwise than it is now, by its dotted name, sorted.

    Lists of objects with a ``file`` are compared by that name.
    """
    old, new = _flat(held, ""), _flat(here, "")
    lines = []
    for key in sorted(old.keys() | new.keys()):
        if key not in new:
            lines.append(f"{key} is in {name} and no longer here")
        elif key not in old:
            lines.append(f"{key} is new since {name}")
        elif old[key] != new[key]:
            lines.append(f"{key} is {_short(new[key])}, {name} has {_short(old[key])}")
    return lines


def _flat(value: Any, prefix: str) -> dict[str, Any]:
    if isinstance(value, list) and value and all(isinstance(item, dict) and "file" in item for item in value):
        value = {str(item["file"]): item for item in value}
    if not isinstance(value, Mapping):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= _flat(item, f"{prefix}.{key}" if prefix else str(key))
    return flat


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{text[:12]}..." if len(text) == 64 else text[:60]
