"""Objects that are closed when their ``with`` ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """A context manager that gives itself and calls its ``close`` at the end, whatever happened."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of what the object holds; a subclass says what that is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
