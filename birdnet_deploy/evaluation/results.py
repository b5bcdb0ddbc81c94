"""What an evaluation gives: a row for each window and engine, a row for each file; the one place that names columns.

``FileResult`` is what the parts of this package hand to each other, one recording at a time: nothing holds them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow

FLOAT, INT8, DEVICE_TWIN = "float", "int8", "device-twin"
ENGINES = (FLOAT, INT8, DEVICE_TWIN)

OK, EMPTY, UNREADABLE, TIMEOUT, CRASHED = STATUSES = ("ok", "empty", "unreadable", "timeout", "crashed")

WINDOW_COLUMNS = (
    "file", "sha256", "window", "offset_s", "engine", "outputs", "logits", "scores", "lock", "kernel",
)  # fmt: skip
FILE_COLUMNS = ("file", "sha256", "status", "detail", "bytes", "sample_rate", "channels", "seconds", "windows")


@dataclass(frozen=True)
class EngineWindows:
    """What one engine gave for the windows of a file.

    ``outputs`` is int8 ``[n, classes]`` as the engine yields them, None for ``float``; ``logits`` is float32
    ``[n, classes]``, what the outputs mean before the activation that the host applies; ``scores`` is float32
    ``[n, classes]`` after it. ``kernel`` says what computed: ``xnnpack``, ``builtin`` or ``c-host``.
    """

    engine: str
    kernel: str
    outputs: NDArray[np.int8] | None
    logits: NDArray[np.float32]
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class FileResult:
    """What one recording gave; ``engines`` is empty unless ``status`` is ``ok``.

    ``file`` is the POSIX path relative to the top of the archive, ``starts_s`` float64 ``[n]`` the offsets of its
    windows in seconds, ``seconds`` its length, ``sample_rate`` (Hz) and ``channels`` those of the file; ``detail`` says
    why where it is not ``ok``.
    """

    file: str
    sha256: str
    status: str
    detail: str
    bytes: int
    sample_rate: int
    channels: int
    seconds: float
    starts_s: NDArray[np.float64]
    engines: tuple[EngineWindows, ...]

    @property
    def windows(self) -> int:
        """The number of its windows."""
        return len(self.starts_s)

    def of(self, engine: str) -> EngineWindows:
        """Gives what one engine gave.

        Raises: KeyError where that engine did not run.
        """
        for found in self.engines:
            if found.engine == engine:
                return found
        raise KeyError(engine)


def window_schema() -> pyarrow.Schema:
    """Gives the Arrow schema of ``results.parquet``; sorted by file, window and engine (in the order of ENGINES)."""
    import pyarrow as pa

    types = {
        "file": pa.string(), "sha256": pa.string(), "window": pa.int32(), "offset_s": pa.float64(),
        "engine": pa.string(), "outputs": pa.list_(pa.int8()), "logits": pa.list_(pa.float32()),
        "scores": pa.list_(pa.float32()), "lock": pa.string(), "kernel": pa.string(),
    }  # fmt: skip
    return pa.schema([(name, types[name]) for name in WINDOW_COLUMNS])
