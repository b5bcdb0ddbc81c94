"""One recording's results as bytes: what a worker sends, and what the journal keeps.

A record is a length (4 bytes), JSON of that length, and for each engine of the job its outputs, ``[windows, classes]``:
int8 as the engine gave them, float32 for ``float``. Logits and scores follow from them and are not stored.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.errors import ModelError
from birdnet_deploy.evaluation.jobs import Job, Meaning
from birdnet_deploy.evaluation.results import FLOAT, OK, STATUSES, EngineWindows, FileResult
from birdnet_deploy.tflite.interpreter import QuantParams
from birdnet_deploy.tflite.scores import activate

GONE = "gone"  # of a journal only: the recording is not in the archive any more
_LENGTH = struct.Struct("<I")
_FIX = "the journal was edited: evaluate again with --force"


@dataclass(frozen=True)
class Head:
    """What a record says of its file; ``samples`` (at the model's rate) and ``windows`` are 0 unless it is ``ok``.

    ``bytes`` and ``mtime_ns`` tell whether the file is still the same when a run is resumed.
    """

    file: str
    sha256: str
    status: str
    detail: str = ""
    bytes: int = 0
    mtime_ns: int = 0
    sample_rate: int = 0
    channels: int = 0
    samples: int = 0
    windows: int = 0


def encode(head: Head, outputs: Sequence[NDArray[Any]] = ()) -> bytes:
    """Gives the record of a file; ``outputs`` are ``[windows, classes]``, one array an engine in the job's order."""
    told = json.dumps(asdict(head), sort_keys=True, separators=(",", ":")).encode("ascii")
    blobs = [np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes() for values in outputs]
    return b"".join([_LENGTH.pack(len(told)), told, *blobs])


def head_of(record: bytes) -> Head:
    """Gives what a record says of its file.

    Raises: ModelError (exit 3) where it is no record.
    """
    try:
        (length,) = _LENGTH.unpack_from(record)
        head = Head(**json.loads(record[4 : 4 + length]))
        for field in fields(Head):
            value = getattr(head, field.name)
            if type(value).__name__ != field.type or (type(value) is int and not 0 <= value < 1 << 63):
                raise ValueError(f"{field.name} is {value!r:.40}")
        if head.status not in (*STATUSES, GONE):
            raise ValueError(f"status is {head.status!r:.40}")
        return head
    except (struct.error, ValueError, TypeError, RecursionError) as error:
        raise ModelError(f"a record that is none ({error})", where="the journal", fix=_FIX) from error


def decode(record: bytes, job: Job, kernels: Mapping[str, str]) -> FileResult:
    """Gives the results of a record; ``kernels`` says what computed each engine.

    Raises: ModelError (exit 3) where it does not hold what the job asks for.
    """
    head = head_of(record)
    place = 4 + _LENGTH.unpack_from(record)[0]
    engines = []
    shape = (head.windows, job.meaning.classes)
    for engine in job.engines if head.status == OK else ():
        kind = np.dtype("<f4") if engine == FLOAT else np.dtype("i1")
        size = shape[0] * shape[1] * kind.itemsize
        if place + size > len(record):
            raise ModelError("a record that is too short", where=shown_name(head.file), fix=_FIX)
        values = np.frombuffer(record, kind, shape[0] * shape[1], place).reshape(shape)
        engines.append(_meant(engine, values, job.meaning, kernels[engine]))
        place += size
    rate, window = job.model_config.sample_rate, job.model_config.window_samples
    if head.samples > head.windows * job.hop + window:  # starts of which there would be no end
        raise ModelError("a record of another job", where=shown_name(head.file), fix=_FIX)
    starts = job.starts(head.samples) if head.status == OK else []
    if place != len(record) or len(starts) != head.windows:
        raise ModelError("a record of another job", where=shown_name(head.file), fix=_FIX)
    return FileResult(
        file=shown_name(head.file), sha256=head.sha256, status=head.status, detail=head.detail, bytes=head.bytes,
        sample_rate=head.sample_rate, channels=head.channels, seconds=head.samples / rate,
        starts_s=np.asarray(starts, np.float64) / rate, engines=tuple(engines),
    )  # fmt: skip


def _meant(engine: str, values: NDArray[Any], meaning: Meaning, kernel: str) -> EngineWindows:
    """Gives logits and scores of what an engine gave."""
    if engine == FLOAT:
        logits, activation, outputs = values.astype(np.float32), meaning.float_activation, None
    else:
        outputs, activation = values, meaning.activation
        logits = QuantParams(meaning.scale, meaning.zero_point).dequantize(values)
    scores = activate(logits, activation).astype(np.float32)
    return EngineWindows(engine, kernel, outputs, logits, scores)


def shown_name(name: str) -> str:
    """Gives a name as tables have it: UTF-8, bytes of a name that is none as ``\\xNN``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
