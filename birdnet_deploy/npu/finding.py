"""What a check gives: findings and what was looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True)
class Finding:
    """One violation of one rule at one place; ``reason`` says why its severity is not the rule's own."""

    rule: str
    severity: Severity
    message: str
    where: str
    fix: str
    reason: str = ""

    def to_json(self) -> dict[str, str]:
        """Gives the mapping that JSON output holds."""
        return {
            "rule": self.rule, "severity": self.severity, "message": self.message, "where": self.where,
            "fix": self.fix,
        }  # fmt: skip


@dataclass(frozen=True)
class ValidationResult:
    """The findings, worst first, and the facts of the model."""

    findings: tuple[Finding, ...]
    summary: Mapping[str, Any]

    @property
    def errors(self) -> int:
        """The number of findings that are errors."""
        return sum(finding.severity == "error" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Gives the mapping that ``--output-format json`` prints."""
        return {
            "schema_version": 1,
            "findings": [finding.to_json() for finding in self.findings],
            "summary": dict(self.summary),
        }
