"""Many recordings, long ones, and every format: read whole, skipped and counted, or refused, with bounded memory."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.load import make_long, make_many, measured
from birdnet_deploy.audio.decoding import Decoders
from birdnet_deploy.audio.reading import read_pcm16
from birdnet_deploy.audio.windows import energy, window_at, window_starts, windows_of_blocks
from birdnet_deploy.board.card import prepare_card
from birdnet_deploy.calibration.collect import collect_windows
from birdnet_deploy.calibration.survey import _survey
from birdnet_deploy.errors import AudioError
from birdnet_deploy.model.config import ModelConfig
from birdnet_deploy.support.progress import Silent
from tests.support.command import fail, succeed

RATE = 8000
CONFIG = ModelConfig(RATE, 1, "raw", 256)
KINDS = (
    ("wav", "WAV", "PCM_U8", 8000, 1), ("wav", "WAV", "PCM_16", 8000, 1), ("wav", "WAV", "PCM_24", 48000, 2),
    ("wav", "WAV", "PCM_32", 44100, 1), ("wav", "WAV", "FLOAT", 22050, 1), ("wav", "WAV", "DOUBLE", 16000, 1),
    ("wav", "WAV", "PCM_16", 96000, 1), ("wav", "WAV", "PCM_16", 48000, 6), ("wav", "WAVEX", "PCM_24", 48000, 2),
    ("wav", "RF64", "PCM_16", 48000, 1), ("w64", "W64", "PCM_16", 48000, 1), ("flac", "FLAC", "PCM_24", 96000, 2),
    ("ogg", "OGG", "VORBIS", 44100, 2), ("mp3", "MP3", "MPEG_LAYER_III", 44100, 2), ("aiff", "AIFF", "PCM_16", 8000, 1),
)  # fmt: skip


def tone(rate: int, channels: int, seconds: float = 1.5) -> np.ndarray:
    """A chirp, the same in all channels."""
    time = np.arange(int(rate * seconds)) / rate
    return np.repeat(0.4 * np.sin(2 * np.pi * (400 + 300 * time) * time)[:, None], channels, axis=1)


def write_formats(folder: Path) -> list[str]:
    """Writes a recording of every kind, and odd but good ones; gives their names."""
    folder.mkdir(parents=True)
    for number, (suffix, container, subtype, rate, channels) in enumerate(KINDS):
        name = f"{number:02d} {container} {subtype} {rate} {channels}.{suffix}"
        soundfile.write(folder / name, tone(rate, channels), rate, format=container, subtype=subtype)
    soundfile.write(folder / "one sample.wav", np.array([0.5]), RATE)
    for name in ("Grünspecht 🐦.wav", "two\nlines.wav", "'; rm -rf $HOME.wav"):
        soundfile.write(folder / name, tone(RATE, 1), RATE)
    return sorted(path.name for path in folder.iterdir())


def write_trouble(folder: Path) -> None:
    """Adds a file that is cut short, one that is no sound, an empty one, and links that loop or lead nowhere."""
    whole = next(folder.glob("* WAV PCM_16 8000*")).read_bytes()
    (folder / "truncated.wav").write_bytes(whole[:-2000])
    (folder / "text.wav").write_text("no sound at all")
    (folder / "empty.flac").touch()
    (folder / "loop").symlink_to(".")
    (folder / "gone.wav").symlink_to("nowhere.wav")


@given(st.lists(st.integers(0, 70), max_size=12), st.integers(1, 50))
def test_windows_of_blocks_are_those_of_the_whole(sizes: list[int], window: int) -> None:
    pcm = np.arange(sum(sizes), dtype=np.int16)
    blocks = np.split(pcm, np.cumsum(sizes)[:-1]) if sizes else []
    found = list(windows_of_blocks(blocks, window))
    assert [start for start, _ in found] == window_starts(len(pcm), window)
    assert all(np.array_equal(piece, pcm[start : start + window]) for start, piece in found)


def test_a_decoder_gives_the_same_by_windows_as_whole(tmp_path: Path) -> None:
    path, window = tmp_path / "a.flac", 5000
    soundfile.write(path, tone(22050, 2, 4.0), 22050)
    with Decoders() as decoders:
        pcm = decoders.read(path, RATE)
        sound = decoders.hear(path, RATE, window)
        starts = window_starts(len(pcm), window)
        assert sound.samples == len(pcm) and sound.pcm is not None and np.array_equal(sound.pcm, pcm)
        assert sound.energies == [energy(pcm[start : start + window]) for start in starts]
        windows = decoders.windows(path, RATE, window, starts[1::3])
        assert np.array_equal(windows, [window_at(pcm, start, window) for start in starts[1::3]])
        assert decoders.write_wav(path, RATE, tmp_path / "b.wav") == len(pcm)
    written, rate = soundfile.read(tmp_path / "b.wav", dtype="int16")
    assert rate == RATE and np.array_equal(written, pcm)


def test_every_format_reaches_calibration_and_card(tmp_path: Path) -> None:
    names = write_formats(tmp_path / "audio")
    found = collect_windows(tmp_path / "audio", CONFIG)
    roles = {entry["file"]: entry["role"] for entry in found.manifest["files"]}
    assert set(roles) == set(names)
    assert {name for name, role in roles.items() if role == "silent"} == {"one sample.wav"}  # a constant is no sound
    assert found.manifest["counts"]["unreadable_files"] == 0
    card = prepare_card(tmp_path / "audio", CONFIG, tmp_path / "card", strict=True, progress=Silent())
    assert [file.original for file in card.files] == names and card.skipped == ()
    assert all(11_800 <= file.samples <= 13_100 for file in card.files if file.original != "one sample.wav")
    loud = [int(np.abs(card.pcm(file)[0:]).max()) for file in card.files if file.original != "one sample.wav"]
    assert all(12_000 < peak < 14_500 for peak in loud), loud


def test_a_bad_file_among_good_ones_is_skipped_and_counted(tmp_path: Path) -> None:
    names = write_formats(tmp_path / "audio")
    write_trouble(tmp_path / "audio")
    found = collect_windows(tmp_path / "audio", CONFIG)
    assert found.manifest["counts"]["unreadable_files"] == 3
    assert any(warning.startswith("3 recordings skipped: ") for warning in found.warnings)
    card = prepare_card(tmp_path / "audio", CONFIG, tmp_path / "card", strict=False, progress=Silent())
    assert [name for name, _ in card.skipped] == ["empty.flac", "text.wav", "truncated.wav"]
    assert [file.original for file in card.files] == names
    assert sorted(path.name for path in card.folder.iterdir()) == [f"{n:05d}.WAV" for n in range(1, len(names) + 1)]


@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64", "W64", "AIFF", "FLAC", "OGG"])
def test_a_file_that_is_cut_short_is_never_taken_for_a_short_one(container: str, tmp_path: Path) -> None:
    path = tmp_path / "whole"
    soundfile.write(path, tone(48000, 1), 48000, format=container)
    assert len(read_pcm16(path, 48000)) == 72_000
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    with pytest.raises(AudioError, match="is cut short|cannot be decoded|holds no samples"):
        read_pcm16(path, 48000)


def test_run_skips_and_counts_and_strict_stops_every_command(
    small_project: Path, small_model: Path, tmp_path: Path
) -> None:
    audio, project = tmp_path / "audio", tmp_path / "fw"
    write_formats(audio)
    write_trouble(audio)
    shutil.copytree(small_project, project)
    said = json.loads(succeed("run", project, "--target", "host", "--audio", audio, "--output-format", "json"))
    assert said["totals"]["skipped"] == 3 and said["comparison"]["exact"] == said["comparison"]["expected"] > 30
    assert "two\nlines.wav" in [file["file"] for file in said["files"]]
    model, output = small_model / "small.keras", tmp_path / "out"
    for command in (
        ["run", project, "--target", "host", "--audio", audio],
        ["convert", model, "--calibration", audio, "-o", output],
        ["deploy", model, "--calibration", audio, "--audio", audio, "-o", output],
    ):
        error = fail(3, *command, "--strict")
        assert "empty.flac" in error or "text.wav" in error or "truncated.wav" in error
        assert sum(line.startswith("error: ") for line in error.splitlines()) == 1
    assert not (output / "birdnet.lock").exists() and not (output / "bundle").exists()


def test_what_may_not_be_read_is_skipped_and_counted() -> None:
    """Root reads all, so it acts as another user; the decoder, which starts before, does not matter for it."""
    folder = Path(tempfile.mkdtemp(prefix="birdnet-load-"))
    root = os.geteuid() == 0
    try:
        folder.chmod(0o755)
        for name in ("good.wav", "secret.wav"):
            soundfile.write(folder / name, tone(RATE, 1), RATE)
        (folder / "secret.wav").chmod(0)
        with Decoders() as decoders:
            decoders.hear(folder / "good.wav", RATE, RATE)
            if root:
                os.seteuid(65534)
            found = [_survey(folder / name, name, CONFIG, decoders.hear, False) for name in ("good.wav", "secret.wav")]
            with pytest.raises(AudioError, match="secret.wav: cannot be read"):
                _survey(folder / "secret.wav", "secret.wav", CONFIG, decoders.hear, True)
    finally:
        if root:
            os.seteuid(0)
        shutil.rmtree(folder)
    assert [survey.fault for survey in found] == [None, "cannot be read (Permission denied)"]


def test_five_hundred_recordings_and_a_long_one_take_bounded_memory(tmp_path: Path) -> None:
    make_many(tmp_path / "many", 500)
    make_long(tmp_path / "long/long.wav", 0.5)  # 80 MB of samples
    few = measured("calibration", tmp_path / "many")
    assert few["files"] == 500 and few["windows"] > 250 and few["seconds"] < 60
    for step in ("calibration", "card"):
        found = measured(step, tmp_path / "long")
        assert found["windows"] > 25, found
        assert found["peak_mb"] < few["peak_mb"] + 60 and found["children_mb"] < 250, (found, few)


@pytest.mark.soak
def test_ten_thousand_recordings_and_six_hours_take_bounded_memory(tmp_path: Path) -> None:
    make_many(tmp_path / "many", 10_000)
    make_long(tmp_path / "long/long.wav", 6.0)  # 950 MB of samples
    for folder, files in (("many", 10_000), ("long", 1)):
        for step in ("calibration", "card"):
            found = measured(step, tmp_path / folder)
            assert found["files"] == files and found["seconds"] < 900, found
            assert found["peak_mb"] < 700 and found["children_mb"] < 250, found
