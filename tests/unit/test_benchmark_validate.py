"""The benchmark of ``validate`` runs and compares; its numbers are for people."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.script import script
from tests.support.tflite_models import tflite_models

__all__ = ["tflite_models"]
ROOT = Path(__file__).resolve().parents[2]


def benchmark(*arguments: object, path: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.validate", *map(str, arguments)]
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_both_tables_are_shown(tflite_models: Path, tmp_path: Path) -> None:
    script(tmp_path / "vela", "exec sleep 0.5")
    done = benchmark(tflite_models / "good.tflite", "--repeats", 1, path=f"{tmp_path}:{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if re.match(r"\w+ +[\d.]+ ", line)}
    assert float(rows["vela"][0]) >= 0.5
    assert rows["validate"][4:] == ["1.00x", "1.00x", "1.00x"]
    assert float(rows["vela"][4].rstrip("x")) > 1
    assert "measured  estimate   error" in done.stdout


def test_a_program_that_fails_is_told(tflite_models: Path, tmp_path: Path) -> None:
    script(tmp_path / "vela", 'echo "no such network"; exit 1')
    done = benchmark(tflite_models / "good.tflite", "--repeats", 1, path=f"{tmp_path}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert "ended with 1" in done.stderr
    assert "no such network" in done.stderr
    assert benchmark(tmp_path / "nothing.tflite", path=os.environ["PATH"]).returncode == 2
