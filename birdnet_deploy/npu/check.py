"""Checking a model: every rule over one subject, all findings at once. Nothing is printed here."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from birdnet_deploy.npu.data import DEFAULT_TARGET, operators, read_target
from birdnet_deploy.npu.estimate import estimate_of
from birdnet_deploy.npu.finding import SEVERITIES, Finding, ValidationResult
from birdnet_deploy.npu.profile import Lowering, Profile, apply
from birdnet_deploy.npu.rendered import is_project, read_rendered
from birdnet_deploy.npu.rules import ALL_RULES
from birdnet_deploy.npu.rules.rule import Rule
from birdnet_deploy.npu.subject import Subject, open_subject
from birdnet_deploy.tflite.reader import Tensor

_SKIPPED = {
    "graph": "no model: what a graph shows was not checked",
    "int8": "not quantized: scales and dtypes were not checked; validate the bundle that convert makes",
    "contract": "no bundle: labels, config and lock were not checked",
    "lock": "no bundle: nothing says by its hash that model, labels and config belong together",
    "evidence": "", "project": "", "run": "", "versions": "",
}  # fmt: skip


def check_path(
    path: Path, *, target: str = DEFAULT_TARGET, select: Sequence[str] = (), ignore: Sequence[str] = (),
    lower: Sequence[Lowering] = (),
) -> ValidationResult:  # fmt: skip
    """Gives what the rules find in whatever ``open_subject`` opens, worst first.

    ``select`` and ``ignore`` are rule ids or prefixes of ids (``BD2``), ``lower`` gives findings another severity.
    What is not there to be checked is said in ``summary["notes"]``.

    Raises: UsageError (exit 2) for a path, target or rule that is not there; ModelError (exit 3) for a
    model that cannot be read.
    """
    profile = Profile(tuple(select), tuple(ignore), tuple(lower))
    rules = profile.rules()
    return check_subject(open_subject(path, read_target(target)), rules, profile.lower)


def check_subject(
    subject: Subject, rules: Sequence[Rule] = ALL_RULES, lower: Sequence[Lowering] = ()
) -> ValidationResult:
    """Gives what the given rules find in an opened subject, worst first."""
    asked = [rule for rule in rules if rule.concerns(subject)]
    applying = [rule for rule in asked if rule.applies(subject)]
    found = [finding for rule in applying for finding in rule.check(subject)]
    findings, lowered = apply(found, lower, subject.target.name)
    findings.sort(key=lambda finding: (SEVERITIES.index(finding.severity), finding.rule))
    summary = {
        **_summary(subject, findings, [rule for rule in asked if rule not in applying]),
        "rules_checked": [rule.id for rule in applying],
        "lowered": lowered,
    }
    return ValidationResult(tuple(findings), summary)


def target_of(path: Path) -> str | None:
    """Gives the board that a rendered project is for; None for another path."""
    if not path.is_dir() or not is_project(path):
        return None
    return read_rendered(path).target


def _summary(subject: Subject, findings: Sequence[Finding], skipped: Sequence[Rule]) -> Mapping[str, Any]:
    counts = Counter(finding.severity for finding in findings)
    facts: dict[str, Any] = {
        "counts": {severity: counts[severity] for severity in SEVERITIES},
        "kind": subject.kind,
        "target": subject.target.name,
        "target_title": subject.target.title,
        "rules_skipped": [rule.id for rule in skipped if _was_expected(rule, subject)],
        "notes": _notes(subject, skipped),
    }
    if "graph" in subject.parts:
        facts |= {**_model_facts(subject), "estimate": estimate_of(subject)}
    if subject.run is not None:
        facts["measured"] = subject.run.to_json()
    return facts


def _was_expected(rule: Rule, subject: Subject) -> bool:
    """Says whether a rule that did not run is worth a word: a bundle is no project, and no run of stedgeai."""
    missing = set(rule.needs) - subject.parts
    return any(_SKIPPED[part] for part in missing) or ("evidence" in missing and "lock" not in subject.parts)


def _notes(subject: Subject, skipped: Sequence[Rule]) -> list[str]:
    missing = {part for rule in skipped for part in rule.needs} - subject.parts
    if "contract" in missing or "graph" in missing:
        missing.discard("lock")
    if "graph" in missing:
        missing -= {"int8", "contract"}
    notes = []
    for part, text in _SKIPPED.items():
        parts = {"contract", "lock"} if part == "contract" else {part}
        ids = [rule.id for rule in skipped if parts.intersection(rule.needs)]
        if part in missing and text and ids:
            notes.append(f"{text} ({ids[0]} to {ids[-1]})" if len(ids) > 1 else f"{text} ({ids[0]})")
    return notes


def _model_facts(subject: Subject) -> dict[str, Any]:
    graph, model = subject.graph, subject.model
    peak, peak_where = graph.peak()
    return {
        "model_sha256": model.sha256,
        "model_bytes": model.size_bytes,
        "operators": dict(sorted(Counter(op.op for op in model.operators).items())),
        "operators_on_npu": _support_counts(subject),
        "macs": sum(graph.macs(op) for op in model.operators),
        "weight_bytes": sum(len(tensor.data) for tensor in graph.constants),
        "arena_bytes_at_least": peak,
        "arena_peak_at": peak_where,
        "input": _io(model.tensors[model.inputs[0]]),
        "output": _io(model.tensors[model.outputs[0]]),
    }


def _support_counts(subject: Subject) -> dict[str, int]:
    table = operators()
    kinds = [table.get(subject.graph.kind(op)) for op in subject.model.operators]
    counts = Counter("no" if support is None else support.npu for support in kinds)
    return {kind: counts[kind] for kind in ("hw", "partly", "sw", "no")}


def _io(tensor: Tensor) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": tensor.name, "shape": list(tensor.shape), "dtype": tensor.dtype,
        "values": math.prod(tensor.shape),
    }  # fmt: skip
    if tensor.quantization is not None and len(tensor.quantization.scales) == 1:
        facts["scale"] = tensor.quantization.scales[0]
        facts["zero_point"] = tensor.quantization.zero_points[0]
    return facts
