"""Work on untrusted files in a fork of this process, with limits: what dies or hangs there does not end the caller.

A fork costs milliseconds where a new interpreter costs tenths of a second. Where there is no fork (Windows), or where
other threads run and a fork is unsafe, the work is done in place.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import DeployError, ModelError, told_error

_CHUNK_BYTES = 1 << 16
_FILE_BYTES = 64 << 20  # of one that the work writes: a job for a child of its own
_TASKS = Path("/proc/self/task")


def can_fork() -> bool:
    """Says whether a fork is there and safe: this thread is the only one."""
    if sys.platform == "win32" or not hasattr(os, "fork") or threading.active_count() > 1:
        return False
    try:
        return len(list(_TASKS.iterdir())) == 1
    except OSError:
        return sys.platform != "darwin"


def run_limited(
    work: Callable[[], Any], *, name: str, where: object, timeout_s: float, memory_bytes: int
) -> Any:  # fmt: skip
    """Gives what ``work`` gives, as JSON has it; ``name`` is what the user reads, ``where`` the file it works on.

    ``memory_bytes`` is what the work may take beyond what this process has.

    Raises: the DeployError that ``work`` raised; ModelError (exit 3) where it crashed, hung or took too much memory.
    """
    if not can_fork():
        return json.loads(json.dumps(work()))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work_and_exit(work, writing, timeout_s, memory_bytes)
    os.close(writing)
    try:
        data = _read_all(reading, time.monotonic() + timeout_s)
    finally:
        os.close(reading)
        status = _end(child)
    if data is None:
        raise ModelError(f"{name} was still busy after {timeout_s:.0f} s", where=where, fix="check the file")
    return _result(data, status, name, where)


def _work_and_exit(work: Callable[[], Any], writing: int, timeout_s: float, memory_bytes: int) -> None:
    """Does the work in the child, writes one JSON document and ends without any of the parent's clean-up."""
    try:
        _limit(timeout_s, memory_bytes)
        try:
            answer: dict[str, Any] = {"result": work()}
        except DeployError as error:
            answer = error.to_json()
        except MemoryError:
            answer = {"kind": "ModelError", "what": "takes more memory than any model", "where": None, "fix": None}
        except Exception as error:  # the parent shows it as what it is, an internal error
            answer = {"crash": f"{type(error).__name__}: {error}"}
        _write_all(writing, json.dumps(answer).encode())
    finally:
        os._exit(0)


def _limit(timeout_s: float, memory_bytes: int) -> None:
    import resource

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    taken = _address_space()
    limits = {
        resource.RLIMIT_CPU: int(timeout_s) + 1,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: _FILE_BYTES,
        **({resource.RLIMIT_AS: taken + memory_bytes} if taken else {}),
    }
    for kind, value in limits.items():
        hard = resource.getrlimit(kind)[1]
        soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (soft, hard))


def _address_space() -> int:
    """Gives the bytes of address space that this process has; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _write_all(writing: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(writing, view) :]


def _read_all(reading: int, deadline: float) -> bytes | None:
    """Gives all that the child writes; None where it does not end in time."""
    parts: list[bytes] = []
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([reading], [], [], left)[0]:
            return None
        part = os.read(reading, _CHUNK_BYTES)
        if not part:
            return b"".join(parts)
        parts.append(part)
    return None


def _end(child: int) -> int:
    """Ends the child where it has not ended, and gives how it did: negative for a signal."""
    pid, status = os.waitpid(child, os.WNOHANG)
    for _ in range(50):
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
        pid, status = os.waitpid(child, os.WNOHANG)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _result(data: bytes, status: int, name: str, where: object) -> Any:
    if status < 0 or not data:
        how = signal.Signals(-status).name if status < 0 else "no answer"
        raise ModelError(f"{name} crashed ({how})", where=where, fix="check the file")
    answer = json.loads(data)
    if "crash" in answer:
        raise RuntimeError(answer["crash"])
    if "kind" in answer:
        raise told_error(answer, where=where)
    return answer["result"]
