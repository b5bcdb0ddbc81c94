"""Two users, two folders, two runs: the same bytes; and what did not change is not compiled again (F24, F27)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.reproducible import ALL, AXES, differing, made
from tests.support.command import succeed


@pytest.fixture
def reference(small_bundle: Path, small_project: Path, tmp_path: Path) -> Path:
    """What the fixtures made, as two users' outputs are compared."""
    home = tmp_path / "reference"
    shutil.copytree(small_bundle, home / "bundle")
    shutil.copytree(small_project, home / "project")
    return home


def test_another_user_elsewhere_gets_the_same_bytes(reference: Path, small_model: Path, tmp_path: Path) -> None:
    """F24, F27: everything that may differ between two users, at once."""
    assert len(ALL.environment) >= 7 and ALL.umask != "022"
    other = made(small_model / "small.keras", small_model / "recordings", tmp_path / "other", ALL)
    assert differing(reference, other) == {"model.tflite": [], "bundle": [], "project": [], "ELF": []}


@pytest.mark.soak
@pytest.mark.parametrize("axis", AXES)
def test_one_difference_between_users_changes_nothing(
    axis: str, reference: Path, small_model: Path, tmp_path: Path
) -> None:
    other = made(small_model / "small.keras", small_model / "recordings", tmp_path / "other", AXES[axis])
    assert not any(differing(reference, other).values())


def test_a_difference_is_seen(reference: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(reference, other)
    (other / "project/app/main.c").unlink()
    with (other / "project/build/firmware.elf").open("ab") as file:
        file.write(b"\0")
    found = differing(reference, other)
    assert (found["project"], found["ELF"]) == (["project/app/main.c"], ["project/build/firmware.elf"])
    assert found["bundle"] == []


def compiled(project: Path) -> int:
    """How often the last build called the compiler, to compile or to link."""
    return (project / "build/build.log").read_text().count('arm-none-eabi-gcc" ')


def test_generating_again_compiles_nothing_and_one_change_compiles_one_file(
    small_bundle: Path, small_project: Path, tmp_path: Path
) -> None:
    project = tmp_path / "fw"
    shutil.copytree(small_project, project)
    assert compiled(project) > 20  # from nothing
    times = {path: path.stat().st_mtime_ns for path in project.rglob("*") if path.is_file()}
    generate = ("generate", small_bundle, "--target", "qemu-an547", "-o", project)
    succeed(*generate, PYTHONHASHSEED="5", TZ="Asia/Tokyo")
    written = {".birdnet-manifest.json"}
    assert {path.name for path, time in times.items() if path.stat().st_mtime_ns != time} <= written
    succeed("build", project)
    assert compiled(project) == 0
    succeed(*generate, "--top-k", 2)  # is in app_config.h, which the application includes
    succeed("build", project)
    assert 1 < compiled(project) < 20
