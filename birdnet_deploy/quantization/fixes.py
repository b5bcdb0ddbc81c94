"""What would help a tensor that int8 hurts, from the table ``fixes.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

ENOUGH_DB = 40.0  # a tensor that costs the logits less needs no fix


@dataclass(frozen=True)
class Symptoms:
    """What is known of a tensor: its role in the int8 network, figures in dB (None: no noise at all) and shares."""

    role: str  # input | output | inner
    alone_db: float | None
    local_db: float | None
    weights_db: float | None
    below_half_step: float
    clipped: float


def fix_of(found: Symptoms, cut: str | None) -> str | None:
    """Gives what would help; None where little is lost. ``cut`` is the first cut behind the tensor, if any."""
    if found.alone_db is None or found.alone_db >= ENOUGH_DB:
        return None
    return next((entry["text"].format(cut=cut) for entry in _table() if _holds(entry, found, cut)), None)


def _holds(entry: dict[str, Any], found: Symptoms, cut: str | None) -> bool:
    if entry.get("role", found.role) != found.role or (entry.get("cut", False) and cut is None):
        return False
    figures = {
        "below_half_step": found.below_half_step, "clipped": found.clipped,
        "weights": _loud(found.weights_db), "local": _loud(found.local_db),
    }  # fmt: skip
    above = all(value > entry[f"{name}_above"] for name, value in figures.items() if f"{name}_above" in entry)
    return above and all(value < entry[f"{name}_below"] for name, value in figures.items() if f"{name}_below" in entry)


def _loud(decibel: float | None) -> float:
    return float("inf") if decibel is None else decibel


@lru_cache(maxsize=1)
def _table() -> list[dict[str, Any]]:
    data = tomllib.loads(Path(__file__).with_name("fixes.toml").read_text(encoding="utf-8"))
    entries: list[dict[str, Any]] = data["fix"]
    return entries
