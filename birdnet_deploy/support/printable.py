"""Text of others (file names, tensors, labels), fit for one line of a terminal or a file."""

from __future__ import annotations


def printable(text: str) -> str:
    """Gives a text on one line; control characters are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
