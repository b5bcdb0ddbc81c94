"""A worker process: recordings in, one record a recording out; ``python -m birdnet_deploy.evaluation.worker JOB``.

``JOB`` is a JSON file (``job``, ``root``). Lines of JSON on stdin name the recordings: ``[number, name]``. Frames on
stdout (kind, length, payload) tell what happens: ready, begun, alive, done. One thread decodes, this one computes, and
what lies between them is bounded. The parent (``pool``) ends a worker that is silent; what a recording does to this
process is its own loss.
"""

from __future__ import annotations

import json
import os
import queue
import stat
import struct
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.audio.reading import open_recording
from birdnet_deploy.audio.windows import window_at, windows_of_blocks
from birdnet_deploy.errors import AudioError, DeployError
from birdnet_deploy.evaluation.engines import Engines
from birdnet_deploy.evaluation.jobs import Job, job_from_json
from birdnet_deploy.evaluation.records import Head, encode
from birdnet_deploy.evaluation.results import EMPTY, OK, UNREADABLE
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.support.process import worker_limits

READY, BEGUN, ALIVE, DONE, FAILED = b"Y", b"B", b"A", b"D", b"X"
FRAME = struct.Struct("<cI")
NUMBER = struct.Struct("<I")
_BATCH = 8  # windows that are handed over at once
_WAITING = 4  # batches between decoding and computing
_ALIVE_S = 0.5
_MEMORY_BYTES = 16 << 30
_CPU_S = 10**9
_FILE_BYTES = 1 << 30

Pcm = NDArray[np.int16]


@dataclass(frozen=True)
class _Batch:
    """Some windows of a recording; ``head`` comes with the last."""

    number: int
    windows: list[Pcm]
    head: Head | None = None


class Teller:
    """Frames to the parent, from two threads."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._lock, self._told = file, threading.Lock(), 0.0

    def tell(self, kind: bytes, payload: bytes = b"") -> None:
        """Sends one frame."""
        with self._lock:
            self._file.write(FRAME.pack(kind, len(payload)))
            self._file.write(payload)
            self._file.flush()
            self._told = time.monotonic()

    def alive(self) -> None:
        """Says, now and then, that work goes on."""
        if time.monotonic() - self._told > _ALIVE_S:
            self.tell(ALIVE)


class Decoder(threading.Thread):
    """Reads recordings as they are named and hands their windows over."""

    def __init__(self, job: Job, root: Path, names: IO[str], teller: Teller) -> None:
        super().__init__(daemon=True)
        self._job, self._root, self._names, self._teller = job, root, names, teller
        self._config = job.model_config
        self.batches: queue.Queue[_Batch | BaseException | None] = queue.Queue(_WAITING)

    def run(self) -> None:
        """Decodes until stdin ends."""
        try:
            for line in self._names:
                number, name = json.loads(line)
                self._teller.tell(BEGUN, NUMBER.pack(number))
                for batch in self._recording(number, name):
                    self.batches.put(batch)
                    self._teller.alive()
            self.batches.put(None)
        except BaseException as error:  # the main thread shows it
            self.batches.put(error)

    def _recording(self, number: int, name: str) -> Iterator[_Batch]:
        path = self._root / name
        head = Head(name, "", UNREADABLE)
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise AudioError("is no regular file")
            head = replace(head, bytes=found.st_size, mtime_ns=found.st_mtime_ns)
            head = replace(head, sha256=sha256_file(path))
            if found.st_size == 0:
                yield _Batch(number, [], replace(head, status=EMPTY, detail="it is empty"))
                return
            yield from self._windows(number, path, head)
        except OSError as error:
            yield _Batch(number, [], replace(head, detail=f"cannot be read ({error.strerror})"))
        except AudioError as error:
            yield _Batch(number, [], replace(head, detail=error.what))

    def _windows(self, number: int, path: Path, head: Head) -> Iterator[_Batch]:
        window, samples, count = self._config.window_samples, 0, 0
        with open_recording(path, self._config.sample_rate) as recording:

            def counted() -> Iterator[Pcm]:
                nonlocal samples
                for block in recording:
                    samples += len(block)
                    self._teller.alive()
                    yield block

            batch: list[Pcm] = []
            for _, pcm in windows_of_blocks(counted(), window, self._job.hop):
                batch.append(window_at(pcm, 0, window).copy())  # it waits, and must not hold its block
                count += 1
                if len(batch) == _BATCH:
                    yield _Batch(number, batch)
                    batch = []
            if not samples:
                yield _Batch(number, [], replace(head, status=EMPTY, detail="holds no samples"))
                return
            told = replace(head, sample_rate=recording.sample_rate, channels=recording.channels, samples=samples)
            yield _Batch(number, batch, replace(told, status=OK, windows=count))


def serve(job: Job, root: Path, names: IO[str], teller: Teller) -> None:
    """Evaluates recordings until there are no more."""
    engines = Engines(job)
    teller.tell(READY, json.dumps(engines.kernels).encode())
    decoder = Decoder(job, root, names, teller)
    decoder.start()
    rows: list[list[NDArray[Any]]] = []
    refused = ""
    while (batch := decoder.batches.get()) is not None:
        if isinstance(batch, BaseException):
            raise batch
        try:
            for pcm in batch.windows if not refused else ():
                rows.append(engines.run(pcm))
                teller.alive()
        except DeployError as error:  # an int8 division by zero, which some inputs lead to
            refused = error.what
        if batch.head is not None:
            head, kept = _ended(batch.head, rows, refused)
            teller.tell(DONE, NUMBER.pack(batch.number) + encode(head, kept))
            rows, refused = [], ""


def _ended(head: Head, rows: list[list[NDArray[Any]]], refused: str) -> tuple[Head, list[NDArray[Any]]]:
    """Gives what is told of a recording: its windows, or why it has none."""
    if head.status == OK and refused:
        return replace(head, status=UNREADABLE, detail=refused, samples=0, windows=0), []
    return head, [np.stack(column) for column in zip(*rows, strict=True)] if head.status == OK else []


def main(job_file: Path) -> None:
    """Takes this process's stdout for frames; whatever else prints goes to stderr."""
    frames = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    teller = Teller(frames)
    told = json.loads(job_file.read_text(encoding="utf-8"))
    try:
        serve(job_from_json(told["job"]), Path(told["root"]), sys.stdin, teller)
    except DeployError as error:
        teller.tell(FAILED, json.dumps(error.to_json()).encode())


if __name__ == "__main__":
    worker_limits(memory_bytes=_MEMORY_BYTES, cpu_s=_CPU_S, file_bytes=_FILE_BYTES)
    main(Path(sys.argv[1]))
