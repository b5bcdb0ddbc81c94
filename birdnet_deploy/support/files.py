"""Writing one file whole: beside its place, then renamed, so that a failure leaves what was there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO

from birdnet_deploy.errors import OutputRefused


@contextmanager
def replaced_text(path: Path) -> Iterator[TextIO]:
    """Gives an open UTF-8 text file that becomes ``path`` when the body ends, and vanishes when it raises.

    A pipe or device is written to as it is; of a link the file that it names is replaced.

    Raises: OutputRefused (exit 5) where the folder is missing or not writable.
    """
    with _replaced(path) as file:
        text = TextIOWrapper(file, encoding="utf-8", newline="\n")
        try:
            yield text
            text.flush()
        finally:
            with suppress(OSError):  # what is left after a failure goes nowhere
                text.detach()


@contextmanager
def replaced_bytes(path: Path) -> Iterator[BinaryIO]:
    """Gives an open binary file, as ``replaced_text`` does.

    Raises: as ``replaced_text``.
    """
    with _replaced(path) as file:
        yield file


@contextmanager
def _replaced(path: Path) -> Iterator[BinaryIO]:
    if _is_special(path):  # renamed over, it would be lost to everybody
        try:
            with path.open("wb") as file:
                yield file
        except OSError as error:
            raise _refused(path, error) from error
        return
    try:
        target = path.resolve()  # a link stays one
    except (OSError, RuntimeError) as error:
        raise _refused(path, error) from error
    beside = target.with_name(f".{target.name}.staging-{os.getpid()}")
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        with suppress(OSError):  # the name may be one that no folder takes
            beside.unlink(missing_ok=True)


def _is_special(path: Path) -> bool:
    """Says whether a path is a pipe, device or folder; what cannot be looked at is told when it is opened."""
    try:
        return path.exists() and not path.is_file()
    except OSError:
        return False


def _refused(path: Path, error: OSError | RuntimeError) -> OutputRefused:
    why = error.strerror if isinstance(error, OSError) else "a link to itself"
    return OutputRefused(f"cannot be written ({why})", where=path, fix="name another file")
