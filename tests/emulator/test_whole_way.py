"""From a .keras to predictions read back from a running Cortex-M55, by the commands a user types."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.command import birdnet_deploy, fail, succeed
from tests.support.make_small_model import LABELS

pytestmark = pytest.mark.emulator
ROOT = Path(__file__).resolve().parents[2]
EXACT = re.compile(r"windows bit-exact (\d+)/(\d+)")


def bit_exact(output: str) -> tuple[int, int]:
    match = EXACT.search(output)
    assert match, output
    return int(match[1]), int(match[2])


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def tree(folder: Path) -> dict[str, str]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def predictions(small_model: Path, small_project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list]:
    save = tmp_path_factory.mktemp("run") / "p.jsonl"
    output = succeed("run", small_project, "--audio", small_model / "recordings", "--save", save)
    return output, lines_of(save)


def test_the_bundle_holds_what_is_documented(small_bundle: Path) -> None:
    names = {"model.tflite", "labels.txt", "model_config.json", "golden.npz", "report.json", "birdnet.lock"}
    assert names <= {path.name for path in small_bundle.iterdir()}
    lock = json.loads((small_bundle / "birdnet.lock").read_text())
    for name in names - {"birdnet.lock"}:
        assert lock["files"][name] == hashlib.sha256((small_bundle / name).read_bytes()).hexdigest()
    golden = np.load(small_bundle / "golden.npz")
    assert {name: golden[name].dtype.name for name in golden} == {
        "pcm": "int16", "features": "float32", "input": "int8", "output": "int8",
        "worst_pcm": "int16", "worst_features": "float32",
    }  # fmt: skip
    assert golden["output"].shape == (len(golden["pcm"]), len(LABELS))
    assert json.loads((small_bundle / "model_config.json").read_text())["output_activation"] == "softmax"


def test_validate_finds_no_error(small_bundle: Path) -> None:
    succeed("validate", small_bundle)
    succeed("validate", cwd=small_bundle)


def test_every_window_comes_back_bit_exact(predictions: tuple[str, list]) -> None:
    output, lines = predictions
    same, total = bit_exact(output)
    assert same == total == len(lines) > 20
    assert len({tuple(line["outputs"]) for line in lines}) > len(lines) // 2


def test_saved_windows_have_names_times_outputs_and_scores(predictions: tuple[str, list], small_model: Path) -> None:
    _, lines = predictions
    recordings = small_model / "recordings"
    assert {line["file"] for line in lines} == {
        path.relative_to(recordings).as_posix() for path in recordings.rglob("*") if path.is_file()
    }
    for line in lines:
        assert len(line["outputs"]) == len(line["scores"]) == len(LABELS)
        assert sum(line["scores"]) == pytest.approx(1, abs=1e-6)
        assert (line["start_s"] * 8000) % 1 == 0


def test_two_conversions_give_the_same_bytes(small_model: Path, small_bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(small_model, tmp_path / "elsewhere")
    (tmp_path / "elsewhere/recordings").rename(tmp_path / "elsewhere/calibration")
    succeed("convert", "small.keras", cwd=tmp_path / "elsewhere", PYTHONHASHSEED="1", TZ="Asia/Tokyo")
    assert tree(tmp_path / "elsewhere/small_bundle") == tree(small_bundle)


def test_two_projects_and_their_elf_are_the_same_bytes(small_bundle: Path, small_project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other name"
    succeed("generate", small_bundle, "--target", "qemu-an547", "-o", other, PYTHONHASHSEED="2")
    succeed("build", other)
    rendered, reference = tree(other), tree(small_project)
    sources = [name for name in reference if not name.startswith("build/")]
    assert [name for name in sources if rendered.get(name) != reference[name]] == []
    elves = [name for name in reference if name.endswith(".elf")]
    assert elves and all(rendered[name] == reference[name] for name in elves)


def _flip_a_weight(project: Path) -> None:
    """Negates one of the greatest weights of the last layer; one of the mel matrix may multiply silence only."""
    path = project / "generated/network_weights.c"
    text = path.read_text()
    array = list(re.finditer(r"int8_t weights_\d+\[[^\]]*\]\s*=\s*\{(.*?)\}", text, re.DOTALL))[-1]
    weight = re.search(r"(?<![\d-])127(?!\d)", array[1])
    assert weight
    at = array.start(1) + weight.start()
    path.write_text(f"{text[:at]}-127{text[at + 3 :]}")


def _pass_the_golden_window(project: Path) -> None:
    """Lets a firmware start that its own check at boot would refuse."""
    path = project / "generated" / "app_config.h"
    text = path.read_text()
    assert "#define APP_GOLDEN_TOLERANCE 0\n" in text
    path.write_text(text.replace("#define APP_GOLDEN_TOLERANCE 0\n", "#define APP_GOLDEN_TOLERANCE 255\n"))


def test_one_flipped_weight_is_seen(small_project: Path, small_model: Path, tmp_path: Path) -> None:
    project = tmp_path / "fw"
    shutil.copytree(small_project, project)
    _flip_a_weight(project)
    succeed("build", project)
    done = birdnet_deploy("run", project, "--audio", small_model / "recordings")
    assert done.returncode == 4 and "the golden window is off by" in done.stderr
    same, total = bit_exact(done.stdout)
    assert same == 0 < total

    _pass_the_golden_window(project)
    succeed("build", project)
    done = birdnet_deploy("run", project, "--audio", small_model / "recordings")
    same, total = bit_exact(done.stdout)
    assert same < total
    assert done.returncode == 4 and "differ from the host" in done.stderr


def test_records_follow_the_audio(small_project: Path, small_model: Path, tmp_path: Path, predictions) -> None:
    audio = tmp_path / "recordings"
    shutil.copytree(small_model / "recordings", audio)
    one, two = (audio / LABELS[kind] / "take 0.wav" for kind in (0, 1))
    one_bytes = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(one_bytes)
    save = tmp_path / "swapped.jsonl"
    succeed("run", small_project, "--audio", audio, "--save", save)

    def outputs(lines: list[dict], label: str) -> list:
        return [line["outputs"] for line in lines if line["file"] == f"{label}/take 0.wav"]

    swapped, original = lines_of(save), predictions[1]
    assert outputs(swapped, LABELS[0]) == outputs(original, LABELS[1])
    assert outputs(swapped, LABELS[1]) == outputs(original, LABELS[0])
    assert outputs(original, LABELS[0]) != outputs(original, LABELS[1])


def test_deploy_does_all_of_it(small_model: Path, tmp_path: Path) -> None:
    recordings = small_model / "recordings"
    output = succeed(
        "deploy", small_model / "small.keras", "--calibration", recordings, "--audio", recordings,
        "--target", "qemu-an547", "-o", tmp_path / "all",
    )  # fmt: skip
    same, total = bit_exact(output)
    assert same == total > 20
    assert (tmp_path / "all/bundle/birdnet.lock").is_file()
    assert (tmp_path / "all/project/build").is_dir()
    assert len(lines_of(tmp_path / "all/predictions.jsonl")) == total


def test_digital_silence_is_a_window_like_any_other(small_project: Path, tmp_path: Path) -> None:
    """The frontend divides by the window's peak: in int8 a silent window was a division by zero."""
    soundfile.write(tmp_path / "silence.wav", np.zeros(16000), 8000, subtype="PCM_16")
    assert bit_exact(succeed("run", small_project, "--audio", tmp_path / "silence.wav")) == (3, 3)


