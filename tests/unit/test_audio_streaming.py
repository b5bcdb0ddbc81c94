"""Windows of a stream are the windows of the whole recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from birdnet_deploy.audio.reading import open_recording, read_pcm16
from birdnet_deploy.audio.windows import window_at, window_starts, windows_of_blocks
from birdnet_deploy.errors import AudioError


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 200), st.integers(1, 60), st.integers(1, 80), st.lists(st.integers(1, 50), min_size=1, max_size=8)
)
def test_windows_of_blocks_are_those_of_the_whole(samples: int, window: int, hop: int, cuts: list[int]) -> None:
    pcm = np.arange(1, samples + 1, dtype=np.int16)
    blocks, first, number = [], 0, 0
    while first < samples:
        blocks.append(pcm[first : first + cuts[number % len(cuts)]])
        first, number = first + cuts[number % len(cuts)], number + 1
    found = list(windows_of_blocks(iter(blocks), window, hop))
    assert [start for start, _ in found] == window_starts(samples, window, hop)
    for start, values in found:
        np.testing.assert_array_equal(values, pcm[start : start + window])
        np.testing.assert_array_equal(window_at(values, 0, window), window_at(pcm, start, window))


@pytest.mark.parametrize(("rate", "channels", "suffix"), [(8000, 1, "wav"), (96000, 4, "wav"), (22050, 2, "flac")])
def test_a_stream_has_the_samples_of_the_whole_recording(tmp_path: Path, rate: int, channels: int, suffix: str) -> None:
    sound = np.random.default_rng(3).uniform(-0.5, 0.5, (rate * 3 + 17, channels))
    path = tmp_path / f"Ünï.{suffix}"
    soundfile.write(path, sound, rate, subtype="PCM_16")
    with open_recording(path, 8000) as stream:
        blocks = list(stream)
        assert (stream.sample_rate, stream.channels) == (rate, channels)
    np.testing.assert_array_equal(np.concatenate(blocks), read_pcm16(path, 8000))


def test_a_stream_refuses_what_a_whole_read_refuses(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    soundfile.write(path, np.zeros(9000), 8000)
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(AudioError, match="is cut short"), open_recording(path, 8000) as stream:
        list(stream)
    with pytest.raises(AudioError, match="no such file"), open_recording(tmp_path / "none.wav", 8000):
        pass
