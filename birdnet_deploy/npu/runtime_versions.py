"""Which LL_ATON and NetworkRuntime a file is of, or was made for: said once, for rules, ``doctor`` and ``build``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from birdnet_deploy.support.inputs import open_input

_HEAD_BYTES = 1 << 16
_OWN_MACRO = re.compile(r"LL_ATON_VERSION_(MAJOR|MINOR|MICRO|DEV)\s*!=\s*\(?(\d+)")
_DEFINED = re.compile(r"#define\s+LL_ATON_VERSION_(MAJOR|MINOR|MICRO|DEV)\s+\(?(\d+)")
_RUNTIME = re.compile(r"NetworkRuntime(\d+)_CM55_GCC\.a$")


def wanted_ll_aton(source: Path) -> str | None:
    """Gives the LL_ATON that a generated C file was made for (``1.1.1-14``), None where it names none."""
    return _joined(_OWN_MACRO.findall(read_head(source)))


def defined_ll_aton(header: Path) -> str | None:
    """Gives the LL_ATON of a ``ll_aton_version.h``, None where it is none."""
    return _joined(_DEFINED.findall(read_head(header)))


def library_runtime(library: Path) -> str | None:
    """Gives the number in the name of a NetworkRuntime for the Cortex-M55, None for other files."""
    found = _RUNTIME.search(library.name)
    return found[1] if found else None


def read_head(path: Path) -> str:
    """Gives the first 64 KiB of a text, empty where it cannot be read."""
    try:
        with open_input(path) as file:
            return file.read(_HEAD_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _joined(pairs: Sequence[tuple[str, str]]) -> str | None:
    parts = dict(pairs)
    if not {"MAJOR", "MINOR", "MICRO"}.issubset(parts):
        return None
    dev = f"-{parts['DEV']}" if "DEV" in parts else ""
    return f"{parts['MAJOR']}.{parts['MINOR']}.{parts['MICRO']}{dev}"
