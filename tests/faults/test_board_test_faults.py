"""``board-test`` in the field: the real firmware, compiled for this machine, unplugged, without a card, a bad one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from birdnet_deploy.errors import BoardError
from birdnet_deploy.readback.portlock import PortLock
from birdnet_deploy.readback.ports import Port
from tests.support.command import birdnet_deploy, fail, succeed
from tests.support.native_board import compile_native, native_board
from tests.support.once import made_once

ROOT = Path(__file__).resolve().parents[2]
RATE = 8000
SLOW = {"BN_SLOW_MS": "20"}


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory, small_project: Path) -> Path:
    def make(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        compile_native(small_project, folder)

    return made_once(tmp_path_factory, "native", make) / "app"


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four recordings of five windows each."""
    folder = tmp_path_factory.mktemp("audio")
    chance = np.random.default_rng(7)
    for number in range(4):
        soundfile.write(folder / f"take {number}.wav", chance.uniform(-0.3, 0.3, 3 * RATE), RATE)
    return folder


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


@pytest.fixture
def card(small_bundle: Path, audio: Path, tmp_path: Path) -> Path:
    (tmp_path / "sd").mkdir()
    succeed("board-test", small_bundle, "--audio", audio, "--card", tmp_path / "sd", "--prepare")
    return tmp_path / "sd"


def asked(bundle: Path, audio: Path, port: Path, save: Path, *options: object) -> tuple[object, ...]:
    return ("board-test", bundle, "--audio", audio, "--port", port, "--save", save, *options)


