"""A model with its labels and config: a trained ``.keras``, or a ``.tflite`` that others converted."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from birdnet_deploy.artifacts import SourceModel
from birdnet_deploy.errors import LabelsError, ModelError, UsageError
from birdnet_deploy.model.archive import inspect_archive
from birdnet_deploy.model.beside import ModelFacts, ModelHints, config_of, labels_of
from birdnet_deploy.model.labels import default_labels
from birdnet_deploy.model.published import beside_in_folder, find_keras, find_tflite, is_converted, labels_beside
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.support.progress import Progress, Silent
from birdnet_deploy.tflite.ends import inner_ends
from birdnet_deploy.tflite.head import head_activation
from birdnet_deploy.tflite.model import Tensor, TfliteModel
from birdnet_deploy.tflite.reader import read_model


def open_source(
    model: Path,
    *,
    labels: Path | None = None,
    config: Path | None = None,
    hints: ModelHints | None = None,
    progress: Progress | None = None,
) -> SourceModel:
    """Gives a ``.keras`` with its labels and config, all checked against each other; nothing is loaded.

    ``model`` may be a folder of the published layout. ``labels`` and ``config`` are looked for beside the model
    where they are None; without a label file the config's ``class_names`` serve. ``hints`` is what else was said of
    the model. The config that comes out has ``input_shape`` and ``num_classes`` of the model, and as
    ``output_activation`` what turns the model's logits into scores, inside the graph or outside.

    Raises: UsageError, ConfigError (exit 2), ModelError, LabelsError (exit 3).
    """
    hints = hints or ModelHints(labels=labels, config=config)
    path = find_keras(model)
    if path.is_dir() and is_converted(path):
        raise UsageError("holds a .tflite, converted already", where=path, fix="validate, generate and run take it")
    hints = _with_folder(hints, path) if path != model else hints
    archive = inspect_archive(path)
    facts = ModelFacts(path, archive.input_shape, archive.outputs, archive.head_activation, archive.frontend)
    full = config_of(facts, hints, progress or Silent())
    names = labels_of(facts, hints, full)
    if names is None:
        raise LabelsError(
            "no labels beside the model, and no class_names in its config",
            where=labels_beside(path), fix="name the label file with --labels",
        )  # fmt: skip
    return SourceModel(path=path, sha256=sha256_file(path), labels=names, config=full)


def _with_folder(hints: ModelHints, model: Path) -> ModelHints:
    """Adds what lies in the folder of a model, whatever its name."""
    config, labels = beside_in_folder(model)
    return replace(hints, config=hints.config or config, labels=hints.labels or labels)


def open_tflite(model: Path, *, hints: ModelHints | None = None, progress: Progress | None = None) -> SourceModel:
    """Gives a full-int8 ``.tflite`` that others converted, with its labels and config; without TensorFlow.

    Its ends may be float32 around an int8 network. ``model`` may be a folder of the published layout.
    ``output_activation`` of the config is what the host still has to apply. Classes without names are numbered.

    Raises: UsageError, ConfigError (exit 2), ModelError, LabelsError (exit 3).
    """
    progress, hints = progress or Silent(), hints or ModelHints()
    path = find_tflite(model) or model
    hints = _with_folder(hints, path) if path != model else hints
    read = read_model(path)
    source, sink = _int8_ends(read, path)
    head = head_activation(read)
    facts = ModelFacts(path, source.shape[1:], math.prod(sink.shape), head)
    config = config_of(facts, hints, progress)
    if config.output_activation == "none":
        progress.warn(
            f"{path}: ends in raw outputs, and no config says what makes scores of them (output_activation): "
            "they are shown as they are"
        )
    names = labels_of(facts, hints, config)
    if names is None:
        names = default_labels(facts.outputs)
        progress.warn(f"{path}: no labels beside the model: its {facts.outputs} classes are numbered")
    left = config.output_activation if head == "none" else "none"
    return SourceModel(path=path, sha256=read.sha256, labels=names, config=config.with_(output_activation=left))


def _int8_ends(model: TfliteModel, path: Path) -> tuple[Tensor, Tensor]:
    """Gives the one input and the one output, behind and before an outer QUANTIZE and DEQUANTIZE.

    Raises: ModelError (exit 3) where they are not int8 with a static batch of 1.
    """
    fix = "convert the .keras that it was made of: birdnet-deploy convert MODEL.keras"
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        what = f"has {len(model.inputs)} inputs and {len(model.outputs)} outputs, not one of each"
        raise ModelError(what, where=path, fix=fix)
    source, sink = inner_ends(model)
    ends = model.tensors[source], model.tensors[sink]
    for name, tensor in zip(("input", "output"), ends, strict=True):
        if tensor.dtype != "int8":
            what = f"not full int8, its {name} is {tensor.dtype}, and the firmware computes in int8 only"
            raise ModelError(what, where=path, fix=fix)
        if len(tensor.shape) < 2 or tensor.shape[0] != 1:
            what = f"its {name} has the shape {list(tensor.shape)}, not a batch of 1"
            raise ModelError(what, where=path, fix=fix)
    return ends
