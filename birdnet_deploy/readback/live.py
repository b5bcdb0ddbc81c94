"""The records that tell how a board is and that answer commands: stat, log, ack, done (docs/protocol.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from birdnet_deploy.readback.records import Unknown

_STAT_NEEDED = ("up_ms", "dropped")
_STAT_OPTIONAL = ("last", "stack", "rx_bad")


@dataclass(frozen=True)
class Stat:
    """How the board is: ``up_s`` since boot, ``stack`` bytes never used, ``temperature`` in degrees Celsius."""

    up_s: float
    dropped: int
    last: int | None
    stack: int | None
    rx_bad: int | None
    temperature: float | None


@dataclass(frozen=True)
class Log:
    """A line for people."""

    level: str
    text: str


@dataclass(frozen=True)
class Ack:
    """The answer to the command with the number ``re``; ``code`` 0, or why not."""

    re: int
    code: int
    reason: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Done:
    """The end of what the command ``re`` began."""

    re: int
    windows: int
    code: int


def live_record(record: Unknown) -> Stat | Log | Ack | Done | None:
    """Gives the typed record; None for another type, or one whose fields are not as specified."""
    fields = record.fields
    if record.kind == "stat":
        return _stat(fields)
    if record.kind == "log" and isinstance(fields.get("text"), str):
        level = fields.get("level")
        return Log(level if isinstance(level, str) else "info", fields["text"])
    if record.kind == "ack" and _is_count(fields.get("re")) and type(fields.get("code")) is int:
        return Ack(fields["re"], fields["code"], str(fields.get("reason", "")), fields)
    if record.kind == "done" and _is_count(fields.get("re")) and _is_count(fields.get("windows")):
        code = fields.get("code", 0)
        return Done(fields["re"], fields["windows"], code) if type(code) is int else None
    return None


def _stat(fields: Mapping[str, Any]) -> Stat | None:
    if not all(_is_count(fields.get(key)) for key in _STAT_NEEDED):
        return None
    last, stack, rx_bad = (fields.get(key) if _is_count(fields.get(key)) else None for key in _STAT_OPTIONAL)
    temperature = fields.get("temp_mc")
    return Stat(
        up_s=fields["up_ms"] / 1000,
        dropped=fields["dropped"],
        last=last,
        stack=stack,
        rx_bad=rx_bad,
        temperature=temperature / 1000 if type(temperature) is int else None,
    )


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0
