"""``--locked``: is everything still what the locks say? All that is not is named at once (exit 4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from birdnet_deploy import bundle
from birdnet_deploy.artifacts import (
    BUILD_LOCK,
    GENERATE_LOCK,
    LOCK_FILE,
    PROJECT_FILE,
    Bundle,
    Firmware,
    Project,
    SourceModel,
)
from birdnet_deploy.conversion import SYNTHETIC, options_told, recordings_asked, with_settings
from birdnet_deploy.errors import CheckFailed, DeployError
from birdnet_deploy.lock import inputs_of, versions_here
from birdnet_deploy.model.beside import ModelHints
from birdnet_deploy.project_locks import build_lock, built_lines, differences, read_project_lock, rendered_lines
from birdnet_deploy.quantization.options import QuantizeOptions
from birdnet_deploy.requests import ConvertRequest
from birdnet_deploy.settings import Settings
from birdnet_deploy.support.hashes import sha256_file

_NAMED = 50
_AGAIN = "run convert, generate and build again without --locked"


def check_locked(path: Path, settings: Settings, *, compilers: Mapping[str, str] | None = None) -> None:
    """Holds a bundle or a project to its locks, to the versions here, and to the inputs that the settings name.

    ``compilers`` are the versions of the tools that are about to build it.

    Raises: CheckFailed (exit 4) with every stale entry; what ``open_bundle`` and ``open_project`` raise.
    """
    home = path.parent if path.is_file() and bundle.is_bundle(path.parent) else path
    if bundle.is_bundle(home):
        opened = bundle.open_bundle(home)
        _require([*bundle_lines(opened), *_settings_lines(opened, settings, "bundle", home)], home)
    elif (home / PROJECT_FILE).is_file():
        from birdnet_deploy.project.open import open_project

        project = open_project(home)
        lines = [*project_lines(project, compilers), *_settings_lines(project.bundle, settings, "project", home)]
        _require(lines, home)
    else:
        raise CheckFailed("has no lock", where=path, fix="convert makes one; or leave --locked out")


def bundle_lines(opened: Bundle) -> list[str]:
    """Gives a line for each file of a bundle and each version of a tool that is not what its lock says."""
    lines = list(bundle.stale_lines(opened.path, opened.lock))
    return lines + differences({"versions": opened.lock.get("versions")}, {"versions": versions_here()}, LOCK_FILE)


def project_lines(project: Project, compilers: Mapping[str, str] | None = None) -> list[str]:
    """Gives a line for each thing in a project that is not what its three locks and its manifest say."""
    from birdnet_deploy.project_locks import NOT_RENDERED
    from birdnet_deploy.support.publish import edited_files

    edited = [f"{name} was edited since generate" for name in edited_files(project.path, NOT_RENDERED)]
    return [*bundle_lines(project.bundle), *edited, *rendered_lines(project), *built_lines(project, compilers)]


def _require(lines: Sequence[str], where: object) -> None:
    if lines:
        more = f"; and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
        raise CheckFailed(f"not as locked: {'; '.join(lines[:_NAMED])}{more}", where=where, fix=_AGAIN)


def _settings_lines(opened: Bundle, settings: Settings, kind: str, path: Path) -> list[str]:
    """Gives what the inputs that ``birdnet-deploy.toml`` names say, where it speaks of this bundle or project."""
    named = settings.get_path(kind)
    if settings.model is None or (named is not None and named.resolve() != path.resolve()):
        return []
    from birdnet_deploy.model.published import is_converted
    from birdnet_deploy.model.source import open_source, open_tflite

    model = settings.model
    try:
        opening = open_tflite if is_converted(model) else open_source
        source = opening(model, hints=with_settings(ModelHints(), model, settings))
    except DeployError as error:
        return [error.line]
    return [*input_lines(opened.lock, source), *recording_lines(opened.lock, ConvertRequest(), source, settings)]


def input_lines(held: Mapping[str, Any], source: SourceModel) -> list[str]:
    """Gives a line for the model, the labels and the config that are not those that a lock has."""
    here = inputs_of(source)
    return differences({key: held.get(key) for key in here}, here, LOCK_FILE)


def recording_lines(
    held: Mapping[str, Any], request: ConvertRequest, source: SourceModel, settings: Settings
) -> list[str]:
    """Gives a line for each recording that is not in a lock, is no longer there, or has other bytes."""
    manifest = held.get("calibration")
    if not isinstance(manifest, Mapping):  # a .tflite that others converted
        return []
    asked, evaluation = recordings_asked(request, source.path, settings)
    if asked is None:
        return []
    if asked == SYNTHETIC or manifest.get("synthetic"):
        return [] if bool(manifest.get("synthetic")) == (asked == SYNTHETIC) else ["calibration is of another kind"]
    old: dict[str, set[str]] = {}
    for entry in manifest.get("files", ()):
        old.setdefault(str(entry["file"]), set()).add(str(entry["sha256"]))
    new: dict[str, set[str]] = {}
    try:
        evaluating = dict(_hashes(evaluation)) if evaluation is not None else {}
        for name, digest in _hashes(Path(asked)):
            if name in old or digest not in evaluating.values():  # what evaluates too is left out of calibration
                new.setdefault(name, set()).add(digest)
        for name, digest in evaluating.items():
            new.setdefault(name, set()).add(digest)
    except DeployError as error:
        return [error.line]
    held_side, here = (
        {f"recording {name}": " ".join(sorted(found)) for name, found in side.items()} for side in (old, new)
    )
    return differences(held_side, here, LOCK_FILE)


def _hashes(root: Path) -> Iterator[tuple[str, str]]:
    """Yields the recordings below a folder with their SHA-256, empty where one cannot be read, as a manifest has it."""
    from birdnet_deploy.audio.reading import find_recordings
    from birdnet_deploy.calibration.arrays import ARRAY_SUFFIXES
    from birdnet_deploy.calibration.survey import relative_name

    alone = root.suffix.lower() in ARRAY_SUFFIXES and root.is_file()
    for path in [root] if alone else find_recordings(root):
        try:
            yield relative_name(path, root), sha256_file(path)
        except OSError:
            yield relative_name(path, root), ""


def check_conversion(
    output: Path, source: SourceModel, request: ConvertRequest, settings: Settings,
    options: QuantizeOptions | None, *, full: bool,
) -> None:  # fmt: skip
    """Holds a conversion to the lock of the bundle that is there, before any work; ``options`` is None for a
    ``.tflite``.

    Raises: CheckFailed (exit 4) with every stale entry, or where there is no lock.
    """
    if not (output / LOCK_FILE).is_file():
        raise _nothing_to_hold_to(output)
    held = bundle.read_lock(output / LOCK_FILE)
    lines = [*bundle.stale_lines(output, held), *input_lines(held, source)]
    lines += differences({"versions": held.get("versions")}, {"versions": versions_here()}, LOCK_FILE)
    if options is not None:
        told, known = options_told(options, full=full), held.get("options")
        old = {key: known.get(key) for key in told} if isinstance(known, Mapping) else {}
        lines += differences({"options": old}, {"options": told}, LOCK_FILE)
    _require([*lines, *recording_lines(held, request, source, settings)], output)


def _nothing_to_hold_to(output: Path) -> CheckFailed:
    return CheckFailed(f"no {LOCK_FILE} to hold to", where=output, fix="once without --locked")


def check_same(staging: Path, output: Path, name: str = LOCK_FILE) -> None:
    """Holds what was just made to the lock of what is there: the same work gives the same lock.

    Raises: CheckFailed (exit 4) naming what differs.
    """
    held, made = (read_project_lock(folder / name) for folder in (output, staging))
    if held is None and name == GENERATE_LOCK:
        return  # never generated here: there is nothing to hold to
    if held is None:
        raise _nothing_to_hold_to(output)
    _require(differences(held, made, name), output)


def held_build(project: Project) -> Mapping[str, Any] | None:
    """Gives the ``build.lock`` that is there before a build; None where there is none."""
    return read_project_lock(project.build_dir / BUILD_LOCK)


def check_built(firmware: Firmware, held: Mapping[str, Any] | None, compilers: Mapping[str, str]) -> None:
    """Holds an ELF to the lock of the build before it; one that differs is removed.

    Raises: CheckFailed (exit 4) naming what differs.
    """
    if held is None:
        return
    try:
        _require(differences(held, build_lock(firmware, compilers), BUILD_LOCK), firmware.project.path)
    except CheckFailed:
        firmware.elf.unlink()
        raise
