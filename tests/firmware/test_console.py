"""Commands to the firmware on the host's port, under AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import json
import os
import random
import subprocess
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from birdnet_deploy.support.resources import firmware_dir
from tests.support.bn1 import read_records, signed
from tests.support.tiny import WINDOW, compile_host_app, expected_outputs, make_project
from tests.support.wav import wav

SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
CHANCE = np.random.default_rng(3)
PCM = CHANCE.integers(-20000, 20000, 3 * WINDOW, dtype=np.int16)
PCM[::32] = 1


def line(seq: int, fields: dict[str, Any], text: bytes | None = None) -> bytes:
    """Gives the bytes of a command, its CRC from zlib alone."""
    body = json.dumps(fields).encode() if text is None else text
    counted = b"%d %d " % (seq, len(body))
    return b"\n@BN1 %s%08x %s\n" % (counted, zlib.crc32(counted + body), body)


def upload(seq: int, data: bytes, kind: str, step: int = 50, **last: Any) -> bytes:
    """Gives the commands that upload a window."""
    sent = b""
    for number, at in enumerate(range(0, len(data), step)):
        part = {"t": "window", "kind": kind, "off": at, "data": data[at : at + step].hex()}
        if at + step >= len(data):
            part |= {"crc": f"{zlib.crc32(data):08x}", "file": "HOST", "win": 0, "start": 0, **last}
        sent += line(seq + number, part)
    return sent


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("console")
    return compile_host_app(make_project(folder / "fw"), firmware_dir() / "port/host", folder / "app", *SANITIZERS)


def ask(app: Path, card: Path, sent: bytes, listen: str = "5000") -> list[dict[str, Any]]:
    """Gives the records of a boot that finds these bytes on its line, and then `reset`."""
    done = subprocess.run(
        [app], input=sent + line(4_000_000_000, {"t": "reset"}), capture_output=True, timeout=60, check=False,
        env={**os.environ, "BN_CARD": str(card), "BN_LISTEN": listen},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return read_records(done.stdout)


@pytest.fixture
def card(tmp_path: Path) -> Path:
    (tmp_path / "00001.WAV").write_bytes(wav(PCM))
    (tmp_path / "00002.WAV").write_bytes(wav(PCM[:WINDOW]))
    return tmp_path


def acks(records: list[dict[str, Any]]) -> list[tuple[int, str, int]]:
    return [(record["re"], record["cmd"], record["code"]) for record in records if record["t"] == "ack"]


RESET = (4_000_000_000, "reset", 0)


def test_the_answers_come_in_order_and_bye_counts_all_windows(app: Path, card: Path) -> None:
    sent = line(7, {"t": "ping"}) + line(8, {"t": "info"}) + line(9, {"t": "run", "file": "00002.WAV"})
    records = ask(app, card, sent + line(10, {"t": "run", "file": "00002.WAV"}))
    assert acks(records) == [(7, "ping", 0), (8, "info", 0), (9, "run", 0), (10, "run", 0), RESET]
    assert [record["re"] for record in records if record["t"] == "inf"] == [9, 10]
    assert [(r["re"], r["windows"], r["code"]) for r in records if r["t"] == "done"] == [(9, 1, 0), (10, 1, 0)]
    assert records[0]["t"] == "hello" and records[0]["rx"] == 1024
    assert sum(record["t"] == "hello" for record in records) == 2
    assert records[-1] == {"t": "bye", "windows": 2, "dropped": 0}


def test_an_uploaded_window_is_computed(app: Path, card: Path) -> None:
    pcm = PCM[5 : 5 + WINDOW].copy()
    pcm[0] = 1
    records = ask(app, card, upload(1, pcm.tobytes(), "pcm", file="MINE.WAV", win=3, start=77))
    (window,) = [record for record in records if record["t"] == "inf"]
    assert (window["file"], window["win"], window["start"]) == ("MINE.WAV", 3, 77)
    assert signed(window["out"]) == expected_outputs(pcm)


def test_an_uploaded_tensor_goes_past_the_frontend(app: Path, card: Path) -> None:
    tensor = np.zeros(WINDOW, np.int8)
    tensor[3] = -5
    records = ask(app, card, upload(1, tensor.tobytes(), "tensor"))
    (window,) = [record for record in records if record["t"] == "inf"]
    assert signed(window["out"]) == [0, 0, 0, -5, 0, 0, 0]
    assert window["us"]["fe"] == 0


@pytest.mark.parametrize(
    ("parts", "code", "at"),
    [
        ([{"off": 4, "data": "00"}], -4, 0),
        ([{"off": 0, "data": "00" * 2 * WINDOW}, {"off": 2 * WINDOW, "data": "00"}], -4, 2 * WINDOW),
        ([{"off": 0, "data": "0"}], -6, 0),
        ([{"off": 0, "data": "0G"}], -6, 0),
        ([{"off": 0, "kind": "wave", "data": "00"}], -6, 0),
        ([{"off": "0", "data": "00"}], -6, 0),
        ([{"off": 0, "data": "00", "crc": "00000000", "file": "X", "win": 0, "start": 0}], -4, 1),
        ([{"off": 0, "data": "00" * 2 * WINDOW, "crc": "12345678", "file": "X", "win": 0, "start": 0}], -3, 2 * WINDOW),
        ([{"off": 0, "data": "00" * 2 * WINDOW, "crc": "1234567", "file": "X", "win": 0, "start": 0}], -6, 2 * WINDOW),
        ([{"off": 0, "data": "00", "crc": "12345678", "file": "THIRTEEN.LONG", "win": 0, "start": 0}], -6, 1),
    ],
)
def test_an_upload_that_does_not_fit(app: Path, card: Path, parts: list[dict], code: int, at: int) -> None:
    sent = b"".join(line(n, {"t": "window", "kind": "pcm", **part}) for n, part in enumerate(parts))
    answers = [record for record in ask(app, card, sent) if record["t"] == "ack"]
    assert (answers[-2]["code"], answers[-2]["at"]) == (code, at)


def test_a_repeated_command_is_answered_and_not_done_twice(app: Path, card: Path) -> None:
    run = line(5, {"t": "run", "file": "00002.WAV"})
    records = ask(app, card, run * 3 + line(6, {"t": "ping"}) + run)
    assert acks(records) == [(5, "run", 0)] * 3 + [(6, "ping", 0), (5, "run", 0), RESET]
    assert sum(record["t"] == "inf" for record in records) == 2  # ping makes the board forget


def test_what_is_unknown_is_refused_and_what_is_damaged_is_counted_and_not_answered(app: Path, card: Path) -> None:
    bad = line(3, {"t": "ping"}).replace(b"ping", b"pong")
    noise = b"boot noise @BN1 without header\n\xff\xfe\0@BN\n"
    sent = bad + noise + line(4, {"t": "sing"}) + line(5, {"t": "run", "file": "99999.WAV"}) + line(6, {"t": "stages"})
    records = ask(app, card, sent)
    assert acks(records) == [(4, "sing", -6), (5, "run", -2), (6, "stages", -6), RESET]


def test_a_board_that_does_not_listen_says_nothing_of_commands(app: Path, card: Path) -> None:
    records = ask(app, card, line(1, {"t": "ping"}), listen="0")
    assert "rx" not in records[0]
    assert [record["t"] for record in records] == ["hello", *["inf"] * 6, "bye"]


def test_a_busy_board_answers_ping_and_refuses_the_rest(app: Path, card: Path) -> None:
    late = line(2, {"t": "run"}) + line(3, {"t": "ping"}) + line(4, {"t": "stages", "on": 1})
    records = ask(app, card, line(1, {"t": "run"}) + late)
    assert acks(records)[:4] == [(1, "run", 0), (2, "run", -7), (3, "ping", 0), (4, "stages", -7)]


def test_random_lines_never_break_it(app: Path, card: Path) -> None:
    chance = random.Random(8)
    good = [
        line(1, {"t": "ping"}),
        line(2, {"t": "info"}),
        line(3, {"t": "stages", "on": 1}),
        line(4, {"t": "run", "file": "x"}),
        upload(5, PCM[:WINDOW].tobytes(), "pcm"),
        *(line(9, {}, body) for body in (b"{}", b"[" * 900, b'{"t":{}}', b'{"t":"ping","a":4294967296}')),
        line(9, {}, b'{"t":"ping"' + b',"a":1' * 20 + b"}"),
        b"@BN1 " * 400 + b"\n",
    ]
    sent = bytearray()
    for _ in range(4000):
        piece = bytearray(chance.choice(good))
        for _ in range(chance.randrange(4)):
            piece[chance.randrange(len(piece))] = chance.randrange(256)
        sent += piece[: chance.randrange(len(piece) + 1)] if chance.random() < 0.2 else piece
    records = ask(app, card, bytes(sent) + b"\n")
    assert records[-1]["t"] == "bye"
    assert any(record["t"] == "ack" and record["code"] == 0 for record in records[:-2])


def test_the_log_on_the_card_holds_the_records_of_the_line(app: Path, card: Path) -> None:
    (card / "LOG.ON").touch()
    for boot in (1, 2):
        done = subprocess.run(
            [app], env={**os.environ, "BN_CARD": str(card)}, capture_output=True, check=True, timeout=60
        )
        logged = (card / f"BN{boot:06d}.LOG").read_bytes()
        assert read_records(logged) == read_records(done.stdout)
    assert not (card / "BN000003.LOG").exists()


def test_a_log_is_rotated_by_size(app: Path, card: Path) -> None:
    (card / "LOG.ON").touch()
    many = 4000  # runs of one window: some 400 bytes of records each
    sent = b"".join(line(n, {"t": "run", "file": "00002.WAV"}) for n in range(many))
    records = ask(app, card, sent)
    logs = sorted(card.glob("BN*.LOG"))
    assert [log.name for log in logs] == ["BN000001.LOG", "BN000002.LOG"]
    assert all(log.stat().st_size <= 1 << 20 for log in logs)
    assert read_records(b"".join(log.read_bytes() for log in logs)) == records


def test_a_card_that_cannot_be_written_is_told_once(app: Path, card: Path) -> None:
    (card / "LOG.ON").touch()
    (card / "BN000001.LOG").symlink_to("/dev/full")
    done = subprocess.run([app], env={**os.environ, "BN_CARD": str(card)}, capture_output=True, check=True, timeout=60)
    errors = [record for record in read_records(done.stdout) if record["t"] == "err"]
    assert [(error["file"], error["code"]) for error in errors] == [("card", -1)]
