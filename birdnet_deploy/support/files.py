"""Writing one file whole: beside its place, then renamed, so that a failure leaves what was there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from birdnet_deploy.errors import OutputRefused


@contextmanager
def replaced_text(path: Path) -> Iterator[TextIO]:
    """Gives an open UTF-8 text file that becomes ``path`` when the body ends, and vanishes when it raises.

    Raises: OutputRefused (exit 5) where the folder is missing or not writable.
    """
    beside = path.with_name(f".{path.name}.staging-{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise OutputRefused(f"cannot be written ({error.strerror})", where=path, fix="name another file") from error
    finally:
        beside.unlink(missing_ok=True)
