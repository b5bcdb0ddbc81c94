"""Makes a small DS-CNN and recordings for it, in a process of its own (it imports TensorFlow).

    python -m tests.support.make_small_model FOLDER

Weights and BatchNormalization statistics are perturbed, so that int8 outputs differ from window to window.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import soundfile

LABELS = ("Aves altus_High Whistler", "Aves medius_Middle Trill", 'Aves "quotus"_Quoted, %s', "Aves profundus_Été Bird")
PARAMETERS = {
    "num_mels": 16, "spec_width": 32, "sample_rate": 8000, "chunk_duration": 1.0, "embeddings_size": 32,
    "num_classes": len(LABELS), "audio_frontend": "hybrid", "alpha": 0.25, "fft_length": 256,
    "mag_scale": "none", "class_activation": "softmax",
}  # fmt: skip
CONFIG_KEYS = ("num_mels", "spec_width", "sample_rate", "chunk_duration", "audio_frontend", "fft_length", "mag_scale")


def perturb(model: object, seed: int) -> None:
    """Moves every weight away from its initial value, as training would."""
    random = np.random.default_rng(seed)
    for layer in model._flatten_layers(include_self=False, recursive=True):  # type: ignore[attr-defined]
        if type(layer).__name__ != "BatchNormalization":
            continue
        gamma, beta, mean, variance = (w.shape for w in layer.weights)
        layer.set_weights([
            random.uniform(0.8, 1.6, gamma), random.normal(0.2, 0.3, beta),
            random.normal(0.0, 0.1, mean), random.uniform(0.05, 0.3, variance),
        ])  # fmt: skip


def song(kind: int, seconds: float, rate: int, seed: int) -> np.ndarray:
    """Gives a song of one of four kinds in noise: float64 in [-1, 1], ``seconds * rate`` samples."""
    random = np.random.default_rng([kind, seed])
    t = np.arange(int(seconds * rate)) / rate
    pitch = (3000.0, 1800.0, 1000.0, 500.0)[kind] * random.uniform(0.9, 1.1)
    gate = (np.sin(2 * np.pi * (2 + 3 * kind) * t + random.uniform(0, 6)) > 0.2) * 0.4
    return gate * np.sin(2 * np.pi * pitch * t) + random.normal(0, 0.02, t.size)


def write_recordings(folder: Path) -> None:
    """Writes two recordings a label at other rates, formats and channel counts than the model's."""
    for kind, label in enumerate(LABELS):
        for number, (rate, suffix, seconds) in enumerate(((16000, "wav", 2.6), (22050, "flac", 1.0 + 0.4 * kind))):
            sound = song(kind, seconds, rate, number)
            path = folder / label / f"take {number}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.stack([sound, sound * 0.5], axis=1) if number else sound, rate, subtype="PCM_16")


def main(folder: Path) -> None:
    """Writes small.keras, its config and labels, and ``recordings/`` into ``folder``."""
    import keras

    from birdnet_deploy.model import build_dscnn_model

    keras.utils.set_random_seed(7)
    model = build_dscnn_model(**PARAMETERS)
    perturb(model, 7)
    model.save(folder / "small.keras")
    config = {key: PARAMETERS[key] for key in CONFIG_KEYS}
    (folder / "small_model_config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "small_labels.txt").write_text("".join(f"{label}\n" for label in LABELS), encoding="utf-8")
    write_recordings(folder / "recordings")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
