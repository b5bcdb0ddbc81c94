"""The firmware driven by a host over the serial line: ping, info, run, window, stages, reset, and one second's stat."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from birdnet_deploy.board.qemu import emulated
from birdnet_deploy.errors import ProtocolError
from birdnet_deploy.readback.client import Client
from birdnet_deploy.readback.ledger import Ledger
from birdnet_deploy.readback.records import AnyRecord, Bye, Inference, Unknown

pytestmark = pytest.mark.emulator
RATE = 8000


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings, of three windows and of one."""
    folder = tmp_path_factory.mktemp("card")
    chance = np.random.default_rng(5)
    for name, samples in (("00001.WAV", 2 * RATE), ("00002.WAV", RATE // 2)):
        soundfile.write(folder / name, chance.integers(-9000, 9000, samples, dtype=np.int16), RATE, format="WAV")
    return folder


class Session:
    """A client of a board that is running, and all that came."""

    def __init__(self, port: object) -> None:
        self.records: list[AnyRecord] = []
        self.ledger = Ledger(None)
        self.client = Client(port, self.ledger, on_record=self.records.append)  # type: ignore[arg-type]

    def outputs(self) -> list[tuple[str, int, int, tuple[int, ...]]]:
        found = [record for record in self.records if isinstance(record, Inference)]
        return [(record.file, record.win, record.start, tuple(record.outputs)) for record in found]

    def kinds(self, kind: str) -> list[dict]:
        return [dict(r.fields) for r in self.records if isinstance(r, Unknown) and r.kind == kind]


@contextmanager
def session(project: Path, card: Path, *, line: str = "tcp", listen_ms: int = 20_000) -> Iterator[Session]:
    qemu = Path(shutil.which("qemu-system-arm") or "")
    with emulated(project / "build/firmware.elf", card, qemu=qemu, line=line, listen_ms=listen_ms) as board:
        yield Session(board.port)


@pytest.mark.parametrize("line", ["tcp", "pty"])
def test_a_host_holds_the_board_runs_files_and_resets_it(small_project: Path, card: Path, line: str) -> None:
    with session(small_project, card, line=line) as board:
        hello = board.client.hello(30)
        assert (hello.extra["rx"], hello.extra["listen"]) == (1024, 20_000)
        board.client.ping()
        info = board.client.info()
        assert (info.rate, info.window, info.hop, info.tensor) == (RATE, RATE, RATE // 2, 129 * 32)
        assert info.card and info.stages
        assert board.client.run("00002.WAV").windows == 1
        assert board.client.run().windows == 4
        board.client.reset()
        assert [name for name, *_ in board.outputs()] == ["00002.WAV", *["00001.WAV"] * 3, "00002.WAV"]
        assert board.outputs()[0][3] == board.outputs()[4][3]
        byes = [record for record in board.records if isinstance(record, Bye)]
        assert [bye.windows for bye in byes] == [5]
        assert board.ledger.counts.missing == board.ledger.counts.corrupt == 0


def test_windows_that_a_host_sends_give_what_the_card_gives(small_project: Path, card: Path) -> None:
    pcm, _ = soundfile.read(card / "00001.WAV", dtype="int16")
    with session(small_project, card) as board:
        board.client.hello(30)
        board.client.run("00001.WAV")
        from_card = board.outputs()
        window = pcm[RATE // 2 : RATE // 2 + RATE]
        sent = board.client.window(window.tobytes(), file="MINE.WAV", win=7, start=99)
        assert (sent.file, sent.win, sent.start) == ("MINE.WAV", 7, 99)
        assert tuple(sent.outputs) == from_card[1][3]
        tensors = np.random.default_rng(2).integers(-128, 128, (2, 129 * 32), dtype=np.int8)
        one, other, again = (board.client.window(tensors[i].tobytes(), kind="tensor") for i in (0, 1, 0))
        assert list(one.outputs) == list(again.outputs) != list(other.outputs)


def test_stages_come_when_they_are_asked_for(small_project: Path, card: Path) -> None:
    with session(small_project, card) as board:
        board.client.hello(30)
        board.client.run("00002.WAV")
        before = len(board.records)
        board.client.stages(True)
        board.client.run("00002.WAV")
        names = [type(record).__name__ for record in board.records[before:]]
        assert names.count("Stage") == 2
        board.client.stages(False)
        after = len(board.records)
        board.client.run("00002.WAV")
        assert "Stage" not in [type(record).__name__ for record in board.records[after:]]


def test_what_is_not_there_is_refused(small_project: Path, card: Path) -> None:
    with session(small_project, card) as board:
        board.client.hello(30)
        with pytest.raises(ProtocolError, match="code -2"):
            board.client.run("NONE.WAV")
        with pytest.raises(ProtocolError, match="code -4"):
            board.client.window(b"\1\2\3\4")
        board.client.ping()


def test_a_board_that_nobody_asks_runs_over_its_card_and_tells_how_it_is(small_project: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(-9000, 9000, 400 * RATE, dtype=np.int16)
    soundfile.write(tmp_path / "00001.WAV", noise, RATE, format="WAV")
    with session(small_project, tmp_path, listen_ms=300) as board:
        deadline = time.monotonic() + 60
        while not any(isinstance(record, Bye) for record in board.records):
            assert time.monotonic() < deadline
            assert board.client._next(deadline) is not None
        (stat, *_) = board.kinds("stat")
        assert stat["dropped"] == stat["rx_bad"] == 0
        assert 0 < stat["stack"] < 32_768
        assert len(board.outputs()) == 799
