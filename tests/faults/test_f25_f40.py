"""F25 to F40 at the command line, the emulated tool chain and a board on a pseudo terminal: what the user sees.

F31 (flash) has a file of its own. What only a port, a lock or a firmware can show is tested beside it and named alike.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.command import birdnet_deploy
from tests.support.fault_processes import Interrupted, pids_named, wait_until
from tests.support.field import ENV, ROOT, field_device
from tests.support.refusals import hashes, refused
from tests.support.script import script

STREAMS = ROOT / "tests/faults/streams"
GCC = 'case "$1" in --version) echo "arm-none-eabi-gcc (15) 9.2.1";; -dumpmachine) echo arm-none-eabi;; esac'


@pytest.fixture
def project(small_project: Path, tmp_path: Path) -> Path:
    """A built project that was there before."""
    return Path(shutil.copytree(small_project, tmp_path / "kept/fw"))


@pytest.fixture
def sounds(small_model: Path) -> Path:
    return small_model / "recordings"


@pytest.mark.parametrize("command", ["build", "run", "deploy"])
def test_f25_tools_that_are_missing_are_told_before_any_work(
    command: str, project: Path, sounds: Path, small_model: Path, tmp_path: Path
) -> None:
    arguments: tuple[object, ...] = (command, project)
    if command != "build":
        arguments = (command, small_model / "small.keras" if command == "deploy" else project, "--audio", sounds)
    named = {"build": "arm-none-eabi-gcc", "run": "qemu-system-arm", "deploy": "make"}[command]
    nowhere = tmp_path / "no tools"
    nowhere.mkdir()
    naming = (named, str(nowhere), "apt install", f"BIRDNET_{named.upper().replace('-', '_')}")
    refused(6, *arguments, scratch=tmp_path, naming=naming, keeping=project, PATH=str(nowhere))


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        ("arm-none-eabi-gcc", GCC, "9.2.1, older than 10.0"),
        ("make", "echo GNU Make 3.79", "3.79, older than 3.81"),
        ("make", "exit 0", "does not answer like make"),
        ("make", "kill -SEGV $$", "died of SIGSEGV"),
    ],
    ids=["an old gcc", "an old make", "a mute make", "a make that crashes"],
)
def test_f25_tools_that_are_too_old(project: Path, tmp_path: Path, name: str, body: str, told: str) -> None:
    named = {f"BIRDNET_{name.upper().replace('-', '_')}": str(script(tmp_path / "bin" / name, body))}
    refused(6, "build", project, scratch=tmp_path, naming=(name, told), keeping=project, **named)


def test_f28_a_make_that_gives_0_and_no_elf(project: Path, tmp_path: Path) -> None:
    make = script(tmp_path / "bin/make", "echo GNU Make 4.3")
    (project / "build/firmware.elf").unlink()
    refused(6, "build", project, scratch=tmp_path, naming=("make ended without an ELF",), BIRDNET_MAKE=str(make))


def test_f28_a_qemu_that_gives_0_and_runs_nothing(project: Path, sounds: Path, tmp_path: Path) -> None:
    qemu = script(tmp_path / "bin/qemu", 'if [ "$1" = --version ]; then echo QEMU emulator version 7.2.1; fi')
    named = {"BIRDNET_QEMU_SYSTEM_ARM": str(qemu)}
    naming = ("did not start", "mps3-an547")
    before = hashes(project)
    refused(6, "run", project, "--audio", sounds, scratch=tmp_path, naming=naming, **named)
    assert hashes(project).items() >= before.items()  # the host's frontend has been built in it


@pytest.mark.parametrize(
    ("port", "named"), [("/dev/ttyNOBODY", "no such port"), ("auto", "no board found"), ("0483:*", "no board found")]
)
def test_f29_a_port_that_is_not_there(port: str, named: str, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/w.jsonl").write_text('{"old": 1}\n')
    arguments = ("monitor", "--port", port, "--save", tmp_path / "kept/w.jsonl")
    refused(7, *arguments, scratch=tmp_path, naming=(named,), keeping=tmp_path / "kept/w.jsonl")


def replayed(name: str, code: int, *naming: str, scratch: Path) -> tuple[str, list[dict]]:
    """Gives the line that a recorded stream ends with, and the windows that were saved."""
    save = scratch / "w.jsonl"
    line = refused(
        code, "monitor", "--replay", STREAMS / f"{name}.bin", "--save", save, scratch=scratch, naming=naming
    )  # fmt: skip
    return line, [json.loads(line) for line in save.read_text().splitlines()]


def test_f33_a_corrupt_record_costs_8_unless_it_came_again(tmp_path: Path) -> None:
    _, saved = replayed("bit_flip", 8, "missing", "damaged", scratch=tmp_path)
    assert all(window["incomplete"] for window in saved)
    done = birdnet_deploy("monitor", "--replay", STREAMS / "bit_flip_then_repeated.bin")
    assert done.returncode == 0, done.stderr


def test_f33_noise_before_good_records(tmp_path: Path) -> None:
    done = birdnet_deploy("monitor", "--replay", STREAMS / "boot_noise_and_half_lines.bin", "--output-format", "json")
    wanted = json.loads((STREAMS / "boot_noise_and_half_lines.json").read_text())
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["noise_bytes"] == wanted["counts"]["noise_bytes"] > 0 and told["windows"] == len(wanted["wins"])


def test_f34_a_record_over_the_maximum(tmp_path: Path) -> None:
    _, saved = replayed("longer_than_a_line", 8, "records 1 are missing", scratch=tmp_path)
    assert [window["win"] for window in saved] == [0]  # it went on with what came behind


def test_f35_a_gap_and_a_double(tmp_path: Path) -> None:
    _, saved = replayed("gap", 8, "records 1-2 are missing", "the board counted 3 windows, 1 came", scratch=tmp_path)
    assert [window["incomplete"] for window in saved] == [True]
    done = birdnet_deploy("monitor", "--replay", STREAMS / "duplicate.bin", "--save", tmp_path / "d.jsonl")
    counts = json.loads((STREAMS / "duplicate.json").read_text())["counts"]
    assert done.returncode == 0 and f"{counts['duplicate']} duplicate" in done.stdout, done.stderr
    assert counts["duplicate"] > 0
    windows = [json.loads(line)["win"] for line in (tmp_path / "d.jsonl").read_text().splitlines()]
    assert len(windows) == len(set(windows))


def test_f36_a_fault_is_decoded_and_a_reset_told_apart(tmp_path: Path) -> None:
    replayed("fault", 8, "the firmware crashed", "pc=00001234", "cfsr=02000000 (division by zero)", scratch=tmp_path)
    replayed("reset", 8, "the board restarted once", scratch=tmp_path)


def test_f38_nothing_ever_comes(tmp_path: Path) -> None:
    replayed("nothing", 8, "nothing was ever received", "--baud", scratch=tmp_path)


def test_f38_a_silent_board_ends_at_the_deadline_with_its_last_words(tmp_path: Path) -> None:
    with field_device("silence", tmp_path) as board:
        board.go()
        started = time.monotonic()
        naming = ("the last words", "no bye")
        refused(8, "monitor", "--port", board.port, "--silence", "1s", scratch=tmp_path, naming=naming)
        assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("name", "raw"), [("class_out_of_range", '"top":[4]'), ("outputs_too_short", '"out":"007f80"')]
)
def test_f39_a_record_that_is_out_of_range_is_rejected_and_shown_raw(name: str, raw: str, tmp_path: Path) -> None:
    _, saved = replayed(name, 8, "rejected record 1", raw, scratch=tmp_path)
    assert [window["win"] for window in saved] == json.loads((STREAMS / f"{name}.json").read_text())["wins"]


def _long_recording(folder: Path) -> Path:
    folder.mkdir()
    steps = np.random.default_rng(4).uniform(-0.3, 0.3, 48000 * 120).astype(np.float32)
    for number in range(4):
        soundfile.write(folder / f"{number}.flac", steps, 48000)
    return folder


SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])


@SIGNALS
def test_f40_interrupted_while_building(project: Path, tmp_path: Path, number: signal.Signals) -> None:
    """The children of make end too, and there is no ELF that was only half linked."""
    body = f'[ "$1" = --version ] && echo GNU Make 4.3 && exit; sleep 60 & echo $! > {tmp_path}/child; wait'
    make = script(tmp_path / "bin/make", body)
    running = Interrupted("build", project, scratch=tmp_path, BIRDNET_MAKE=str(make))
    wait_until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text().strip())
    running.end(number)
    assert not pids_named("sleep", int((tmp_path / "child").read_text()))
    assert not (project / "build/firmware.elf").exists()


@pytest.mark.emulator
@SIGNALS
def test_f40_interrupted_while_the_board_runs(project: Path, tmp_path: Path, number: signal.Signals) -> None:
    save = tmp_path / "w.jsonl"
    save.write_text("old\n")
    audio = _long_recording(tmp_path / "long")
    running = Interrupted("run", project, "--audio", audio, "--save", save, scratch=tmp_path)
    wait_until(lambda: running.children("qemu-system-arm"))
    time.sleep(0.3)
    children = running.children("")
    running.end(number)
    assert children and not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert save.read_text() == "old\n"


def test_f40_interrupted_while_the_card_is_prepared(project: Path, tmp_path: Path) -> None:
    """Whenever it comes, nothing but the one line is said."""
    audio = _long_recording(tmp_path / "long")
    before = hashes(project)
    for delay_s in (0.0, 0.1, 0.25):
        running = Interrupted("run", project, "--audio", audio, scratch=tmp_path)
        running.until_it_says("preparing the card")
        time.sleep(delay_s)
        running.end(signal.SIGINT)
    assert hashes(project).items() >= before.items()


@SIGNALS
def test_f40_interrupted_while_monitoring_releases_the_port(tmp_path: Path, number: signal.Signals) -> None:
    with field_device("slow", tmp_path) as board:
        running = Interrupted("monitor", "--port", board.port, "--save", tmp_path / "w.jsonl", scratch=tmp_path)
        running.until_it_says("reading")
        board.go()
        wait_until(lambda: (tmp_path / "w.jsonl").exists() and (tmp_path / "w.jsonl").stat().st_size > 500)
        running.end(number, says="")
        again = birdnet_deploy("monitor", "--port", board.port, "--for", "1s")
        assert again.returncode == 8 and "in use" not in again.stderr


@pytest.mark.parametrize(
    "arguments", [["rule", "--all"], ["rule", "--all", "--output-format", "json"], ["validate"], ["monitor"]]
)
def test_f40_a_full_disk_behind_stdout(arguments: list[str], small_bundle: Path) -> None:
    arguments = [*arguments, str(small_bundle)] if arguments == ["validate"] else arguments
    arguments = [*arguments, "--replay", str(STREAMS / "clean.bin")] if arguments == ["monitor"] else arguments
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "birdnet_deploy", *arguments], env=ENV, stdout=full, stderr=subprocess.PIPE,
            text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert "No space left on device" in done.stderr and "Traceback" not in done.stderr
    assert done.stderr.count("error") == 1


PIPES: dict[str, Callable[[Path, Path], tuple[object, ...]]] = {
    "a model": lambda pipe, bundle: ("validate", pipe),
    "labels of a bundle": lambda pipe, bundle: ("validate", bundle),
    "a card's manifest": lambda pipe, bundle: ("monitor", "--port", "-", "--manifest", pipe),
    "a report": lambda pipe, bundle: ("st-validate", pipe),
    "recordings": lambda pipe, bundle: ("board-test", bundle, "--audio", pipe),
}


@pytest.mark.parametrize("what", PIPES)
def test_f02_a_pipe_is_not_waited_for(what: str, small_bundle: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(small_bundle, tmp_path / "b"))
    for name in ("labels.txt", "birdnet.lock", "golden.npz", "report.json", "model_config.json"):
        if what == "labels of a bundle":
            (bundle / name).unlink()
            os.mkfifo(bundle / name)
    os.mkfifo(tmp_path / "pipe")
    done = birdnet_deploy(*PIPES[what](tmp_path / "pipe", bundle), timeout=10)
    assert done.returncode in (2, 3, 4), done.stderr
    assert "Traceback" not in done.stderr
