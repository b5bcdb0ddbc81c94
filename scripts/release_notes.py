#!/usr/bin/env python3
"""Prints the release notes of a version (the newest without one): its section of CHANGELOG.md."""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parents[1] / "CHANGELOG.md"


def sections() -> dict[str, str]:
    """Gives version -> notes, newest first."""
    parts = re.split(r"^## \[(.+?)\].*$", CHANGELOG.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {version: notes.strip() for version, notes in zip(parts[::2], parts[1::2], strict=True)}


if __name__ == "__main__":
    found = sections()
    asked = sys.argv[1] if len(sys.argv) > 1 else next(iter(found))
    if asked not in found:
        sys.exit(f"error: CHANGELOG.md has no version {asked} -> one of {', '.join(found)}")
    print(found[asked])
