"""Programs that stand in for external tools."""

from __future__ import annotations

from pathlib import Path


def script(path: Path, body: str) -> Path:
    """Writes a program that stands in for an external tool."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path
