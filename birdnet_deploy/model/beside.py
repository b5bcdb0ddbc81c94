"""What stands beside a model: its config and labels, found, read or asked for, and held to agree with the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import ConfigError, LabelsError
from birdnet_deploy.model.config import (
    FRONTEND_ALIASES,
    ModelConfig,
    config_from_mapping,
    read_config,
    unknown_keys,
)
from birdnet_deploy.model.labels import check_label_count, checked_names, read_labels
from birdnet_deploy.model.published import config_beside, labels_beside
from birdnet_deploy.support.progress import Progress

MODES = {"librosa": "precomputed", "log_mel": "precomputed", "mfcc": "precomputed"}  # others are named alike
OPTIONS = {"sample_rate": "--sample-rate", "chunk_duration": "--chunk-duration", "audio_frontend": "--frontend"}
_EXAMPLES = {"sample_rate": "HZ", "chunk_duration": "SECONDS", "audio_frontend": "NAME"}


@dataclass(frozen=True)
class ModelHints:
    """What the command line says of a model; ``sample_rate`` in Hz, ``chunk_duration`` in s, None where unsaid."""

    labels: Path | None = None
    config: Path | None = None
    sample_rate: int | None = None
    chunk_duration: float | None = None
    frontend: str | None = None

    def told(self) -> dict[str, Any]:
        """Gives the keys of a config that were said; whole seconds as an int, as configs have them."""
        seconds = self.chunk_duration
        if seconds is not None and float(seconds).is_integer():
            seconds = int(seconds)
        values = {"sample_rate": self.sample_rate, "chunk_duration": seconds, "audio_frontend": self.frontend}
        return {key: value for key, value in values.items() if value is not None}


@dataclass(frozen=True)
class ModelFacts:
    """What a model file itself tells; ``input_shape`` is without batch.

    ``head`` is what the graph applies last (``none``, ``softmax``, ``sigmoid``), ``frontend`` the config of its
    AudioFrontendLayer, None where the file has none.
    """

    path: Path
    input_shape: tuple[int, ...]
    outputs: int
    head: str
    frontend: Mapping[str, Any] | None = None


def config_of(facts: ModelFacts, hints: ModelHints, progress: Progress) -> ModelConfig:
    """Gives the config of a model: the file that is named or lies beside, else what model and command line tell.

    It has the model's ``input_shape`` and ``num_classes``, and as ``output_activation`` what turns logits into
    scores, inside the graph or outside.

    Raises: ConfigError (exit 2) where there is no file and too little was said, or something contradicts the model.
    """
    where = hints.config or config_beside(facts.path)
    if where.is_file():
        config = read_config(where, hints.told())
        unknown = unknown_keys(config.extra)
        if unknown:
            progress.warn(f"{where}: unknown keys are kept and mean nothing here: {', '.join(unknown)}")
    elif hints.config is not None:
        raise ConfigError("no such config file", where=where, fix="name the model's config with --config")
    else:
        config, where = _inferred(facts, hints, where, progress), facts.path
    _check_agreement(config, facts, where)
    return config.with_(
        input_shape=facts.input_shape, num_classes=facts.outputs, output_activation=_activation(config, facts, where)
    )


def _inferred(facts: ModelFacts, hints: ModelHints, where: Path, progress: Progress) -> ModelConfig:
    """Makes a config of what the model tells (rows, width, its frontend layer) and what was said."""
    known, told = _of_layer(facts.frontend), hints.told()
    missing = [key for key in OPTIONS if key not in told]
    if missing:
        say = " ".join(f"{OPTIONS[key]} {known.get(key, _EXAMPLES[key])}" for key in missing)
        raise ConfigError(
            "no config beside the model", where=where, fix=f"name the model's config with --config, or add {say}"
        )
    frontend = FRONTEND_ALIASES.get(told["audio_frontend"], told["audio_frontend"])
    known = {**_of_shape(facts, frontend), **known, **told}
    used = {"hybrid": ("fft_length", "input_compression"), "raw": (), "mfcc": ("fft_length", "num_mels")}
    used["librosa"] = ("fft_length", "mag_scale", "input_compression")
    config = config_from_mapping(known, where=facts.path)
    assumed = [f"{key} {getattr(config, key)}" for key in used.get(frontend, ("fft_length",)) if key not in known]
    if assumed:
        progress.warn(f"{facts.path}: no config, so {', '.join(assumed)} is assumed; name a config if it is not so")
    return config


def _of_layer(frontend: Mapping[str, Any] | None) -> dict[str, Any]:
    """Gives the keys of a config that the model's own frontend layer tells."""
    if frontend is None:
        return {}
    keys = ("sample_rate", "chunk_duration", "spec_width", "fft_length", "mag_scale")
    known = {key: frontend[key] for key in keys if frontend.get(key) is not None}
    if frontend.get("mode") in ("hybrid", "raw"):
        known |= {"audio_frontend": frontend["mode"], "num_mels": frontend.get("mel_bins")}
    return known


