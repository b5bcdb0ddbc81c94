"""The result of a check as text: for a terminal, for programs, and for the three forms that CI systems show.

A writer gets a ``Report`` and gives text; names in it come from untrusted files, so each writer escapes for its form.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from birdnet_deploy.npu.finding import SEVERITIES, ValidationResult

# name -> module of this package; imported when it is used
FORMATS = {
    "text": "text", "json": "plain_json", "jsonl": "plain_json", "github": "github", "junit": "junit", "sarif": "sarif",
}  # fmt: skip


@dataclass(frozen=True)
class Report:
    """A result and how to show it.

    ``artifact`` is the checked path as the user named it. ``statistics`` shows counts per rule instead of findings,
    ``layers`` the table of layers and the arena plan too. ``width`` is that of a terminal; None means lines as long as
    they are.
    """

    result: ValidationResult
    artifact: str
    statistics: bool = False
    layers: bool = False
    colour: bool = False
    width: int | None = None

    @property
    def summary(self) -> Mapping[str, Any]:
        """The facts of the model."""
        return self.result.summary

    def counts_by_rule(self) -> list[tuple[str, str, int]]:
        """Gives rule, severity and number of findings, worst and most first."""
        counts = Counter((finding.severity, finding.rule) for finding in self.result.findings)
        order = sorted(counts, key=lambda key: (SEVERITIES.index(key[0]), -counts[key], key[1]))
        return [(rule, severity, counts[severity, rule]) for severity, rule in order]


def render(report: Report, output_format: str) -> str:
    """Gives a report as text in one of ``FORMATS``, with a final newline where there is any line."""
    module = importlib.import_module(f"birdnet_deploy.npu.output.{FORMATS[output_format]}")
    text: str = getattr(module, f"to_{output_format}")(report)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")  # a lone surrogate is no UTF-8