def test_another_bundles_firmware_is_refused(small_project: Path, small_model: Path, tmp_path: Path) -> None:
    project = tmp_path / "fw"
    shutil.copytree(small_project, project)
    lock = project / "bundle/birdnet.lock"
    lock.write_text(lock.read_text() + "\n")
    error = fail(7, "run", project, "--audio", small_model / "recordings")
    assert "lock" in error


def test_a_project_whose_labels_were_changed_is_refused(small_project: Path, small_model: Path, tmp_path: Path) -> None:
    project = tmp_path / "fw"
    shutil.copytree(small_project, project)
    labels = project / "bundle/labels.txt"
    labels.write_text("".join(reversed(labels.read_text().splitlines(keepends=True))))
    assert "labels.txt has changed" in fail(4, "run", project, "--audio", small_model / "recordings")


def test_a_run_works_where_stdin_is_closed(small_project: Path, small_model: Path) -> None:
    audio = small_model / "recordings" / LABELS[0] / "take 0.wav"
    words = [sys.executable, "-m", "birdnet_deploy", "run", str(small_project), "--audio", str(audio)]
    command = ["bash", "-c", f"{shlex.join(words)} <&-"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert bit_exact(done.stdout)[1] > 0


def test_a_recording_that_is_no_sound_is_refused_by_name(small_project: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "nan.wav", np.full(9000, np.nan), 8000, subtype="FLOAT")
    assert "nan.wav" in fail(3, "run", small_project, "--audio", tmp_path)


def test_a_missing_emulator_is_told_before_any_work(small_project: Path, small_model: Path, tmp_path: Path) -> None:
    error = fail(6, "run", small_project, "--audio", small_model / "recordings", PATH=str(tmp_path))
    assert "qemu-system-arm" in error
    assert "apt" in error


@pytest.mark.shared
def test_the_real_checkpoint_all_the_way(shared: Path, tmp_path: Path) -> None:
    save = tmp_path / "p.jsonl"
    model = shared / "models/birdnet_stm32n6_100.keras"
    succeed("convert", model, "--calibration", shared / "audio", "-o", tmp_path / "out")
    succeed("validate", tmp_path / "out")
    succeed("generate", tmp_path / "out", "--target", "qemu-an547", "-o", tmp_path / "fw")
    succeed("build", tmp_path / "fw")
    output = succeed("run", tmp_path / "fw", "--audio", shared / "audio/labelled", "--save", save)
    same, total = bit_exact(output)
    assert same == total >= 50
    lines = lines_of(save)
    labels = (tmp_path / "out/labels.txt").read_text(encoding="utf-8").splitlines()
    best: dict[str, tuple[float, str]] = {}
    for line in lines:
        top = int(np.argmax(line["scores"]))
        best[line["file"]] = max(best.get(line["file"], (0.0, "")), (line["scores"][top], labels[top]))
    right = sum(name.split("/")[0] == label for name, (_, label) in best.items())
    assert right >= len(best) // 2  # 100 classes; the float model has 31 of 42 on a larger set
