"""Running an external tool: argument list, time limit, log file; the whole process group ends with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from birdnet_deploy.errors import ToolchainError
from birdnet_deploy.support.process import run_child


def run_tool(
    command: Sequence[str],
    *,
    name: str,
    log: Path,
    timeout_s: float,
    cwd: Path | None = None,
    on_tick: Callable[[], None] | None = None,
) -> int:
    """Gives the exit status of a tool; its output, in English, goes to ``log``.

    Raises: ToolchainError (exit 6) where it cannot be started, is still busy after ``timeout_s`` or dies of a
    signal.
    """
    env = {**os.environ, "LC_ALL": "C"}
    env.pop("MAKEFLAGS", None)  # of a make that this program itself was started from
    try:
        result = run_child(command, log=log, timeout_s=timeout_s, cwd=cwd, env=env, on_tick=on_tick)
    except OSError as error:
        raise ToolchainError(
            f"cannot be started ({error.strerror})", where=command[0], fix=f"reinstall {name}"
        ) from error
    if result.timed_out:
        raise ToolchainError(
            f"still busy after {timeout_s:.0f} s and was stopped", where=name, fix=f"see its output in {log}"
        )
    if result.signal_name:
        raise ToolchainError(f"died of {result.signal_name}", where=name, fix=f"see its output in {log}")
    return result.returncode
