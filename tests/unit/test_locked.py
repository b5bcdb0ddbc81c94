"""``--locked``: everything that is not as the locks say ends with exit code 4, and all of it is named at once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from birdnet_deploy.project_locks import differences, tree_sha256
from tests.support.command import fail, succeed


@pytest.fixture
def bundle(small_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the small bundle, to be changed."""
    return Path(shutil.copytree(small_bundle, tmp_path / "small_bundle"))


@pytest.fixture
def project(small_project: Path, tmp_path: Path) -> Path:
    """A copy of the small project, built, with its times."""
    return Path(shutil.copytree(small_project, tmp_path / "fw"))


@pytest.fixture
def home(small_model: Path, tmp_path: Path) -> Path:
    """A folder with the model, its recordings and settings that name them and the bundle."""
    folder = tmp_path / "home"
    shutil.copytree(small_model, folder)
    settings = 'model = "small.keras"\nbundle = "../small_bundle"\n[convert]\ncalibration = "recordings"\n'
    (folder / "birdnet-deploy.toml").write_text(settings)
    return folder


def edit_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def rename_last(labels: Path) -> None:
    """Gives the last label another name."""
    labels.write_text(labels.read_text(encoding="utf-8").rstrip("\n") + " two\n", encoding="utf-8")


def spoil(home: Path) -> tuple[str, ...]:
    """Changes every kind of input; gives what a message must name."""
    labels = home / "small_labels.txt"
    rename_last(labels)
    recordings = sorted(path for path in (home / "recordings").rglob("*.wav"))
    recordings[0].unlink()
    recordings[1].write_bytes(recordings[1].read_bytes() + b"\0")
    shutil.copy(recordings[2], home / "recordings/another.wav")
    gone, other = (path.relative_to(home / "recordings").as_posix() for path in recordings[:2])
    return (
        "inputs.labels is", f"recording {gone} is in birdnet.lock and no longer here", f"recording {other} is",
        "recording another.wav is new since birdnet.lock",
    )  # fmt: skip


def test_what_is_as_locked_passes_every_command(bundle: Path, project: Path, home: Path, small_model: Path) -> None:
    succeed("validate", bundle, "--locked", "--exit-zero", cwd=home)
    succeed("validate", project, "--locked", "--exit-zero")
    succeed("generate", bundle, "--target", "qemu-an547", "-o", project, "--locked", cwd=home)
    elf = (project / "build/firmware.elf").stat().st_mtime_ns
    succeed("build", project, "--locked")
    assert (project / "build/firmware.elf").stat().st_mtime_ns == elf  # nothing was compiled or linked
    take = next((small_model / "recordings").rglob("*.wav"))
    assert "bit-exact" in succeed("run", project, "--target", "host", "--audio", take, "--locked")


@pytest.mark.parametrize("command", ["convert", "validate", "generate"])
def test_changed_inputs_are_all_named(command: str, bundle: Path, home: Path) -> None:
    named = spoil(home)
    before = tree_sha256(bundle)
    error = fail(4, command, "--locked", cwd=home)
    for text in named:
        assert text in error, text
    assert len(error.strip().splitlines()) == 1 and "-> run convert" in error
    assert tree_sha256(bundle) == before
    assert not (home / "small_qemu-an547").exists()


def test_another_model_config_version_and_file_are_named(bundle: Path, home: Path) -> None:
    edit_json(home / "small_model_config.json", lambda config: config.update(note="of later"))
    edit_json(bundle / "birdnet.lock", lambda lock: lock["versions"].update(numpy="1.0", python="2.7"))
    edit_json(bundle / "birdnet.lock", lambda lock: lock["source_model"].update(sha256="0" * 64))
    rename_last(bundle / "labels.txt")
    for command in (["validate", bundle], ["convert", "--calibration", "recordings", "-o", bundle]):
        error = fail(4, *command, "--locked", cwd=home)
        for text in ("versions.numpy is", "has 1.0", "versions.python", "source_model.sha256 is", "inputs.config is"):
            assert text in error, text
        assert "labels.txt has changed" in error
    assert "options.ranges is octav" in fail(4, "convert", "--ranges", "octav", "--locked", cwd=home)


def test_without_a_lock_there_is_nothing_to_hold_to(home: Path, tmp_path: Path) -> None:
    assert "no birdnet.lock to hold to" in fail(4, "convert", "--locked", "-o", tmp_path / "new", cwd=home)
    assert not (tmp_path / "new").exists()
    assert "has no lock" in fail(4, "validate", home / "small.keras", "--locked")


def test_a_project_is_held_to_what_it_was_rendered_from(bundle: Path, project: Path) -> None:
    error = fail(4, "generate", bundle, "--target", "qemu-an547", "-o", project, "--top-k", 2, "--locked")
    assert "options.top_k is 2, generate.lock has 3" in error
    (project / "app/main.c").write_text("int main(void) { return 0; }\n")
    edit_json(project / "generate.lock", lambda lock: lock["versions"].update(jinja2="1.0"))
    edit_json(project / "build/build.lock", lambda lock: lock["versions"].update({"arm-none-eabi-gcc": "9.9.9"}))
    error = fail(4, "build", project, "--locked")
    for text in (
        "app/main.c was edited since generate", "versions.jinja2", "generate.lock has 1.0",
        "versions.arm-none-eabi-gcc is", "build.lock has 9.9.9", "rendered is",
    ):  # fmt: skip
        assert text in error, text


def test_firmware_that_is_not_what_was_built_does_not_run_locked(project: Path, small_model: Path) -> None:
    with (project / "build/firmware.elf").open("ab") as file:
        file.write(b"\0")
    error = fail(4, "run", project, "--audio", small_model / "recordings", "--locked")
    assert "elf.sha256 is" in error and "build.lock has" in error


def test_build_always_refuses_a_bundle_that_differs_from_its_lock(project: Path) -> None:
    rename_last(project / "bundle/labels.txt")
    elf = (project / "build/firmware.elf").read_bytes()
    assert "labels.txt has changed since it was locked" in fail(4, "build", project)
    assert (project / "build/firmware.elf").read_bytes() == elf


def test_a_locked_build_that_gives_another_elf_leaves_none(project: Path) -> None:
    edit_json(project / "build/build.lock", lambda lock: lock.update(elf=None))
    (project / "build/firmware.elf").unlink()
    assert "elf" in fail(4, "build", project, "--locked")
    assert not (project / "build/firmware.elf").exists()


def test_differences_are_named_by_their_path() -> None:
    held = {"a": 1, "b": {"c": [1]}, "files": [{"file": "x", "sha": "1"}], "gone": 0}
    here = {"a": 1, "b": {"c": [2]}, "files": [{"file": "x", "sha": "2"}, {"file": "y", "sha": "3"}]}
    assert differences(held, here, "L") == [
        "b.c is [2], L has [1]", "files.x.sha is 2, L has 1", "files.y.file is new since L",
        "files.y.sha is new since L", "gone is in L and no longer here",
    ]  # fmt: skip
    assert differences(here, here, "L") == []
