"""What a worker has to know to evaluate recordings, and what an evaluation must agree on to be one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from birdnet_deploy import __version__
from birdnet_deploy.audio.windows import window_starts
from birdnet_deploy.errors import DeployError, ModelError
from birdnet_deploy.evaluation.results import ENGINES, FLOAT
from birdnet_deploy.model.config import ModelConfig, config_from_mapping
from birdnet_deploy.tflite.scores import ACTIVATIONS

JOURNAL_SCHEMA = 1
_SHARD = 2  # numbers: the i-th of n
_PACKAGES = ("numpy", "ai-edge-litert", "soundfile", "soxr")


@dataclass(frozen=True)
class Meaning:
    """What turns stored outputs into logits and scores: ``logit = (q - zero_point) * scale``, then the activation.

    ``lock`` is the bundle's lock hash, "" where there is no bundle.
    """

    classes: int
    scale: float
    zero_point: int
    activation: str
    float_activation: str
    lock: str


@dataclass(frozen=True)
class Job:
    """How recordings are evaluated: plain data, so that it reaches a worker process or another machine as JSON.

    ``config`` is the model's config as JSON, ``hop`` the samples between windows. Paths are absolute: ``network`` the
    int8 ``.tflite`` that runs (behind ``prologue``, a ``prologue.npz``), ``float_model`` the float ``.tflite``,
    ``frontend`` and ``twin`` libraries compiled for this machine; None where an engine does not need them. Without
    ``frontend`` numpy computes the features.
    """

    engines: tuple[str, ...]
    config: Mapping[str, Any]
    hop: int
    meaning: Meaning
    network: str | None = None
    prologue: str | None = None
    float_model: str | None = None
    frontend: str | None = None
    twin: str | None = None

    @property
    def model_config(self) -> ModelConfig:
        """The model's config."""
        return config_from_mapping(self.config)

    def starts(self, samples: int) -> list[int]:
        """Gives the first samples of the windows of a recording of ``samples`` samples at the model's rate."""
        return window_starts(samples, self.model_config.window_samples, self.hop)

    def portable(self) -> Job:
        """Gives the job without what is only true on this machine: what its records mean."""
        return replace(self, network=None, prologue=None, float_model=None, frontend=None, twin=None)

    def to_json(self) -> dict[str, Any]:
        """Gives it as plain data."""
        return asdict(self)


def job_from_json(data: Mapping[str, Any]) -> Job:
    """Gives the job that ``to_json`` told."""
    told = {**data, "engines": tuple(data["engines"]), "meaning": Meaning(**data["meaning"])}
    return Job(**told)


def check_told(header: Mapping[str, Any], plan: Mapping[str, Any] | None, where: object) -> None:
    """Refuses what a journal tells of its job and plan where no evaluation of this version wrote it.

    Raises: ModelError (exit 3).
    """
    try:
        job = job_from_json(header["job"])
        sound = (
            job.model_config.window_samples > 0
            and type(job.hop) is int and job.hop > 0
            and len(header["labels"]) == job.meaning.classes
            and all(isinstance(label, str) for label in header["labels"])
            and all(isinstance(header["kernels"][engine], str) and engine in ENGINES for engine in job.engines)
            and isinstance(header["fingerprint"]["lock"], str)
            and {job.meaning.activation, job.meaning.float_activation} <= ACTIVATIONS
            and type(job.meaning.scale) is float and type(job.meaning.zero_point) is int
            and _is_shard(header["shard"])
        )  # fmt: skip
        if plan is not None:
            known = isinstance(plan["archive"], str) and isinstance(plan["names_sha256"], str)
            sound = sound and known and _is_shard(plan["shard"]) and type(plan["files"]) is type(plan["names"]) is int
    except (LookupError, TypeError, ValueError, AttributeError, DeployError):
        sound = False
    if not sound:
        raise ModelError("not a journal of this version", where=where, fix="evaluate again with --force")


def _is_shard(value: object) -> bool:
    return value is None or (isinstance(value, list) and len(value) == _SHARD and all(type(n) is int for n in value))


def fingerprint(job: Job, models: Mapping[str, str], kernels: Mapping[str, str]) -> dict[str, Any]:
    """Gives what two runs must share for their results to be of one evaluation; no path and no time is in it.

    ``models`` is the SHA-256 of what each engine runs, ``kernels`` what computes it.
    """
    import soundfile

    return {
        "schema": JOURNAL_SCHEMA,
        "engines": {name: {"model": models[name], "kernel": kernels[name]} for name in job.engines},
        "lock": job.meaning.lock,
        "hop": job.hop,
        "config": dict(job.config),
        "meaning": {k: v for k, v in asdict(job.meaning).items() if k != "float_activation" or FLOAT in job.engines},
        "versions": {
            "birdnet-deploy": __version__,
            "libsndfile": soundfile.__libsndfile_version__,
            **{name: _version(name) for name in _PACKAGES},
        },
    }


def differences(first: Mapping[str, Any], second: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Gives what differs between two fingerprints, as dotted names with both values."""
    lines = []
    for name in sorted(first.keys() | second.keys()):
        one, two = first.get(name), second.get(name)
        if isinstance(one, Mapping) and isinstance(two, Mapping):
            lines += differences(one, two, f"{prefix}{name}.")
        elif one != two:
            lines.append(f"{prefix}{name} is {_short(two)}, not {_short(one)}")
    return lines


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 24 else f"{text[:12]}..."


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def absolute(path: Path | None) -> str | None:
    """Gives a path as a job has it."""
    return None if path is None else str(path.absolute())
