"""F23: killed, or the disk full, before any single write: the old or the new tree, never mixed; the next run cleans up.

The number of kill points is stated: a write that is no longer tried shows as a smaller number.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from birdnet_deploy import pipeline
from birdnet_deploy.support.publish import published
from tests.support.kill_points import count_writes, full_before, killed_before

Tree = dict[str, bytes]


def tree(folder: Path) -> Tree:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def publish(dest: Path, files: dict[str, str], *, force: bool = False) -> None:
    with published(dest, kind="project", force=force, keep=("build", "user")) as staging:
        for name, text in files.items():
            (staging / name).parent.mkdir(exist_ok=True)
            (staging / name).write_text(text)


OLD = {"a.c": "1", "sub/b.c": "1", "gone.c": "1"}
NEW = {"a.c": "2", "sub/b.c": "1", "more.c": "2"}


def nothing(_: Path) -> None:
    """There is no folder yet."""


def ours(dest: Path) -> None:
    publish(dest, OLD)


def ours_with_users(dest: Path) -> None:
    publish(dest, OLD)
    for name in ("user", "build"):
        (dest / name).mkdir()
        (dest / name / "mine.c").write_text("mine")


def edited(dest: Path) -> None:
    publish(dest, OLD)
    (dest / "a.c").write_text("mine")


SCENES: dict[str, tuple[Callable[[Path], None], bool, int]] = {
    # what was there, --force, kill points at least
    "a first time": (nothing, False, 17),
    "over ours": (ours, False, 25),
    "over ours, with the user's folders": (ours_with_users, False, 27),
    "by force over an edited one": (edited, True, 44),
}


def whole(path: Path, before: Tree, after: Tree) -> bool:
    """Says whether a tree is the old or the new one; the user's folders may still be aside of a new one."""
    found = tree(path) if path.exists() else {}
    kept = {name: data for name, data in after.items() if name.split("/")[0] in ("user", "build")}
    return found in (before, after) or {**kept, **found} == after


class Stage:
    """A place where a scene is set up again and again, and played: publishing over what was there."""

    def __init__(self, folder: Path, scene: str) -> None:
        self.prepare, self.force, self.at_least = SCENES[scene]
        self.out = folder / "work/out"

    def start(self) -> Tree:
        """Sets the scene up; gives what is there before."""
        shutil.rmtree(self.out.parent, ignore_errors=True)
        self.out.parent.mkdir()
        self.prepare(self.out)
        return tree(self.out) if self.out.exists() else {}

    def play(self) -> None:
        publish(self.out, NEW, force=self.force)

    def beside(self) -> list[str]:
        """Gives the names beside the output, kept copies left out."""
        return sorted(path.name for path in self.out.parent.iterdir() if ".bak-" not in path.name)


@pytest.mark.parametrize("scene", SCENES)
def test_f23_killed_before_every_write_of_publishing(tmp_path: Path, scene: str) -> None:
    stage = Stage(tmp_path, scene)
    before = stage.start()
    kill_points = count_writes(stage.play)
    after, beside = tree(stage.out), stage.beside()
    assert kill_points >= stage.at_least
    for number in range(kill_points):
        assert stage.start() == before
        assert killed_before(stage.play, number)
        assert whole(stage.out, before, after), f"mixed after a kill before write {number}"
        stage.play()
        assert tree(stage.out) == after, f"not mended after a kill before write {number}"
        assert stage.beside() == beside


@pytest.mark.parametrize("scene", SCENES)
def test_f23_the_disk_is_full_before_every_write_of_publishing(tmp_path: Path, scene: str) -> None:
    stage = Stage(tmp_path, scene)
    before = stage.start()
    writes = count_writes(stage.play)
    after = tree(stage.out)
    for number in range(writes):
        stage.start()
        full_before(stage.play, number)
        assert whole(stage.out, before, after), f"mixed after a full disk before write {number}"
        stage.play()
        assert tree(stage.out) == after


def test_f23_generate_killed_before_every_write(small_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "fw"

    def body() -> None:
        pipeline.generate(small_bundle, target="qemu-an547", output=out)

    body()
    before = tree(out)
    kill_points = count_writes(body)
    assert kill_points >= 500
    for number in range(kill_points):
        assert killed_before(body, number)
        assert tree(out) == before, f"changed by a kill before write {number}"
    body()
    assert [path.name for path in tmp_path.iterdir()] == ["fw"]
