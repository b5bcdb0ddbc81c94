"""Recordings of every kind -> PCM16 at the model's rate."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from birdnet_deploy.audio.reading import find_recordings, read_pcm16
from birdnet_deploy.errors import AudioError, SampleError, UsageError

RATE = 16000


def sound(samples: int = 40000, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Gives float32 noise with a tone, in [-1, 1]."""
    random = np.random.default_rng(seed)
    tone = 0.3 * np.sin(np.arange(samples) / 9)[:, None]
    return (tone + 0.1 * random.standard_normal((samples, channels))).astype(np.float32)


def contract(samples: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    """Gives the contract's PCM16 of decoded float32 ``[n, channels]``, in one piece."""
    mono = samples.mean(axis=1)
    if rate != sample_rate:
        mono = soxr.resample(mono, rate, sample_rate, quality="HQ")
    return np.clip(np.rint(32768 * mono), -32768, 32767).astype(np.int16)


@pytest.mark.parametrize(
    ("suffix", "rate", "channels"),
    [
        (".wav", RATE, 1), (".wav", 48000, 2), (".flac", 22050, 1), (".flac", 44100, 3), (".mp3", 44100, 1),
        (".ogg", 32000, 2), (".opus", 48000, 1), (".aiff", 8000, 2), (".wav", 384000, 1),
    ],
)  # fmt: skip
def test_every_format_rate_and_channel_count_follows_the_contract(
    tmp_path: Path, suffix: str, rate: int, channels: int
) -> None:
    path = tmp_path / f"Tönender Vogel (1){suffix}"
    soundfile.write(path, sound(150_000, channels), rate, format="OGG" if suffix == ".opus" else None,
                    subtype="OPUS" if suffix == ".opus" else None)  # fmt: skip
    decoded, decoded_rate = soundfile.read(path, dtype="float32", always_2d=True)
    pcm = read_pcm16(path, RATE)
    assert decoded_rate == rate and pcm.dtype == np.int16
    assert np.array_equal(pcm, contract(decoded, rate, RATE))
    assert abs(len(pcm) - len(decoded) * RATE / rate) <= 1


def test_mono_pcm16_at_the_rate_passes_unchanged(tmp_path: Path) -> None:
    pcm = np.random.default_rng(0).integers(-32768, 32768, 200_001).astype(np.int16)
    pcm[:4] = [-32768, 32767, 0, -1]
    for suffix in (".wav", ".flac"):
        soundfile.write(tmp_path / f"a{suffix}", pcm, RATE, subtype="PCM_16")
        assert np.array_equal(read_pcm16(tmp_path / f"a{suffix}", RATE), pcm)


def test_beyond_full_scale_is_clipped_and_halves_round_to_even(tmp_path: Path) -> None:
    steps = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 40000, -40000, 32767.5, 3.2768e7], dtype=np.float32)
    soundfile.write(tmp_path / "a.wav", steps / np.float32(32768), RATE, subtype="FLOAT")
    assert read_pcm16(tmp_path / "a.wav", RATE).tolist() == [0, 2, 2, 0, -2, 32767, -32768, 32767, 32767]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1000.1, -2e30])
def test_what_is_no_sound_is_refused_with_its_place(tmp_path: Path, value: float) -> None:
    samples = sound(100_000, 2)
    samples[80_000, 1] = value
    path = tmp_path / "bad.wav"
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    with pytest.raises(SampleError, match=r"at 5\.000 s") as caught:
        read_pcm16(path, 22050)
    assert caught.value.seconds == 5.0 and str(path) in caught.value.line and caught.value.exit_code == 3


