"""The journal of an evaluation: one record a file, appended whole; what a killed run leaves is read up to its tear.

A frame is a magic, a kind, the payload's length, the CRC-32 of kind and payload, and the payload. The first frame is
the header (JSON: what every run of this evaluation must share). A frame that is short, or whose CRC is wrong, ends the
journal: what lies behind it is cut off when a run goes on, and evaluated again.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from birdnet_deploy.errors import ModelError, OutputRefused
from birdnet_deploy.support.closing import Closing
from birdnet_deploy.support.inputs import open_input

_MAGIC = b"BNJ1"
_FRAME = struct.Struct("<4scII")
_MAX_PAYLOAD = 1 << 30
_HEADER, _PLAN, _FILE = b"H", b"P", b"F"
_SYNC_RECORDS, _SYNC_S = 256, 2.0


class Journal(Closing):
    """An open journal; ``header`` is what it was begun with, ``plan`` what the last run set out to do, if any."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self._file = path, file
        self.plan: dict[str, Any] | None = None
        self._unsynced, self._synced_at = 0, time.monotonic()
        first = next(self._frames(0), None)
        if first is None or first[1] != _HEADER:
            raise ModelError("not the journal of an evaluation", where=path, fix="name a folder that evaluate wrote")
        self.header: dict[str, Any] = _object(first[2], path)
        self._begin = first[3]
        self._end = self._begin

    def close(self) -> None:
        """Closes it, its records on the disk."""
        if not self._file.closed:
            if self._file.writable():
                self._sync()
            self._file.close()

    def records(self) -> Iterator[tuple[int, bytes]]:
        """Yields (place, record) of every whole record of a file; ``plan`` and the end are known after the last."""
        self._end = self._begin
        for place, kind, payload, end in self._frames(self._begin):
            self._end = end
            if kind == _PLAN:
                self.plan = _object(payload, self.path)
            elif kind == _FILE:
                yield place, payload

    def cut(self) -> int:
        """Cuts off what lies behind the last whole record that ``records`` found; gives how many bytes those were."""
        torn = os.fstat(self._file.fileno()).st_size - self._end
        if torn:
            self._file.truncate(self._end)
        return torn

    def record_at(self, place: int) -> bytes:
        """Gives the record at a place that ``records`` or ``append`` gave.

        Raises: ModelError (exit 3) where it is not whole any more.
        """
        found = next(self._frames(place), None)
        if found is None:
            raise ModelError("changed while it was read", where=self.path, fix="run evaluate --resume")
        return found[2]

    def append(self, record: bytes) -> int:
        """Adds the record of a file; gives its place. It survives this process at once, and the machine within seconds.

        Raises: OutputRefused (exit 5) where the disk takes no more; what was there stays whole.
        """
        return self._write(_FILE, record)

    def set_plan(self, plan: Mapping[str, Any]) -> None:
        """Notes what this run sets out to do; the last one counts."""
        self.plan = dict(plan)
        self._write(_PLAN, json.dumps(self.plan, sort_keys=True).encode())
        self._sync()

    def _write(self, kind: bytes, payload: bytes) -> int:
        place = self._end
        data = _framed(kind, payload)
        try:
            self._file.seek(place)
            self._file.write(data)
            self._file.flush()
            self._end += len(data)
            self._unsynced += 1
            if self._unsynced >= _SYNC_RECORDS or time.monotonic() - self._synced_at > _SYNC_S:
                self._sync()
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(place)
            raise OutputRefused(
                f"cannot be written ({error.strerror})", where=self.path, fix="free room, then --resume"
            ) from error
        return place

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._unsynced, self._synced_at = 0, time.monotonic()

    def _frames(self, place: int) -> Iterator[tuple[int, bytes, bytes, int]]:
        """Yields (place, kind, payload, end) of whole frames up to the first that is not."""
        while True:
            self._file.seek(place)
            head = self._file.read(_FRAME.size)
            if len(head) < _FRAME.size:
                return
            magic, kind, length, check = _FRAME.unpack(head)
            if magic != _MAGIC or length > _MAX_PAYLOAD:
                return
            payload = self._file.read(length)
            if len(payload) < length or zlib.crc32(kind + payload) != check:
                return
            end = place + _FRAME.size + length
            yield place, kind, payload, end
            place = end


def _object(payload: bytes, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ModelError("not the journal of an evaluation", where=path, fix="name a folder that evaluate wrote")
    return found


def _framed(kind: bytes, payload: bytes) -> bytes:
    return _FRAME.pack(_MAGIC, kind, len(payload), zlib.crc32(kind + payload)) + payload


def create_journal(path: Path, header: Mapping[str, Any]) -> Journal:
    """Gives a new journal at ``path``; it is there with its header, or not at all.

    Raises: OutputRefused (exit 5) where it cannot be written.
    """
    beside = path.with_name(f".{path.name}.staging-{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(_framed(_HEADER, json.dumps(header, sort_keys=True).encode()))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise OutputRefused(f"cannot be written ({error.strerror})", where=path, fix="choose another -o") from error
    return open_journal(path, append=True)


def open_journal(path: Path, *, append: bool = False) -> Journal:
    """Gives the journal at ``path``.

    Raises: ModelError (exit 3) where it is none.
    """
    try:
        open_input(path).close()  # of a pipe this returns at once
        file = path.open("r+b" if append else "rb")
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", where=path, fix="name a folder of evaluate") from error
    try:
        return Journal(path, file)
    except BaseException:
        file.close()
        raise


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds a folder against other evaluations while the body runs, however it ends; sweeps what killed ones left.

    Raises: OutputRefused (exit 5) where another process has it, or nothing can be written there.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    try:
        file = (folder / ".lock").open("wb")
    except OSError as error:
        raise OutputRefused(f"cannot write here ({error.strerror})", where=folder, fix="choose another -o") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputRefused("another evaluation writes here", where=folder, fix="wait for it") from error
        for name in ("journal.bin", "results.*", "files.csv", "summary.json"):  # of others nothing is swept
            for leftover in folder.glob(f".{name}.staging-*"):
                if leftover.is_file():
                    leftover.unlink()
        yield
