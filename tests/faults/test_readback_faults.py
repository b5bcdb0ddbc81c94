"""A board that misbehaves: what is read, what is counted, how it ends. The boards here know nothing of the reader."""

from __future__ import annotations

import json
import os
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

from birdnet_deploy.errors import BoardError, DeployError, ProtocolError
from birdnet_deploy.readback.framing import FrameParser, Noise
from birdnet_deploy.readback.identity import Identity
from birdnet_deploy.readback.session import SessionResult, read_session
from tests.support.bn1_streams import CLASSES, LOCK, MODEL, SCALE, ZERO_POINT, hello, main, sent, streams

STREAMS = Path(__file__).with_name("streams")
ROOT = Path(__file__).resolve().parents[2]
IDENTITY = Identity(MODEL, LOCK, CLASSES, float(np.float32(SCALE)), ZERO_POINT, "sigmoid")
ENOUGH_S = 20.0


class Replay:
    """A port that hands out recorded bytes in pieces and is gone after the last."""

    def __init__(self, data: bytes, pieces: int = 64) -> None:
        self._data, self._pieces = data, pieces

    @property
    def in_waiting(self) -> int:
        if not self._data:
            raise serial.SerialException("unplugged")
        return min(len(self._data), self._pieces)

    def read(self, size: int = 1) -> bytes:
        data, self._data = self._data[:size], self._data[size:]
        return data


def replayed(data: bytes, pieces: int = 64) -> SessionResult:
    return read_session(Replay(data, pieces), IDENTITY, silence_s=ENOUGH_S, ended=lambda: "the end of the file")


def outcome(data: bytes, pieces: int = 64) -> tuple[list[int], DeployError | None, SessionResult | None]:
    """The windows that were read, the error that the command would end with, and the session."""
    try:
        session = replayed(data, pieces)
    except DeployError as error:
        return [], error, None
    return [record.win for record in session.inferences], session.failure, session


def counts(session: SessionResult) -> dict[str, int]:
    return dict(vars(session.counts))


@pytest.mark.parametrize("name", sorted(path.stem for path in STREAMS.glob("*.bin")))
def test_a_recorded_stream_gives_what_was_written_down_for_it(name: str) -> None:
    wanted = json.loads((STREAMS / f"{name}.json").read_text(encoding="utf-8"))
    wins, error, session = outcome((STREAMS / f"{name}.bin").read_bytes())
    assert wins == wanted["wins"]
    assert (error.exit_code if error else 0) == wanted["exit"], error
    assert wanted["says"] in (error.line if error else "")
    if session is not None:
        assert counts(session) == wanted["counts"]


