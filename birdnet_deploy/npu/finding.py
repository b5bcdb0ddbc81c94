"""What a check gives: findings and what was looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True)
class Finding:
    """One violation of one rule at one place."""

    rule: str
    severity: Severity
    message: str
    where: str
    fix: str

    def to_json(self) -> dict[str, str]:
        """Gives the mapping that JSON output holds."""
        return asdict(self)


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
