"""An X-CUBE-AI section for a user's ``.ioc``: merged into what is there, never a whole file of our own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def merged_ioc(path: Path, context: Mapping[str, Any]) -> str:
    """Gives the text."""
    raise NotImplementedError(path, context)
