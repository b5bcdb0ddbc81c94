"""Starting and ending QEMU: what it says when it does not start, and that nothing of it is left."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from birdnet_deploy.board import qmp
from birdnet_deploy.board.lines import default_line, make_line
from birdnet_deploy.board.qemu import Emulation, emulated
from birdnet_deploy.errors import ToolchainError, UsageError
from birdnet_deploy.support.process import is_alive

HEAD = f"#!{sys.executable}\nimport json, os, signal, sys, time\n"
GREETING = """
def say(message):
    print(json.dumps(message), flush=True)

def serve():
    print("char device redirected to nowhere", flush=True)
    say({"QMP": {"version": {}}})
    for line in sys.stdin:
        say({"event": "RESUME", "timestamp": {}})
        say(answer(json.loads(line)["execute"]))
"""
OBEYING = 'def answer(command):\n    return {"return": {}}\nserve()\n'


def fake_qemu(folder: Path, code: str) -> Path:
    """A program that behaves like a QEMU; it notes its process id in the folder."""
    path = folder / "qemu-system-arm"
    path.write_text(f'{HEAD}open({str(folder / "pid")!r}, "w").write(str(os.getpid()))\n{GREETING}\n{code}')
    path.chmod(0o755)
    return path


def start(folder: Path, code: str) -> None:
    with emulated(Path("firmware.elf"), folder, qemu=fake_qemu(folder, code), line="pty"):
        pass


def gone(folder: Path) -> bool:
    return not is_alive(int((folder / "pid").read_text()))


def runs(pid: int) -> bool:
    """Whether a process exists and is not just waiting for an init that reaps it."""
    stat = Path(f"/proc/{pid}/stat")
    return is_alive(pid) and not (stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] == "Z")


def test_a_qemu_that_ends_at_once_is_quoted(tmp_path: Path) -> None:
    code = 'print("first line\\nunsupported machine type", file=sys.stderr)\nsys.exit(1)'
    with pytest.raises(ToolchainError, match="unsupported machine type") as caught:
        start(tmp_path, code)
    assert caught.value.exit_code == 6
    assert "mps3-an547" in caught.value.line
    assert gone(tmp_path)


def test_a_qemu_that_refuses_to_go_on_is_told(tmp_path: Path) -> None:
    code = """
def answer(command):
    return {"error": {"class": "GenericError", "desc": "no"}} if command == "cont" else {"return": {}}
serve()"""
    with pytest.raises(ToolchainError, match="GenericError"):
        start(tmp_path, code)
    assert gone(tmp_path)


def test_a_silent_qemu_is_ended_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qmp, "_PATIENCE_S", 0.5)
    started = time.monotonic()
    with pytest.raises(ToolchainError, match="did not answer"):
        start(tmp_path, "time.sleep(60)")
    assert time.monotonic() - started < 10
    assert gone(tmp_path)


def test_a_qemu_that_ignores_requests_to_end_is_killed_with_its_children(tmp_path: Path) -> None:
    child = f"open({str(tmp_path / 'child')!r}, 'w').write(str(os.fork() or time.sleep(60)))"
    start(tmp_path, f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{child}\n{OBEYING}")
    assert gone(tmp_path)
    child_id = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while runs(child_id) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not runs(child_id)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_whatever_happens_meanwhile_ends_qemu_and_closes_the_port(tmp_path: Path, error: type[BaseException]) -> None:
    boards: list[Emulation] = []
    with (
        pytest.raises(error),
        emulated(Path("firmware.elf"), tmp_path, qemu=fake_qemu(tmp_path, OBEYING), line="pty") as board,
    ):
        boards.append(board)
        raise error
    assert gone(tmp_path)
    assert not boards[0].port.is_open
    assert boards[0].port.fd is None


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("this system does not list descriptors")
    start(tmp_path, OBEYING)
    before = sorted(folder.iterdir())
    for _ in range(3):
        start(tmp_path, OBEYING)
    assert sorted(folder.iterdir()) == before


def test_the_end_of_qemu_is_told_with_its_last_words(tmp_path: Path) -> None:
    code = """
def answer(command):
    if command == "cont":
        say({"return": {}})
        print("qemu: fatal: Lockup", file=sys.stderr, flush=True)
        os.abort()
    return {"return": {}}
serve()"""
    with emulated(Path("firmware.elf"), tmp_path, qemu=fake_qemu(tmp_path, code), line="pty") as board:
        deadline = time.monotonic() + 10
        while board.ended() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert board.ended() == "QEMU ended by SIGABRT (qemu: fatal: Lockup)"


def test_a_program_that_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "qemu-system-arm").write_text("no program")
    with (
        pytest.raises(ToolchainError, match="cannot be started"),
        emulated(Path("x.elf"), tmp_path, qemu=tmp_path / "qemu-system-arm", line="pty"),
    ):
        pass


def test_lines_that_there_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_line() == "pty"
    with pytest.raises(UsageError, match="usb"):
        make_line("usb")
    monkeypatch.delattr(os, "openpty")
    assert default_line() == "tcp"
    with pytest.raises(UsageError, match="tcp"):
        make_line("pty")