def _of_shape(facts: ModelFacts, frontend: str) -> dict[str, Any]:
    """Gives the keys of a config that the input's shape tells, for a frontend."""
    shape = facts.input_shape
    if frontend == "raw":
        return {}
    if len(shape) < 2:
        raise ConfigError(
            f"the {frontend} frontend gives rows and frames, but the model takes {list(shape)}",
            where=facts.path, fix="give the --frontend that it was trained with",
        )  # fmt: skip
    rows, width = shape[:2]
    if frontend != "hybrid":
        return {"spec_width": width, "n_mfcc" if frontend == "mfcc" else "num_mels": rows}
    bins = rows - rows % 2  # of an even number of bins Nyquist is the odd one
    return {"spec_width": width, "fft_length": 2 * bins}


def labels_of(facts: ModelFacts, hints: ModelHints, config: ModelConfig) -> tuple[str, ...] | None:
    """Gives the labels of the file that is named or lies beside, else the config's names; None where there are none.

    Raises: LabelsError (exit 3) where they are not clean, not as many as outputs, or differ from ``class_names``.
    """
    path = hints.labels or labels_beside(facts.path)
    where = hints.config or config_beside(facts.path)
    if hints.labels is None and not path.is_file():
        if config.class_names is None:
            return None
        names = checked_names(config.class_names, where=where)
        check_label_count(names, facts.outputs, where=where)
        return names
    names = read_labels(path)
    check_label_count(names, facts.outputs, where=path)
    if config.class_names is not None and config.class_names != names:
        raise LabelsError(
            f"{_first_difference(names, config.class_names)} of class_names in {where.name}",
            where=path, fix="make both name the same classes in the model's order, or remove class_names",
        )  # fmt: skip
    return names


def _first_difference(labels: tuple[str, ...], names: tuple[str, ...]) -> str:
    if len(labels) != len(names):
        return f"{len(labels)} labels differ from the {len(names)}"
    line = next(i for i, pair in enumerate(zip(labels, names, strict=True), 1) if pair[0] != pair[1])
    return f"line {line} ({labels[line - 1]!r}) differs from the entry ({names[line - 1]!r})"


def _activation(config: ModelConfig, facts: ModelFacts, where: Path) -> str:
    told, key = config.output_activation, "output_activation"
    if told == "none" and config.extra.get("class_activation"):
        told, key = str(config.extra["class_activation"]), "class_activation"
    if "none" not in (told, facts.head) and told != facts.head:
        raise ConfigError(f"{key} is {told!r} but the model ends in {facts.head!r}", where=where, fix="remove the key")
    return told if facts.head == "none" else facts.head


def _check_agreement(config: ModelConfig, facts: ModelFacts, where: Path) -> None:
    """Refuses a config that is of another model: one wrong number changes every feature silently."""
    for key, told, found in _both(config, facts):
        if told != found:
            raise ConfigError(
                f"{key} is {told!r} but the model has {found!r}",
                where=where, fix=f"mend {key}, or name this model's config with --config",
            )  # fmt: skip


def _both(config: ModelConfig, facts: ModelFacts) -> Iterator[tuple[str, Any, Any]]:
    """Yields what both say: key, the config's value, the model's value."""
    if config.num_classes is not None:
        yield "num_classes", config.num_classes, facts.outputs
    frontend = facts.frontend
    if frontend is not None:
        mode = MODES.get(config.audio_frontend, config.audio_frontend)
        yield "audio_frontend", config.audio_frontend, _named_like(config.audio_frontend, frontend.get("mode"))
        for key in ("sample_rate", "chunk_duration", "spec_width"):
            yield key, getattr(config, key), frontend.get(key)
        if mode == "hybrid":
            yield "fft_length", config.fft_length, frontend.get("fft_length")
        if mode in ("hybrid", "raw"):
            yield "num_mels", config.num_mels, frontend.get("mel_bins")
            yield "mag_scale", config.mag_scale, frontend.get("mag_scale", "none")
    yield "the input shape", config.computed_shape(facts.input_shape[0]), facts.input_shape
    if config.input_shape is not None:
        yield "input_shape", config.input_shape, facts.input_shape


def _named_like(frontend: str, mode: Any) -> Any:
    """Gives ``frontend`` where it is a name of ``mode``, else the mode."""
    return frontend if MODES.get(frontend, frontend) == mode else mode
