"""What a user asks ``validate`` for: which path, which board, which rules; the files are read in a limited child."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from birdnet_deploy.bundle import is_bundle
from birdnet_deploy.errors import ModelError, UsageError
from birdnet_deploy.npu.check import check_path, target_of
from birdnet_deploy.npu.data import DEFAULT_TARGET, read_target
from birdnet_deploy.npu.finding import Finding, ValidationResult
from birdnet_deploy.npu.profile import Profile, parse_lowerings, read_profile
from birdnet_deploy.npu.subject import is_run, open_subject
from birdnet_deploy.settings import Settings
from birdnet_deploy.support.limited import run_limited

_TIMEOUT_S = 8.0  # malformed files end in ten seconds, the start of Python included
_KERAS_TIMEOUT_S = 60.0  # its weights are read by a child of their own
_MEMORY_BYTES = 3 << 29


def validate_path(
    path: Path | None, settings: Settings, *, target: str | None = None, select: Sequence[str] = (),
    ignore: Sequence[str] = (), profile: Path | None = None, rendered_for: str | None = None,
) -> ValidationResult:  # fmt: skip
    """Gives what the rules find; without a path in what the settings or the current folder name.

    What is said here goes before the profile, the profile before the settings. ``summary["target_from"]`` says who
    named the board; ``rendered_for`` is the one that generate takes where nobody does, for a note.

    Raises: UsageError, ConfigError (exit 2) for a path, target, rule or profile that is not there or not valid;
    ModelError (exit 3) for a model that cannot be read.
    """
    found = path if path is not None else default_path(settings)
    _look_at(found)
    board, said_by = _target(found, target, settings)
    read_target(board)
    rules = profile_of(settings, profile).and_(Profile(tuple(select), tuple(ignore)))
    rules.rules()  # what is misspelt is said before any work

    def work() -> dict[str, Any]:
        checked = check_path(found, target=board, select=rules.select, ignore=rules.ignore, lower=rules.lower)
        rows = [{**finding.to_json(), "reason": finding.reason} for finding in checked.findings]
        notes = [*checked.summary["notes"], *_on_target(checked, said_by, rendered_for)]
        summary = {**checked.summary, "target_from": said_by, "path": found.as_posix(), "notes": notes}
        return {"findings": rows, "summary": summary}

    limit = _KERAS_TIMEOUT_S if found.suffix == ".keras" or found.is_dir() else _TIMEOUT_S
    answer = run_limited(work, name="reading the model", where=found, timeout_s=limit, memory_bytes=_MEMORY_BYTES)
    return ValidationResult(tuple(Finding(**row) for row in answer["findings"]), answer["summary"])


def plan_engine(path: Path | None, settings: Settings) -> dict[str, Any]:
    """Gives the kernel calls of the C engine for what ``validate`` judges, and the exact plan of its arena.

    Raises: UsageError (exit 2); ModelError (3) where there is no int8 model, or an operator without a kernel.
    """
    from birdnet_deploy.codegen.network import generate_network  # the one place where npu/ asks the generator

    subject = open_subject(path if path is not None else default_path(settings), read_target(DEFAULT_TARGET))
    if "int8" not in subject.parts:
        raise ModelError("there is no int8 model yet", where=subject.path, fix="validate the bundle that convert makes")
    network = generate_network(subject.model)
    return {
        "arena_bytes": network.arena_bytes, "arena_lower_bound": network.arena_lower_bound,
        "weight_bytes": network.weight_bytes, "steps": [asdict(step) for step in network.plan],
    }  # fmt: skip


def profile_of(settings: Settings, path: Path | None = None) -> Profile:
    """Gives the rules that settings and their profile, or another profile, choose.

    Raises: ConfigError (exit 2) for one that is not valid.
    """
    own = Profile(settings.rules_select, settings.rules_ignore, parse_lowerings(settings.rules_lower, settings.path))
    file = path or settings.get_path("rules.profile")
    return own if file is None else own.and_(read_profile(file)) if path else read_profile(file).and_(own)


def default_path(settings: Settings) -> Path:
    """Gives what to check where no path is given.

    Raises: UsageError (exit 2) with the command to type.
    """
    candidates = [settings.bundle] if settings.bundle else []
    if settings.model is not None and settings.model.suffix == ".tflite":
        candidates.append(settings.model)
    elif settings.model is not None:
        name = f"{settings.model.stem}_bundle"  # what convert writes where it is not told
        candidates += [folder for folder in (Path(name), settings.model.parent / name) if is_bundle(folder)]
    here = Path()
    if is_bundle(here) or target_of(here) is not None or is_run(here):
        candidates.append(here)
    if settings.project is not None:
        candidates.append(settings.project)
    if settings.model is not None:
        candidates.append(settings.model)
    if not candidates:
        raise UsageError("nothing named to check, and no bundle in this folder", fix="birdnet-deploy validate BUNDLE")
    return candidates[0]


def _look_at(path: Path) -> None:
    """Refuses a path that the system does not let anybody ask about: too long a name, or a folder that is closed.

    Raises: UsageError (exit 2).
    """
    try:
        path.exists()
    except OSError as error:
        fix = "name a file or folder that you may read"
        raise UsageError(f"cannot be looked at ({error.strerror})", where=path, fix=fix) from error


def _target(path: Path, target: str | None, settings: Settings) -> tuple[str, str]:
    """Gives the board to judge for, and who named it."""
    if target:
        return target, "--target"
    of_project = target_of(path)
    if of_project:
        return of_project, "the project"
    if settings.target:
        return settings.target, "birdnet-deploy.toml"
    return DEFAULT_TARGET, "default"


def _on_target(checked: ValidationResult, said_by: str, rendered_for: str | None) -> list[str]:
    """Gives a line where nobody named the board, and generate would take another one."""
    facts = checked.summary
    if said_by != "default" or facts["kind"] == "stedgeai" or rendered_for in (None, facts["target"]):
        return []
    return [
        f"judged for the {facts['target_title']} ({facts['target']}), as no board is named; "
        f"generate then renders for {rendered_for}: --target {rendered_for} judges for that"
    ]  # fmt: skip
