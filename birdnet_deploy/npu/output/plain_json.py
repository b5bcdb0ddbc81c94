"""``json``: one object with everything; ``jsonl``: one finding a line."""

from __future__ import annotations

import json
from typing import Any

from birdnet_deploy.npu.output import Report
from birdnet_deploy.support import jsonfile


def to_json(report: Report) -> str:
    """Gives ``{"schema_version": 1, "findings": [...], "summary": {...}}``, with counts by rule where asked for."""
    data: dict[str, Any] = dict(report.result.to_json())
    if report.statistics:
        data["statistics"] = [
            {"rule": rule, "severity": severity, "count": count} for rule, severity, count in report.counts_by_rule()
        ]
    return jsonfile.dumps(data)


def to_jsonl(report: Report) -> str:
    """Gives a line for each finding; a clean model gives nothing."""
    return "".join(
        json.dumps(finding.to_json(), sort_keys=True, ensure_ascii=True) + "\n" for finding in report.result.findings
    )
