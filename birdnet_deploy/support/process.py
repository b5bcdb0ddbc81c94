"""Child processes that cannot hang, leak or take the parent down: own group, limits, a log, no leftovers.

``run_child`` runs any command. ``run_worker`` runs one of this package's own modules on a job folder, for
work that untrusted files or C++ libraries may crash; the module wraps its work in ``worker_limits`` and
``reporting``.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from birdnet_deploy.errors import DeployError, ModelError, OutputRefused, told_error
from birdnet_deploy.support import jsonfile

LOG_FILE = "log.txt"
JOB_FILE = "job.json"
RESULT_FILE = "result.json"
STEPS_FILE = "steps.txt"
_ERROR_FILE = "error.json"
_PREFIX = "birdnet-deploy-"
_POLL_S = 0.05
_GRACE_S = 2.0
_PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_SET_TMPDIR = "set TMPDIR to a folder with room"


@dataclass(frozen=True)
class ChildResult:
    """How a child ended; ``returncode`` is negative for a signal, ``timed_out`` where time ran out."""

    returncode: int
    timed_out: bool = False

    @property
    def signal_name(self) -> str | None:
        """The signal that ended it (``SIGSEGV``), or None."""
        if self.returncode >= 0:
            return None
        try:
            return signal.Signals(-self.returncode).name
        except ValueError:
            return f"signal {-self.returncode}"


def run_child(
    command: Sequence[str],
    *,
    log: Path,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_tick: Callable[[], None] | None = None,
) -> ChildResult:
    """Runs a command in its own process group, output and errors into ``log``; gives how it ended.

    ``on_tick`` is called some times a second meanwhile. Whatever interrupts the wait ends the whole group
    first; where this process is killed, the kernel has the command terminate (make ends its own children then).

    Raises: OSError where the command cannot be started.
    """
    deadline = time.monotonic() + timeout_s
    with log.open("wb") as output, subprocess.Popen(
        list(command), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=cwd,
        env=None if env is None else dict(env), start_new_session=True,
        preexec_fn=terminate_with_parent if _LIBC else None,  # noqa: PLW1509 - one system call, no lock is taken
    ) as process:  # fmt: skip
        try:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    return ChildResult(process.wait(_POLL_S))
                if on_tick is not None:
                    on_tick()
                if time.monotonic() > deadline:
                    end_group(process)
                    return ChildResult(process.returncode, timed_out=True)
        except BaseException:
            end_group(process)
            raise


def terminate_with_parent() -> None:
    """Has the kernel terminate this process when its parent dies, however that is; nothing where it cannot."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Ends a process started with ``start_new_session`` and all its children: politely, then by force."""
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, number)
            else:
                process.terminate()
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):  # a second Ctrl-C: by force, now
            process.wait(_GRACE_S)


def is_alive(pid: int) -> bool:
    """Says whether a process with this id exists; always so on Windows, where asking would end it."""
    if os.name == "nt":
        return True
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Gives a private temporary folder that vanishes at the end; those of killed runs are swept first.

    Raises: OutputRefused (exit 5) where none can be made.
    """
    try:
        root = Path(tempfile.gettempdir())
    except OSError as error:
        raise OutputRefused("no folder for temporary files can be written", fix=_SET_TMPDIR) from error
    for leftover in root.glob(f"{_PREFIX}*-*"):
        owner = leftover.name.removeprefix(_PREFIX).split("-", 1)[0]
        if owner.isdigit() and not is_alive(int(owner)):
            shutil.rmtree(leftover, ignore_errors=True)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=root))
    except OSError as error:
        raise OutputRefused(f"takes no temporary folder ({error.strerror})", where=root, fix=_SET_TMPDIR) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_worker(
    module: str,
    folder: Path,
    *,
    name: str,
    where: object,
    timeout_s: float,
    on_tick: Callable[[], None] | None = None,
) -> None:
    """Runs ``python -m module FOLDER`` where ``folder`` holds the job, and gives back what it reported.

    ``name`` is what the user reads ("the converter"), ``where`` the file that it works on.

    Raises: the DeployError that the worker reported; ModelError (exit 3) where it crashed, hung or failed.
    """
    (folder / "tmp").mkdir(exist_ok=True)
    log = folder / LOG_FILE
    command = [sys.executable, "-P", "-m", module, str(folder)]
    result = run_child(command, log=log, timeout_s=timeout_s, env=worker_environment(folder), on_tick=on_tick)
    report = folder / _ERROR_FILE
    if report.is_file():
        raise told_error(json.loads(report.read_text(encoding="utf-8")))
    if result.returncode == 0:
        return
    if result.timed_out or result.signal_name == "SIGXCPU":
        raise ModelError(f"{name} was still busy after {timeout_s:.0f} s", where=where, fix="check the model file")
    if result.signal_name:
        raise ModelError(f"{name} crashed ({result.signal_name})", where=where, fix="check the model and its data")
    raise ModelError(f"{name} failed ({last_line(log)})", where=where, fix="check the model and its data")


def child_environment() -> dict[str, str]:
    """Gives this process's environment with this package importable, for a child that is one of its modules."""
    root = str(Path(str(files("birdnet_deploy"))).parent)
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return {
        **os.environ, "PYTHONPATH": os.pathsep.join([*paths, root]), "PYTHONHASHSEED": "0", "PYTHONUTF8": "1",
    }  # fmt: skip


def worker_environment(folder: Path) -> dict[str, str]:
    """Gives a child's environment: this package importable, no TensorFlow settings, temporaries in ``folder/tmp``."""
    return {
        **child_environment(),
        "TMPDIR": str(folder / "tmp"),
        "KERAS_BACKEND": "tensorflow",
        "KERAS_HOME": str(folder / "tmp"),
        "TF_USE_LEGACY_KERAS": "0",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_ENABLE_ONEDNN_OPTS": "0",  # its kernels differ from machine to machine
        "CUDA_VISIBLE_DEVICES": "",
    }


def last_line(log: Path) -> str:
    """Gives the last line that a child wrote into its log."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"


def worker_limits(*, memory_bytes: int, cpu_s: int, file_bytes: int) -> None:
    """Limits this process and ties its life to the parent's where the system can; a worker calls it first."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in limits.items():
        hard = resource.getrlimit(kind)[1]
        soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with suppress(ValueError, OSError):  # macOS knows the address space limit and refuses it
            resource.setrlimit(kind, (soft, hard))
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def reporting(folder: Path) -> Iterator[None]:
    """Writes a DeployError of the body where ``run_worker`` finds it, and exits with its code."""
    try:
        yield
    except DeployError as error:
        jsonfile.write(folder / _ERROR_FILE, error.to_json())
        raise SystemExit(error.exit_code) from error
