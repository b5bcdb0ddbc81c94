"""Members of the family with weights as training would leave them, and recordings for them.

Nothing is trained: batch statistics are measured on songs through the input contract, all else is moved off its
initial value, and the head is fitted to the songs by least squares. So activations have the ranges that they have
in a trained model, no branch is dead, and outputs differ from window to window. Calling ``build`` imports TensorFlow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from birdnet_deploy.audio.frontend import features_of_windows
from birdnet_deploy.audio.windows import window_at, window_starts
from birdnet_deploy.model.config import ModelConfig, config_from_mapping
from birdnet_deploy.support import jsonfile
from tests.support.family_cells import Cell
from tests.support.sounds import hard_windows

HARD = ("silence", "click", "one step", "full-scale square")
_GAIN = {"logits": 3.0, "probabilities": 1.0}  # of the head; int8 probabilities of great logits are all 0 or 1


def labels(cell: Cell) -> tuple[str, ...]:
    """Gives a name a class."""
    return tuple(f"Species {number}" for number in range(cell.parameters["num_classes"]))


def song(kind: int, kinds: int, seconds: float, rate: int, seed: int) -> NDArray[np.int16]:
    """Gives notes of one species in noise: pitch from 400 to 3200 Hz, tempo and gain vary from song to song."""
    random = np.random.default_rng([kind, seed])
    time = np.arange(int(seconds * rate)) / rate
    pitch = 400 * 8 ** (kind / (kinds - 1)) * random.uniform(0.93, 1.07)
    beat = np.sin(2 * np.pi * random.uniform(1.5, 6) * time + random.uniform(0, 6))
    notes = np.clip(beat, 0, None) * np.sin(2 * np.pi * pitch * (time + 0.004 * np.sin(12 * time)))
    sound = random.uniform(0.1, 0.8) * notes + random.uniform(0.003, 0.05) * random.standard_normal(time.size)
    return np.clip(np.rint(32768 * sound), -32768, 32767).astype(np.int16)


def write_recordings(folder: Path, cell: Cell, seed: int, *, windows: float, hard: bool = False) -> Path:
    """Writes a recording a species, as long as so many windows, and with ``hard`` sounds that show faults.

    Gives the folder.
    """
    folder.mkdir(parents=True)
    rate = cell.parameters["sample_rate"]
    sounds = {str(kind): pcm for kind, pcm in enumerate(_songs(cell, seed, windows))}
    if hard:
        all_hard = hard_windows(config_of(cell).window_samples, rate)
        sounds |= {name: all_hard[name] for name in HARD}
    for name, pcm in sounds.items():
        soundfile.write(folder / f"{name}.wav", pcm, rate, subtype="PCM_16")
    return folder


def _songs(cell: Cell, seed: int, windows: float) -> list[NDArray[np.int16]]:
    told, kinds = cell.parameters, cell.parameters["num_classes"]
    seconds = told["chunk_duration"] * windows
    return [song(kind, kinds, seconds, told["sample_rate"], seed) for kind in range(kinds)]


def config_of(cell: Cell) -> ModelConfig:
    """Gives the config that lies beside the model; the model itself says how many rows it takes."""
    told = {
        **cell.parameters, "input_compression": cell.input_compression, "class_names": labels(cell),
        "output_activation": cell.parameters.get("class_activation", "softmax"),
    }  # fmt: skip
    config = config_from_mapping(told)
    rows, *others = config.shape
    return config.with_(input_shape=(rows - 1, *others)) if cell.without_nyquist else config


def build(cell: Cell, seed: int = 5) -> Any:
    """Gives the Keras model of a cell with weights as after training."""
    import keras

    from birdnet_deploy.model import build_dscnn_model

    keras.utils.set_random_seed(seed)
    model = build_dscnn_model(**cell.parameters)
    config = config_of(cell)
    if cell.without_nyquist:
        inputs = keras.Input(config.shape, name="linear_spectrogram_input")
        model = keras.models.clone_model(model, input_tensors=inputs)
    features, kinds = _training_windows(cell, config)
    random = np.random.default_rng(seed)
    _perturb_frontend(model.get_layer("audio_frontend"), random)
    _open_gates(model, random)
    _settle_statistics(model, features, random)
    _fit_head(model, features, kinds, _GAIN[cell.head])
    return model


def save(model: Any, cell: Cell, folder: Path) -> Path:
    """Writes the model with its config and labels beside it; gives its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "member.keras"
    model.save(path)
    told = config_of(cell).to_json()
    del told["input_shape"]
    jsonfile.write(folder / "member_model_config.json", told)
    (folder / "member_labels.txt").write_text("".join(f"{name}\n" for name in labels(cell)), encoding="utf-8")
    return path


