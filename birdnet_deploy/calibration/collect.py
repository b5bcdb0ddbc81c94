"""Recordings -> the windows that calibrate and the windows that evaluate, and their manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from birdnet_deploy.audio.decoding import Decoders
from birdnet_deploy.audio.reading import SUFFIXES, find_recordings
from birdnet_deploy.audio.windows import window_at
from birdnet_deploy.calibration.arrays import ARRAY_SUFFIXES, read_pcm_windows
from birdnet_deploy.calibration.selection import EVALUATION_PER_FILE, choose_windows, evaluation_names
from birdnet_deploy.calibration.sets import CalibrationSet, PcmWindows, WindowRef, no_windows
from birdnet_deploy.calibration.survey import Survey, survey_recordings
from birdnet_deploy.calibration.synthetic import synthetic_windows
from birdnet_deploy.errors import CalibrationError
from birdnet_deploy.model.config import ModelConfig
from birdnet_deploy.support.hashes import sha256_bytes
from birdnet_deploy.support.progress import Progress, Silent

__all__ = ["CalibrationSet", "PcmWindows", "WindowRef", "collect_windows", "synthetic_windows"]

_NAMED = 3  # files that a warning names


@dataclass(frozen=True)
class _Side:
    """The recordings of one role, and the windows chosen from them."""

    role: str
    surveys: tuple[Survey, ...]
    windows: PcmWindows


def collect_windows(
    root: Path,
    config: ModelConfig,
    *,
    evaluation: Path | None = None,
    max_windows: int = 256,
    max_evaluation: int = 1024,
    strict: bool = False,
    progress: Progress | None = None,
) -> CalibrationSet:
    """Gives the windows of the recordings below ``root``, at half-window hop: at most ``max_windows`` that calibrate
    and ``max_evaluation`` that evaluate.

    ``root`` is a folder, one recording, or a ``.npz``/``.npy`` with int16 windows. Without ``evaluation`` (a
    folder or file of the same kinds) 30 % of the recordings evaluate, by the hash of their path and with at most
    ``EVALUATION_PER_FILE`` windows each; with it all of ``root`` calibrates but what also evaluates, under the same
    path or another. Silent windows and recordings that cannot be decoded are skipped and counted; ``strict`` refuses
    the latter.

    Raises: CalibrationError (exit 3) where nothing is left to calibrate or, of ``evaluation``, to evaluate
    on; SampleError and AudioError (exit 3) as ``survey_recordings``; UsageError (exit 2) where a path does
    not exist.
    """
    if min(max_windows, max_evaluation) < 1:
        raise ValueError(f"max_windows is {max_windows} and {max_evaluation}, at least 1 is needed")
    told = progress or Silent()
    surveys = _surveys(root, config, strict, told)
    others = _surveys(evaluation, config, strict, told) if evaluation is not None else ()
    warnings = []
    if evaluation is None:
        names = _evaluating(surveys)
        sides = _split(surveys, names)
        if not names:
            warnings.append(f"{root}: only one usable recording, copies aside, so nothing is left to evaluate on")
    else:
        kept, shared = _without(surveys, others)
        sides = {"calibration": kept, "evaluation": tuple(others)}
        if shared and not kept:
            raise CalibrationError(
                "all its recordings also evaluate",
                where=root,
                fix="give --evaluation recordings of their own",
            )
        if shared:
            warnings.append(f"{_some(shared)} would also evaluate and was left out of calibration")
    _require(sides["calibration"], root, "calibrate")
    if evaluation is not None:
        _require(sides["evaluation"], evaluation, "evaluate")
    per_file = EVALUATION_PER_FILE if evaluation is None else None
    refs = (
        choose_windows(sides["calibration"], max_windows),
        choose_windows(sides["evaluation"], max_evaluation, per_file=per_file),
    )
    chosen = [
        _Side(role, sides[role], _cut(sides[role], found, config)) for role, found in zip(sides, refs, strict=True)
    ]
    warnings += _warnings([*surveys, *others], chosen)
    rule = "path-hash" if evaluation is None else "folder"
    manifest = _manifest(chosen, config, rule)
    return CalibrationSet(chosen[0].windows, chosen[1].windows, manifest, tuple(warnings), synthetic=False)


def _surveys(root: Path, config: ModelConfig, strict: bool, progress: Progress) -> Sequence[Survey]:
    if root.suffix.lower() in ARRAY_SUFFIXES and root.is_file():
        return [read_pcm_windows(root, config)]
    paths = find_recordings(root)
    progress.step(f"reading {len(paths)} recordings of {root}")
    return survey_recordings(paths, root, config, strict=strict, progress=progress)


def _split(surveys: Sequence[Survey], evaluating: frozenset[str]) -> dict[str, tuple[Survey, ...]]:
    return {
        "calibration": tuple(survey for survey in surveys if survey.name not in evaluating),
        "evaluation": tuple(survey for survey in surveys if survey.name in evaluating),
    }


def _evaluating(surveys: Sequence[Survey]) -> frozenset[str]:
    """Gives the usable recordings that evaluate; those with the same bytes have the role of the first of them."""
    usable = [survey for survey in surveys if survey.starts]
    first: dict[str, str] = {}
    for survey in usable:
        first.setdefault(survey.sha256, survey.name)
    chosen = evaluation_names(list(first.values()))
    return frozenset(survey.name for survey in usable if first[survey.sha256] in chosen)


def _without(surveys: Sequence[Survey], others: Sequence[Survey]) -> tuple[tuple[Survey, ...], list[str]]:
    """Gives the surveys that are not among ``others``, by path or by content, and the names of those that are."""
    paths = {survey.path.resolve() for survey in others}
    contents = {survey.sha256 for survey in others if survey.starts}
    shared = [survey.path.resolve() in paths or survey.sha256 in contents for survey in surveys]
    kept = tuple(survey for survey, taken in zip(surveys, shared, strict=True) if not taken)
    return kept, [survey.name for survey, taken in zip(surveys, shared, strict=True) if taken]


def _require(surveys: Sequence[Survey], root: Path, purpose: str) -> None:
    """Refuses a set without a single usable window (F10)."""
    if any(survey.starts for survey in surveys):
        return
    if not surveys:
        raise CalibrationError(
            f"no recordings to {purpose} on",
            where=root,
            fix=f"put recordings there ({', '.join(sorted(SUFFIXES))})",
        )
    faulty = sum(survey.fault is not None for survey in surveys)
    raise CalibrationError(
        f"nothing to {purpose} on: of {len(surveys)} recordings {faulty} cannot be decoded and "
        f"{len(surveys) - faulty} are silent",
        where=root, fix="give recordings of real sound, such as the model was trained on",
    )  # fmt: skip


def _cut(surveys: Sequence[Survey], refs: tuple[WindowRef, ...], config: ModelConfig) -> PcmWindows:
    """Gives the windows themselves; recordings that memory does not hold are decoded once more, window by window."""
    windows = no_windows(config.window_samples)
    if not refs:
        return windows
    pcm = np.empty((len(refs), config.window_samples), dtype=np.int16)
    by_name = {survey.name: survey for survey in surveys}
    at = 0
    with Decoders() as decoders:
        for name, group in groupby(refs, key=lambda ref: ref.file):
            survey, starts = by_name[name], [ref.start for ref in group]
            if survey.pcm is None:
                found = decoders.windows(survey.path, config.sample_rate, config.window_samples, starts)
            else:
                found = np.stack([window_at(survey.pcm, start, config.window_samples) for start in starts])
            pcm[at : at + len(starts)] = found
            at += len(starts)
    return PcmWindows(pcm, refs)


def _warnings(surveys: Sequence[Survey], sides: Sequence[_Side]) -> list[str]:
    warnings = []
    faulty = [f"{survey.name} ({survey.fault})" for survey in surveys if survey.fault is not None]
    if faulty:
        warnings.append(f"{len(faulty)} recordings skipped: {_some(faulty)}")
    silent = sum(survey.silent for survey in surveys)
    if silent:
        warnings.append(f"{silent} silent windows skipped")
    calibrating = {survey.sha256 for survey in sides[0].surveys if survey.starts}
    copies = [survey.name for survey in sides[1].surveys if survey.starts and survey.sha256 in calibrating]
    if copies:
        warnings.append(f"the evaluation is not independent: {_some(copies)} also calibrates under another name")
    return warnings


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _manifest(sides: Sequence[_Side], config: ModelConfig, rule: str) -> Mapping[str, Any]:
    files = [entry for side in sides for entry in _entries(side)]
    return {
        "synthetic": False,
        "sample_rate": config.sample_rate,
        "window": config.window_samples,
        "hop": max(1, config.window_samples // 2),
        "split": rule,
        "windows_sha256": {side.role: sha256_bytes(side.windows.pcm.tobytes()) for side in sides},
        "files": files,
        "counts": {
            "calibration_windows": len(sides[0].windows),
            "evaluation_windows": len(sides[1].windows),
            "calibration_files": sum(e["role"] == "calibration" for e in files),
            "evaluation_files": sum(e["role"] == "evaluation" for e in files),
            "unreadable_files": sum(e["role"] == "unreadable" for e in files),
            "silent_files": sum(e["role"] == "silent" for e in files),
            "silent_windows": sum(e["silent_windows"] for e in files),
        },
    }


def _entries(side: _Side) -> list[dict[str, Any]]:
    starts: dict[str, list[int]] = {}
    for ref in side.windows.refs:
        starts.setdefault(ref.file, []).append(ref.start)
    return [
        {
            "file": survey.name,
            "sha256": survey.sha256,
            "role": "unreadable" if survey.fault is not None else side.role if survey.starts else "silent",
            "windows": len(starts.get(survey.name, ())),
            "starts": " ".join(map(str, starts.get(survey.name, ()))),  # samples, at the model's rate
            "usable_windows": len(survey.starts),
            "silent_windows": survey.silent,
        }
        for survey in side.surveys
    ]
