"""Any recording -> PCM16 at the model's rate: what calibrates, what the card holds."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from birdnet_deploy.audio.frontend import MAX_AMPLITUDE
from birdnet_deploy.audio.walk import walk
from birdnet_deploy.errors import AudioError, SampleError, UsageError

Pcm = NDArray[np.int16]
SUFFIXES = frozenset({".wav", ".wave", ".w64", ".rf64", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff"})

_BLOCK_FRAMES = 65536
# libsndfile 1.2 decodes an MP3 to other last bits when it is read in pieces; up to 12 minutes are read in
# one.
_MP3_BLOCK_FRAMES = 2**25
_MIN_RATE, _MAX_RATE = 1000, 1_000_000
_UNDECODABLE = (soundfile.SoundFileError, RuntimeError, OSError)
_FIX = "mend, convert or remove the file"
# A WAV written to a pipe carries a size near 2^31 or 2^32 instead of its own; that is no sign of a cut file.
_PLACEHOLDER_SIZE = 0x7FFF_0000
_DECLARED_SIZE = re.compile(r"data : (\d+) \(should be \d+\)")
_DECLARED_ELSEWHERE = re.compile(r"(?:SSND|Riff size|riff) : (\d+) \(should be (\d+)\)")  # of AIFF, RF64, W64
# The length of an MP3 is an estimate of its decoder; real files end 5000 frames before it.
_MP3_LENGTH_SLACK = (0.10, 16 * 1152)


def find_recordings(root: Path) -> list[Path]:
    """Gives the recordings below a folder, sorted by their POSIX path relative to it; or ``[root]`` for one
    file.

    Known by their suffix (``SUFFIXES``, in any case), found as ``walk`` finds them: a link that loops or repeats adds
    nothing.

    Raises: UsageError (exit 2) where there is no such file or folder, or it may not be read.
    """
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise UsageError("no such file or folder of recordings", where=root, fix="name a folder with recordings")
    found = walk(root, SUFFIXES)
    for folder, reason in found.unreadable:
        raise UsageError(f"cannot be read ({reason})", where=root / folder, fix="allow reading it")
    return [path for path in (root / name for name in found.names) if path.is_file()]


def read_pcm16(path: Path, sample_rate: int) -> Pcm:
    """Gives a recording as mono int16 at ``sample_rate`` (Hz).

    Mean of the channels, soxr HQ where the rates differ, ``clip(rint(32768 * x))``. A mono PCM16 file at the
    rate passes unchanged. The file is decoded in blocks: memory holds the int16 result and little else.

    Raises: AudioError (exit 3) for a file that is empty, cut short or cannot be decoded; SampleError, an
    AudioError, for NaN, infinity or an amplitude beyond 1000, with the place.
    """
    return np.concatenate(list(pcm16_blocks(path, sample_rate)))


def pcm16_blocks(path: Path, sample_rate: int) -> Iterator[Pcm]:
    """Yields what ``read_pcm16`` gives in blocks, so that memory holds one of them; at least one, and some samples.

    Raises: as ``read_pcm16``, maybe after some blocks.
    """
    held = 0
    with open_recording(path, sample_rate) as recording:
        for block in recording:
            held += len(block)
            yield block
    if not held:
        raise AudioError("holds no samples", where=path, fix=_FIX)


class Recording:
    """A recording that is open: its own ``sample_rate`` (Hz) and ``channels``, and its samples in blocks."""

    def __init__(self, file: soundfile.SoundFile, path: Path, sample_rate: int) -> None:
        self.sample_rate = int(file.samplerate)
        self.channels = int(file.channels)
        self._blocks = _at_rate(file, sample_rate, path)
        self._path = path

    def __iter__(self) -> Iterator[Pcm]:
        """Yields mono int16 at the rate asked for, block by block; the samples that ``read_pcm16`` gives, maybe none.

        Raises: AudioError, SampleError (exit 3) as ``read_pcm16``, at the block where it shows.
        """
        try:
            for block in self._blocks:
                yield _to_pcm16(block)
        except _UNDECODABLE as error:
            raise _undecodable(self._path, error) from error


@contextmanager
def open_recording(path: Path, sample_rate: int) -> Iterator[Recording]:
    """Gives a recording that yields mono int16 at ``sample_rate`` (Hz), open while the body runs.

    Raises: AudioError (exit 3) as ``read_pcm16``; a recording without samples is none of its errors.
    """
    name = os.fspath(path) if os.name == "nt" else os.fsencode(path)  # POSIX names need not be UTF-8
    try:
        file = soundfile.SoundFile(name)
    except _UNDECODABLE as error:
        raise _undecodable(path, error) from error
    with file:
        _check_header(file, path)
        yield Recording(file, path, sample_rate)


def _undecodable(path: Path, error: Exception) -> AudioError:
    reason = "no such file" if not path.exists() else "it is empty" if _is_empty(path) else _reason(error)
    return AudioError(f"cannot be decoded ({reason})", where=path, fix=_FIX)


def _is_empty(path: Path) -> bool:
    return path.is_file() and path.stat().st_size == 0


def _reason(error: Exception) -> str:
    return str(getattr(error, "error_string", error)).strip().rstrip(".")


def _check_header(file: soundfile.SoundFile, path: Path) -> None:
    if not _MIN_RATE <= file.samplerate <= _MAX_RATE:
        raise AudioError(f"its sample rate is {file.samplerate} Hz", where=path, fix=_FIX)
    declared = _DECLARED_SIZE.search(file.extra_info)
    if declared is None or int(declared[1]) >= _PLACEHOLDER_SIZE:
        declared = _DECLARED_ELSEWHERE.search(file.extra_info)
        declared = declared if declared and int(declared[1]) > int(declared[2]) else None
    if declared:
        raise AudioError(f"is cut short: its header declares {declared[1]} bytes of sound", where=path, fix=_FIX)


def _at_rate(file: soundfile.SoundFile, sample_rate: int, path: Path) -> Iterator[NDArray[np.float32]]:
    """Yields mono float32 blocks at ``sample_rate``; in blocks soxr gives the samples of one piece."""
    if file.samplerate == sample_rate:
        yield from _mono(file, path)
        return
    stream = soxr.ResampleStream(file.samplerate, sample_rate, 1, dtype="float32", quality="HQ")
    for block in _mono(file, path):
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.empty(0, dtype=np.float32), last=True)


def _mono(file: soundfile.SoundFile, path: Path) -> Iterator[NDArray[np.float32]]:
    """Yields the checked mean of the channels, in blocks; at least one, maybe empty."""
    position = 0
    frames = _MP3_BLOCK_FRAMES if file.format == "MP3" else _BLOCK_FRAMES
    while True:
        block = file.read(frames, dtype="float32", always_2d=True)
        _check_samples(block, position, file.samplerate, path)
        position += len(block)
        yield block.mean(axis=1, dtype=np.float32)
        if len(block) < frames:
            break
    share, slack = _MP3_LENGTH_SLACK if file.format == "MP3" else (0.0, 0)
    if position < file.frames * (1 - share) - slack:
        raise AudioError(f"is cut short: {position} of {file.frames} frames", where=path, fix=_FIX)


def _check_samples(block: NDArray[np.float32], position: int, rate: int, path: Path) -> None:
    """Refuses what is no sound; the comparison is false for NaN."""
    good = (np.abs(block) <= MAX_AMPLITUDE).all(axis=1)
    if good.all():
        return
    first = int(np.argmin(good))
    value = block[first][~(np.abs(block[first]) <= MAX_AMPLITUDE)][0]
    seconds = (position + first) / rate
    raise SampleError(f"holds {value:g} at {seconds:.3f} s, which is no sound", seconds=seconds, where=path, fix=_FIX)


def _to_pcm16(samples: NDArray[np.float32]) -> Pcm:
    steps: NDArray[np.float32] = np.clip(np.rint(samples * np.float32(32768)), -32768, 32767)
    return steps.astype(np.int16)
