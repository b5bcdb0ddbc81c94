"""``birdnet-deploy run`` when things go wrong: what is shown, saved, left behind, and the exit code."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

from tests.support.command import birdnet_deploy, fail, succeed
from tests.support.make_small_model import LABELS

pytestmark = pytest.mark.emulator
BEGIN = "int network_run(void)\n{\n"
GOOD_RUNS = 5


@pytest.fixture
def audio(small_model: Path) -> Path:
    return small_model / "recordings"


def changed(small_project: Path, folder: Path, code: str) -> Path:
    """A built copy of the project whose network does something else after five windows and the golden one."""
    shutil.copytree(small_project, folder)
    source = folder / "generated/network.c"
    text = source.read_text()
    assert text.count(BEGIN) == 1
    wrapped = f"{BEGIN}    static unsigned runs;\n    if (++runs > 1 + {GOOD_RUNS}) {{\n        {code}\n    }}\n"
    source.write_text(text.replace(BEGIN, wrapped))
    succeed("build", folder)
    return folder


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def leftovers() -> list[Path]:
    """Folders that runs of this test left in the temporary folder."""
    return list(Path(os.environ["TMPDIR"]).glob("birdnet-deploy-*"))


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))


def test_the_two_lines_and_the_instruction_clock_agree(small_project: Path, audio: Path, tmp_path: Path) -> None:
    def run(name: str, *options: str) -> list[dict]:
        succeed("run", small_project, "--audio", audio, "--save", tmp_path / name, *options)
        return [{key: line[key] for key in line if key not in ("boot", "us")} for line in lines_of(tmp_path / name)]

    assert run("pty", "--serial", "pty") == run("tcp", "--serial", "tcp") == run("counted", "--icount")
    assert all(line["us"]["nn"] > 0 for line in lines_of(tmp_path / "counted"))
    assert leftovers() == []


def test_scores_are_the_softmax_of_the_dequantized_outputs(small_project: Path, audio: Path, tmp_path: Path) -> None:
    succeed("run", small_project, "--audio", audio, "--save", tmp_path / "p.jsonl")
    header = (small_project / "generated/app_config.h").read_text()
    values = dict(line.split(None, 2)[1:] for line in header.splitlines() if line.startswith("#define APP_OUTPUT_"))
    scale = float(values["APP_OUTPUT_SCALE_TEXT"].strip('"'))
    zero_point = int(values["APP_OUTPUT_ZERO_POINT"].strip("()"))
    for line in lines_of(tmp_path / "p.jsonl"):
        powers = [math.exp((value - zero_point) * scale) for value in line["outputs"]]
        assert line["scores"] == pytest.approx([power / sum(powers) for power in powers], rel=1e-6)


def test_json_output_says_what_text_says(small_project: Path, audio: Path) -> None:
    output = succeed("run", small_project, "--audio", audio, "--output-format", "json", "--top-k", "2")
    result = json.loads(output)
    assert result["comparison"]["exact"] == result["comparison"]["expected"] == result["totals"]["windows"] > 20
    assert result["readback"]["complete"] is True
    assert result["readback"]["intact"] == result["totals"]["windows"] + 2
    assert [len(file["detections"]) for file in result["files"]] == [2] * 8
    assert {file["true_label"] for file in result["files"]} == set(LABELS)


def test_the_threshold_is_for_the_eye_only(small_project: Path, audio: Path, tmp_path: Path) -> None:
    output = succeed("run", small_project, "--audio", audio, "--threshold", "1.01", "--save", tmp_path / "p.jsonl")
    assert output.count("none of 1.01 or more") == 8
    assert len(lines_of(tmp_path / "p.jsonl")) > 20
    fail(2, "run", small_project, "--audio", audio, "--threshold", "nan")


def test_a_board_that_hangs_ends_with_8_and_keeps_what_came(small_project: Path, audio: Path, tmp_path: Path) -> None:
    project = changed(small_project, tmp_path / "fw", "for (;;) {\n        }")
    save = tmp_path / "p.jsonl"
    started = time.monotonic()
    done = birdnet_deploy("run", project, "--audio", audio, "--timeout", "2", "--save", save)
    assert done.returncode == 8
    assert time.monotonic() - started < 30
    assert "no record for 2 s" in done.stderr and "Traceback" not in done.stderr
    assert f"windows bit-exact {GOOD_RUNS}/" in done.stdout
    saved = lines_of(save)
    assert len(saved) == GOOD_RUNS
    assert all(line["incomplete"] is True for line in saved)
    assert leftovers() == []


def test_a_fault_ends_with_8_and_names_its_cause(small_project: Path, audio: Path, tmp_path: Path) -> None:
    project = changed(small_project, tmp_path / "fw", '__asm__ volatile("udf #1");')
    error = fail(8, "run", project, "--audio", audio)
    assert "undefined instruction" in error
    assert "no record for" not in error


def test_a_network_that_fails_is_told_and_ends_with_8(small_project: Path, audio: Path, tmp_path: Path) -> None:
    project = changed(small_project, tmp_path / "fw", "return -5;")
    done = birdnet_deploy("run", project, "--audio", audio)
    assert done.returncode == 8
    assert "stopped the network" in done.stderr
    assert "never came" in done.stderr
    assert f"windows bit-exact {GOOD_RUNS}/" in done.stdout


def test_an_interrupt_ends_qemu_and_leaves_nothing(small_project: Path, audio: Path, tmp_path: Path) -> None:
    project = changed(small_project, tmp_path / "fw", "for (;;) {\n        }")
    save = tmp_path / "p.jsonl"
    save.write_text("old\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "birdnet_deploy", "run", project, "--audio", audio, "--save", save],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("running "):
            break
    time.sleep(1.0)
    assert qemus_below(tmp_path)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in error and "Traceback" not in error
    assert qemus_below(tmp_path) == []
    assert leftovers() == []
    assert save.read_text() == "old\n"


def test_a_run_that_is_killed_takes_qemu_with_it(small_project: Path, audio: Path, tmp_path: Path) -> None:
    project = changed(small_project, tmp_path / "fw", "for (;;) {\n        }")
    process = subprocess.Popen(
        [sys.executable, "-m", "birdnet_deploy", "run", project, "--audio", audio],
        stderr=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert process.stderr is not None
    assert any(line.startswith("running ") for line in process.stderr)
    time.sleep(1.0)
    assert qemus_below(tmp_path)
    process.kill()
    process.communicate(timeout=30)
    deadline = time.monotonic() + 5
    while qemus_below(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert qemus_below(tmp_path) == []


def qemus_below(folder: Path) -> list[str]:
    """The command lines of processes that work below a folder."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if link.readlink().is_relative_to(folder):
                found.append((link.parent / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # it has ended, or is not ours
    return found


def test_unreadable_recordings_are_skipped_or_refused(small_project: Path, audio: Path, tmp_path: Path) -> None:
    folder = tmp_path / "audio"
    shutil.copytree(audio / LABELS[0], folder / LABELS[0])
    (folder / "broken.wav").write_bytes(b"RIFF")
    done = birdnet_deploy("run", small_project, "--audio", folder, "--save", tmp_path / "p.jsonl")
    assert done.returncode == 0
    assert "1 unreadable" in done.stdout and "broken.wav" in done.stderr
    assert {line["file"] for line in lines_of(tmp_path / "p.jsonl")} == {
        f"{LABELS[0]}/take 0.wav", f"{LABELS[0]}/take 1.flac",
    }  # fmt: skip
    assert "broken.wav" in fail(3, "run", small_project, "--audio", folder, "--strict")


def test_one_file_and_the_time_of_its_last_window(small_project: Path, audio: Path, tmp_path: Path) -> None:
    path = audio / LABELS[2] / "take 1.flac"
    succeed("run", small_project, "--audio", path, "--save", tmp_path / "p.jsonl")
    lines = lines_of(tmp_path / "p.jsonl")
    info = soundfile.info(path)
    samples = math.ceil(info.frames * 8000 / info.samplerate)
    assert {line["file"] for line in lines} == {"take 1.flac"}
    assert lines[-1]["start"] in (samples - 8000, samples - 8001)  # right-aligned; resampling rounds the length
    assert lines[-1]["start_s"] == lines[-1]["start"] / 8000


def test_where_nothing_can_be_saved_nothing_is_run(small_project: Path, audio: Path, tmp_path: Path) -> None:
    started = time.monotonic()
    assert "no/such" in fail(2, "run", small_project, "--audio", audio, "--save", tmp_path / "no/such/p.jsonl")
    assert time.monotonic() - started < 20
    assert not (tmp_path / "no").exists()
