"""``monitor`` reads the emulated firmware over TCP and over a pseudo terminal, and gives what ``run`` gives."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from birdnet_deploy.board.card import prepare_card
from birdnet_deploy.bundle import open_bundle
from birdnet_deploy.support.progress import Silent
from birdnet_deploy.toolchain.build import open_firmware
from tests.support.command import succeed
from tests.support.field import Monitor, objects

pytestmark = pytest.mark.emulator
QEMU = shutil.which("qemu-system-arm") or "qemu-system-arm"


class Field:
    """A project, its card, and what ``run`` made of the same recordings."""

    def __init__(self, folder: Path, project: Path, recordings: Path) -> None:
        from birdnet_deploy.project.open import open_project

        self.firmware = open_firmware(open_project(project))
        self.bundle = self.firmware.project.bundle.path
        config = open_bundle(self.bundle).config
        self.card = prepare_card(recordings, config, folder / "card", strict=True, progress=Silent())
        succeed("run", project, "--audio", recordings, "--save", folder / "run.jsonl")
        self.expected = objects(folder / "run.jsonl")

    def arguments(self) -> list[str]:
        return [
            QEMU, "-M", "mps3-an547", "-display", "none", "-monitor", "none", "-semihosting-config",
            "enable=on,target=native", "-kernel", str(self.firmware.elf.resolve()),
        ]  # fmt: skip


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory, small_project: Path, small_model: Path) -> Field:
    folder = tmp_path_factory.mktemp("field")
    recordings = folder / "recordings"
    recordings.mkdir()
    for number, source in enumerate(sorted((small_model / "recordings").rglob("*.wav"))[:3]):
        shutil.copy(source, recordings / f"song {number}.wav")
    return Field(folder, small_project, recordings)


@contextmanager
def running(command: list[str], cwd: Path, fds: tuple[int, ...] = ()) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, cwd=cwd, pass_fds=fds, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def check(field: Field, ended: tuple[int, str, str], save: Path) -> None:
    code, out, err = ended
    assert code == 0, err
    told = json.loads(out)
    assert (told["missing"], told["corrupt"], told["duplicate"], told["reboots"]) == (0, 0, 0, 0)
    assert told["noise_bytes"] > 0  # the firmware's log
    compared = ("file", "win", "start", "start_s", "seq", "outputs", "scores")
    saved, expected = (
        [[window[key] for key in compared] for window in many] for many in (objects(save), field.expected)
    )
    assert saved == expected and len(saved) >= 3


def watching(field: Field, port: str, save: Path) -> Monitor:
    return Monitor(
        "--bundle", field.bundle, "--port", port, "--manifest", field.card.manifest, "--save", save,
        "--until", "bye", "--for", "60s", "--output-format", "json",
    )  # fmt: skip


def test_over_a_pseudo_terminal(field: Field, tmp_path: Path) -> None:
    master, terminal = os.openpty()
    tty.setraw(terminal)
    try:
        monitor = watching(field, os.ttyname(terminal), tmp_path / "f.jsonl").ready()
        serial = ["-add-fd", f"fd={master},set=1", "-chardev", "serial,id=uart0,path=/dev/fdset/1"]
        with running([*field.arguments(), *serial, "-serial", "chardev:uart0"], field.card.folder, (master,)):
            check(field, monitor.end(), tmp_path / "f.jsonl")
    finally:
        os.close(master)
        os.close(terminal)


def test_over_tcp(field: Field, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    serial = ["-serial", f"tcp:127.0.0.1:{port},server=on,wait=on"]  # the board starts when somebody listens
    with running([*field.arguments(), *serial], field.card.folder):
        for _ in range(50):
            ended = watching(field, f"socket://127.0.0.1:{port}", tmp_path / "f.jsonl").end()
            if ended[0] != 7:
                break
        check(field, ended, tmp_path / "f.jsonl")


def test_a_recording_of_the_session_gives_the_same_again(field: Field, tmp_path: Path) -> None:
    master, terminal = os.openpty()
    tty.setraw(terminal)
    raw = tmp_path / "raw.bin"
    try:
        monitor = Monitor("--port", os.ttyname(terminal), "--raw", raw, "--until", "bye", "--for", "60s").ready()
        serial = ["-add-fd", f"fd={master},set=1", "-chardev", "serial,id=uart0,path=/dev/fdset/1"]
        with running([*field.arguments(), *serial, "-serial", "chardev:uart0"], field.card.folder, (master,)):
            assert monitor.end()[0] == 0
    finally:
        os.close(master)
        os.close(terminal)
    save = tmp_path / "f.jsonl"
    ended = Monitor(
        "--bundle", field.bundle, "--replay", raw, "--manifest", field.card.manifest, "--save", save,
        "--output-format", "json",
    ).end()  # fmt: skip
    check(field, ended, save)


def test_the_firmware_of_another_bundle_is_refused(field: Field, tmp_path: Path) -> None:
    other = tmp_path / "bundle"
    shutil.copytree(field.bundle, other)
    lock = json.loads((other / "birdnet.lock").read_text())
    (other / "birdnet.lock").write_text(json.dumps(lock))  # the same content in other bytes
    master, terminal = os.openpty()
    tty.setraw(terminal)
    try:
        monitor = Monitor("--bundle", other, "--port", os.ttyname(terminal), "--for", "60s").ready()
        serial = ["-add-fd", f"fd={master},set=1", "-chardev", "serial,id=uart0,path=/dev/fdset/1"]
        with running([*field.arguments(), *serial, "-serial", "chardev:uart0"], field.card.folder, (master,)):
            code, _, err = monitor.end()
    finally:
        os.close(master)
        os.close(terminal)
    assert code == 7 and "another lock" in err