def test_the_recorded_streams_are_those_of_their_maker(tmp_path: Path) -> None:
    main(tmp_path)
    assert len(streams()) == len(list(STREAMS.glob("*.bin"))) >= 10
    for made in tmp_path.iterdir():
        assert made.read_bytes() == (STREAMS / made.name).read_bytes(), made.name


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_flipped_bits_never_pass_for_good(data: st.DataObject) -> None:
    clean = streams()["clean"][0]
    broken = bytearray(clean)
    for _ in range(data.draw(st.integers(1, 6))):
        broken[data.draw(st.integers(0, len(clean) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    wins, error, session = outcome(bytes(broken), data.draw(st.integers(1, 200)))
    assert error is None or error.exit_code == 8
    if error is None:  # only line ends were hit
        assert wins == [0, 1, 2]
    if session is not None:
        good = {record.seq: record for record in replayed(clean).inferences}
        assert all(record == good[record.seq] for record in session.inferences)


def test_any_cut_of_a_clean_stream_is_incomplete() -> None:
    clean = streams()["clean"][0]
    for end in range(0, len(clean) - 1, 7):
        _, error, _ = outcome(clean[:end])
        assert isinstance(error, ProtocolError), end
        assert "no bye" in error.line


def test_the_message_names_the_last_line_and_the_gap() -> None:
    _, error, _ = outcome(streams()["gap"][0])
    assert error is not None and "records 1-2 are missing" in error.line
    _, error, _ = outcome(streams()["no_bye"][0] + b"\r\nHardFault at 0x1234\r\n")
    assert error is not None
    assert "HardFault at 0x1234" in error.line
    assert "the end of the file" in error.line


def test_a_rejected_record_is_shown_raw() -> None:
    _, error, _ = outcome(streams()["class_out_of_range"][0])
    assert error is not None and '"top":[4]' in error.line


@contextmanager
def fake_device(scenario: str, **environment: str) -> Iterator[tuple[serial.Serial, subprocess.Popen[str]]]:
    """A board on a pseudo terminal, opened by pyserial before it sends its first byte."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.fake_device", scenario], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **environment},
    )  # fmt: skip
    try:
        assert process.stdin is not None and process.stdout is not None
        with serial.Serial(process.stdout.readline().strip(), timeout=0.05) as port:
            process.stdin.write("go\n")
            process.stdin.flush()
            yield port, process
    finally:
        process.kill()
        process.communicate()


def listen(scenario: str, silence_s: float = ENOUGH_S, **environment: str) -> SessionResult:
    with fake_device(scenario, **environment) as (port, process):

        def ended() -> str | None:
            return None if process.poll() is None else f"status {process.returncode}"

        return read_session(port, IDENTITY, silence_s=silence_s, ended=ended)


def wins_of(session: SessionResult) -> list[int]:
    return [record.win for record in session.inferences]


@pytest.mark.parametrize("scenario", ["clean", "noise", "duplicates", "flood"])
def test_live_a_board_that_only_disturbs_loses_nothing(scenario: str) -> None:
    session = listen(scenario)
    assert wins_of(session) == list(range(20))
    assert session.failure is None
    assert session.counts.intact == 22
    assert (session.counts.noise_bytes > 0) == (scenario in ("noise", "flood"))
    assert session.counts.duplicate == (8 if scenario == "duplicates" else 0)


def test_live_pieces_of_records_are_joined() -> None:
    session = listen("dribble")
    assert wins_of(session) == [0, 1, 2]
    assert session.complete


def test_live_flipped_bits_cost_their_records() -> None:
    session = listen("bit_flips")
    assert session.failure is not None and session.failure.exit_code == 8
    assert session.missing == ((3, 3), (7, 8))
    assert session.counts.corrupt == 3
    assert wins_of(session) == [win for win in range(20) if win + 1 not in (3, 7, 8)]


def test_live_a_gap_is_listed() -> None:
    session = listen("gap")
    assert session.failure is not None and "records 4, 9-11 are missing" in session.failure.line
    assert session.counts.missing == 4


def test_live_a_reset_is_told_apart_from_a_timeout() -> None:
    session = listen("reset")
    assert session.failure is not None
    assert "restarted once" in session.failure.line and "no record for" not in session.failure.line
    assert session.counts.reboots == 1
    assert wins_of(session) == [*range(5), *range(20)]


@pytest.mark.parametrize(
    ("scenario", "says"),
    [("silence", "the last words"), ("mute", "nothing was ever received"), ("chatter", "waiting for the card")],
)
def test_live_a_board_without_records_ends_at_the_deadline(scenario: str, says: str) -> None:
    started = time.monotonic()
    session = listen(scenario, silence_s=1.0)
    assert 1.0 <= time.monotonic() - started < 10
    assert session.failure is not None and session.failure.exit_code == 8
    assert "no record for 1 s" in session.failure.line and says in session.failure.line
    assert "--timeout" in session.failure.line


def test_live_another_model_or_protocol_is_refused_at_the_hello() -> None:
    with pytest.raises(BoardError, match="another model") as caught:
        listen("other_model")
    assert caught.value.exit_code == 7
    with pytest.raises(ProtocolError, match="protocol 7"):
        listen("other_protocol")


def test_live_an_unplugged_board_keeps_what_came() -> None:
    session = listen("unplugged")
    assert session.failure is not None and "no bye" in session.failure.line
    assert wins_of(session) == list(range(7))


@pytest.mark.soak
def test_live_a_hundred_megabytes_without_a_newline() -> None:
    session = listen("flood", FAKE_DEVICE_FLOOD_BYTES="100000000", silence_s=300)
    assert session.failure is None
    assert session.counts.noise_bytes > 99_000_000


@pytest.mark.shared
def test_real_logs_of_boards_are_noise(shared: Path) -> None:
    logs = sorted((shared / "st-examples/uart-logs").glob("*.log"))
    assert logs
    for log in logs:
        parser = FrameParser()
        events = [*parser.feed(log.read_bytes()), *parser.finish()]
        assert events and all(isinstance(event, Noise) for event in events)
        data = log.read_bytes() + streams()["clean"][0]
        assert outcome(data, 4096)[:2] == ([0, 1, 2], None)


def test_a_board_that_restarts_for_ever_ends_the_session() -> None:
    """Each hello is a record in time, so silence never comes."""
    boots = b"".join(sent(0, hello(boot=f"{number:08x}")) for number in range(1000))
    _, error, session = outcome(boots)
    assert session is not None and error is not None and error.exit_code == 8
    assert "restarts again and again" in error.line
    assert session.counts.reboots < 50