def broken(tmp_path: Path) -> dict[str, Path]:
    """Gives files that are no recordings, by what is wrong with them."""
    soundfile.write(tmp_path / "whole.wav", sound(), RATE)
    soundfile.write(tmp_path / "whole.flac", sound(), RATE)
    soundfile.write(tmp_path / "whole.aiff", sound(), RATE)
    soundfile.write(tmp_path / "none.wav", sound(0), RATE)
    whole = {name: (tmp_path / f"whole.{name}").read_bytes() for name in ("wav", "flac", "aiff")}
    slow = bytearray(whole["wav"])
    slow[24:28] = struct.pack("<I", 3)
    contents = {
        "empty.wav": b"",
        "text.wav": b"this is no sound at all\n" * 50,
        "cut.wav": whole["wav"][: len(whole["wav"]) // 2],
        "cut.flac": whole["flac"][: len(whole["flac"]) // 2],
        "slow.wav": bytes(slow),
        "empty.mp3": b"",
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder.wav").mkdir()
    return {name: tmp_path / name for name in [*contents, "none.wav", "folder.wav", "missing.wav"]}


def test_broken_files_are_audio_errors_that_name_the_file(tmp_path: Path) -> None:
    expected = {
        "empty.wav": "it is empty", "text.wav": "cannot be decoded", "cut.wav": "cut short",
        "cut.flac": "cannot be decoded",
        "slow.wav": "sample rate is 3 Hz", "empty.mp3": "it is empty", "none.wav": "holds no samples",
        "folder.wav": "cannot be decoded", "missing.wav": "no such file",
    }  # fmt: skip
    for name, path in broken(tmp_path).items():
        with pytest.raises(AudioError, match=expected[name]) as caught:
            read_pcm16(path, RATE)
        assert not isinstance(caught.value, SampleError)
        assert caught.value.line.startswith(str(path)) and "\n" not in caught.value.line and caught.value.fix


def test_a_wav_that_was_written_to_a_pipe_is_whole(tmp_path: Path) -> None:
    """Its header holds 0xFFFFFFFF where the sizes belong."""
    path = tmp_path / "a.wav"
    soundfile.write(path, sound(1000), RATE, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff" * 4
    path.write_bytes(data)
    assert len(read_pcm16(path, RATE)) == 1000


def test_finding_is_sorted_by_relative_posix_path_and_blind_to_hidden_files(tmp_path: Path) -> None:
    names = ["b/2.wav", "b 1/x.FLAC", "ä/ö.ogg", "a.mp3", "b/10.wav", "Z.opus"]
    for name in [*names, ".hidden.wav", ".git/a.wav", "b/notes.txt", "b/wav"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in find_recordings(tmp_path)]
    assert found == sorted(names)


def test_finding_enters_links_but_no_folder_twice(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "a", outside):
        folder.mkdir(parents=True)
        (folder / "x.wav").touch()
    (root / "a" / "loop").symlink_to(root)
    (root / "again").symlink_to(root / "a")
    (root / "linked").symlink_to(outside)
    (root / "dangling.wav").symlink_to(tmp_path / "nothing.wav")
    assert [path.relative_to(root).as_posix() for path in find_recordings(root)] == ["a/x.wav", "linked/x.wav"]


def test_a_link_never_hides_the_own_name_of_a_folder_below_another(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.wav").touch()
    (tmp_path / "a" / "link").symlink_to(tmp_path / "b")
    assert find_recordings(tmp_path) == [tmp_path / "b" / "x.wav"]


def test_one_file_is_found_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "recording").touch()
    assert find_recordings(tmp_path / "recording") == [tmp_path / "recording"]


def test_a_missing_root_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder") as caught:
        find_recordings(tmp_path / "nowhere")
    assert caught.value.exit_code == 2


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so the refusal of the system is played here."""

    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UsageError, match=r"cannot be read \(Permission denied\)"):
        find_recordings(tmp_path)


@pytest.mark.shared
def test_all_shared_recordings_follow_the_contract(shared: Path) -> None:
    paths = find_recordings(shared / "audio")
    assert len(paths) >= 20
    for path in paths:
        decoded, rate = soundfile.read(path, dtype="float32", always_2d=True)
        assert np.array_equal(read_pcm16(path, 22050), contract(decoded, rate, 22050)), path.name