def _training_windows(cell: Cell, config: ModelConfig) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Gives features of songs that no recording holds, and the kind of each."""
    pcm, kinds = [], []
    for seed in (100,) if cell.full_size else (100, 101):
        for kind, sound in enumerate(_songs(cell, seed, 1.4 if cell.full_size else 2.7)):
            starts = window_starts(len(sound), config.window_samples)
            pcm += [window_at(sound, start, config.window_samples) for start in starts]
            kinds += [kind] * len(starts)
    return features_of_windows(np.stack(pcm), config), np.asarray(kinds)


def _jitter(weights: Any, random: np.random.Generator, spread: float = 0.25) -> None:
    weights.assign(weights.numpy() * random.uniform(1 - spread, 1 + spread, weights.shape))


def _perturb_frontend(frontend: Any, random: np.random.Generator) -> None:
    """Moves the mel kernel and the magnitude scaling off their initial values, each channel by itself."""
    if frontend.mode == "hybrid":
        _jitter(frontend.mel_mixer.kernel, random)
    for layer in frontend.magnitude().magnitude_layers():
        for weights in layer.weights:
            _jitter(weights, random)


def _open_gates(model: Any, random: np.random.Generator) -> None:
    """Gives squeeze-and-excite bottlenecks that see something: a random unit of few is dead for good."""
    for layer in model.layers:
        if layer.name.endswith(("_reduce", "_se_reduce")):
            count = layer.kernel.shape[0]
            layer.kernel.assign(random.uniform(-0.5, 2.0, layer.kernel.shape) / count)
        if layer.name.endswith("_expand") and type(layer).__name__ == "Dense":
            layer.kernel.assign(random.normal(0.0, 1.0, layer.kernel.shape))


def _settle_statistics(model: Any, features: NDArray[np.float32], random: np.random.Generator) -> None:
    """Sets scales and offsets to others than 1 and 0, then the statistics to those of the songs, but not quite."""
    norms = [
        layer
        for layer in model._flatten_layers(include_self=False, recursive=True)
        if type(layer).__name__ == "BatchNormalization"
    ]
    before = [(layer.trainable, layer.momentum) for layer in norms]
    for layer in norms:
        layer.gamma.assign(random.uniform(0.7, 1.4, layer.gamma.shape))
        layer.beta.assign(random.normal(0.3, 0.3, layer.beta.shape))
        layer.trainable, layer.momentum = True, 0.0
    model(features, training=True)
    for layer, (trainable, momentum) in zip(norms, before, strict=True):
        layer.trainable, layer.momentum = trainable, momentum
        _jitter(layer.moving_mean, random, 0.1)
        _jitter(layer.moving_variance, random, 0.1)


def _fit_head(model: Any, features: NDArray[np.float32], kinds: NDArray[np.int64], gain: float) -> None:
    """Fits the last layer to the kinds of the songs by ridge regression."""
    import keras

    embed = keras.Model(model.input, model.get_layer("pred").input)
    found = embed(features, training=False).numpy().astype(np.float64)
    mean = found.mean(axis=0)
    centred = found - mean
    head = model.get_layer("pred")
    wanted = np.where(np.arange(head.units) == kinds[:, None], gain, -gain / 2)
    covariance = centred.T @ centred
    ridge = 0.5 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    kernel = np.linalg.solve(covariance + ridge, centred.T @ wanted)
    head.kernel.assign(kernel)
    head.bias.assign(wanted.mean(axis=0) - mean @ kernel)
