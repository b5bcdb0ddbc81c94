"""The models that are measured, each with its inputs and what the reference kernels make of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.engine.synthetic import ds_cnn, noise
from birdnet_deploy.audio.frontend import features_of_windows
from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.audio.reading import find_recordings, read_pcm16
from birdnet_deploy.audio.windows import window_at, window_starts
from birdnet_deploy.model.config import ModelConfig, read_config
from birdnet_deploy.tflite.reader import read_model
from tests.support.reference import reference_outputs

WINDOWS = 5
# Height, width and channels of the project's own models: how cost grows with size, and channels that fill no register.
SYNTHETIC = {
    "ds-16": (33, 32, (16, 32)),
    "ds-20": (33, 32, (20, 36)),
    "ds-32": (65, 64, (32, 64)),
    "ds-64": (65, 64, (64, 128)),
    "ds-64-deep": (129, 64, (32, 64, 128, 256)),
}
FAST = ("ds-16", "ds-20", "ds-32")  # of the budget that every test run holds


@dataclass(frozen=True)
class Case:
    """A model with int8 inputs [n, ...] and the reference's outputs [n, size]; ``source`` says what the inputs are."""

    name: str
    model: bytes
    inputs: NDArray[np.int8]
    expected: NDArray[np.int8]
    source: str


def synthetic_case(name: str, windows: int = 1) -> Case:
    """Gives one of ``SYNTHETIC`` with noise as input."""
    height, width, channels = SYNTHETIC[name]
    model = ds_cnn(height, width, channels)
    return _case(name, model, noise((height, width, 1), windows), "noise")


def recorded_case(name: str, model: bytes, config: ModelConfig, recordings: Path) -> Case:
    """Gives a model with five windows of real recordings, one a file."""
    read = read_model(model)
    quantization = read.tensors[read.inputs[0]].quantization
    if quantization is None:
        raise ValueError(f"{name} takes no int8 input")
    features = features_of_windows(np.stack(list(_windows(config, recordings))), config)
    inputs = quantize_input(features, quantization.scales[0], quantization.zero_points[0])
    return _case(name, model, inputs, f"{len(inputs)} windows of recordings")


def anchor_case(shared: Path) -> Case:
    """Gives the anchor of facts/emulated-m55.md with five windows of real recordings."""
    models = shared / "models"
    config = read_config(models / "birdnet_stm32n6_100_model_config.json")
    config = config.with_(input_shape=(257, 256, 1))
    return recorded_case("anchor", (models / "anchor_int8.tflite").read_bytes(), config, shared / "audio")


def bundle_case(bundle: Path, recordings: Path | None) -> Case:
    """Gives a bundle's model, with real windows where recordings are given, else with noise."""
    model = (bundle / "model.tflite").read_bytes()
    if recordings is not None:
        return recorded_case(bundle.name, model, read_config(bundle / "model_config.json"), recordings)
    return file_case(bundle / "model.tflite", bundle.name)


def file_case(path: Path, name: str | None = None) -> Case:
    """Gives any full-int8 ``.tflite`` with noise as input."""
    model = path.read_bytes()
    read = read_model(model)
    return _case(name or path.stem, model, noise(read.tensors[read.inputs[0]].shape[1:], WINDOWS), "noise")


def _case(name: str, model: bytes, inputs: NDArray[np.int8], source: str) -> Case:
    return Case(name, model, inputs, reference_outputs(model, inputs), source)


def _windows(config: ModelConfig, recordings: Path) -> Iterable[NDArray[np.int16]]:
    """Yields the middle window of five files that are spread over the sorted recordings."""
    files = find_recordings(recordings)
    for path in files[:: max(1, len(files) // WINDOWS)][:WINDOWS]:
        pcm = read_pcm16(path, config.sample_rate)
        starts = window_starts(len(pcm), config.window_samples)
        yield window_at(pcm, starts[len(starts) // 2], config.window_samples)
