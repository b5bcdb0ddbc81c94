"""Decoding recordings in children with limits: libsndfile and its codecs read files of anybody.

``Decoders`` (parent) starts some children, each of which runs this module and reads many files. What kills a child, or
takes too long or too much memory, is one recording that cannot be decoded.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from queue import LifoQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any

from birdnet_deploy.errors import AudioError
from birdnet_deploy.support.helper import Helper, serve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MODULE = "birdnet_deploy.audio.decoding"
_MEMORY_BYTES = 4 << 30  # of address space; a whole MP3 is decoded in one piece
_MOST_BYTES = 8 << 30  # of one recording: a day at 48 kHz
_TIMEOUT_S, _BYTES_A_SECOND = 120.0, 1 << 20  # for any file, and more for a long one
_FIX = "mend, convert or remove the file"


class Decoders:
    """Some children that decode; ``read`` may be called by as many threads as there are."""

    def __init__(self, count: int = 1) -> None:
        self._all = [Helper(_MODULE, name="the decoder", failure=AudioError, fix=_FIX) for _ in range(count)]
        self._free: LifoQueue[Helper] = LifoQueue()
        for helper in self._all:
            self._free.put(helper)

    def __enter__(self) -> Decoders:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

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

        helper = self._free.get()
        try:
            question = {"path": os.fspath(path), "rate": sample_rate}
            _, data = helper.ask(question, where=path, timeout_s=_patience_s(path), most_bytes=_MOST_BYTES)
        finally:
            self._free.put(helper)
        return np.frombuffer(data, dtype=np.int16)


def _patience_s(path: Path) -> float:
    try:
        return _TIMEOUT_S + path.stat().st_size / _BYTES_A_SECOND
    except OSError:
        return _TIMEOUT_S


def _decode(question: Mapping[str, Any], _: bytes) -> tuple[Mapping[str, Any], Iterable[bytes]]:
    from birdnet_deploy.audio.reading import pcm16_blocks

    def blocks() -> Iterator[bytes]:
        for block in pcm16_blocks(Path(question["path"]), question["rate"]):
            yield block.tobytes()

    return {}, blocks()


if __name__ == "__main__":
    serve(_decode, memory_bytes=_MEMORY_BYTES)
