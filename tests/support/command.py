"""Runs the command line as a user does: in its own process, with what it printed and how it ended."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


def birdnet_deploy(
    *arguments: object, cwd: Path | None = None, timeout: float = 300, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Gives the finished process of ``birdnet-deploy ARGUMENTS``; its output is text."""
    command = [sys.executable, "-m", "birdnet_deploy", *map(str, arguments)]
    env = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **environment}
    root = str(Path(__file__).resolve().parents[2])
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [root, env.get("PYTHONPATH")]))
    return subprocess.run(
        command, cwd=cwd, env=env, timeout=timeout, capture_output=True, text=True, encoding="utf-8", check=False
    )


def succeed(*arguments: object, cwd: Path | None = None, **environment: str) -> str:
    """Gives the stdout of a command that must exit 0."""
    done = birdnet_deploy(*arguments, cwd=cwd, **environment)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def fail(code: int, *arguments: object, cwd: Path | None = None, **environment: str) -> str:
    """Gives the stderr of a command that must exit with ``code``, in one clear line and without a traceback."""
    done = birdnet_deploy(*arguments, cwd=cwd, **environment)
    assert done.returncode == code, f"exit {done.returncode}, expected {code}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stderr


def cpu_seconds(work: Callable[[], object]) -> float:
    """Gives the processor time that the child processes of ``work`` took: unlike wall time, not that of others."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
