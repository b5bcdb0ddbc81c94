"""Lines, files and the thread that reads them: nothing thrown away, nothing piled up, everything given back."""

from __future__ import annotations

import os
import socket
import time
import tty
from collections.abc import Callable
from pathlib import Path

import pytest

from birdnet_deploy.errors import BoardError, UsageError
from birdnet_deploy.readback.ports import Port
from birdnet_deploy.readback.pump import Back, Ended, Lost, Pump
from birdnet_deploy.readback.sources import FileSource, LineOptions, LineSource, Source, recorded_files


def test_what_was_sent_before_the_port_was_opened_is_kept() -> None:
    master, terminal = os.openpty()
    tty.setraw(terminal)
    os.write(master, b"hello before")
    source = LineSource(Port(os.ttyname(terminal)), LineOptions())
    assert source.read() == b"hello before"
    source.close()
    os.close(master)
    os.close(terminal)


def test_a_port_is_opened_exclusively() -> None:
    master, terminal = os.openpty()
    port = Port(os.ttyname(terminal))
    first = LineSource(port, LineOptions())
    with pytest.raises(BoardError, match="another program has it open"):
        LineSource(port, LineOptions())
    first.close()
    LineSource(port, LineOptions(reset=False)).close()
    os.close(master)
    os.close(terminal)


def test_a_socket_gives_all_up_to_its_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = LineSource(Port(f"socket://127.0.0.1:{server.getsockname()[1]}"), LineOptions())
        connection, _ = server.accept()
        assert source.read() == b""
        data = bytes(range(256)) * 1000
        connection.sendall(data)
        connection.close()
        came = b""
        while (chunk := source.read()) is not None:
            came += chunk
        assert came == data
        source.close()


def test_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    for name, data in (("B.LOG", b"second"), ("A.LOG", b"first"), ("C.LOG", b"")):
        (tmp_path / name).write_bytes(data)
    source = FileSource(recorded_files([tmp_path]))
    assert [source.read(), source.read(), source.read()] == [b"first", b"second", None]
    source.close()
    with pytest.raises(UsageError, match="cannot be read"):
        FileSource([tmp_path / "nothing"])


class Endless:
    """A source that never waits, goes away after ``count`` chunks, and comes back ``lives`` times."""

    name, returns = "endless", True

    def __init__(self, count: int = 10**9, lives: int = 0) -> None:
        self.read_chunks, self.closed, self._count, self._lives = 0, False, count, lives

    def read(self) -> bytes | None:
        if self.read_chunks == self._count:
            return None
        self.read_chunks += 1
        return b"x" * 65_536

    def close(self) -> None:
        self.closed = True

    def reopened(self, deadline: float, stop: Callable[[], bool]) -> Source | None:
        if self._lives:
            return Endless(self._count, self._lives - 1)
        while not stop() and time.monotonic() < deadline:
            time.sleep(0.01)
        return None


def test_a_pump_holds_16_megabytes_and_waits() -> None:
    source = Endless()
    pump = Pump(source)
    time.sleep(0.5)
    assert 200 < source.read_chunks <= 258
    started = time.monotonic()
    pump.close()
    assert time.monotonic() - started < 2 and source.closed


def test_a_pump_says_what_becomes_of_its_source() -> None:
    pump = Pump(Endless(count=1, lives=1), reconnect_s=0.1)
    pieces = [pump.take(2) for _ in range(6)]
    chunk = b"x" * 65_536
    ended = Ended("endless is gone and did not come back within 0.1 s")
    assert pieces == [chunk, Lost("endless"), Back("endless"), chunk, Lost("endless"), ended]
    assert pump.take(0.01) is None
    pump.close()


def test_closing_a_pump_ends_the_search_for_its_source() -> None:
    pump = Pump(Endless(count=0), reconnect_s=3600)
    assert pump.take(2) == Lost("endless")
    started = time.monotonic()
    pump.close()
    assert time.monotonic() - started < 1
