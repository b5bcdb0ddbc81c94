"""A bundle or project folder around any ``.tflite``, with a true lock; its config fits the tiny models of 16 x 16."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

LABELS = tuple(f"Avis numerus{n}_Bird {n}" for n in range(8))
CONFIG: dict[str, Any] = {
    "sample_rate": 8000, "chunk_duration": 1.0, "audio_frontend": "librosa", "num_mels": 16, "spec_width": 16,
    "fft_length": 256, "hop_length": 500, "mag_scale": "pwl", "input_shape": [16, 16, 1],
    "output_activation": "softmax", "num_classes": len(LABELS), "class_names": list(LABELS),
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


def write_project(folder: Path, model: bytes, target: str = "qemu-an547", **config: Any) -> Path:
    """Gives a project folder around a bundle, as far as the validator looks at one: description and headers."""
    bundle = write_bundle(folder / "bundle", model, **config)
    told = {"model": hashlib.sha256(model).hexdigest(), "lock": digest(bundle / "birdnet.lock")}
    (folder / "project.json").write_text(json.dumps({"schema": 1, "target": target, **told}), encoding="utf-8")
    banner = f"/* Generated\n * model {told['model']}\n * lock  {told['lock']}\n */\n"
    defines = {"APP_SAMPLE_RATE": "8000", "APP_WINDOW": "8000", "APP_INPUT_SIZE": "256", "APP_CLASSES": "8"}
    lines = [f"#define {name} {value}\n" for name, value in defines.items()]
    lines += [f'#define APP_{kind.upper()}_SHA256 "{value}"\n' for kind, value in told.items()]
    lines += ['#define APP_ACTIVATION "softmax"\n']
    (folder / "generated").mkdir()
    (folder / "generated/app_config.h").write_text(banner + "".join(lines), encoding="utf-8")
    (folder / "generated/labels.c").write_text(banner, encoding="utf-8")
    return folder


def digest(path: Path) -> str:
    """Gives the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fake_elf(segment_bytes: int, text: str) -> bytes:
    """Gives a 32-bit ELF with one loaded segment of so many bytes that begins with ``text``."""
    header = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 2, 40, 1, 0, 52, 0, 0, 52, 32, 1, 40, 0, 0)
    segment = struct.pack("<IIIIIIII", 1, 84, 0, 0, segment_bytes, segment_bytes, 5, 4)
    return (header + segment + text.encode()).ljust(84 + segment_bytes, b"\0")
