"""Which recordings an archive has: links that loop, names of all kinds, manifests, shards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from birdnet_deploy.errors import UsageError
from birdnet_deploy.evaluation.archive import open_archive, shard_of


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_recordings_are_sorted_by_code_point_and_known_by_their_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "b/x.WAV", "b.flac", "a/é.mp3", "a/notes.txt", ".hidden/y.wav", "a/.y.wav", "B.ogg", "a/z/q.wav")
    assert list(open_archive(tmp_path).names) == ["B.ogg", "a/z/q.wav", "a/é.mp3", "b.flac", "b/x.WAV"]


def test_links_are_followed_once_and_never_hide_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir, walked = os.scandir, 0

    def counted(path: Path) -> object:
        nonlocal walked
        walked += 1
        assert walked < 20, "a loop is walked again and again"
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    touch(tmp_path / "top", "real/x.wav", "z/y.wav")
    outside = touch(tmp_path / "outside", "o.wav")
    (tmp_path / "top/real/loop").symlink_to("..")
    (tmp_path / "top/a link to real").symlink_to("real")
    (tmp_path / "top/b").symlink_to(outside)
    (tmp_path / "top/c").symlink_to(outside)
    (tmp_path / "top/itself").symlink_to("itself")
    archive = open_archive(tmp_path / "top")
    assert list(archive.names) == ["b/o.wav", "real/x.wav", "z/y.wav"]
    assert [line.split(" leads")[0] for line in archive.unentered] == ["a link to real", "c", "real/loop"]


def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/x.wav", "b/y.wav")
    scandir = os.scandir

    def refusing(path: Path) -> object:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)  # root may read everything
    archive = open_archive(tmp_path)
    assert list(archive.names) == ["a/x.wav"]
    assert archive.unentered == ("b cannot be read (Permission denied)",)


def test_a_manifest_names_its_recordings(tmp_path: Path) -> None:
    manifest = tmp_path / "list.csv"
    absolute = tmp_path.absolute() / "c.wav"
    manifest.write_text(f'\ufeffsource,File\n1,"b, 2.wav"\n2,./a/x.wav\n3,a\\y.wav\n4,a/x.wav\n5,\n6,{absolute}\n')
    archive = open_archive(manifest)
    assert list(archive.names) == ["a/x.wav", "a/y.wav", "b, 2.wav", "c.wav"]
    assert archive.root == tmp_path
    assert not archive.labelled
    for mark in ",;\t":
        manifest.write_text(f"file{mark}label\nx.wav{mark}Great Tit\n")
        assert list(open_archive(manifest).names) == ["x.wav"]
        assert open_archive(manifest).labelled


@pytest.mark.parametrize(
    ("text", "what"),
    [("name,label\nx,y\n", "names no recordings"), ("", "names no recordings"), ("file\n/etc/x.wav\n", "not below")],
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(UsageError, match=what):
        open_archive(tmp_path / "list.csv")


def test_nothing_to_evaluate_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no recordings"):
        open_archive(tmp_path)
    with pytest.raises(UsageError, match="no such folder of recordings or manifest"):
        open_archive(tmp_path / "gone")


def test_shards_are_a_partition_that_does_not_depend_on_the_others() -> None:
    names = [f"folder {number % 7}/{number}.wav" for number in range(4000)]
    parts = [[name for name in names if shard_of(name, 4) == shard] for shard in (1, 2, 3, 4)]
    assert sum(map(len, parts)) == len(names)
    assert all(900 < len(part) < 1100 for part in parts)
    assert shard_of("a/ä.wav", 1000) == 182  # another number would part what batch jobs have begun
