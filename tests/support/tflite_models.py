"""The fixture of the tiny ``.tflite`` models; import it into a test module to use it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.once import made_once

ROOT = Path(__file__).resolve().parents[2]


def _make(folder: Path) -> None:
    command = [sys.executable, "-m", "tests.support.make_tflite_models", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture(scope="session")
def tflite_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny models that ``make_tflite_models`` lists, made once a run."""
    return made_once(tmp_path_factory, "tflite_models", _make)
