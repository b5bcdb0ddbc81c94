"""Reads a source in a thread of its own, so that a slow terminal or disk never makes the line overflow."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass

from birdnet_deploy.errors import DeployError
from birdnet_deploy.readback.sources import CHUNK_BYTES, Source

_WAITING = 2**24 // CHUNK_BYTES  # chunks; beyond these 16 MiB the thread waits, and the system's own buffers fill
_JOIN_S = 2.0


@dataclass(frozen=True)
class Lost:
    """The line is gone; the pump looks for it."""

    name: str


@dataclass(frozen=True)
class Back:
    """The line is there again, maybe under another name."""

    name: str


@dataclass(frozen=True)
class Ended:
    """Nothing more will come."""

    reason: str
    error: DeployError | None = None


Pumped = bytes | Lost | Back | Ended


class Pump:
    """Hands out what a source gives: ``take`` it piece by piece, ``close`` it at the end."""

    def __init__(self, source: Source, *, reconnect_s: float = 0.0) -> None:
        self._source, self._reconnect_s = source, reconnect_s
        self._pieces: queue.Queue[Pumped] = queue.Queue(_WAITING)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="readback", daemon=True)  # stdin may block for ever
        self._thread.start()

    def take(self, timeout_s: float) -> Pumped | None:
        """Gives the next piece, None where there is none in time."""
        try:
            return self._pieces.get(timeout=max(0.001, timeout_s))
        except queue.Empty:
            return None

    def close(self) -> None:
        """Ends the thread and closes the source; the port is free for others then."""
        self._stop.set()
        while self._thread.is_alive():
            try:
                self._pieces.get_nowait()  # so that a thread that waits for room sees the end
            except queue.Empty:
                break
        self._thread.join(_JOIN_S)
        if not self._thread.is_alive():
            self._source.close()

    def _put(self, piece: Pumped) -> None:
        while not self._stop.is_set():
            try:
                self._pieces.put(piece, timeout=0.1)
                return
            except queue.Full:
                continue

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                chunk = self._source.read()
                if chunk:
                    self._put(chunk)
                elif chunk is None and not self._again():
                    return
        except DeployError as error:
            self._put(Ended(error.what, error))

    def _again(self) -> bool:
        """Finds the source again; says whether there is more to read."""
        name = self._source.name
        if not self._source.returns or self._reconnect_s <= 0:
            self._put(Ended(f"{name} has ended"))
            return False
        self._put(Lost(name))
        back = self._source.reopened(time.monotonic() + self._reconnect_s, self._stop.is_set)
        if back is None:
            self._put(Ended(f"{name} is gone and did not come back within {self._reconnect_s:g} s"))
            return False
        self._source = back
        self._put(Back(back.name))
        return True
