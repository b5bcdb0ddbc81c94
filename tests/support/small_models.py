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
    "num_classes": 6, "alpha": 0.25, "depth_multiplier": 0.5, "fft_length": 256, "audio_frontend": "hybrid",
}  # fmt: skip
LABELS = tuple(f"Species {letter}" for letter in "abcdef")


def build(**changes: Any) -> Any:
    """Gives a small untrained model, the same each time: one, two, two and one block."""
    import keras

    from birdnet_deploy.model import build_dscnn_model

    keras.utils.set_random_seed(7)
    return build_dscnn_model(**{**SMALL, **changes})


def settled(**changes: Any) -> Any:
    """Gives a small model that tells windows apart, as a trained one would."""
    model = build(**changes)
    settle(model)
    return model


def settle(model: Any, seed: int = 3) -> None:
    """Sets batch statistics to those of ``windows`` and moves scales, offsets and biases off their initial values."""
    norms = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
    rng = np.random.default_rng(seed)
    for layer in norms:
        layer.momentum = 0.0
        layer.gamma.assign(rng.uniform(0.7, 1.4, layer.gamma.shape))
        layer.beta.assign(rng.normal(0.3, 0.3, layer.beta.shape))
    model(windows(model, 16, seed=1), training=True)
    for layer in norms:
        layer.momentum = 0.99
    head = model.get_layer("pred")
    head.kernel.assign(head.kernel * 4.0)
    head.bias.assign(rng.normal(0.0, 0.5, head.bias.shape))


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


def to_2025(file: Any) -> None:
    """Moves the magnitude weights of an HDF5 member to where files of 2025 have them; for ``edit_weights``."""
    frontend = file["layers/audio_frontend_layer"]
    for name in [name for name in frontend["mag_layer"] if name.startswith("_pwl")]:
        frontend.move(f"mag_layer/{name}", name)
    del frontend["mag_layer"]


def layer_config(config: dict[str, Any], class_name: str) -> dict[str, Any]:
    """Gives the first layer entry of a class in a model config."""
    return next(layer for layer in config["config"]["layers"] if layer["class_name"] == class_name)


def windows(model: Any, count: int, seed: int = 11) -> Any:
    """Gives float32 windows of the model's input shape: noise under an envelope of their own, spectra in 0..1."""
    rng = np.random.default_rng(seed)
    shape = model.input_shape[1:]
    axes = [np.linspace(-1.0, 1.0, n, dtype=np.float32) for n in shape[:-1]]
    result = np.empty((count, *shape), np.float32)
    for number in range(count):
        window = result[number]
        envelope = np.ones(shape, np.float32)
        for along, axis in enumerate(axes):
            bump = np.exp(-(((axis - rng.uniform(-0.9, 0.9)) / rng.uniform(0.1, 0.8)) ** 2)) + 0.02
            envelope *= bump.reshape([-1 if i == along else 1 for i in range(len(shape))])
        window[...] = envelope * rng.random(shape, dtype=np.float32)
        if len(axes) == 1:  # a waveform
            window *= np.sin(rng.uniform(100, 2000) * axes[0])[:, None]
        window /= np.abs(window).max()
    return result


def run_here(module: str, folder: Path, **options: Any) -> None:
    """Stands in for ``run_worker`` of ``quantization.convert``: the same work in this process, which has TensorFlow."""
    from birdnet_deploy.quantization import worker

    worker.main(folder)
    (folder / "log.txt").touch()
