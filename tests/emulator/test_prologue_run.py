"""A bundle with a prologue the whole way, in QEMU, by the commands a user types; stages compared with the host."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from birdnet_deploy.bundle import open_bundle
from tests.support.command import birdnet_deploy, fail, succeed
from tests.support.prologue_bundles import STAGES, with_prologue

pytestmark = pytest.mark.emulator


@pytest.fixture(scope="module")
def bundle(small_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_prologue(small_bundle, tmp_path_factory.mktemp("prologue") / "bundle")


@pytest.fixture(scope="module")
def project(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prologue_project") / "fw"
    succeed("generate", bundle, "-o", folder)
    succeed("build", folder)
    return folder


@pytest.fixture(scope="module")
def audio(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings are enough."""
    folder = tmp_path_factory.mktemp("audio")
    for number, path in enumerate(sorted((small_model / "recordings").rglob("*.wav"))[:2]):
        shutil.copyfile(path, folder / f"{number}.wav")
    return folder


def test_every_window_and_every_stage_is_bit_exact(project: Path, audio: Path) -> None:
    shown = json.loads(succeed("run", project, "--audio", audio, "--stages", "--output-format", "json"))
    windows = shown["comparison"]["expected"]
    assert shown["comparison"]["exact"] == windows > 0
    assert shown["stages"]["compared"] == shown["stages"]["equal"] == windows * len(STAGES)
    assert shown["error"] is None


def test_instructions_of_each_part_are_told_with_icount(project: Path, audio: Path, tmp_path: Path) -> None:
    succeed("run", project, "--audio", audio, "--icount", "--save", tmp_path / "p.jsonl")
    for line in (tmp_path / "p.jsonl").read_text().splitlines():
        assert set(json.loads(line)["us"]) == {"fe", "pro", "nn"}
        assert json.loads(line)["us"]["pro"] > 0


def test_without_a_prologue_the_features_and_the_input_are_compared(small_project: Path, audio: Path) -> None:
    shown = json.loads(succeed("run", small_project, "--audio", audio, "--stages", "--output-format", "json"))
    assert shown["stages"]["equal"] == shown["stages"]["compared"] == 2 * shown["comparison"]["expected"] > 0


def test_the_project_holds_what_runs_and_says_so(project: Path, bundle: Path) -> None:
    told, opened = json.loads((project / "project.json").read_text()), open_bundle(bundle)
    assert told["prologue"]["sha256"] == opened.prologue_sha256 and told["prologue"]["npu"] == opened.npu_sha256
    assert told["prologue"]["macs"] > 0 and told["prologue"]["arena_bytes"] > 0
    config = (project / "generated/app_config.h").read_text()
    assert f'APP_NPU_SHA256 "{opened.npu_sha256}"' in config and opened.model_sha256 in config
    assert {path.name for path in (project / "bundle").iterdir()} >= set(opened.files)


def rebuilt(project: Path, folder: Path, name: str, before: str, after: str) -> Path:
    """A copy whose firmware was built with one file changed, and the file given back afterwards."""
    shutil.copytree(project, folder)
    source = folder / "generated" / name
    text = source.read_text()
    assert text.count(before) >= 1
    source.write_text(text.replace(before, after, 1))
    succeed("build", folder)
    source.write_text(text)
    return folder


def test_a_broken_layer_is_named(project: Path, audio: Path, tmp_path: Path) -> None:
    broken = rebuilt(project, tmp_path / "broken", "prologue_weights.c", "1.25e+00f", "1.26e+00f")
    error = fail(4, "run", broken, "--audio", audio, "--stages")
    assert "the first that differs is 'scaled'" in error
    assert "the first" not in fail(4, "run", broken, "--audio", audio).partition("windows differ")[0]


def test_another_prologue_and_another_network_end_with_seven(project: Path, audio: Path, tmp_path: Path) -> None:
    opened = open_bundle(project / "bundle")
    for name, digest, what in (
        ("PROLOGUE", opened.prologue_sha256, "another prologue"),
        ("NPU", opened.npu_sha256, "another network behind the prologue"),
    ):
        define = f'APP_{name}_SHA256 "{digest}"'
        other = rebuilt(project, tmp_path / name, "app_config.h", define, f'APP_{name}_SHA256 "{"0" * 64}"')
        assert what in fail(7, "run", other, "--audio", audio)


def test_half_a_prologue_and_one_that_the_lock_does_not_know_are_refused(bundle: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    shutil.copytree(bundle, half)
    (half / "model_npu.tflite").unlink()
    assert "model_npu.tflite missing" in fail(3, "generate", half, "-o", tmp_path / "fw")
    unlocked = tmp_path / "unlocked"
    shutil.copytree(bundle, unlocked)
    lock = json.loads((unlocked / "birdnet.lock").read_text())
    del lock["files"]["prologue.npz"]
    (unlocked / "birdnet.lock").write_text(json.dumps(lock))
    assert "prologue.npz is not in the lock" in fail(4, "generate", unlocked, "-o", tmp_path / "fw")


def test_a_model_in_place_of_the_project_runs_with_its_prologue(bundle: Path, audio: Path) -> None:
    done = birdnet_deploy("run", bundle, "--audio", audio / "0.wav", "--stages")
    assert done.returncode == 0 and "stages bit-exact" in done.stdout
