"""Small models of the family that tests build: quick to convert, with weights that are not those of a fresh model."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from birdnet_deploy.model.config import config_from_mapping
from birdnet_deploy.support import jsonfile

SMALL: dict[str, Any] = {
    "num_mels": 32, "spec_width": 32, "sample_rate": 8000, "chunk_duration": 1, "embeddings_size": 64,
    "num_classes": 6, "alpha": 0.25, "fft_length": 256, "audio_frontend": "hybrid",
}  # fmt: skip
LABELS = tuple(f"Species {letter}" for letter in "abcdef")


def build(**changes: Any) -> Any:
    """Gives a small model whose weights and batch statistics are perturbed, the same each time."""
    import keras

    from birdnet_deploy.model import build_dscnn_model

    keras.utils.set_random_seed(7)
    model = build_dscnn_model(**{**SMALL, **changes})
    perturb(model)
    return model


def perturb(model: Any, seed: int = 3) -> None:
    """Moves every batch statistic and bias off its initial value; variances stay positive."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        name, value = variable.path, variable.numpy()
        if name.endswith("moving_variance") or name.endswith("gamma"):
            variable.assign(value * rng.uniform(0.5, 1.5, value.shape))
        elif name.endswith("moving_mean") or name.endswith("beta") or name.endswith("bias"):
            variable.assign(value + rng.normal(0.0, 0.05, value.shape))


def save(model: Any, folder: Path, name: str = "small", **config: Any) -> Path:
    """Writes a model with its config and labels beside it; ``config`` adds to or replaces what it was built of."""
    path = folder / f"{name}.keras"
    model.save(path)
    told = config_from_mapping({**SMALL, "num_classes": len(LABELS), **config}).to_json()
    del told["input_shape"]
    jsonfile.write(folder / f"{name}_model_config.json", told)
    (folder / f"{name}_labels.txt").write_text("".join(f"{label}\n" for label in LABELS), encoding="utf-8")
    return path


def members(path: Path) -> dict[str, bytes]:
    """Gives the members of an archive."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(path: Path, content: dict[str, bytes]) -> Path:
    """Writes an archive of these members."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def edit_config(path: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    """Changes the ``config.json`` of an archive in place."""
    content = members(path)
    config = json.loads(content["config.json"])
    edit(config)
    content["config.json"] = json.dumps(config).encode()
    return write_members(path, content)


def edit_weights(path: Path, edit: Callable[[Any], None]) -> Path:
    """Changes the HDF5 member of an archive in place; ``edit`` gets the open file."""
    import h5py

    content = members(path)
    buffer = io.BytesIO(content["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        edit(file)
    content["model.weights.h5"] = buffer.getvalue()
    return write_members(path, content)


def layer_config(config: dict[str, Any], class_name: str) -> dict[str, Any]:
    """Gives the first layer entry of a class in a model config."""
    return next(layer for layer in config["config"]["layers"] if layer["class_name"] == class_name)


def windows(model: Any, count: int, seed: int = 11) -> Any:
    """Gives float32 windows of the model's input shape, in 0..1 with an uneven spectrum."""
    rng = np.random.default_rng(seed)
    shape = model.input_shape[1:]
    slope = np.linspace(1.0, 0.05, shape[0], dtype=np.float32).reshape(-1, *[1] * (len(shape) - 1))
    return (rng.random((count, *shape), dtype=np.float32) ** 2 * slope).astype(np.float32)
