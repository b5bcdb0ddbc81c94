"""A trained model with its labels and config, found beside it and held to agree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from birdnet_deploy.artifacts import SourceModel
from birdnet_deploy.errors import ConfigError, LabelsError
from birdnet_deploy.model.archive import KerasArchive, inspect_archive
from birdnet_deploy.model.config import ModelConfig, read_config, unknown_keys
from birdnet_deploy.model.labels import check_label_count, read_labels
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.support.progress import Progress, Silent

CONFIG_SUFFIX = "_model_config.json"
LABELS_SUFFIX = "_labels.txt"
_MODES = {"librosa": "precomputed", "log_mel": "precomputed", "mfcc": "precomputed"}  # others are named alike


def config_beside(model: Path) -> Path:
    """Gives where the config of a model lies: ``<stem>_model_config.json``."""
    return model.with_name(f"{model.stem}{CONFIG_SUFFIX}")


def labels_beside(model: Path) -> Path:
    """Gives where the labels of a model lie: ``<stem>_labels.txt``."""
    return model.with_name(f"{model.stem}{LABELS_SUFFIX}")


def open_source(
    model: Path, *, labels: Path | None = None, config: Path | None = None, progress: Progress | None = None
) -> SourceModel:
    """Gives a ``.keras`` with its labels and config, all checked against each other; nothing is loaded.

    ``labels`` and ``config`` are looked for beside the model where they are None; without a label file the
    config's ``class_names`` serve. The config that comes out has ``input_shape`` and ``num_classes`` of the
    model, and as ``output_activation`` what turns the model's logits into scores, inside the graph or
    outside.

    Raises: UsageError, ConfigError (exit 2), ModelError, LabelsError (exit 3).
    """
    progress = progress or Silent()
    archive = inspect_archive(model)
    where = config or config_beside(model)
    read = _read_config(where, given=config is not None, progress=progress)
    _check_agreement(read, archive, where)
    names = _labels(model, labels, read, archive, where)
    full = read.with_(
        input_shape=archive.input_shape,
        num_classes=archive.outputs,
        output_activation=_activation(read, archive, where),
    )
    return SourceModel(path=model, sha256=sha256_file(model), labels=names, config=full)


def _read_config(path: Path, *, given: bool, progress: Progress) -> ModelConfig:
    if not path.is_file():
        what = "no such config file" if given else "no config beside the model"
        raise ConfigError(what, where=path, fix="name the model's config with --config")
    config = read_config(path)
    unknown = unknown_keys(config.extra)
    if unknown:
        progress.warn(f"{path}: unknown keys are kept and mean nothing here: {', '.join(unknown)}")
    return config


def _labels(
    model: Path, given: Path | None, config: ModelConfig, archive: KerasArchive, config_path: Path
) -> tuple[str, ...]:
    """Gives the labels of the file that is named or lies beside, else the config's names."""
    path = given or labels_beside(model)
    if given is None and not path.is_file():
        if config.class_names is None:
            raise LabelsError("no labels beside the model, and no class_names in its config", where=path,
                              fix="name the label file with --labels")  # fmt: skip
        check_label_count(config.class_names, archive.outputs, where=config_path)
        return config.class_names
    names = read_labels(path)
    check_label_count(names, archive.outputs, where=path)
    if config.class_names is not None and config.class_names != names:
        raise LabelsError(
            f"{_first_difference(names, config.class_names)} of class_names in {config_path.name}",
            where=path, fix="make both name the same classes in the model's order, or remove class_names",
        )  # fmt: skip
    return names


def _first_difference(labels: tuple[str, ...], names: tuple[str, ...]) -> str:
    if len(labels) != len(names):
        return f"{len(labels)} labels differ from the {len(names)}"
    line = next(i for i, pair in enumerate(zip(labels, names, strict=True), 1) if pair[0] != pair[1])
    return f"line {line} ({labels[line - 1]!r}) differs from the entry ({names[line - 1]!r})"


def _activation(config: ModelConfig, archive: KerasArchive, where: Path) -> str:
    told, read = config.output_activation, archive.head_activation
    if "none" not in (told, read) and told != read:
        raise ConfigError(
            f"output_activation is {told!r} but the model ends in {read!r}", where=where, fix="remove the key"
        )
    return told if read == "none" else read


def _check_agreement(config: ModelConfig, archive: KerasArchive, where: Path) -> None:
    """Refuses a config that is of another model: one wrong number changes every feature silently."""
    for key, told, found in _facts(config, archive):
        if told != found:
            raise ConfigError(
                f"{key} is {told!r} but the model has {found!r}",
                where=where, fix=f"mend {key}, or name this model's config with --config",
            )  # fmt: skip


def _facts(config: ModelConfig, archive: KerasArchive) -> Iterator[tuple[str, Any, Any]]:
    """Yields what both files say: key, the config's value, the model's value."""
    if config.num_classes is not None:
        yield "num_classes", config.num_classes, archive.outputs
    frontend = archive.frontend
    if frontend is not None:
        mode = _MODES.get(config.audio_frontend, config.audio_frontend)
        yield (
            "audio_frontend",
            config.audio_frontend,
            _named_like(config.audio_frontend, frontend.get("mode")),
        )
        for key in ("sample_rate", "chunk_duration", "spec_width"):
            yield key, getattr(config, key), frontend.get(key)
        if mode == "hybrid":
            yield "fft_length", config.fft_length, frontend.get("fft_length")
        if mode in ("hybrid", "raw"):
            yield "num_mels", config.num_mels, frontend.get("mel_bins")
            yield "mag_scale", config.mag_scale, frontend.get("mag_scale", "none")
    expected = config.with_(input_shape=None).shape
    rows = archive.input_shape[0]
    if config.audio_frontend == "hybrid" and rows == expected[0] - 1:  # Nyquist dropped: the model says which
        expected = (rows, *expected[1:])
    yield "the input shape", expected, archive.input_shape
    if config.input_shape is not None:
        yield "input_shape", config.input_shape, archive.input_shape


def _named_like(frontend: str, mode: Any) -> Any:
    """Gives ``frontend`` where it is a name of ``mode``, else the mode."""
    return frontend if _MODES.get(frontend, frontend) == mode else mode
