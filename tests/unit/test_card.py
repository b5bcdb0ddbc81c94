"""The card: what the firmware finds, and how names lead back to the originals."""

from __future__ import annotations

import hashlib
import json
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from birdnet_deploy.audio.reading import read_pcm16
from birdnet_deploy.board.card import Card, prepare_card
from birdnet_deploy.errors import AudioError, SampleError, UsageError
from birdnet_deploy.model.config import ModelConfig
from birdnet_deploy.support.progress import Silent

CONFIG = ModelConfig(sample_rate=8000, chunk_duration=1.0, audio_frontend="raw")


class Warned(Silent):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    """Three recordings of other rates, formats and channels, and a text file."""
    folder = tmp_path / "audio"
    sound = np.random.default_rng(3).uniform(-0.5, 0.5, (16000, 2))
    for name, rate, data in (
        ("Parus major/b.flac", 22050, sound),
        ("Parus major/a b é.wav", 8000, sound[:, 0]),
        ("later.ogg", 16000, sound[:, 1]),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, data, rate)
    (folder / "notes.txt").write_text("no sound")
    return folder


def prepared(audio: Path, folder: Path, strict: bool = False, progress: Silent | None = None) -> Card:
    return prepare_card(audio, CONFIG, folder / "card", strict=strict, progress=progress or Silent())


def test_the_card_holds_wavs_only_numbered_by_the_order_of_their_paths(audio: Path, tmp_path: Path) -> None:
    card = prepared(audio, tmp_path)
    assert sorted(path.name for path in card.folder.iterdir()) == ["00001.WAV", "00002.WAV", "00003.WAV"]
    assert [file.original for file in card.files] == ["Parus major/a b é.wav", "Parus major/b.flac", "later.ogg"]
    assert [file.name for file in card.files] == ["00001.WAV", "00002.WAV", "00003.WAV"]


def test_files_are_pcm16_mono_at_the_models_rate_and_hold_the_contracts_samples(audio: Path, tmp_path: Path) -> None:
    card = prepared(audio, tmp_path)
    for file in card.files:
        with wave.open(str(card.folder / file.name)) as reader:
            assert (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) == (1, 2, 8000)
        expected = read_pcm16(audio / file.original, 8000)
        assert file.samples == len(expected)
        assert np.array_equal(card.pcm(file), expected)
        assert np.array_equal(soundfile.read(card.folder / file.name, dtype="int16")[0], expected)


def test_the_manifest_lies_beside_the_card_and_leads_back(audio: Path, tmp_path: Path) -> None:
    card = prepared(audio, tmp_path)
    assert card.manifest == tmp_path / "manifest.json"
    manifest = json.loads(card.manifest.read_text(encoding="utf-8"))
    assert manifest["sample_rate"] == 8000
    for entry in manifest["files"]:
        original = audio / entry["original"]
        assert entry["sha256"] == hashlib.sha256(original.read_bytes()).hexdigest()
        assert (card.folder / entry["name"]).is_file()
    assert len(manifest["files"]) == 3


def test_one_file_is_a_card_of_one(audio: Path, tmp_path: Path) -> None:
    card = prepared(audio / "later.ogg", tmp_path)
    assert [(file.name, file.original) for file in card.files] == [("00001.WAV", "later.ogg")]


def test_unreadable_recordings_are_skipped_and_told(audio: Path, tmp_path: Path) -> None:
    (audio / "Parus major/a b é.wav").write_bytes(b"RIFF and no more")
    (audio / "no.wav").write_bytes(b"text")
    warned = Warned()
    card = prepared(audio, tmp_path, progress=warned)
    assert [(file.name, file.original) for file in card.files] == [
        ("00001.WAV", "Parus major/b.flac"), ("00002.WAV", "later.ogg"),
    ]  # fmt: skip
    assert [original for original, _ in card.skipped] == ["Parus major/a b é.wav", "no.wav"]
    assert len(warned.warnings) == 2 and "no.wav" in warned.warnings[1]


def test_strict_stops_at_the_first_unreadable_one(audio: Path, tmp_path: Path) -> None:
    (audio / "no.wav").write_bytes(b"text")
    with pytest.raises(AudioError, match=r"no\.wav"):
        prepared(audio, tmp_path, strict=True)


def test_what_is_no_sound_is_never_skipped(audio: Path, tmp_path: Path) -> None:
    soundfile.write(audio / "nan.wav", np.array([0.0, np.nan]), 8000, subtype="FLOAT")
    with pytest.raises(SampleError, match=r"nan\.wav"):
        prepared(audio, tmp_path)


def test_nothing_to_run_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(AudioError, match="no recording") as caught:
        prepared(tmp_path / "empty", tmp_path / "a")
    assert caught.value.exit_code == 3
    (tmp_path / "empty/broken.wav").write_bytes(b"")
    with pytest.raises(AudioError, match="none of 1 recordings"):
        prepared(tmp_path / "empty", tmp_path / "b")
    with pytest.raises(UsageError) as missing:
        prepared(tmp_path / "missing", tmp_path / "c")
    assert missing.value.exit_code == 2


def test_a_name_that_is_not_utf8_is_carried_as_escapes(audio: Path, tmp_path: Path) -> None:
    import os

    name = os.fsdecode(b"odd \xff.wav")
    try:
        (audio / "later.ogg").rename(audio / name)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    card = prepared(audio, tmp_path)
    assert card.files[-1].original == "odd \\xff.wav"
    assert json.loads(card.manifest.read_text(encoding="utf-8"))["files"][-1]["original"] == "odd \\xff.wav"
