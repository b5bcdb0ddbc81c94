"""Trains the demo's small DS-CNN on synthesised songs, in about a minute on two cores.

Reads ``<songs>/train`` and ``<songs>/test`` (one folder a class), through the same input contract as
``convert`` and the firmware. Writes ``demo.keras``, ``demo_model_config.json``, ``demo_labels.txt`` and
``demo_training.json``, which holds the float model's top-1 on the held-out windows.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # the same result with and without a GPU

import numpy as np
import numpy.typing as npt

from birdnet_deploy.audio.frontend import features_of_pcm
from birdnet_deploy.audio.reading import find_recordings, read_pcm16
from birdnet_deploy.audio.windows import window_at, window_starts
from birdnet_deploy.model.config import ModelConfig, config_from_mapping
from birdnet_deploy.model.labels import format_labels
from birdnet_deploy.support import jsonfile

Array = npt.NDArray[Any]

NAME = "demo"
EPOCHS = 26
BATCH = 32
LEARNING_RATE = 4e-3  # the highest; it falls to 0 along a cosine
DROPOUT = 0.2  # the builder's default of 0.5 is for far more data
SETTINGS: dict[str, Any] = {
    "sample_rate": 16_000,
    "chunk_duration": 2.0,
    "audio_frontend": "hybrid",
    "num_mels": 64,
    "spec_width": 128,
    "fft_length": 512,
    "mag_scale": "pwl",
    "embeddings_size": 64,
    "alpha": 0.25,
    "class_activation": "softmax",
}


@contextmanager
def quiet_start() -> Iterator[None]:
    """Keeps away what TensorFlow's libraries write to stderr while they load, whatever the log level says."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def load_windows(folder: Path, labels: list[str], config: ModelConfig) -> tuple[Array, Array]:
    """Gives the features of a split's windows, float32 ``[n, *shape]``, and their classes, int ``[n]``."""
    features, classes = [], []
    for number, label in enumerate(labels):
        for path in find_recordings(folder / label):
            pcm = read_pcm16(path, config.sample_rate)
            for start in window_starts(len(pcm), config.window_samples):
                features.append(features_of_pcm(window_at(pcm, start, config.window_samples), config))
                classes.append(number)
    return np.stack(features), np.asarray(classes)


def build_model(classes: int) -> Any:
    """Gives the small DS-CNN, not trained yet."""
    from birdnet_deploy.model import build_dscnn_model

    return build_dscnn_model(num_classes=classes, dropout_rate=DROPOUT, **SETTINGS)


def train(model: Any, features: Array, classes: Array, epochs: int = EPOCHS) -> None:
    """Trains ``model`` in place and prints the loss of each epoch."""
    import keras

    steps = -(-len(features) // BATCH) * epochs
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])

    def say(epoch: int, logs: Mapping[str, float]) -> None:
        seen = f"loss {logs['loss']:.3f}, training top-1 {logs['accuracy']:.3f}"
        print(f"epoch {epoch + 1}/{epochs}: {seen}", flush=True)

    model.fit(
        features, classes, batch_size=BATCH, epochs=epochs, verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=say)],
    )  # fmt: skip


def train_demo(songs: Path, folder: Path, seed: int, epochs: int = EPOCHS) -> dict[str, Any]:
    """Trains on ``songs``, writes the model and what stands beside it into ``folder``; gives the result.

    The result has ``top1`` (0 to 1), ``windows`` (the held-out windows it is of), ``seed``, ``epochs`` and
    ``train_windows``.
    """
    with quiet_start():
        import keras

    keras.utils.set_random_seed(seed)
    labels = sorted(path.name for path in (songs / "train").iterdir() if path.is_dir())
    config = config_from_mapping(SETTINGS)
    features, classes = load_windows(songs / "train", labels, config)
    held_out, truth = load_windows(songs / "test", labels, config)
    print(f"{len(features)} training windows, {len(held_out)} held-out windows", flush=True)
    model = build_model(len(labels))
    train(model, features, classes, epochs)
    right = model.predict(held_out, batch_size=64, verbose=0).argmax(axis=1) == truth
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / f"{NAME}.keras")
    jsonfile.write(
        folder / f"{NAME}_model_config.json", {**SETTINGS, "num_classes": len(labels), "class_names": labels}
    )
    (folder / f"{NAME}_labels.txt").write_text(format_labels(tuple(labels)), encoding="utf-8", newline="\n")
    result = {
        "top1": float(right.mean()),
        "windows": len(truth),
        "train_windows": len(classes),
        "seed": seed,
        "epochs": epochs,
    }
    jsonfile.write(folder / f"{NAME}_training.json", result)
    return result


def main() -> None:
    """Trains as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("songs", type=Path, help="the folder that songs.py wrote")
    parser.add_argument("folder", type=Path, help="where to write the model")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    started = time.monotonic()
    result = train_demo(options.songs, options.folder, options.seed)
    print(
        f"float top-1 {result['top1']:.3f} on {result['windows']} held-out windows, "
        f"{time.monotonic() - started:.0f} s, {options.folder / NAME}.keras"
    )


if __name__ == "__main__":
    main()
