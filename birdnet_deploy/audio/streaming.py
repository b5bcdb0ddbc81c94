"""A recording of any length as windows, one after the other: memory holds a few blocks, never the recording."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from birdnet_deploy.audio import reading
from birdnet_deploy.audio.windows import window_at
from birdnet_deploy.errors import AudioError

Pcm = NDArray[np.int16]
_FIX = "mend, convert or remove the file"


class PcmStream:
    """A recording that is being read: its own ``sample_rate`` (Hz) and ``channels``, and its blocks."""

    def __init__(self, file: soundfile.SoundFile, path: Path, sample_rate: int) -> None:
        self.sample_rate = int(file.samplerate)
        self.channels = int(file.channels)
        self._blocks = reading._at_rate(file, sample_rate, path)
        self._path = path

    def __iter__(self) -> Iterator[Pcm]:
        """Yields mono int16 at the rate asked for, block by block; the samples that ``read_pcm16`` gives.

        Raises: AudioError, SampleError (exit 3) as ``read_pcm16``, at the block where it shows.
        """
        try:
            for block in self._blocks:
                if len(block):
                    yield reading._to_pcm16(block)
        except (soundfile.SoundFileError, RuntimeError, OSError) as error:
            raise AudioError(f"cannot be decoded ({reading._reason(error)})", where=self._path, fix=_FIX) from error


@contextmanager
def pcm_stream(path: Path, sample_rate: int) -> Iterator[PcmStream]:
    """Gives a recording as a stream of mono int16 at ``sample_rate`` (Hz), open while the body runs.

    Raises: AudioError (exit 3) as ``read_pcm16``.
    """
    name = os.fspath(path) if os.name == "nt" else os.fsencode(path)
    try:
        file = soundfile.SoundFile(name)
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        reason = "no such file" if not path.exists() else reading._reason(error)
        raise AudioError(f"cannot be decoded ({reason})", where=path, fix=_FIX) from error
    with file:
        reading._check_header(file, path)
        yield PcmStream(file, path, sample_rate)


def stream_windows(blocks: Iterable[Pcm], window: int, hop: int) -> Iterator[tuple[int, Pcm]]:
    """Yields (first sample, samples) of each window of a recording that comes in blocks.

    The windows are those of ``window_starts`` and ``window_at``: steps of ``hop`` while they fit, one more at the end
    where it is not covered, a short recording padded with zeros. At most a window and a block are held.
    """
    if window < 1 or hop < 1:
        raise ValueError(f"window {window} and hop {hop} must be at least 1 sample")
    held = np.empty(0, np.int16)
    first = start = 0  # of what is held; of the next window
    for block in blocks:
        held = np.concatenate([held, block])
        while start + window <= first + len(held):
            yield start, held[start - first : start - first + window].copy()
            start += hop
        keep = max(first, min(start, first + len(held) - window))  # the last window may reach behind the next one
        held, first = held[keep - first :], keep
    total = first + len(held)
    if 0 < total <= window and start == 0:
        yield 0, window_at(held, 0, window)
    elif total and start - hop + window < total:
        yield total - window, held[total - window - first :].copy()
