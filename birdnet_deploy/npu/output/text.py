"""Text for people: a line a finding in a pipe, a table on a terminal, then what was judged, estimated and measured."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from birdnet_deploy.npu.finding import Finding
from birdnet_deploy.npu.output import Report
from birdnet_deploy.npu.output.facts_text import engine_lines, estimate_lines, layer_lines, measured_lines, totals
from birdnet_deploy.npu.rules import BY_ID
from birdnet_deploy.support.printable import printable

_COLOURS = {"error": "31", "warning": "33", "info": "36"}
_NAME_LENGTH = 100  # the converter joins the names of fused operators; JSON has them whole
_RULE_COLUMNS = 7  # BD105 and two spaces
_SEVERITY_COLUMNS = 9
_NARROWEST = 60  # a terminal below this breaks lines by itself


def to_text(report: Report) -> str:
    """Gives findings worst first (or counts by rule), notes, estimate, what was measured, and a line of totals."""
    lines = [*(_statistics(report) if report.statistics else _findings(report))]
    lines += _wrapped((f"note: {note}" for note in report.summary.get("notes", ())), report.width)
    lines += _wrapped(_lowered(report.summary.get("lowered", ())), report.width)
    if report.layers:
        lines += layer_lines(report.summary.get("estimate"))
        lines += engine_lines(report.summary.get("engine"))
    lines += _wrapped(estimate_lines(report.summary), report.width)
    lines += measured_lines(report.summary)
    lines += _wrapped([totals(report.summary)], report.width)
    return "".join(f"{line}\n" for line in lines)


def _findings(report: Report) -> Iterator[str]:
    if report.width is None or report.width < _NARROWEST:
        yield from (_line(finding, report.colour) for finding in report.result.findings)
        return
    findings = report.result.findings
    for position, finding in enumerate(findings):
        following = findings[position + 1] if position + 1 < len(findings) else None
        alike = following is not None and (following.rule, following.fix) == (finding.rule, finding.fix)
        yield from _block(finding, report.width, report.colour, show_fix=not alike)


def _line(finding: Finding, colour: bool) -> str:
    """Gives a finding on one line, as ``grep`` likes it."""
    severity = _coloured(finding.severity, finding.severity, colour)
    text = printable(f"{_shortened(finding.where, _NAME_LENGTH)}: {finding.message} -> {finding.fix}")
    return f"{finding.rule} {severity} {text}"


def _block(finding: Finding, width: int, colour: bool, *, show_fix: bool) -> Iterator[str]:
    """Yields the lines of a finding in columns; what to do stands once below findings of one rule."""
    margin = " " * (_RULE_COLUMNS + _SEVERITY_COLUMNS)
    head = f"{finding.rule:<{_RULE_COLUMNS}}"
    severity = _coloured(f"{finding.severity:<{_SEVERITY_COLUMNS}}", finding.severity, colour)
    yield f"{head}{severity}{_shortened(printable(finding.where), width - len(margin))}"
    texts = [printable(finding.message)]
    if show_fix:
        texts.append(f"-> {printable(finding.fix)}")
    for text in texts:
        yield from textwrap.wrap(text, width, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False)


def _shortened(name: str, length: int) -> str:
    return name if len(name) <= length else f"{name[: length - 3]}..."


def _statistics(report: Report) -> Iterator[str]:
    counts = report.counts_by_rule()
    columns = max((len(str(count)) for _, _, count in counts), default=1)
    for rule, severity, count in counts:
        name = BY_ID[rule].name if rule in BY_ID else ""
        yield f"{count:>{columns}} {rule} {_coloured(severity, severity, report.colour)} {name}".rstrip()


def _lowered(lowered: Sequence[Mapping[str, str]]) -> Iterator[str]:
    for entry in lowered:
        text = f"{entry['rule']} {entry['where']}: {entry['from']} taken as {entry['to']}, because {entry['reason']}"
        yield f"note: {printable(text)}"


def _coloured(text: str, severity: str, colour: bool) -> str:
    return f"\x1b[{_COLOURS[severity]}m{text}\x1b[0m" if colour else text


def _wrapped(lines: Iterator[str] | Sequence[str], width: int | None) -> list[str]:
    if width is None or width < _NARROWEST:
        return list(lines)
    return [part for line in lines for part in textwrap.wrap(line, width, subsequent_indent="  ") or [""]]
