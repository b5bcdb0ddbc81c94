"""SARIF 2.1.0 (OASIS), which code scanning of GitHub and others read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from birdnet_deploy import __version__
from birdnet_deploy.npu.finding import Finding
from birdnet_deploy.npu.output import Report
from birdnet_deploy.npu.rules import ALL_RULES, BY_ID
from birdnet_deploy.npu.rules.rule import Rule
from birdnet_deploy.support import jsonfile

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}


def to_sarif(report: Report) -> str:
    """Gives one run with all rules and a result a finding; a tensor or operator is a logical location."""
    index = {rule.id: position for position, rule in enumerate(ALL_RULES)}
    driver = {
        "name": "birdnet-deploy", "semanticVersion": __version__, "rules": [_rule(rule) for rule in ALL_RULES],
    }  # fmt: skip
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True}],
        "artifacts": [{"location": {"uri": _uri(report.artifact)}, **_hashes(report.summary)}],
        "results": [_result(finding, report.artifact, index) for finding in report.result.findings],
        "columnKind": "unicodeCodePoints",
        "properties": {"target": report.summary.get("target"), "counts": dict(report.summary.get("counts", {}))},
    }
    return jsonfile.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(rule: Rule) -> dict[str, Any]:
    limit = f" Limit: {rule.limit}." if rule.limit else ""
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": f"{rule.summary} {rule.why}".strip()},
        "help": {"text": f"{rule.fix}.{limit} Source: {rule.source}."},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(finding: Finding, artifact: str, index: Mapping[str, int]) -> dict[str, Any]:
    place = {
        "physicalLocation": {"artifactLocation": {"uri": _uri(artifact), "index": 0}},
        "logicalLocations": [{"fullyQualifiedName": finding.where, "kind": "element"}],
    }
    known = {"ruleIndex": index[finding.rule]} if finding.rule in BY_ID else {}
    return {
        "ruleId": finding.rule, **known, "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.where}: {finding.message} -> {finding.fix}"},
        "locations": [place],
        "partialFingerprints": {"ruleAndPlace/v1": _fingerprint(finding)},
    }  # fmt: skip


def _fingerprint(finding: Finding) -> str:
    """Gives what stays the same when a message's numbers change: the rule and its place."""
    text = f"{finding.rule}\0{finding.where}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _hashes(summary: Mapping[str, Any]) -> dict[str, Any]:
    return {"hashes": {"sha-256": summary["model_sha256"]}} if summary.get("model_sha256") else {}


def _uri(path: str) -> str:
    """Gives a path as a URI reference: what a URI may not hold is percent-encoded, and no colon makes a scheme."""
    return quote(path.replace("\\", "/"), safe="/", errors="surrogateescape")
