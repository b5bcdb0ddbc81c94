"""Publishing a folder: whole or not at all, never over somebody else's work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from birdnet_deploy.errors import OutputRefused
from birdnet_deploy.support.publish import MANIFEST, edited_files, published


def write(dest: Path, files: dict[str, str], *, kind: str = "bundle", force: bool = False, keep: tuple[str, ...] = ()):
    with published(dest, kind=kind, force=force, keep=keep) as staging:
        for name, text in files.items():
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            (staging / name).write_text(text)


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_folder_appears_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    write(tmp_path / "out", {"a.txt": "1", "sub/b.txt": "2"})
    assert sorted(tree(tmp_path)) == [f"out/{MANIFEST}", "out/a.txt", "out/sub/b.txt"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    write(tmp_path / "out", {"a.txt": "1"})
    before = tree(tmp_path)
    with pytest.raises(ValueError, match="boom"), published(tmp_path / "out", kind="bundle") as staging:
        (staging / "a.txt").write_text("half")
        raise ValueError("boom")
    assert tree(tmp_path) == before


def test_our_own_unedited_folder_is_replaced_and_old_files_go(tmp_path: Path) -> None:
    write(tmp_path / "out", {"a.txt": "1", "gone.txt": "x"})
    write(tmp_path / "out", {"a.txt": "2"})
    assert (tmp_path / "out/a.txt").read_text() == "2"
    assert not (tmp_path / "out/gone.txt").exists()


def test_unchanged_files_keep_their_time(tmp_path: Path) -> None:
    write(tmp_path / "out", {"same.txt": "1", "other.txt": "1"})
    for name in ("same.txt", "other.txt"):
        os.utime(tmp_path / "out" / name, ns=(10**18, 10**18))
    write(tmp_path / "out", {"same.txt": "1", "other.txt": "2"})
    assert (tmp_path / "out/same.txt").stat().st_mtime_ns == 10**18
    assert (tmp_path / "out/other.txt").stat().st_mtime_ns != 10**18


@pytest.mark.parametrize("kind", ["project", "bundle"])
def test_a_foreign_folder_is_refused_and_named(tmp_path: Path, kind: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(OutputRefused, match="thesis.tex"):
        write(tmp_path / "out", {"a": "1"}, kind=kind)
    assert tree(tmp_path) == before


def test_one_kind_never_replaces_another(tmp_path: Path) -> None:
    write(tmp_path / "out", {"a": "1"}, kind="bundle")
    with pytest.raises(OutputRefused, match="not a project"):
        write(tmp_path / "out", {"b": "1"}, kind="project")


@pytest.mark.parametrize("edit", ["change", "add", "remove"])
def test_a_hand_edited_folder_is_refused_and_the_file_named(tmp_path: Path, edit: str) -> None:
    write(tmp_path / "out", {"a.txt": "1", "b.txt": "1"})
    if edit == "change":
        (tmp_path / "out/a.txt").write_text("mine")
    elif edit == "add":
        (tmp_path / "out/c.txt").write_text("mine")
    else:
        (tmp_path / "out/b.txt").unlink()
    before = tree(tmp_path)
    name = {"change": "a.txt", "add": "c.txt", "remove": "b.txt"}[edit]
    with pytest.raises(OutputRefused, match=name):
        write(tmp_path / "out", {"a.txt": "2"})
    assert tree(tmp_path) == before


def test_force_replaces_and_keeps_a_copy_of_what_was_edited(tmp_path: Path) -> None:
    write(tmp_path / "out", {"a.txt": "1"})
    (tmp_path / "out/a.txt").write_text("mine")
    write(tmp_path / "out", {"a.txt": "2"}, force=True)
    assert (tmp_path / "out/a.txt").read_text() == "2"
    assert (tmp_path / "out.bak-1/a.txt").read_text() == "mine"


def test_force_on_an_unedited_folder_makes_no_copy(tmp_path: Path) -> None:
    write(tmp_path / "out", {"a.txt": "1"})
    write(tmp_path / "out", {"a.txt": "2"}, force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_kept_folders_live_on_and_are_no_edit(tmp_path: Path) -> None:
    write(tmp_path / "fw", {"a.c": "1"}, kind="project", keep=("build",))
    (tmp_path / "fw/build").mkdir()
    (tmp_path / "fw/build/x.o").write_text("object")
    assert edited_files(tmp_path / "fw", ("build",)) == []
    write(tmp_path / "fw", {"a.c": "2"}, kind="project", keep=("build",))
    assert (tmp_path / "fw/build/x.o").read_text() == "object"


def test_a_link_or_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").write_text("x")
    for name in ("link", "file"):
        with pytest.raises(OutputRefused):
            write(tmp_path / name, {"a": "1"}, force=True)


def test_the_current_folder_is_refused_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "fw", {"a.c": "1"}, kind="project")
    (tmp_path / "fw/user").mkdir()
    (tmp_path / "fw/user/mine.c").write_text("mine")
    monkeypatch.chdir(tmp_path / "fw")
    before = tree(tmp_path)
    with pytest.raises(OutputRefused, match="current folder"):
        write(Path(), {"a.c": "2"}, kind="project", keep=("user",))
    assert tree(tmp_path) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from birdnet_deploy.support.publish import published
with published(Path(sys.argv[1]), kind="bundle") as staging:
    (staging / "a.txt").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_after_a_kill_the_old_tree_is_whole_and_the_next_run_cleans_up(tmp_path: Path) -> None:
    write(tmp_path / "out", {"a.txt": "1"})
    before = tree(tmp_path / "out")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "out")], check=False)
    assert killed.returncode < 0
    assert tree(tmp_path / "out") == before
    write(tmp_path / "out", {"a.txt": "2"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_a_kill_between_the_two_renames_is_mended(tmp_path: Path) -> None:
    write(tmp_path / "out", {"a.txt": "1"})
    (tmp_path / "out").rename(tmp_path / ".out.old")
    with pytest.raises(ValueError, match="later"), published(tmp_path / "out", kind="bundle"):
        raise ValueError("later")
    assert (tmp_path / "out/a.txt").read_text() == "1"


def test_kept_folders_survive_a_kill_after_either_rename(tmp_path: Path) -> None:
    old, new = tmp_path / ".fw.old", tmp_path / "fw"
    write(new, {"a.c": "1"}, kind="project")
    (new / "user").mkdir()
    (new / "user/mine.c").write_text("mine")
    new.rename(old)
    write(tmp_path / "other", {"a.c": "2"}, kind="project")
    (tmp_path / "other").rename(new)
    write(new, {"a.c": "3"}, kind="project", keep=("user",))
    assert (new / "user/mine.c").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fw"]
