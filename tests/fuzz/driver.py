"""Tries many damaged inputs on one reader, in a fork that may die: what is refused must be refused as promised.

The input that is tried lies in memory that both processes see, so that the parent still has it after a crash or a hang.
Which inputs are tried follows from the seed and their number alone.
"""

from __future__ import annotations

import faulthandler
import gc
import mmap
import os
import random
import resource
import shutil
import signal
import struct
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from birdnet_deploy.errors import DeployError
from tests.fuzz.mutate import changed

_MOST_BYTES = 4 << 20
_GROWTH_BYTES = 64 << 20  # of memory that stays taken, over a whole run
_SETTLE, _LOOK_EVERY = 100, 500  # inputs until caches are filled; between two looks at the memory
_MOST_FAILURES = 20
_MISTAKE = b"the driver's own mistake: "

Mutate = Callable[[random.Random, Sequence[bytes]], bytes]


@dataclass(frozen=True)
class Target:
    """A reader of untrusted bytes: ``read`` gets a file that holds the input, and the bytes.

    ``codes`` are the exit codes that its errors may have. ``ci`` is how many inputs CI tries. ``slow_s`` is the
    processor time that one input may take, ten times that its waiting; ``memory_bytes`` what it may take beyond what
    the process has.
    """

    name: str
    suffix: str
    codes: frozenset[int]
    seeds: Callable[[Path], list[bytes]]
    read: Callable[[Path, bytes], object]
    ci: int
    mutate: Mutate = changed
    slow_s: float = 5.0
    memory_bytes: int = 1 << 30


@dataclass(frozen=True)
class Failure:
    """A broken promise and the input that shows it."""

    why: str
    data: bytes


@dataclass(frozen=True)
class Outcome:
    """What a run found; ``refused`` counts inputs that ended with a clear error."""

    target: str
    tried: int
    failures: tuple[Failure, ...]
    refused: int = 0
    peak_bytes: int = 0


def check_one(target: Target, folder: Path, data: bytes) -> tuple[str | None, bool]:
    """Gives what is wrong with how a reader takes one input (None: nothing), and whether it refused it.

    Sets no limits: a crash is the caller's.
    """
    path = folder / f"input{target.suffix}"
    path.write_bytes(data)
    began, problem, refused = time.process_time(), None, False
    try:
        target.read(path, data)
    except DeployError as error:
        problem, refused = _wrong(target, error), True
    except Exception as error:
        problem = f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-6)}"
    took = time.process_time() - began
    left = sorted(found.name for found in folder.iterdir() if found != path)
    if problem is None and left:
        problem = f"left behind: {', '.join(left)}"
    if problem is None and took > target.slow_s:
        problem = f"took {took:.1f} s"
    return problem, refused


def _wrong(target: Target, error: DeployError) -> str | None:
    if error.exit_code not in target.codes:
        return f"exit code {error.exit_code} for {error.line}"
    if len(error.line.splitlines()) != 1 or not error.line.isprintable():
        return f"no single printable line: {error.line!r}"
    return None


class _Shared:
    """What parent and child both see: how far the child is, and the input that it tries."""

    _HEAD = struct.Struct("<qqdqqq")  # begun, done, when the current one began, its length, refused, peak

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, self._HEAD.size + _MOST_BYTES)
        self._state: list[float] = [0, 0, 0.0, 0, 0, 0]

    def reset(self, number: int) -> None:
        self._state = [number, number, time.monotonic(), 0, 0, 0]
        self._pack()

    def begin(self, number: int, data: bytes) -> None:
        self._memory[self._HEAD.size : self._HEAD.size + len(data)] = data
        self._state[:4] = [number + 1, number, time.monotonic(), len(data)]
        self._pack()

    def end(self, number: int, refused: bool) -> None:
        self._state[1] = number + 1
        self._state[4] += refused
        self._state[5] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self._pack()

    def _pack(self) -> None:
        begun, done, at, length, refused, peak = self._state
        self._HEAD.pack_into(self._memory, 0, int(begun), int(done), at, int(length), int(refused), int(peak))

    def read(self) -> tuple[int, int, float, bytes, int, int]:
        begun, done, at, length, refused, peak = self._HEAD.unpack_from(self._memory)
        return begun, done, at, bytes(self._memory[self._HEAD.size : self._HEAD.size + length]), refused, peak


