"""The small model and bundle that fuzzing starts from, made where none are named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def models_for(folder: Path | None, scratch: Path) -> tuple[Path, Path]:
    """Gives the folder of ``small.keras`` and that of its bundle."""
    if folder is not None:
        return folder, folder / "bundle"
    model = scratch / "small"
    model.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for words in (
        ["tests.support.make_small_model", str(model)],
        ["birdnet_deploy", "convert", str(model / "small.keras"), "--calibration", str(model / "recordings"),
         "--fidelity", "basic", "-o", str(model / "bundle")],
    ):  # fmt: skip
        command = [sys.executable, "-m", *words]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return model, model / "bundle"
