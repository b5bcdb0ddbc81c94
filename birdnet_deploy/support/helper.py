"""A child that answers many questions about untrusted files, with limits: what dies or hangs there costs one answer.

The parent has a ``Helper``; the child is a module whose ``__main__`` calls ``serve``. A question is one line of JSON
and maybe bytes; an answer is blocks of bytes and then one JSON object. Nothing that is read from a child is executed.
The child lives in a process group of its own, knows no terminal, and ends when its parent does.
"""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from birdnet_deploy.errors import DeployError, told_error
from birdnet_deploy.support.closing import Closing
from birdnet_deploy.support.process import ChildResult, child_environment, end_group

_HEAD = struct.Struct("<cI")
_BLOCK, _END = b"B", b"E"
_MOST_JSON_BYTES = 1 << 20
_PIECE_BYTES = 1 << 20
_POLL_S = 0.5

Question = Mapping[str, Any]
Answer = tuple[dict[str, Any], bytearray]


class Helper(Closing):
    """A child process that ``ask`` starts, and starts again after it has died.

    ``name`` is what the user reads ("the decoder"), ``failure`` the error that a crash becomes. One thread at a time
    may ask.
    """

    def __init__(self, module: str, *, name: str, failure: type[DeployError], fix: str) -> None:
        self._module, self._name, self._failure, self._fix = module, name, failure, fix
        self._process: subprocess.Popen[bytes] | None = None

    def close(self) -> None:
        """Ends the child, at once where it is in the middle of something."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_POLL_S)
        except subprocess.TimeoutExpired:
            end_group(process)
        finally:
            self._close(process)

    @staticmethod
    def _close(process: subprocess.Popen[bytes]) -> None:
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def stop(self) -> None:
        """Kills the child at once, from any thread; an answer that is waited for is then a crash."""
        process = self._process
        if process is not None:
            with suppress(ProcessLookupError, PermissionError):
                process.kill()

    def ask(
        self, question: Question, data: bytes = b"", *, where: object, timeout_s: float, most_bytes: int
    ) -> Answer:  # fmt: skip
        """Gives the JSON and the bytes of an answer.

        Raises: the DeployError that the child raised; ``failure`` where it crashed, took longer than ``timeout_s`` or
        answered more than ``most_bytes``.
        """
        process = self._process = self._process or self._start()
        deadline = time.monotonic() + timeout_s
        try:
            said = {"bytes": len(data), "timeout_s": timeout_s, "failure": self._failure.__name__}
            _send(process, {**question, **said}, data)
            told, found = _receive(process, deadline, most_bytes)
        except _EndedError:
            how = _how(process)
            self._drop(process)
            raise self._failed(f"crashed ({how})", where) from None
        except _UnfitError as error:
            self._drop(process)
            raise self._failed(str(error).format(timeout_s=timeout_s, most_bytes=most_bytes), where) from None
        except BaseException:
            self._drop(process)
            raise
        if "kind" in told:
            raise told_error({**told, "where": None}, where=where)  # the child knows it by another name
        return told, found

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", self._module], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env=child_environment(), start_new_session=True,
        )  # fmt: skip

    def _drop(self, process: subprocess.Popen[bytes]) -> None:
        self.stop()
        self._process = None
        end_group(process)
        self._close(process)

    def _failed(self, what: str, where: object) -> DeployError:
        return self._failure(f"{self._name} {what}", where=where, fix=self._fix)


class _EndedError(Exception):
    """The child is no more."""


class _UnfitError(Exception):
    """It takes too long, says too much, or says nonsense."""


def _send(process: subprocess.Popen[bytes], question: Question, data: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(question).encode() + b"\n" + data)
        process.stdin.flush()
    except OSError as error:
        raise _EndedError from error


def _receive(process: subprocess.Popen[bytes], deadline: float, most_bytes: int) -> Answer:
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    found = bytearray()
    while True:
        kind, size = _HEAD.unpack(_read(descriptor, _HEAD.size, deadline))
        if kind == _END and size <= _MOST_JSON_BYTES:
            return _object(_read(descriptor, size, deadline)), found
        if kind != _BLOCK:
            raise _UnfitError("answers nonsense")
        if len(found) + size > most_bytes:
            raise _UnfitError("gives more than {most_bytes} bytes")
        found += _read(descriptor, size, deadline)


def _object(data: bytearray) -> dict[str, Any]:
    try:
        told = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _UnfitError("answers nonsense") from error
    if not isinstance(told, dict):
        raise _UnfitError("answers nonsense")
    return told


def _read(descriptor: int, size: int, deadline: float) -> bytearray:
    found = bytearray()
    while len(found) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise _UnfitError("was still busy after {timeout_s:.0f} s")
        if os.name == "posix" and not select.select([descriptor], [], [], min(left, _POLL_S))[0]:
            continue
        part = os.read(descriptor, min(size - len(found), _PIECE_BYTES))
        if not part:
            raise _EndedError
        found += part
    return found


def _how(process: subprocess.Popen[bytes]) -> str:
    with suppress(subprocess.TimeoutExpired):
        process.wait(_POLL_S)
    end_group(process)
    status = process.returncode
    return ChildResult(status).signal_name or f"exit {status}"


def serve(work: Callable[[Question, bytes], tuple[Mapping[str, Any], Iterable[bytes]]], *, memory_bytes: int) -> None:
    """Answers questions on stdin until it ends; the child's own ``main``.

    ``work`` gives JSON and blocks of bytes, which may be made while they are sent; the JSON is sent last.
    """
    questions = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints is no answer
    _limit_memory(memory_bytes)
    while line := questions.readline():
        question = json.loads(line)
        data = questions.read(question["bytes"])
        _limit_time(question["timeout_s"])
        _answer(work, question, data, answers)
        _limit_time(0)


def _answer(
    work: Callable[[Question, bytes], tuple[Mapping[str, Any], Iterable[bytes]]],
    question: Question, data: bytes, answers: BinaryIO,
) -> None:  # fmt: skip
    try:
        told, blocks = work(question, data)
        for block in blocks:
            _write(answers, _BLOCK, block)
    except DeployError as error:
        told = error.to_json()
    except MemoryError:
        told = {"kind": question["failure"], "what": "takes more memory than a file of its kind needs", "fix": None}
    _write(answers, _END, json.dumps(told).encode())


def _write(answers: BinaryIO, kind: bytes, data: bytes) -> None:
    view = memoryview(_HEAD.pack(kind, len(data)) + data)
    while view:
        view = view[answers.write(view) :]


def _limit_memory(memory_bytes: int) -> None:
    if sys.platform != "linux":  # macOS knows the limit of address space and refuses it
        return
    import resource

    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, resource.getrlimit(resource.RLIMIT_AS)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _limit_time(timeout_s: float) -> None:
    """Has the system end this process where an answer takes too long, also when nobody waits for it any more."""
    if hasattr(signal, "alarm"):
        signal.alarm(int(timeout_s) + 2 if timeout_s else 0)
