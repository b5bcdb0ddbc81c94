"""A readback that was saved: the .jsonl of ``monitor`` and ``run``, a raw log of the line, or the logs on a card."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.errors import ProtocolError, UsageError
from birdnet_deploy.readback.framing import FrameParser
from birdnet_deploy.readback.identity import Identity
from birdnet_deploy.readback.ledger import Ledger
from birdnet_deploy.readback.session import session_result
from birdnet_deploy.readback.stage import Stage
from birdnet_deploy.support.inputs import open_input

CARD_LOGS = "BN[0-9][0-9][0-9][0-9][0-9][0-9].LOG"
_CHUNK_BYTES = 65_536
_FIX = "name what monitor --save, monitor --raw or run --save wrote"


@dataclass(frozen=True)
class SavedWindow:
    """One window as it was saved; ``file`` is the original's path or the name on the card."""

    file: str
    win: int
    start: int
    outputs: NDArray[np.int8]


@dataclass(frozen=True)
class Readback:
    """What a board said, whole or in part; ``problems`` keep it from being whole, ``fw`` is the firmware's name."""

    windows: tuple[SavedWindow, ...]
    stages: tuple[Stage, ...]
    problems: tuple[str, ...]
    fw: str | None = None


def read_saved(path: Path, identity: Identity, sample_rate: int) -> Readback:
    """Gives a saved readback: ``.jsonl``, the bytes of the line, or a card's folder with its BN000001.LOG.

    Raises: UsageError (2) where it cannot be read, BoardError (7) where a log is of another model or lock,
    ProtocolError (8) where it is of another version of the protocol or no readback at all.
    """
    paths = sorted(path.glob(CARD_LOGS)) if path.is_dir() else [path]
    if not paths:
        raise UsageError("neither a bundle nor a card with logs", where=path, fix=_FIX)
    if path.suffix != ".jsonl" and any(b"@BN1 " in chunk for found in paths for chunk in _chunks(found)):
        return _read_log(paths, identity)
    return _read_lines(path, identity.classes, sample_rate)


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with open_input(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", where=path, fix=_FIX) from error


def _read_log(paths: Sequence[Path], identity: Identity) -> Readback:
    parser, ledger = FrameParser(), Ledger(identity)
    for path in paths:
        for chunk in _chunks(path):
            for event in parser.feed(chunk):
                ledger.take(event)
    for event in parser.finish():
        ledger.take(event)
    ended = [] if ledger.boot.bye is not None else ["no bye: the log ends before"]
    session = session_result(ledger, ended, "record it again")
    told = [f"the board says: {error.text}" for error in session.errors]
    windows = tuple(SavedWindow(found.file, found.win, found.start, found.outputs) for found in session.inferences)
    return Readback(windows, session.stages, (*session.problems, *told), session.hello.fw if session.hello else None)


def _read_lines(path: Path, classes: int, sample_rate: int) -> Readback:
    windows, marked = [], 0
    for number, line in enumerate(b"".join(_chunks(path)).split(b"\n"), 1):
        if not line.strip():
            continue
        window, incomplete = _window(line, f"{path}, line {number}", classes, sample_rate)
        windows.append(window)
        marked += incomplete
    problems = (f"{marked} windows are marked incomplete",) if marked else ()
    return Readback(tuple(windows), (), problems)


def _window(line: bytes, where: str, classes: int, sample_rate: int) -> tuple[SavedWindow, bool]:
    try:
        data: dict[str, Any] = json.loads(line)
        outputs = data["outputs"]
        start = data["start"] if "start" in data else round(data["start_s"] * sample_rate)
        numbers = [*outputs, data["win"], start]
        if not isinstance(data["file"], str) or any(type(value) is not int for value in numbers):
            raise TypeError
        data["file"].encode()  # half a surrogate pair is no name that could be shown
        if any(not -128 <= value <= 127 for value in outputs):
            raise ValueError
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise ProtocolError("not a saved window", where=where, fix=_FIX) from error
    if len(outputs) != classes:
        raise ProtocolError(
            f"{len(outputs)} outputs, the bundle has {classes} classes", where=where, fix="name its own bundle"
        )
    window = SavedWindow(data["file"], data["win"], start, np.array(outputs, dtype=np.int8))
    return window, data.get("incomplete") is True
