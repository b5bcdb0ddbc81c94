"""JSON as this project writes it: sorted keys, two spaces, UTF-8, a final newline; same data, same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def dumps(data: Any) -> str:
    """Gives ``data`` as deterministic text.

    Raises: ValueError for NaN or infinity, which JSON has no form for.
    """
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def write(path: Path, data: Any) -> None:
    """Writes ``data`` to ``path``; call it inside a staged folder (``support.publish``)."""
    path.write_text(dumps(data), encoding="utf-8", newline="\n")
