"""The command line answers at once: nothing heavy is imported before a command needs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from birdnet_deploy.cli.main import COMMANDS
from tests.support.command import cpu_seconds

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 0.3  # of processor time, which is wall time on a machine that does nothing else
HEAVY = (
    "tensorflow", "keras", "numpy", "rich", "jinja2", "soundfile", "soxr", "ai_edge_litert", "serial", "matplotlib",
    "sklearn", "pyarrow", "dask", "distributed",
)  # fmt: skip
ANSWERS = [("--help",), ("--version",), *((name, "--help") for name in COMMANDS)]


def run(*arguments: str, python_options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *python_options, "-m", "birdnet_deploy", *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True)


def test_help_answers_in_under_0_3_s_best_of_three() -> None:
    assert min(cpu_seconds(lambda: run("--help")) for _ in range(3)) < LIMIT_S


@pytest.mark.parametrize("arguments", ANSWERS, ids=" ".join)
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    told = run(*arguments, python_options=("-X", "importtime")).stderr
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in told.splitlines() if "|" in line}
    assert "click" in imported
    assert sorted(imported & set(HEAVY)) == []
