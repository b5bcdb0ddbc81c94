"""The SD card: what is written, what is refused, what the system says of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from birdnet_deploy.board.card import Card, prepare_card
from birdnet_deploy.board.sdcard import Place, fill_card, place_of
from birdnet_deploy.errors import OutputRefused, UsageError
from birdnet_deploy.model.config import ModelConfig
from birdnet_deploy.report.card_names import read_manifest
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.support.progress import Silent

CONFIG = ModelConfig(sample_rate=8000, chunk_duration=1.0, audio_frontend="raw")


class Warned(Silent):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def made(folder: Path, *names: str) -> Card:
    sound = np.random.default_rng(len(names)).uniform(-0.5, 0.5, 16000)
    audio = folder / f"audio{len(names)}"
    for name in names:
        (audio / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(audio / name, sound, 16000)
    scratch = folder / f"scratch{len(names)}"
    return prepare_card(audio, CONFIG, scratch / "card", strict=True, progress=Silent())


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return made(tmp_path, "a long name é.wav", "sub/b.flac")


@pytest.fixture
def sd(tmp_path: Path) -> Path:
    (tmp_path / "sd").mkdir()
    return tmp_path / "sd"


def mounts(tmp_path: Path, folder: Path, kind: str) -> Path:
    """A table of mounts in which a card lies on ``folder``."""
    table = tmp_path / "mounts"
    escaped = str(folder.resolve()).replace(" ", "\\040")
    table.write_text(f"/dev/sda1 / ext4 rw 0 0\nproc /proc proc rw 0 0\n/dev/sdb1 {escaped} {kind} rw 0 0\n")
    return table


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_card_holds_8_3_names_and_a_manifest_with_hashes(card: Card, sd: Path) -> None:
    fill_card(card, sd, progress=Silent())
    assert names(sd) == ["00001.WAV", "00002.WAV", "manifest.json"]
    manifest = json.loads((sd / "manifest.json").read_text())
    for entry, file in zip(manifest["files"], card.files, strict=True):
        assert entry["wav_sha256"] == sha256_file(sd / entry["name"])
        assert entry["sha256"] == sha256_file(file.source)
        assert (entry["original"], entry["samples"]) == (file.original, 8000)
    assert read_manifest(sd / "manifest.json").originals["00001.WAV"] == "a long name é.wav"


def test_what_is_the_same_stays_and_what_is_left_of_an_earlier_card_goes(card: Card, sd: Path, tmp_path: Path) -> None:
    fill_card(card, sd, stages=True, log=True, progress=Silent())
    assert {"STAGES.ON", "LOG.ON"} <= set(names(sd))
    (sd / "BN000001.LOG").write_text("kept")
    (sd / ".Trashes").mkdir()
    before = (sd / "00001.WAV").stat().st_mtime_ns
    fill_card(card, sd, progress=Silent())
    assert (sd / "00001.WAV").stat().st_mtime_ns == before
    assert "STAGES.ON" not in names(sd) and "LOG.ON" not in names(sd)
    fill_card(made(tmp_path, "one.wav"), sd, progress=Silent())
    assert names(sd) == [".Trashes", "00001.WAV", "BN000001.LOG", "manifest.json"]


def test_a_damaged_file_is_written_again(card: Card, sd: Path) -> None:
    fill_card(card, sd, progress=Silent())
    data = bytearray((sd / "00002.WAV").read_bytes())
    data[-1] ^= 1
    (sd / "00002.WAV").write_bytes(data)
    fill_card(card, sd, progress=Silent())
    assert sha256_file(sd / "00002.WAV") == card.files[1].wav_sha256


@pytest.mark.parametrize("foreign", ["holiday.jpg", "00001.WAV", "manifest.json"])
def test_a_card_with_anything_else_is_refused_and_untouched(card: Card, sd: Path, foreign: str) -> None:
    (sd / foreign).write_text("mine")
    with pytest.raises(OutputRefused, match="not an empty card"):
        fill_card(card, sd, progress=Silent())
    assert names(sd) == [foreign] and (sd / foreign).read_text() == "mine"


@pytest.mark.parametrize("foreign", ["BIRD.WAV", "00003.WAV"])
def test_a_foreign_file_beside_ours_is_refused_too(card: Card, sd: Path, foreign: str) -> None:
    fill_card(card, sd, progress=Silent())
    (sd / foreign).write_text("mine")
    with pytest.raises(OutputRefused, match=foreign):
        fill_card(card, sd, progress=Silent())
    assert (sd / foreign).read_text() == "mine"


def test_a_card_that_was_half_written_is_known_as_ours(card: Card, sd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import birdnet_deploy.board.sdcard as module

    def full(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module.shutil, "copyfile", full)
        with pytest.raises(OutputRefused, match="No space left"):
            fill_card(card, sd, progress=Silent())
    fill_card(card, sd, progress=Silent())
    assert sha256_file(sd / "00001.WAV") == card.files[0].wav_sha256


def test_a_folder_that_is_not_there(card: Card, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        fill_card(card, tmp_path / "none", progress=Silent())


@pytest.mark.parametrize(("kind", "fits"), [("vfat", True), ("exfat", False), ("ext4", False), ("fuseblk", None)])
def test_the_file_system_is_that_of_the_deepest_mount(sd: Path, tmp_path: Path, kind: str, fits: bool | None) -> None:
    inner = sd / "my card"
    inner.mkdir()
    place = place_of(inner, mounts(tmp_path, inner, kind))
    assert (place.filesystem, place.fits, place.mounted) == (kind, fits, True)
    assert place_of(sd, mounts(tmp_path, inner, kind)).filesystem == "ext4"
    assert place.free_bytes is not None and place.free_bytes > 0


def test_a_system_without_a_table_of_mounts_says_nothing(sd: Path, tmp_path: Path, card: Card) -> None:
    place = place_of(sd, tmp_path / "none")
    assert place.filesystem is None and place.fits is None
    assert "unknown file system" in Place(None, None, mounted=False).text
    warned = Warned()
    fill_card(card, sd, progress=warned, mounts=tmp_path / "none")
    assert "unknown" in warned.warnings[0]


def test_a_card_that_firmware_cannot_read_is_refused_and_a_folder_elsewhere_is_told(
    card: Card, sd: Path, tmp_path: Path
) -> None:
    with pytest.raises(OutputRefused, match="is ext4 -> format it as FAT32"):
        fill_card(card, sd, progress=Silent(), mounts=mounts(tmp_path, sd, "ext4"))
    assert names(sd) == []
    warned = Warned()
    fill_card(card, sd, progress=warned, mounts=mounts(tmp_path, tmp_path / "other", "vfat"))
    assert "copy it to a card" in warned.warnings[0]
    quiet = Warned()
    fill_card(card, sd, progress=quiet, board=False, mounts=mounts(tmp_path, sd, "ext4"))
    assert quiet.warnings == []


def test_a_card_that_is_too_small_is_refused_before_anything_is_written(
    card: Card, sd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import birdnet_deploy.board.sdcard as module

    usage = module.shutil.disk_usage(sd)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: usage._replace(free=30_000))
    with pytest.raises(OutputRefused, match="30,000 are free"):
        fill_card(card, sd, progress=Silent())
    assert names(sd) == []
