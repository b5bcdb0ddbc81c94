"""A bundle with a prologue, made of one without: its own model behind a small float part in front."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from birdnet_deploy.artifacts import LOCK_FILE, NPU_MODEL_FILE, PROLOGUE_FILE
from birdnet_deploy.model.config import read_config
from birdnet_deploy.prologue.file import write_prologue
from birdnet_deploy.prologue.graph import Prologue, Step
from tests.support import bundles
from tests.support.prologue_cases import NONE, window

STAGES = ("input features", "smooth", "scaled", "npu input")


def smoothing(shape: tuple[int, ...]) -> Prologue:
    """Gives a prologue that keeps the shape of a map: a 3x3 mean of unequal weights, then a scale."""
    height, width, _ = shape
    size = height * width
    numbers = {**window(height, width, 3, 3), "in_c": 1, "out_c": 1, **NONE}
    weights = (np.arange(1, 10) / 45).astype(np.float32)
    conv = Step("conv", "smooth", (0,), 1, numbers, {"weights": weights, "bias": np.zeros(1, np.float32)})
    blocks = {"outer": 1, "channels": 1, "inner": size, **NONE}
    arrays = {"scale": np.full(1, 1.25, np.float32), "offset": np.full(1, -0.01, np.float32)}
    return Prologue(shape, shape, (size,) * 3, 0, 2, (conv, Step("affine", "scaled", (1,), 2, blocks, arrays)))


def with_prologue(bundle: Path, folder: Path) -> Path:
    """Gives a copy of a bundle in ``folder`` whose network stands behind ``smoothing``."""
    shutil.copytree(bundle, folder, ignore=shutil.ignore_patterns(".*", LOCK_FILE))
    shutil.copyfile(folder / "model.tflite", folder / NPU_MODEL_FILE)
    write_prologue(folder / PROLOGUE_FILE, smoothing(read_config(folder / "model_config.json").shape))
    return bundles.lock(folder)
