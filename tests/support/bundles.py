"""A bundle folder around any ``.tflite``, with a true lock; its config fits the tiny models of 16 x 16."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

LABELS = tuple(f"Avis numerus{n}_Bird {n}" for n in range(8))
CONFIG: dict[str, Any] = {
    "sample_rate": 8000, "chunk_duration": 1.0, "audio_frontend": "librosa", "num_mels": 16, "spec_width": 16,
    "fft_length": 256, "hop_length": 500, "input_shape": [16, 16, 1], "output_activation": "softmax",
    "num_classes": len(LABELS), "class_names": list(LABELS),
}  # fmt: skip


def write_bundle(folder: Path, model: bytes, *, labels: tuple[str, ...] = LABELS, **config: Any) -> Path:
    """Gives the folder with a whole bundle in it; ``config`` replaces keys of CONFIG, None removes them."""
    folder.mkdir(parents=True)
    merged = {key: value for key, value in {**CONFIG, **config}.items() if value is not None}
    (folder / "model.tflite").write_bytes(model)
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    (folder / "model_config.json").write_text(json.dumps(merged), encoding="utf-8")
    (folder / "golden.npz").write_bytes(b"not looked at")
    (folder / "report.json").write_text("{}", encoding="utf-8")
    return lock(folder)


def lock(folder: Path) -> Path:
    """Locks the files of a bundle as they are now; gives the folder."""
    digests = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name != "birdnet.lock"
    }
    (folder / "birdnet.lock").write_text(json.dumps({"schema_version": 1, "files": digests}), encoding="utf-8")
    return folder
