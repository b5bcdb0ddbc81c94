"""``board-test`` and ``compare`` on the emulated board: cards, logs, and firmware that is wrong on purpose."""

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

from birdnet_deploy.board.card import prepare_card
from birdnet_deploy.board.qemu import emulated
from birdnet_deploy.bundle import open_bundle
from birdnet_deploy.support.progress import Silent
from tests.support.broken_firmware import broken, one_weight, symmetric_hann, uncentred_frames
from tests.support.command import birdnet_deploy, fail, succeed

pytestmark = pytest.mark.emulator
RATE = 8000


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings of three, one and two windows; one at another rate."""
    folder = tmp_path_factory.mktemp("audio")
    chance = np.random.default_rng(11)
    for name, rate, seconds in (("a long name é.wav", RATE, 2.0), ("b.flac", RATE, 0.5), ("c.wav", 16_000, 1.4)):
        soundfile.write(folder / name, chance.uniform(-0.3, 0.3, int(rate * seconds)), rate)
    return folder


def report_of(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def windows_of(path: Path) -> list[tuple]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(line["file"], line["win"], line["start"], tuple(line["outputs"])) for line in lines]


def raw_log(project: Path, card: Path) -> bytes:
    """The bytes of the line of a board that runs over a card by itself."""
    qemu, data = Path(shutil.which("qemu-system-arm") or ""), b""
    with emulated(project / "build/firmware.elf", card, qemu=qemu, line="pty") as board:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            over = board.ended() is not None
            chunk = board.port.read(max(1, board.port.in_waiting))
            data += chunk
            if over and not chunk:
                break
    return data


def filled(audio: Path, bundle: Path, folder: Path, *asked: str) -> Path:
    card = prepare_card(audio, open_bundle(bundle).config, folder / "card", strict=True, progress=Silent())
    for name in asked:
        (card.folder / name).touch()
    return card.folder


def test_a_board_test_is_bit_exact_and_leaves_a_report(small_project: Path, audio: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    out = succeed("board-test", small_project, "--audio", audio, "--save", tmp_path / "bt", "--report", page)
    assert "windows bit-exact 6/6" in out and "tolerance 0 LSB" in out and "emulated Cortex-M55" in out
    assert "qemu-an547: windows bit-exact 6/6" in page.read_text(encoding="utf-8")
    report = report_of(tmp_path / "bt")
    assert report["complete"] and report["comparison"]["verdict"] == "agrees" and report["error"] is None
    assert report["windows"] == {"total": 6, "came": 6, "kept": 0}
    assert report["comparison"]["agreement"]["top_1"] == 6
    assert [file["file"] for file in report["files"]] == ["a long name é.wav", "b.flac", "c.wav"]
    assert sorted(path.name for path in (tmp_path / "bt").iterdir()) == [
        "board-test.json", "manifest.json", "predictions.jsonl", "report.json", "summary.txt",
    ]  # fmt: skip
    succeed("run", small_project, "--audio", audio, "--save", tmp_path / "run.jsonl")
    assert windows_of(tmp_path / "bt/predictions.jsonl") == windows_of(tmp_path / "run.jsonl")
    saved = succeed("compare", small_project, tmp_path / "bt/predictions.jsonl", "--audio", audio)
    assert "windows bit-exact 6/6" in saved


@pytest.mark.parametrize(
    ("breaks", "stage", "part"),
    [
        (symmetric_hann, "input features", "frontend"),
        (uncentred_frames, "input features", "frontend"),
        (one_weight, "network output", "network"),
    ],
)
def test_firmware_that_is_wrong_on_purpose_is_named_by_its_stage(
    small_project: Path, small_bundle: Path, audio: Path, tmp_path: Path,
    breaks: Callable[[Path], None], stage: str, part: str,
) -> None:  # fmt: skip
    project = broken(small_project, tmp_path / "fw", breaks)
    error = fail(4, "board-test", project, "--audio", audio, "--save", tmp_path / "bt")
    named = "is the network" if part == "network" else f"{stage!r} (frontend"
    assert f"the first stage that differs {'is' if part == 'frontend' else ''}".strip() in error and named in error
    found = report_of(tmp_path / "bt")["comparison"]
    assert found["first_difference"] == {"stage": stage, "part": part}
    assert found["windows"]["came"] == 6

    log = tmp_path / "raw.log"
    log.write_bytes(b"\xff\0boot noise\r\n" + raw_log(project, filled(audio, small_bundle, tmp_path, "STAGES.ON")))
    done = birdnet_deploy("compare", small_bundle, log, "--audio", audio, "--output-format", "json")
    assert done.returncode == 4
    compared = json.loads(done.stdout)
    assert compared["first_difference"] == {"stage": stage, "part": part}
    assert compared["stages"]["compared"] == 12


def test_a_mistake_within_the_tolerance_of_an_npu_is_found_by_its_stage(
    small_project: Path, audio: Path, tmp_path: Path
) -> None:
    project = broken(small_project, tmp_path / "fw", symmetric_hann)
    options = ("--audio", audio, "--save", tmp_path / "bt", "--tolerance", "255")
    error = fail(4, "board-test", project, *options)
    assert "the outputs agree, but the first stage that differs is 'input features'" in error


def test_the_log_on_a_card_is_a_readback(small_project: Path, small_bundle: Path, audio: Path, tmp_path: Path) -> None:
    card = filled(audio, small_bundle, tmp_path, "LOG.ON", "STAGES.ON")
    raw_log(small_project, card)
    assert (card / "BN000001.LOG").is_file()
    out = succeed("compare", small_bundle, card, "--audio", audio, "--manifest", tmp_path / "manifest.json")
    assert "windows bit-exact 6/6" in out and "stages bit-exact 12/12" in out
    log = (card / "BN000001.LOG").read_bytes()
    (tmp_path / "cut.log").write_bytes(log[: len(log) * 2 // 3])
    error = fail(8, "compare", small_bundle, tmp_path / "cut.log", "--audio", audio)
    assert "no bye" in error and "windows never came" in error


def test_a_saved_readback_with_changes(small_project: Path, small_bundle: Path, audio: Path, tmp_path: Path) -> None:
    succeed("run", small_project, "--audio", audio, "--save", tmp_path / "run.jsonl")
    lines = (tmp_path / "run.jsonl").read_text().splitlines()
    changed = json.loads(lines[1])
    changed["outputs"][2] += 3 if changed["outputs"][2] < 100 else -3
    path = tmp_path / "changed.jsonl"
    path.write_text("\n".join([lines[0], json.dumps(changed), *lines[2:]]))
    compare = ("compare", small_bundle, path, "--audio", audio)
    assert "1 of 6 windows differ from the host by up to 3 LSB" in fail(4, *compare)
    assert "1 of 6 windows differ" in fail(4, *compare, "--tolerance", "2")
    assert "windows within tolerance 6/6" in succeed(*compare, "--tolerance", "3")
    npu = birdnet_deploy(*compare, "--target", "stm32n6570-dk").stdout
    assert "p99.9 of |REF - XNNPACK|" in npu
    path.write_text("\n".join(lines[:-1]))
    assert "1 windows never came" in fail(8, *compare)
    path.write_text("nothing\n")
    assert "not a saved window" in fail(8, *compare)
    fail(2, "compare", small_bundle, path)
    fail(2, *compare, "--tolerance", "some")
    fail(2, "compare", small_bundle, tmp_path / "none.jsonl", "--audio", audio)


def test_a_card_folder_is_written_used_and_refused(small_project: Path, audio: Path, tmp_path: Path) -> None:
    card = tmp_path / "sd"
    card.mkdir()
    options = ("--audio", audio, "--save", tmp_path / "bt", "--card", card)
    assert "3 recordings on" in succeed("board-test", small_project, *options, "--prepare")
    assert not (tmp_path / "bt").exists()
    succeed("board-test", small_project, *options, "--log")
    assert (card / "BN000001.LOG").stat().st_size > 0
    (card / "photo.jpg").touch()
    assert "photo.jpg" in fail(5, "board-test", small_project, *options)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").touch()
    assert "thesis.tex" in fail(5, "board-test", small_project, "--audio", audio, "--save", tmp_path / "mine")
    fail(2, "board-test", small_project, "--audio", audio, "--save", tmp_path / "new", "--resume")


def test_ctrl_c_ends_qemu_keeps_what_came_and_resume_goes_on(small_project: Path, tmp_path: Path) -> None:
    sound = tmp_path / "audio"
    sound.mkdir()
    chance = np.random.default_rng(3)
    for number in range(4):
        soundfile.write(sound / f"{number}.wav", chance.uniform(-0.3, 0.3, 60 * RATE), RATE)
    (tmp_path / "tmp").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(Path(__file__).parents[2])}
    save = tmp_path / "bt"
    process = subprocess.Popen(
        [sys.executable, "-m", "birdnet_deploy", "board-test", small_project, "--audio", sound, "--save", save],
        env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    partial = save / "predictions.partial.jsonl"
    deadline = time.monotonic() + 60
    while not (partial.is_file() and partial.read_bytes().count(b"\n") >= 20):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    assert _qemus_below(tmp_path)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130, error
    assert "interrupted" in error and "Traceback" not in error
    assert _qemus_below(tmp_path) == [] and list((tmp_path / "tmp").glob("birdnet-deploy-*")) == []
    assert report_of(save)["interrupted"] and not report_of(save)["complete"]
    kept = [json.loads(line) for line in partial.read_text().splitlines()]
    assert len(kept) >= 20 and all(line["incomplete"] for line in kept)
    assert not (save / "predictions.jsonl").exists()

    with partial.open("a") as file:
        file.write('{"file": "0.wav", "win": 99, "outp')  # as a kill leaves it
    out = succeed("board-test", small_project, "--audio", sound, "--save", save, "--resume")
    assert f"{len(kept)} windows of an earlier test were kept" in out
    assert "windows bit-exact 476/476" in out
    assert not partial.exists()
    assert len(windows_of(save / "predictions.jsonl")) == len(set(windows_of(save / "predictions.jsonl"))) == 476


def _qemus_below(folder: Path) -> list[str]:
    """The command lines of emulators that work below a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if "qemu" in line and (process / "cwd").resolve().is_relative_to(folder.resolve()):
                found.append(line)
        except OSError:
            continue
    return found
