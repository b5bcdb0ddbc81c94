"""Worker processes over recordings: a recording that crashes or silences one costs itself, never the others.

Each worker has a few recordings ahead, so that it decodes one while it computes another. Where a worker dies, the
recordings that it had begun are tried again, each alone in a worker; one that is alone when its worker dies again is
``crashed``. A worker that says nothing for too long is ended; what it had begun is ``timeout`` where it was one.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from birdnet_deploy.errors import ModelError, told_error
from birdnet_deploy.evaluation import worker as protocol
from birdnet_deploy.evaluation.jobs import Job
from birdnet_deploy.evaluation.records import Head, encode
from birdnet_deploy.evaluation.results import CRASHED, TIMEOUT
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.closing import Closing
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.support.process import ChildResult, last_line, scratch_folder, worker_environment

_AHEAD = 3  # recordings that a worker knows of
_START_S = 120.0
_POLL_S = 0.25
_IDLE_DEATHS = 5  # workers that die one after the other without having begun anything
_JOB_FILE = "job.json"


class Worker:
    """One worker process and what it has to do; its frames go to ``inbox`` as (worker, kind, payload)."""

    def __init__(self, folder: Path, inbox: queue.Queue[tuple[Worker, bytes, bytes]]) -> None:
        descriptor, name = tempfile.mkstemp(dir=folder, suffix=".log")
        self._log, self.last_line = Path(name), ""
        command = [sys.executable, "-P", "-m", protocol.__name__, str(folder / _JOB_FILE)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=descriptor, start_new_session=True,
            env={**worker_environment(folder), **_ONE_THREAD},
        )  # fmt: skip
        os.close(descriptor)
        self.heard, self.ready, self.alone = time.monotonic(), False, False
        self.tasks: dict[int, str] = {}
        self.begun: set[int] = set()
        threading.Thread(target=self._listen, args=(inbox,), daemon=True).start()

    def _listen(self, inbox: queue.Queue[tuple[Worker, bytes, bytes]]) -> None:
        stream = self.process.stdout
        assert stream is not None
        with suppress(OSError, ValueError):
            while len(head := stream.read(protocol.FRAME.size)) == protocol.FRAME.size:
                kind, length = protocol.FRAME.unpack(head)
                payload = stream.read(length)
                if len(payload) == length:
                    inbox.put((self, kind, payload))
        inbox.put((self, b"", b""))

    def give(self, number: int, name: str) -> None:
        """Names a recording to it."""
        if not self.tasks:
            self.heard = time.monotonic()
        self.tasks[number] = name
        assert self.process.stdin is not None
        with suppress(OSError):  # it has died, and its last frame will tell so
            self.process.stdin.write(json.dumps([number, name]).encode() + b"\n")
            self.process.stdin.flush()

    def end(self) -> ChildResult:
        """Ends it, and gives how it ended."""
        with suppress(OSError):
            assert self.process.stdin is not None
            self.process.stdin.close()
        if self.process.poll() is None:
            self.process.kill()
        code = self.process.wait()
        if self._log.exists():
            self.last_line = last_line(self._log)
            self._log.unlink()
        return ChildResult(code)


_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


class Pool(Closing):
    """``workers`` processes that have loaded a job, for recordings below ``root``; they live until it is left.

    ``kernels`` says what computes each engine. ``timeout_s`` is the longest silence of a worker on a recording.

    Raises: ModelError (exit 3), BuildError (exit 6) where the engines do not start.
    """

    def __init__(self, job: Job, root: Path, *, workers: int, timeout_s: float) -> None:
        self._timeout_s, self._count = timeout_s, workers
        self._scratch = ExitStack()
        self._folder = self._scratch.enter_context(scratch_folder())
        (self._folder / "tmp").mkdir()
        jsonfile.write(self._folder / _JOB_FILE, {"job": job.to_json(), "root": str(root.absolute())})
        self._root = root
        self._inbox: queue.Queue[tuple[Worker, bytes, bytes]] = queue.Queue()
        self._workers: list[Worker] = []
        self._waiting: Iterator[str] = iter(())
        self._again: deque[str] = deque()  # were named to a worker that died, and not begun
        self._suspects: deque[str] = deque()
        self._number = self._idle_deaths = 0
        self.kernels: Mapping[str, str] = {}
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    @property
    def processes(self) -> list[int]:
        """The ids of its processes."""
        return [one.process.pid for one in self._workers]

    def close(self) -> None:
        """Ends all workers, whatever they do."""
        for one in self._workers:
            one.end()
        self._workers = []
        self._scratch.close()

    def _start(self) -> None:
        """Starts the first worker and waits until its engines are loaded; the others follow when there is work."""
        self._workers.append(Worker(self._folder, self._inbox))
        while not self.kernels:
            for _ in self._take():
                pass

    def run(self, names: Iterable[str]) -> Iterator[bytes]:
        """Yields the record of each recording as it comes, in any order.

        Raises: ModelError (exit 3) where workers die without a recording to blame.
        """
        self._waiting = iter(names)
        while True:
            self._hand_out()
            if not any(one.tasks for one in self._workers):
                return
            yield from self._take()

    def _hand_out(self) -> None:
        """Gives work to whoever has room; suspects go alone to a worker that has nothing else."""
        for one in self._workers:
            if self._suspects and not one.tasks:
                one.alone = True
                self._give(one, self._suspects.popleft())
            while not one.alone and len(one.tasks) < _AHEAD and (name := self._next()) is not None:
                self._give(one, name)
        while len(self._workers) < self._count and (name := self._next()) is not None:
            self._workers.append(Worker(self._folder, self._inbox))
            self._give(self._workers[-1], name)

    def _next(self) -> str | None:
        return self._again.popleft() if self._again else next(self._waiting, None)

    def _give(self, one: Worker, name: str) -> None:
        self._number = (self._number + 1) & 0xFFFF_FFFF
        one.give(self._number, name)

    def _take(self) -> Iterator[bytes]:
        """Yields what the next frame tells, or what is lost where there is none for too long."""
        try:
            one, kind, payload = self._inbox.get(timeout=_POLL_S)
        except queue.Empty:
            yield from self._silent()
            return
        if one not in self._workers:
            return
        one.heard = time.monotonic()
        if kind == protocol.BEGUN:
            one.begun.add(protocol.NUMBER.unpack(payload)[0])
        elif kind == protocol.DONE:
            self._idle_deaths = 0
            number = protocol.NUMBER.unpack_from(payload)[0]
            one.begun.discard(number)
            del one.tasks[number]
            one.alone = one.alone and bool(one.tasks)
            yield payload[protocol.NUMBER.size :]
        elif kind == protocol.READY:
            one.ready, self.kernels = True, json.loads(payload)
        elif kind == protocol.FAILED:
            raise told_error(json.loads(payload))
        elif kind == b"":
            yield from self._lost(one, timed_out=False)

    def _silent(self) -> Iterator[bytes]:
        now = time.monotonic()
        for one in list(self._workers):
            allowed = self._timeout_s if one.ready else max(_START_S, self._timeout_s)
            if (one.tasks or not one.ready) and now - one.heard > allowed:
                yield from self._lost(one, timed_out=True)

    def _lost(self, one: Worker, *, timed_out: bool) -> Iterator[bytes]:
        """Takes a worker out, yields the records of what it is to blame for, and starts another."""
        how = one.end()
        self._workers.remove(one)
        begun = [one.tasks.pop(number) for number in sorted(one.begun)]
        self._again.extend(one.tasks.values())
        if not begun:
            self._idle_deaths += 1
            if self._idle_deaths >= _IDLE_DEATHS or not self.kernels:
                why = "was silent" if timed_out else how.signal_name or one.last_line
                raise ModelError(f"the worker ended before it began ({why})", where="evaluate", fix="check the model")
        if timed_out and len(begun) == 1:
            yield self._blamed(begun[0], TIMEOUT, f"nothing came for {self._timeout_s:g} s")
        elif one.alone and begun:
            why = how.signal_name or f"exit {how.returncode}"
            yield self._blamed(begun[0], TIMEOUT if timed_out else CRASHED, f"ended its worker twice ({why})")
        else:
            self._suspects.extend(begun)
        self._workers.append(Worker(self._folder, self._inbox))

    def _blamed(self, name: str, status: str, detail: str) -> bytes:
        head = Head(name, "", status, detail)
        path = self._root / name
        with suppress(OSError):
            found = path.stat()
            digest = "" if status == TIMEOUT else sha256_file(path)  # what hung may hang again
            head = Head(name, digest, status, detail, bytes=found.st_size, mtime_ns=found.st_mtime_ns)
        return encode(head)
