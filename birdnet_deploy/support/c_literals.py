"""C literals that mean exactly the value they were made from, whatever the value holds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.errors import InternalError

_PLAIN = frozenset(range(0x20, 0x7F)) - frozenset(b'"\\?%')


def c_string(text: str) -> str:
    """Gives a C11 string literal of the UTF-8 bytes of ``text``.

    Bytes outside plain ASCII, quotes, backslashes, ``?`` (trigraphs) and ``%`` become three-digit octal escapes,
    which end by themselves (hexadecimal ones are greedy).

    Raises: InternalError for a NUL, which would end the string early.
    """
    data = text.encode("utf-8")
    if 0 in data:
        raise InternalError("a NUL in a C string", where=repr(text), fix="refuse such a name where it is read")
    return '"' + "".join(chr(b) if b in _PLAIN else f"\\{b:03o}" for b in data) + '"'


def c_comment(text: str) -> str:
    """Gives ``text`` fit to stand inside a C comment: printable ASCII, no comment end, no trigraph, no line splice."""
    plain = "".join(c if c.isascii() and c.isprintable() else "." for c in text)
    return plain.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?").rstrip("\\")


def c_float(value: float) -> str:
    """Gives a C float literal that reads back as the same float32.

    Raises: InternalError for NaN or infinity.
    """
    return f"{_scientific(np.float32(value))}f"


def _scientific(value: np.floating[Any]) -> str:
    if not math.isfinite(value):
        raise InternalError(f"{value!r} has no C literal", fix="refuse it where it is read")
    return np.format_float_scientific(value, unique=True, trim="0", exp_digits=2)


def c_int(value: int) -> str:
    """Gives a C integer literal; INT32_MIN is written so that it keeps type int."""
    return "(-2147483647 - 1)" if value == -(2**31) else str(int(value))


def c_rows(values: Iterable[str], *, width: int = 110, indent: str = "    ") -> str:
    """Gives comma-separated literals wrapped to ``width`` columns, each line indented, without a final comma."""
    lines: list[str] = []
    line = indent
    for value in values:
        item = f"{value}, "
        if len(line) + len(item) > width and line != indent:
            lines.append(line.rstrip())
            line = indent
        line += item
    lines.append(line.rstrip().rstrip(","))
    return "\n".join(lines)


def c_mask(values: Iterable[int]) -> str:
    """Gives the wrapped bytes of a mask for the body of a macro of several lines, the last one without backslash."""
    return c_rows((f"0x{value:02x}" for value in values), width=100, indent=" " * 8).replace("\n", " \\\n")


def c_float_array(values: Iterable[float]) -> str:
    """Gives the wrapped body of a float array initialiser."""
    return c_rows(c_float(v) for v in values)


def c_real_array(values: NDArray[np.floating[Any]]) -> str:
    """Gives the wrapped body of an initialiser in the array's own precision: float or double literals.

    Raises: InternalError for NaN or infinity.
    """
    if values.dtype == np.float64:
        return c_rows(_scientific(v) for v in values.ravel())
    return c_float_array(values.ravel())


def c_int_array(values: Iterable[int]) -> str:
    """Gives the wrapped body of an integer array initialiser."""
    return c_rows(c_int(int(v)) for v in values)
