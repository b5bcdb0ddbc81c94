"""Models that others converted, on the emulated board: every window as the reference kernels give it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.support.command import fail, succeed

pytestmark = pytest.mark.emulator
EXACT = re.compile(r"windows bit-exact (\d+)/(\d+)")


def bit_exact(output: str) -> tuple[int, int]:
    match = EXACT.search(output)
    assert match, output
    return int(match[1]), int(match[2])


def outputs_of(path: Path) -> list[tuple]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(line["file"], line["start_s"], line["outputs"], line["scores"]) for line in lines]


@pytest.fixture
def published(small_bundle: Path, small_model: Path, tmp_path: Path) -> Path:
    """The small model as others would publish it."""
    folder = tmp_path / "published"
    folder.mkdir()
    shutil.copy(small_bundle / "model.tflite", folder / "birds_INT8.tflite")
    shutil.copy(small_model / "small_labels.txt", folder / "birds_labels.txt")
    config = json.loads((small_model / "small_model_config.json").read_text())
    (folder / "birds_model_config.json").write_text(json.dumps({**config, "class_activation": "softmax"}))
    return folder


def test_a_published_folder_runs_like_the_bundle_that_it_came_from(
    published: Path, small_project: Path, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    audio, before = small_model / "recordings", sorted(published.iterdir())
    succeed("run", small_project, "--audio", audio, "--save", tmp_path / "own.jsonl")
    output = succeed("run", published, "--audio", audio, "--save", tmp_path / "theirs.jsonl")
    same, total = bit_exact(output)
    assert same == total > 20
    assert outputs_of(tmp_path / "theirs.jsonl") == outputs_of(tmp_path / "own.jsonl")
    assert sorted(published.iterdir()) == before
    assert list(temporary.iterdir()) == []


def test_deploy_takes_a_converted_model_without_calibration(published: Path, small_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "all"
    output = succeed("deploy", published / "birds_INT8.tflite", "--audio", small_model / "recordings", "-o", folder)
    same, total = bit_exact(output)
    assert same == total > 20
    assert json.loads((folder / "bundle/birdnet.lock").read_text())["kind"] == "tflite"
    assert (folder / "predictions.jsonl").is_file() and (folder / "project/build").is_dir()
    succeed("validate", folder / "bundle", "--target", "qemu-an547")


@pytest.mark.shared
def test_the_anchor_of_others_all_the_way(shared: Path, tmp_path: Path) -> None:
    """Converted the plain way, unfolded, with six degenerate scales: computed as the reference kernels do."""
    models, audio = shared / "models", tmp_path / "audio"
    for folder in sorted((shared / "audio/labelled").iterdir())[:4]:
        shutil.copytree(folder, audio / folder.name)
    stem = "birdnet_stm32n6_100"
    succeed(
        "generate", models / "anchor_int8.tflite", "--labels", models / f"{stem}_labels.txt",
        "--config", models / f"{stem}_model_config.json", "-o", tmp_path / "fw",
    )  # fmt: skip
    succeed("build", tmp_path / "fw")
    output = succeed("run", tmp_path / "fw", "--audio", audio, "--save", tmp_path / "p.jsonl")
    same, total = bit_exact(output)
    assert same == total == len(outputs_of(tmp_path / "p.jsonl")) >= 10
    assert len({value for _, _, outputs, _ in outputs_of(tmp_path / "p.jsonl") for value in outputs}) > 60


@pytest.mark.shared
def test_the_published_float_model_is_refused_and_its_checkpoint_taken(shared: Path, tmp_path: Path) -> None:
    error = fail(3, "generate", shared / "models/birdnet_stm32n6_100.tflite", "-o", tmp_path / "fw")
    assert "54 operators cannot run" in error and "dynamic shape" in error and "birdnet-deploy convert" in error
    assert not (tmp_path / "fw").exists()
    # the folder holds a .keras and its own config and labels beside two .tflite files
    assert "no recordings to calibrate on" in fail(3, "convert", shared / "models", cwd=tmp_path)
