"""A text file that grows line by line and holds whole lines only, whenever its writer dies."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from birdnet_deploy.errors import OutputRefused


class LineFile:
    """Replaces ``path`` when it is made; each ``write`` hands one whole line to the system at once.

    Raises: OutputRefused (exit 5) where the file cannot be opened or takes no more; the lines before stay.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise self._refused(error) from error
        self._size = 0

    def write(self, line: str) -> None:
        """Appends a line; its end is added."""
        self.write_bytes(line.encode("utf-8", "backslashreplace") + b"\n")

    def write_bytes(self, data: bytes) -> None:
        """Appends bytes as they are."""
        try:
            written = self._file.write(data)
            while written < len(data):  # a disk that is nearly full, a pipe
                written += self._file.write(data[written:])
        except OSError as error:
            with suppress(OSError):  # a pipe has no length
                os.ftruncate(self._file.fileno(), self._size)
            raise self._refused(error) from error
        self._size += len(data)

    def close(self) -> None:
        """Closes the file, its lines on the disk."""
        if self._file.closed:
            return
        with suppress(OSError):
            os.fsync(self._file.fileno())
        self._file.close()

    def _refused(self, error: OSError) -> OutputRefused:
        return OutputRefused(f"cannot be written ({error.strerror})", where=self.path, fix="name another file")
