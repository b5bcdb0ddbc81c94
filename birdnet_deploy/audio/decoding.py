"""Decoding recordings in children with limits: libsndfile and its codecs read files of anybody.

``Decoders`` (parent) starts some children, each of which runs this module and reads many files. What kills a child, or
takes too long or too much memory, is one recording that cannot be decoded.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import LifoQueue
from typing import TYPE_CHECKING, Any

from birdnet_deploy.errors import AudioError, OutputRefused
from birdnet_deploy.support.closing import Closing
from birdnet_deploy.support.helper import Helper, serve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MODULE = "birdnet_deploy.audio.decoding"
_MEMORY_BYTES = 4 << 30  # of address space; a whole MP3 is decoded in one piece
_MOST_BYTES = 8 << 30  # of one recording: a day at 48 kHz
_TIMEOUT_S, _BYTES_A_SECOND = 120.0, 1 << 20  # for any file, and more for a long one
_KEPT_SAMPLES = 16 << 20  # of one recording, for the choice of windows; a longer one is decoded again
_MOST_WAV_BYTES = 2**32 - 37
WAV_HEADER_BYTES = 44
_FIX = "mend, convert or remove the file"


@dataclass(frozen=True, eq=False)
class Sound:
    """A recording: its length, the energy of each window at half-window hop, and the samples unless they are many."""

    samples: int
    energies: Sequence[float]
    pcm: NDArray[np.int16] | None


class Decoders(Closing):
    """Some children that decode; the methods may be called by as many threads as there are children."""

    def __init__(self, count: int = 1) -> None:
        self._all = [Helper(_MODULE, name="the decoder", failure=AudioError, fix=_FIX) for _ in range(count)]
        self._free: LifoQueue[Helper] = LifoQueue()
        for helper in self._all:
            self._free.put(helper)

    def close(self) -> None:
        """Ends the children."""
        for helper in self._all:
            helper.close()

    def stop(self) -> None:
        """Kills the children, whatever they are doing, so that threads that wait for them go on at once."""
        for helper in self._all:
            helper.stop()

    def read(self, path: Path, sample_rate: int) -> NDArray[np.int16]:
        """Gives a recording as mono int16 at ``sample_rate`` (Hz), as ``read_pcm16`` does.

        Raises: AudioError (exit 3) as ``read_pcm16``, and where the decoder crashes, hangs or takes too much memory.
        """
        import numpy as np

        return np.frombuffer(self._ask("read", path, sample_rate)[1], dtype=np.int16)

    def hear(self, path: Path, sample_rate: int, window: int) -> Sound:
        """Gives what a recording holds, at ``sample_rate`` in windows of ``window`` samples; memory stays bounded.

        Raises: as ``read``.
        """
        import numpy as np

        told, data = self._ask("hear", path, sample_rate, window=window)
        size = 8 * told["windows"]
        energies = np.frombuffer(data[:size], dtype=np.float64).tolist()
        pcm = np.frombuffer(data[size:], dtype=np.int16) if told["whole"] else None
        return Sound(told["samples"], energies, pcm)

    def windows(self, path: Path, sample_rate: int, window: int, starts: Sequence[int]) -> NDArray[np.int16]:
        """Gives the windows of a recording that begin at ``starts`` (ascending), padded with zeros: ``[n, window]``.

        Raises: as ``read``.
        """
        import numpy as np

        _, data = self._ask("windows", path, sample_rate, window=window, starts=list(starts))
        return np.frombuffer(data, dtype=np.int16).reshape(-1, window)

    def write_wav(self, path: Path, sample_rate: int, dest: Path) -> int:
        """Gives the number of samples that were written to ``dest``, a mono PCM16 WAV with a header of 44 bytes.

        Raises: as ``read``; AudioError where it is longer than a WAV may be; OutputRefused (exit 5) where it cannot be
        written.
        """
        told, _ = self._ask("write_wav", path, sample_rate, dest=os.fspath(dest.absolute()))
        return int(told["samples"])

    def _ask(self, work: str, path: Path, sample_rate: int, **more: Any) -> tuple[Mapping[str, Any], bytearray]:
        helper = self._free.get()
        try:
            question = {"work": work, "path": os.fspath(path), "rate": sample_rate, **more}
            return helper.ask(question, where=path, timeout_s=_patience_s(path), most_bytes=_MOST_BYTES)
        finally:
            self._free.put(helper)


def _patience_s(path: Path) -> float:
    try:
        return _TIMEOUT_S + path.stat().st_size / _BYTES_A_SECOND
    except OSError:
        return _TIMEOUT_S


_Answer = tuple[Mapping[str, Any], Iterable[bytes]]


def _decode(question: Mapping[str, Any], _: bytes) -> _Answer:
    from birdnet_deploy.audio.reading import pcm16_blocks

    blocks = pcm16_blocks(Path(question["path"]), question["rate"])
    if question["work"] == "hear":
        return _hear(blocks, question["window"])
    if question["work"] == "windows":
        return {}, _windows(blocks, question["window"], question["starts"])
    if question["work"] == "write_wav":
        return _write_wav(blocks, question["rate"], Path(question["dest"]))
    return {}, (block.tobytes() for block in blocks)


def _hear(blocks: Iterator[NDArray[np.int16]], window: int) -> _Answer:
    import numpy as np

    from birdnet_deploy.audio.windows import energy, windows_of_blocks

    kept: list[NDArray[np.int16]] = []
    samples = 0

    def counted() -> Iterator[NDArray[np.int16]]:
        nonlocal samples
        for block in blocks:
            samples += len(block)
            if samples <= _KEPT_SAMPLES:
                kept.append(block)
            else:
                kept.clear()
            yield block

    energies = np.array([energy(found) for _, found in windows_of_blocks(counted(), window)], dtype=np.float64)
    whole = samples <= _KEPT_SAMPLES
    told = {"samples": samples, "windows": len(energies), "whole": whole}
    return told, [energies.tobytes(), *(block.tobytes() for block in kept)]


def _windows(blocks: Iterator[NDArray[np.int16]], window: int, starts: Sequence[int]) -> Iterator[bytes]:
    from birdnet_deploy.audio.windows import window_at, windows_of_blocks

    wanted = set(starts)
    for start, found in windows_of_blocks(blocks, window):
        if start in wanted:
            yield window_at(found, 0, window).tobytes()


def _write_wav(blocks: Iterator[NDArray[np.int16]], sample_rate: int, dest: Path) -> _Answer:
    samples = 0
    try:
        with dest.open("wb") as file:
            file.write(_wav_header(0, sample_rate))
            for block in blocks:
                samples += len(block)
                if 2 * samples > _MOST_WAV_BYTES:
                    raise AudioError(f"holds more than the {_MOST_WAV_BYTES} bytes of a WAV", fix="cut the recording")
                file.write(block.astype("<i2").tobytes())
            file.seek(0)
            file.write(_wav_header(samples, sample_rate))
    except OSError as error:
        raise OutputRefused(f"cannot be written to the card ({error.strerror})", fix="free some room") from error
    return {"samples": samples}, []


def _wav_header(samples: int, sample_rate: int) -> bytes:
    size = 2 * samples
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + form + struct.pack("<4sI", b"data", size)


if __name__ == "__main__":
    serve(_decode, memory_bytes=_MEMORY_BYTES)
