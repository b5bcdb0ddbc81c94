"""The emulated board as ``run`` drives it: lines, sessions, deaths; around the tiny network."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.board.qemu import Emulation, emulated
from birdnet_deploy.errors import BoardError
from birdnet_deploy.readback.identity import Identity
from birdnet_deploy.readback.records import AnyRecord
from birdnet_deploy.readback.session import SessionResult, read_session
from birdnet_deploy.toolchain.build import build_project
from tests.support.tiny import LABELS, expected_outputs, make_project
from tests.support.wav import wav

pytestmark = pytest.mark.emulator
QEMU = Path(shutil.which("qemu-system-arm") or "qemu-system-arm")
SCALE = float(np.float32(0.128128543))


class Board:
    """The tiny project's ELF and the identity that its hello must have."""

    def __init__(self, folder: Path, code: str | None = None) -> None:
        project = make_project(folder)
        if code is not None:
            source = project.path / "generated/network.c"
            text = source.read_text()
            source.write_text(text.replace("if (input[0] == -128) {\n        return BN_ENETWORK;\n    }", code))
            assert code in source.read_text()
        self.elf = build_project(project).elf
        bundle = project.bundle
        self.identity = Identity(bundle.model_sha256, bundle.lock_sha256, len(LABELS), SCALE, 3, "sigmoid")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    return Board(tmp_path_factory.mktemp("board") / "fw")


def sound(samples: int, seed: int) -> np.ndarray:
    pcm = np.random.default_rng(seed).integers(-20000, 20000, samples, dtype=np.int16)
    pcm[::32] = 1  # the tiny network refuses a window that begins with its peak
    return pcm


def card(folder: Path, *recordings: np.ndarray) -> Path:
    folder.mkdir()
    for number, pcm in enumerate(recordings, 1):
        (folder / f"{number:05d}.WAV").write_bytes(wav(pcm))
    return folder


@contextmanager
def booted(board: Board, folder: Path, line: str = "pty", icount: bool = False) -> Iterator[Emulation]:
    with emulated(board.elf, folder, qemu=QEMU, line=line, icount=icount) as emulation:
        yield emulation


def listen(board: Board, folder: Path, *, silence_s: float = 60, line: str = "pty") -> SessionResult:
    with booted(board, folder, line) as emulation:
        return read_session(emulation.port, board.identity, silence_s=silence_s, ended=emulation.ended)


@pytest.mark.parametrize("line", ["pty", "tcp"])
def test_every_record_arrives_from_the_first_to_the_bye(board: Board, tmp_path: Path, line: str) -> None:
    pcm = sound(32 * 400, 1)
    session = listen(board, card(tmp_path / "card", pcm), line=line)
    assert session.problems == ()
    assert [record.win for record in session.inferences] == list(range(399))
    for record in session.inferences[::50]:
        assert record.outputs.tolist() == expected_outputs(pcm[record.start : record.start + 64])
    assert session.counts.intact == 401
    assert session.counts.corrupt == session.counts.missing == session.counts.duplicate == 0


@pytest.mark.parametrize("line", ["pty", "tcp"])
def test_a_reader_that_comes_late_loses_neither_the_first_nor_the_last_line(
    board: Board, tmp_path: Path, line: str
) -> None:
    folder = card(tmp_path / "card", sound(320, 1))
    for pause_s in (0.0, 0.7):
        with booted(board, folder, line) as emulation:
            time.sleep(pause_s)  # by then QEMU has ended
            session = read_session(emulation.port, board.identity, silence_s=60, ended=emulation.ended)
        assert session.problems == (), session


def test_both_lines_and_both_clocks_give_the_same_windows(board: Board, tmp_path: Path) -> None:
    folder = card(tmp_path / "card", sound(500, 1), sound(64, 2))
    seen = []
    for line, icount in (("pty", False), ("tcp", False), ("pty", True)):
        with booted(board, folder, line, icount) as emulation:
            session = read_session(emulation.port, board.identity, silence_s=60, ended=emulation.ended)
        seen.append([(record.file, record.win, record.start, record.out) for record in session.inferences])
        timed = {record.us is not None for record in session.inferences}
        assert timed == {icount}
    assert seen[0] == seen[1] == seen[2]


def test_a_board_that_hangs_ends_at_the_deadline_and_nothing_is_left(tmp_path: Path) -> None:
    board = Board(
        tmp_path / "fw", "static volatile int calls;\n    while (calls > 0) {\n    }\n    calls++;"
    )  # not at boot
    started = time.monotonic()
    session = listen(board, card(tmp_path / "card", sound(64, 1)), silence_s=1.5)
    assert time.monotonic() - started < 15
    assert session.failure is not None and session.failure.exit_code == 8
    assert "no record for 1.5 s" in session.failure.line
    assert "00001.WAV" in session.failure.line  # the last line that the firmware printed
    assert session.hello is not None


def test_a_fault_is_told_with_its_cause(tmp_path: Path) -> None:
    board = Board(tmp_path / "fw", '__asm__ volatile("udf #1");')
    session = listen(board, card(tmp_path / "card", sound(64, 1)))
    assert session.failure is not None
    assert "undefined instruction" in session.failure.line and "no record for" not in session.failure.line
    assert "QEMU ended with status 70" in session.failure.line


def test_a_qemu_that_is_killed_is_no_timeout(board: Board, tmp_path: Path) -> None:
    folder = card(tmp_path / "card", sound(32 * 20_000, 1))
    wins: list[int] = []
    with booted(board, folder) as emulation:
        (pid,) = child_qemus(folder)

        def kill_after_ten(record: AnyRecord) -> None:
            wins.append(record.seq)
            if len(wins) == 10:
                os.kill(pid, signal.SIGKILL)

        session = read_session(
            emulation.port, board.identity, silence_s=60, ended=emulation.ended, on_record=kill_after_ten
        )
    assert session.failure is not None and "QEMU ended by SIGKILL" in session.failure.line
    assert len(session.inferences) >= 9
    assert child_qemus(folder) == []


def child_qemus(folder: Path) -> list[int]:
    """The processes that work in a folder."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if link.readlink() == folder:
                found.append(int(link.parent.name))
        except OSError:
            continue  # it has ended, or is not ours
    return found


def test_a_failing_network_is_an_err_record_and_the_run_goes_on(board: Board, tmp_path: Path) -> None:
    bad = sound(64, 1)
    bad[0] = -32768
    session = listen(board, card(tmp_path / "card", bad, sound(64, 2)))
    assert [error.fields["file"] for error in session.errors] == ["00001.WAV"]
    assert [record.file for record in session.inferences] == ["00002.WAV"]
    assert session.complete


def test_the_firmware_of_another_bundle_is_refused(board: Board, tmp_path: Path) -> None:
    other = Identity("ab" * 32, board.identity.lock_sha256, len(LABELS), SCALE, 3, "sigmoid")
    with (
        pytest.raises(BoardError, match="another model"),
        booted(board, card(tmp_path / "card", sound(64, 1))) as emulation,
    ):
        read_session(emulation.port, other, silence_s=60, ended=emulation.ended)
    for key, value in (("classes", 3), ("scale", 0.5), ("zp", 0), ("act", "softmax")):
        wrong = Identity(**{**vars(board.identity), key: value})
        with pytest.raises(BoardError, match=key), booted(board, tmp_path / "card") as emulation:
            read_session(emulation.port, wrong, silence_s=60, ended=emulation.ended)