def report_of(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_card_in_the_board_is_run_file_by_file_and_its_times_are_told(
    app: Path, small_bundle: Path, audio: Path, card: Path, tmp_path: Path
) -> None:
    with native_board(app, tmp_path, card) as board:
        out = succeed(*asked(small_bundle, audio, board.port, tmp_path / "bt", "--inserted"))
    assert "windows bit-exact 20/20" in out
    assert report_of(tmp_path / "bt")["median_us"]["nn"] > 0


def test_without_a_card_in_the_board_windows_go_over_the_line(
    app: Path, small_bundle: Path, audio: Path, tmp_path: Path
) -> None:
    with native_board(app, tmp_path, tmp_path / "no card") as board:
        done = birdnet_deploy(*asked(small_bundle, audio, board.port, tmp_path / "bt", "--inserted"))
    assert done.returncode == 0, done.stderr
    assert "no card that it can read" in done.stderr and "over the line" in done.stderr
    assert "windows bit-exact 20/20" in done.stdout


def test_a_board_that_takes_no_commands_is_read_until_its_bye(
    app: Path, small_bundle: Path, audio: Path, card: Path, tmp_path: Path
) -> None:
    with native_board(app, tmp_path, card, BN_LISTEN="0") as board:
        out = succeed(*asked(small_bundle, audio, board.port, tmp_path / "bt"))
    assert "windows bit-exact 20/20" in out


def test_a_board_whose_hello_is_gone_is_asked(
    app: Path, small_bundle: Path, audio: Path, card: Path, tmp_path: Path
) -> None:
    with native_board(app, tmp_path, card) as board:
        port, said = os.open(board.port, os.O_RDONLY | os.O_NOCTTY), b""
        while b"8000 Hz" not in said:  # the last line of its boot
            said += os.read(port, 4096)
        os.close(port)
        assert b'"t":"hello"' in said
        out = succeed(*asked(small_bundle, audio, board.port, tmp_path / "bt", "--inserted"))
    assert "windows bit-exact 20/20" in out


def test_a_missing_card_is_an_err_record(app: Path, small_bundle: Path, audio: Path, tmp_path: Path) -> None:
    with native_board(app, tmp_path, tmp_path / "no card", BN_LISTEN="0") as board:
        error = fail(8, *asked(small_bundle, audio, board.port, tmp_path / "bt"))
    assert "the board says: file=card code=-1 reason=cannot be listed" in error
    assert "20 windows never came" in error


def test_a_file_that_is_not_on_the_card_is_named_and_the_others_are_run(
    app: Path, small_bundle: Path, audio: Path, card: Path, tmp_path: Path
) -> None:
    (card / "00002.WAV").unlink()
    (card / "00003.WAV").write_bytes(b"RIFF no sound")
    with native_board(app, tmp_path, card) as board:
        error = fail(8, *asked(small_bundle, audio, board.port, tmp_path / "bt", "--inserted"))
    assert "00002.WAV (take 1.wav): run was refused with code -2 (no such file)" in error
    assert "00003.WAV (take 2.wav): ended with code -3" in error and "the board says: file=00003.WAV" in error
    assert report_of(tmp_path / "bt")["windows"]["came"] == 10


def test_a_slow_card_is_an_err_record(
    app: Path, small_bundle: Path, audio: Path, card: Path, tmp_path: Path
) -> None:  # fmt: skip
    for name in ("00002.WAV", "00003.WAV", "00004.WAV"):
        (card / name).unlink()
    with native_board(app, tmp_path, card, BN_LISTEN="0", BN_SLOW_MS="520") as board:
        error = fail(8, *asked(small_bundle, audio, board.port, tmp_path / "bt"))
    assert "code=-8 reason=is read slower than it sounds" in error
    assert report_of(tmp_path / "bt")["windows"]["came"] == 5


def test_a_full_card_is_an_err_record_and_no_window_is_lost(
    app: Path, small_bundle: Path, audio: Path, card: Path, tmp_path: Path
) -> None:
    (card / "LOG.ON").touch()
    (card / "BN000001.LOG").symlink_to("/dev/full")
    with native_board(app, tmp_path, card, BN_LISTEN="0") as board:
        error = fail(8, *asked(small_bundle, audio, board.port, tmp_path / "bt"))
    assert "file=card code=-1 reason=cannot be written: it is full, locked or gone" in error
    assert "never came" not in error
    assert report_of(tmp_path / "bt")["comparison"]["windows"]["exact"] == 20


class Running:
    """``board-test`` in its own process."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, "-m", "birdnet_deploy", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(command, env=environment, text=True, **pipes)  # type: ignore[call-overload]

    def wait_for(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not true():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def end(self) -> tuple[int, str, str]:
        out, error = self.process.communicate(timeout=90)
        return self.process.returncode, out, error


def some_windows(save: Path, count: int) -> Callable[[], bool]:
    partial = save / "predictions.partial.jsonl"
    return lambda: partial.is_file() and partial.read_bytes().count(b"\n") >= count


def test_f37_a_replug_goes_on_where_it_was(
    app: Path, small_bundle: Path, audio: Path, card: Path, tmp_path: Path
) -> None:  # fmt: skip
    save = tmp_path / "bt"
    with native_board(app, tmp_path, card, **SLOW) as board:
        test = Running(*asked(small_bundle, audio, board.port, save, "--inserted", "--reconnect", "30s"))
        test.wait_for(some_windows(save, 7))
        board.unplug()
        time.sleep(0.3)
        board.plug()  # another terminal under the same link: another boot
        code, out, error = test.end()
    assert code == 0, error
    assert "windows bit-exact 20/20" in out and "waiting for it" in error
    windows = [(line["file"], line["win"]) for line in lines_of(save / "predictions.jsonl")]
    assert len(windows) == len(set(windows)) == 20
    assert report_of(save)["readback"]["reconnected"] == 1
    assert len({line["boot"] for line in lines_of(save / "predictions.jsonl")}) == 2


def test_f37_a_board_that_does_not_come_back_leaves_what_it_gave_for_resume(
    app: Path, small_bundle: Path, audio: Path, card: Path, tmp_path: Path
) -> None:
    save = tmp_path / "bt"
    with native_board(app, tmp_path, card, **SLOW) as board:
        options = asked(small_bundle, audio, board.port, save, "--inserted", "--reconnect", "1s")
        test = Running(*options)
        test.wait_for(some_windows(save, 7))
        board.unplug()
        code, _, error = test.end()
        assert code == 8 and "--resume" in error and "the port is gone" in error, error
        kept = lines_of(save / "predictions.partial.jsonl")
        assert 7 <= len(kept) < 20 and all(line["incomplete"] for line in kept)
        board.plug()
        out = succeed(*options, "--resume")
    assert f"{len(kept)} windows of an earlier test were kept" in out and "windows bit-exact 20/20" in out
    whole = lines_of(save / "predictions.jsonl")
    assert [line["seq"] for line in whole[:5]] == [line["seq"] for line in kept[:5]]
    assert len(whole) == 20 and not any("incomplete" in line for line in whole)


def test_f40_ctrl_c_frees_the_port_and_keeps_what_came(
    app: Path, small_bundle: Path, audio: Path, card: Path, tmp_path: Path
) -> None:
    save = tmp_path / "bt"
    with native_board(app, tmp_path, card, **SLOW) as board:
        test = Running(*asked(small_bundle, audio, board.port, save, "--inserted"))
        test.wait_for(some_windows(save, 3))
        with pytest.raises(BoardError, match="board-test"):
            PortLock(Port(str(board.port)))
        test.process.send_signal(signal.SIGINT)
        code, _, error = test.end()
        assert code == 130 and "Traceback" not in error and "interrupted" in error, error
        PortLock(Port(str(board.port))).close()
    assert 3 <= len(lines_of(save / "predictions.partial.jsonl")) < 20
    assert report_of(save)["interrupted"]
    assert list((tmp_path / "temporary").glob("birdnet-deploy-1*")) == []


def test_recordings_that_changed_are_run_again_and_another_model_is_refused(
    app: Path, small_bundle: Path, audio: Path, card: Path, tmp_path: Path
) -> None:
    save = tmp_path / "bt"
    with native_board(app, tmp_path, card) as board:
        succeed(*asked(small_bundle, audio, board.port, save, "--inserted"))
    state = json.loads((save / "board-test.json").read_text())
    state["files"][1]["wav_sha256"] = "0" * 64
    (save / "board-test.json").write_text(json.dumps(state))
    with native_board(app, tmp_path, card) as board:
        out = succeed(*asked(small_bundle, audio, board.port, save, "--inserted", "--resume"))
    assert "15 windows of an earlier test were kept" in out
    before = {path.name: path.read_bytes() for path in save.iterdir()}
    fail(7, *asked(small_bundle, audio, tmp_path / "none", save))
    assert {path.name: path.read_bytes() for path in save.iterdir()} == before  # no board: nothing is touched
    (save / "board-test.json").write_text(json.dumps({**state, "model": "0" * 64}))
    assert "another model" in fail(2, *asked(small_bundle, audio, tmp_path / "none", save, "--resume"))


def test_f38_no_board_and_a_silent_one(small_bundle: Path, audio: Path, tmp_path: Path) -> None:
    fail(7, *asked(small_bundle, audio, tmp_path / "none", tmp_path / "bt"))
    ours, theirs = os.openpty()
    try:
        error = fail(8, *asked(small_bundle, audio, Path(os.ttyname(theirs)), tmp_path / "bt", "--wait", "2s"))
    finally:
        os.close(ours)
        os.close(theirs)
    assert "no hello record within 2 s" in error


def test_f32_firmware_of_another_model_is_refused(app: Path, small_bundle: Path, audio: Path, tmp_path: Path) -> None:
    import shutil

    from tests.support.bundles import lock

    other = tmp_path / "other_bundle"
    shutil.copytree(small_bundle, other, ignore=shutil.ignore_patterns(".birdnet*"))
    (other / "report.json").write_text("{}")
    lock(other)
    with native_board(app, tmp_path, tmp_path / "no card") as board:
        error = fail(7, *asked(other, audio, board.port, tmp_path / "bt"))
    assert "another lock" in error
