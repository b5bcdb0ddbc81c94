"""Choosing rules, and giving findings another severity with a reason: settings, profile files, command line."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

from birdnet_deploy.errors import ConfigError, UsageError
from birdnet_deploy.npu.data import read_target
from birdnet_deploy.npu.finding import SEVERITIES, Finding, Severity
from birdnet_deploy.npu.rules import ALL_RULES, BY_ID
from birdnet_deploy.npu.rules.rule import Rule
from birdnet_deploy.support.inputs import read_input_text

IGNORE = "ignore"
_REQUIRED = ("rule", "to", "reason")
_PROFILE_KEYS = ("select", "ignore", "lower")


@dataclass(frozen=True)
class Lowering:
    """What findings of a rule count as: ``to`` is error, warning, info or ignore, ``reason`` says why.

    ``rule`` is an id or a prefix. ``where`` is a pattern with ``*`` for the finding's place, ``target`` the one board
    for which it holds; both empty for all.
    """

    rule: str
    to: str
    reason: str
    where: str = ""
    target: str = ""

    def holds(self, finding: Finding, target: str) -> bool:
        """Says whether a finding is one of those."""
        meant = finding.rule.startswith(self.rule.upper()) and self.target in ("", target)
        return meant and (not self.where or fnmatchcase(finding.where, self.where))


@dataclass(frozen=True)
class Profile:
    """Which rules are asked, and what their findings count as."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    lower: tuple[Lowering, ...] = ()

    def rules(self) -> tuple[Rule, ...]:
        """Gives the rules whose id begins with a selected prefix (all, where none is) and with no ignored one.

        Raises: UsageError (exit 2) for a prefix that no rule has, with the nearest id.
        """
        chosen = _matching(self.select) if self.select else {rule.id for rule in ALL_RULES}
        chosen -= _matching(self.ignore)
        return tuple(rule for rule in ALL_RULES if rule.id in chosen)

    def and_(self, other: Profile) -> Profile:
        """Gives both: the selection of ``other`` where it has one; what comes first decides on a severity."""
        return Profile(
            other.select or self.select, (*other.ignore, *self.ignore), (*other.lower, *self.lower)
        )  # fmt: skip


def apply(
    findings: Iterable[Finding], lowerings: Sequence[Lowering], target: str
) -> tuple[list[Finding], list[dict[str, str]]]:
    """Gives the findings as they count, and a row for each that was changed: rule, where, from, to, reason."""
    kept: list[Finding] = []
    changed: list[dict[str, str]] = []
    for finding in findings:
        found = next((lowering for lowering in lowerings if lowering.holds(finding, target)), None)
        if found is None or found.to == finding.severity:
            kept.append(finding)
            continue
        changed.append({
            "rule": finding.rule, "where": finding.where, "from": finding.severity, "to": found.to,
            "reason": found.reason,
        })  # fmt: skip
        if found.to != IGNORE:
            kept.append(replace(finding, severity=cast(Severity, found.to), reason=found.reason))
    return kept, changed


def parse_lowerings(rows: Any, where: object) -> tuple[Lowering, ...]:
    """Gives the checked rows of ``[[rules.lower]]``.

    Raises: ConfigError (exit 2) for an unknown key, rule, severity or target, and where there is no reason.
    """
    if not isinstance(rows, (list, tuple)) or not all(isinstance(row, Mapping) for row in rows):
        raise ConfigError("lower is no list of tables", where=where, fix="write [[rules.lower]] before each")
    return tuple(_lowering(row, where) for row in rows)


def _lowering(row: Mapping[str, Any], where: object) -> Lowering:
    known = [field.name for field in fields(Lowering)]
    for key, value in row.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"valid: {', '.join(known)}"
            raise ConfigError(f"unknown key {key!r} in rules.lower", where=where, fix=hint)
        if not isinstance(value, str) or not value.strip():
            raise ConfigError(f"{key} of rules.lower is {value!r}, not a text", where=where, fix="write it in quotes")
    missing = [key for key in _REQUIRED if key not in row]
    if missing:
        raise ConfigError(f"rules.lower has no {missing[0]}", where=where, fix=f"add {missing[0]} to it")
    lowering = Lowering(**row)
    if lowering.to not in (*SEVERITIES, IGNORE):
        fix = f"valid: {', '.join((*SEVERITIES, IGNORE))}"
        raise ConfigError(f"rules.lower of {lowering.rule} has to {lowering.to!r}", where=where, fix=fix)
    try:
        _matching([lowering.rule])
        if lowering.target:
            read_target(lowering.target)
    except UsageError as error:
        raise ConfigError(f"rules.lower: {error.what}", where=where, fix=error.fix) from error
    return lowering


def read_profile(path: Path) -> Profile:
    """Gives the profile of a TOML file: ``select``, ``ignore`` and ``[[lower]]``.

    Raises: ConfigError (exit 2) where it cannot be read or holds something else.
    """
    try:
        data = tomllib.loads(read_input_text(path))
    except (OSError, ValueError) as error:
        raise ConfigError(f"not readable TOML ({error})", where=path, fix="name a profile of rules") from error
    for key in data:
        if key not in _PROFILE_KEYS:
            raise ConfigError(f"unknown key {key!r}", where=path, fix=f"valid: {', '.join(_PROFILE_KEYS)}")
    names = [data.get(key, []) for key in ("select", "ignore")]
    if not all(isinstance(value, list) and all(isinstance(name, str) for name in value) for value in names):
        raise ConfigError("select and ignore are lists of rule ids", where=path, fix='for example ignore = ["BD203"]')
    return Profile(tuple(names[0]), tuple(names[1]), parse_lowerings(data.get("lower", []), path))


def _matching(prefixes: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for prefix in prefixes:
        ids = {rule_id for rule_id in BY_ID if prefix and rule_id.startswith(prefix.upper())}
        if not ids:
            raise UsageError(f"unknown rule {prefix!r}", fix=suggestion(prefix))
        found |= ids
    return found


def suggestion(rule_id: str) -> str:
    """Gives what to type instead of a rule id that there is not."""
    group = [known for known in BY_ID if known.startswith(rule_id.upper()[:3])]
    near = difflib.get_close_matches(rule_id.upper(), group or BY_ID, n=1)
    return f"did you mean {near[0]}?" if near else "birdnet-deploy rule --all lists them"
