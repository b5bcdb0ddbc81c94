"""GitHub's workflow commands: a finding becomes an annotation of the pull request.

Form and escapes: docs.github.com, "Workflow commands for GitHub Actions"; actions/toolkit escapes data and properties
in the same way.
"""

from __future__ import annotations

from birdnet_deploy.npu.output import Report
from birdnet_deploy.npu.rules import BY_ID
from birdnet_deploy.support.printable import printable

_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def to_github(report: Report) -> str:
    """Gives an annotation a finding; a command ends at its line, so nothing in it may break the line."""
    lines = []
    for finding in report.result.findings:
        rule = BY_ID.get(finding.rule)
        title = f"{finding.rule} {rule.name}" if rule else finding.rule
        text = f"{finding.where}: {finding.message} -> {finding.fix}"
        properties = f"file={_property(report.artifact)},title={_property(title)}"
        lines.append(f"::{_COMMANDS[finding.severity]} {properties}::{_data(text)}\n")
    return "".join(lines)


def _data(text: str) -> str:
    """Escapes the text of a command; what is no percent sign and cannot be printed is shown as an escape."""
    return printable(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