def fuzz(target: Target, folder: Path, *, seed: int, inputs: int, seconds: float | None = None) -> Outcome:
    """Gives what ``inputs`` inputs find (or as many as fit in ``seconds``); a crash ends one child, not the run."""
    seeds = target.seeds(folder)
    work = folder / "work"
    shared = _Shared()
    failures: list[Failure] = []
    deadline = None if seconds is None else time.monotonic() + seconds
    first = refused = peak = 0
    while first < inputs and len(failures) < _MOST_FAILURES and not _over(deadline):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        shared.reset(first)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            _work(target, work, seeds, seed, range(first, inputs), deadline, shared, writing)
        os.close(writing)
        why = _watch(child, shared, target)
        with os.fdopen(reading, "rb") as pipe:
            why = pipe.read().decode("utf-8", "replace") or why
        if why and why.startswith(_MISTAKE.decode()):
            raise RuntimeError(why)
        begun, done, _, data, refused_here, peak_here = shared.read()
        refused, peak = refused + refused_here, max(peak, peak_here)
        first = begun if why else done
        if not why:
            break
        failures.append(Failure(why, data))
    return Outcome(target.name, first, tuple(failures), refused, peak)


def _over(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline


def _work(
    target: Target, work: Path, seeds: Sequence[bytes], seed: int, numbers: range, deadline: float | None,
    shared: _Shared, writing: int,
) -> None:  # fmt: skip
    """Tries inputs in the child until one breaks a promise; never returns."""
    try:
        parent = os.getppid()
        os.setpgid(0, 0)
        tempfile.tempdir = str(work)
        os.environ["TMPDIR"] = str(work)
        faulthandler.disable()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # codecs talk
        _limit(target)
        settled = 0
        for number in numbers:
            if _over(deadline) or os.getppid() != parent:
                break
            data = input_of(target, seeds, seed, number)
            shared.begin(number, data)
            problem, refused = check_one(target, work, data)
            if number == numbers.start + _SETTLE:
                settled = _resident()
            if problem is None and settled and number % _LOOK_EVERY == 0:
                problem = _growth(settled)
            if problem is not None:
                os.write(writing, problem.encode("utf-8", "replace")[:60_000])
                break
            shared.end(number, refused)
    except BaseException:
        os.write(writing, _MISTAKE + traceback.format_exc().encode("utf-8", "replace")[:60_000])
    finally:
        os._exit(0)


def input_of(target: Target, seeds: Sequence[bytes], seed: int, number: int) -> bytes:
    """Gives the input of a number: first the seeds as they are, then changed ones."""
    if number < len(seeds):
        return seeds[number]
    return target.mutate(random.Random(f"{target.name} {seed} {number}"), seeds)[:_MOST_BYTES]


def _growth(settled: int) -> str | None:
    if _resident() <= settled + _GROWTH_BYTES:
        return None
    gc.collect()
    taken = _resident()
    return None if taken <= settled + _GROWTH_BYTES else f"memory grew from {settled} to {taken} bytes"


def _limit(target: Target) -> None:
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + target.memory_bytes,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _watch(child: int, shared: _Shared, target: Target) -> str | None:
    """Waits for the child; says how it died, where it did not end by itself."""
    patience, late = 10 * target.slow_s, 0
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return f"died of {signal.Signals(os.WTERMSIG(status)).name}" if os.WIFSIGNALED(status) else None
        late = late + 1 if time.monotonic() - shared.read()[2] > patience else 0
        if late > 3:  # once may be what the child was just writing
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return f"hung for {patience:.0f} s"
        time.sleep(0.02)
