"""Progress of long steps: library code tells a ``Progress``; only the command line decides how it looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """What a long step may say while it works."""

    def step(self, text: str) -> None:
        """Begins a named step."""

    def advance(self, done: int, total: int) -> None:
        """Tells how far the step is, in items."""

    def warn(self, text: str) -> None:
        """Says something that the user should know and that does not stop the work."""


class Silent:
    """Says nothing: for tests and library use."""

    def step(self, text: str) -> None:
        """Ignores the step."""

    def advance(self, done: int, total: int) -> None:
        """Ignores the count."""

    def warn(self, text: str) -> None:
        """Ignores the warning."""


def counted(items: Iterable[T], total: int, progress: Progress) -> Iterator[T]:
    """Yields ``items`` and tells ``progress`` after each."""
    for done, item in enumerate(items, 1):
        yield item
        progress.advance(done, total)
