"""Commands from the host to a board that mishears, loses answers and refuses: carried out once, or said why not."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import serial
from hypothesis import given, settings
from hypothesis import strategies as st

from birdnet_deploy.errors import BoardError, ProtocolError, UsageError
from birdnet_deploy.readback.client import Client
from birdnet_deploy.readback.commands import encode, line_bytes, window_part
from birdnet_deploy.readback.framing import FrameParser, Record
from birdnet_deploy.readback.identity import Identity
from birdnet_deploy.readback.ledger import Ledger
from tests.support.bn1_streams import CLASSES, LOCK, MODEL, SCALE, ZERO_POINT
from tests.support.fake_board import TENSOR, WINDOW

ROOT = Path(__file__).resolve().parents[2]
IDENTITY = Identity(MODEL, LOCK, CLASSES, float(np.float32(SCALE)), ZERO_POINT, "sigmoid")
PCM = np.arange(WINDOW, dtype="<i2").tobytes()


class Running:
    """A board and its client."""

    def __init__(self, process: subprocess.Popen[str], client: Client) -> None:
        self.process, self.client = process, client

    def carried_out(self) -> list[dict]:
        """What the board did; it ends with it."""
        assert self.process.stdout is not None and self.process.stdin is not None
        self.process.stdin.close()
        self.process.stdin = None
        return [json.loads(line) for line in self.process.stdout]


@contextmanager
def board(fault: str) -> Iterator[Running]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.fake_board", fault], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdin is not None and process.stdout is not None
        with serial.Serial(process.stdout.readline().strip(), timeout=0.02) as port:
            process.stdin.write("go\n")
            process.stdin.flush()
            client = Client(port, Ledger(IDENTITY), ack_s=0.2)
            client.hello(10)
            yield Running(process, client)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("fault", ["none", "deaf", "lost_acks", "stale", "chatty", "lost_parts", "bad_upload"])
def test_a_board_test_is_driven_through_whatever_happens_to_the_line(fault: str) -> None:
    with board(fault) as running:
        client = running.client
        client.ping()
        info = client.info()
        assert (info.rate, info.window, info.tensor, info.stages, info.card) == (8000, WINDOW, TENSOR, True, True)
        client.stages(True)
        done = client.run("00001.WAV")
        assert (done.windows, done.code) == (3, 0)
        window = client.window(PCM, file="A.WAV", win=7, start=28_000)
        assert (window.file, window.win, window.start) == ("A.WAV", 7, 28_000)
        assert window.out == PCM[:CLASSES]
        tensor = client.window(bytes(range(250)) * 2, kind="tensor")
        assert tensor.out == bytes(range(CLASSES))
        assert client.reset().windows == 5
        did = running.carried_out()
        ledger = client.ledger
    kinds = [command["t"] for command in did]
    assert kinds.count("run") == kinds.count("stages") == kinds.count("reset") == 1
    assert (
        sum("crc" in command for command in did) == {"bad_upload": 3, "lost_parts": kinds.count("window")}.get(fault, 2)
        or fault == "lost_parts"
    )
    assert len(ledger.inferences) == 5
    assert (ledger.counts.corrupt > 0) == (fault == "lost_acks")
    assert ledger.boot.problems() == [] or fault == "lost_acks"


def test_a_refusal_is_told_with_its_code_and_reason() -> None:
    with board("refuses") as running:
        running.client.ping()
        with pytest.raises(ProtocolError, match=r"run was refused with code -7 \(busy with the card\)") as caught:
            running.client.run()
        assert caught.value.exit_code == 8
    with board("none") as running, pytest.raises(ProtocolError, match=r"code -2 \(no such file\)"):
        running.client.run("NOBODY.WAV")


def test_no_answer_ends_at_the_deadline() -> None:
    with board("mute") as running:
        started = time.monotonic()
        with pytest.raises(ProtocolError, match="no answer to ping after 3 times 0.2 s"):
            running.client.ping()
        assert 0.6 <= time.monotonic() - started < 5


def test_firmware_without_commands_is_never_written_to() -> None:
    with board("no_commands") as running, pytest.raises(BoardError, match="takes no commands") as caught:
        running.client.ping()
    assert caught.value.exit_code == 7


def test_a_port_that_is_gone_is_said_so() -> None:
    with board("mute") as running:
        running.process.kill()
        running.process.wait()
        with pytest.raises(BoardError, match="the port is gone"):
            running.client.ping()


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=3000), st.integers(256, 2000), st.integers(0, 2**32 - 1))
def test_parts_of_any_window_fit_and_join_to_it(data: bytes, rx: int, start: int) -> None:
    last = {"file": "ABCDEFGH.WAV", "win": 4_294_967_295, "start": start}
    came, offset = b"", 0
    while True:
        fields, end = window_part(data, "tensor", offset, rx, last)
        assert line_bytes(fields) <= rx
        assert end > offset or "crc" in fields
        came += bytes.fromhex(str(fields["data"]))
        offset = end
        if "crc" in fields:
            break
    assert came == data


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\')))
def test_commands_are_frames_of_the_protocol(seq: int, text: str) -> None:
    events = FrameParser().feed(encode(seq, {"t": "run", "file": text}))
    assert [(event.seq, event.data) for event in events if isinstance(event, Record)] == [
        (seq, {"t": "run", "file": text})
    ]


@pytest.mark.parametrize("value", ['a"b', "a\\b", "é", "\n", -1, 2**32])
def test_what_no_board_can_read_is_not_sent(value: str | int) -> None:
    with pytest.raises(UsageError, match="no board can read"):
        encode(0, {"t": "run", "file": value})
