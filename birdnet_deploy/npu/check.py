"""Checking a model: every rule over one subject, all findings at once. Nothing is printed here."""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import UsageError
from birdnet_deploy.npu.data import DEFAULT_TARGET, operators, read_target
from birdnet_deploy.npu.finding import SEVERITIES, Finding, ValidationResult
from birdnet_deploy.npu.rules import ALL_RULES, BY_ID
from birdnet_deploy.npu.rules.rule import Rule
from birdnet_deploy.npu.subject import Subject, open_subject
from birdnet_deploy.tflite.reader import Tensor


def check_path(
    path: Path, *, target: str = DEFAULT_TARGET, select: Sequence[str] = (), ignore: Sequence[str] = ()
) -> ValidationResult:
    """Gives what the rules find in a bundle, a rendered project, a published folder or a ``.tflite``, worst first.

    ``select`` and ``ignore`` are rule ids or prefixes of ids (``BD2``). A lone ``.tflite`` skips the rules
    that need a bundle and says so in ``summary["notes"]``.

    Raises: UsageError (exit 2) for a path, target or rule that is not there; ModelError (exit 3) for a
    model that cannot be read.
    """
    rules = choose_rules(select, ignore)
    return check_subject(open_subject(path, read_target(target)), rules)


def check_subject(subject: Subject, rules: Sequence[Rule] = ALL_RULES) -> ValidationResult:
    """Gives what the given rules find in an opened subject, worst first."""
    applying = [rule for rule in rules if subject.contract is not None or not rule.needs_bundle]
    findings = [finding for rule in applying for finding in rule.check(subject)]
    findings.sort(key=lambda finding: (SEVERITIES.index(finding.severity), finding.rule))
    skipped = [rule.id for rule in rules if rule not in applying]
    return ValidationResult(tuple(findings), _summary(subject, findings, skipped))


def choose_rules(select: Sequence[str], ignore: Sequence[str]) -> tuple[Rule, ...]:
    """Gives the rules whose id begins with a selected prefix (all, where none is) and with no ignored one.

    Raises: UsageError (exit 2) for a prefix that no rule has, with the nearest id.
    """
    chosen = _matching(select) if select else {rule.id for rule in ALL_RULES}
    chosen -= _matching(ignore)
    return tuple(rule for rule in ALL_RULES if rule.id in chosen)


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


def _summary(subject: Subject, findings: Sequence[Finding], skipped: Sequence[str]) -> Mapping[str, Any]:
    graph, model = subject.graph, subject.model
    peak, peak_where = graph.peak()
    counts = Counter(finding.severity for finding in findings)
    notes = []
    if skipped:
        notes.append(f"no bundle: {skipped[0]} to {skipped[-1]} (labels, config, lock) were not checked")
    elif subject.contract is not None and not subject.contract.locked:
        notes.append("no bundle: nothing says by its hash that model, labels and config belong together")
    return {
        "counts": {severity: counts[severity] for severity in SEVERITIES},
        "target": subject.target.name,
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
        "rules_skipped": list(skipped),
        "notes": notes,
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
