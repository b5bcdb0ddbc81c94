"""JUnit XML as Jenkins, GitLab and others read it (schema: junit-10.xsd of Jenkins' xUnit plugin).

A rule without findings is a test that passed. A finding is a test of its own: it failed where it is an error, and
passed with its text as output where it is a warning or an info, so that a pipeline stops where ``validate`` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from birdnet_deploy.npu.finding import Finding
from birdnet_deploy.npu.output import Report
from birdnet_deploy.npu.rules import ALL_RULES, BY_ID
from birdnet_deploy.support.printable import printable

_SUITE = "birdnet-deploy validate"


def to_junit(report: Report) -> str:
    """Gives one test suite; nothing in it tells when or where it was made."""
    cases = [*(_finding(finding) for finding in report.result.findings), *_passed(report)]
    errors = report.result.errors
    numbers = {"tests": str(len(cases)), "failures": str(errors), "errors": "0"}
    suites = ElementTree.Element("testsuites", {"name": _SUITE, **numbers})
    suite = ElementTree.SubElement(suites, "testsuite", {"name": _text(report.artifact), **numbers})
    properties = ElementTree.SubElement(suite, "properties")
    for name in ("target", "model_sha256"):
        if report.summary.get(name):
            ElementTree.SubElement(properties, "property", {"name": name, "value": _text(str(report.summary[name]))})
    suite.extend(cases)
    ElementTree.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(suites, encoding="unicode")}\n'


def _finding(finding: Finding) -> ElementTree.Element:
    case = ElementTree.Element("testcase", {"classname": _class(finding.rule), "name": _text(finding.where)})
    text = _text(f"{finding.where}: {finding.message} -> {finding.fix}")
    if finding.severity == "error":
        failure = ElementTree.SubElement(case, "failure", {"type": finding.rule, "message": _text(finding.message)})
        failure.text = text
    else:
        ElementTree.SubElement(case, "system-out").text = f"{finding.severity}: {text}"
    return case


def _passed(report: Report) -> Iterator[ElementTree.Element]:
    """Yields a test for every rule that was checked and found nothing."""
    skipped = {*report.summary.get("rules_skipped", ()), *(finding.rule for finding in report.result.findings)}
    checked = report.summary.get("rules_checked", [rule.id for rule in ALL_RULES])
    for rule_id in checked:
        if rule_id not in skipped and rule_id in BY_ID:
            name = _text(BY_ID[rule_id].summary)
            yield ElementTree.Element("testcase", {"classname": _class(rule_id), "name": name})


def _class(rule_id: str) -> str:
    return f"{rule_id}.{BY_ID[rule_id].name}" if rule_id in BY_ID else _text(rule_id)


def _text(text: str) -> str:
    """Gives text without the characters that XML 1.0 has no form for."""
    return "".join(printable(c) if ord(c) < 32 or 0xD800 <= ord(c) <= 0xDFFF or ord(c) >= 0xFFFE else c for c in text)
