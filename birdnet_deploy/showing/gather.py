"""All facts of a report as one JSON object; the page is drawn of nothing else but the sound in ``golden.npz``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from birdnet_deploy import __version__
from birdnet_deploy.artifacts import Bundle
from birdnet_deploy.bundle import stale_lines
from birdnet_deploy.npu.data import DEFAULT_TARGET, read_target
from birdnet_deploy.npu.explain import rule_json
from birdnet_deploy.npu.finding import ValidationResult
from birdnet_deploy.npu.request import validate_path
from birdnet_deploy.npu.rules import BY_ID
from birdnet_deploy.quantization.fidelity import SCHEMA_VERSION as MEASURED_VERSION
from birdnet_deploy.settings import Settings
from birdnet_deploy.showing.limits import gates_for, limits_of, verdict_of
from birdnet_deploy.showing.memory import engine_plan, regions_of, shown_plan
from birdnet_deploy.showing.sources import Sources
from birdnet_deploy.support.hashes import sha256_file

SCHEMA_VERSION = 1
_MEASURED = (
    "fidelity", "detail", "without_prologue", "layers", "frontier", "auto", "reference", "notes", "warnings",
    "simplifications", "corrections",
)  # fmt: skip
_NETWORK = ("bytes", "operator_count", "macs", "input", "output", "head", "io", "output_activation")


def gather(
    sources: Sources, settings: Settings, device: Sequence[Mapping[str, Any]] = (), *,
    checked: ValidationResult | None = None, unmet: Mapping[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Gives the facts, the verdict first; ``device`` is what boards gave, ``checked`` what the rules said already.

    ``unmet`` is of a conversion that left no bundle: why (``told``), its ``frontier`` and ``options``.

    Raises: UsageError, ConfigError (exit 2), ModelError (3) where something cannot be read.
    """
    found = checked or validate_path(sources.path, settings, target=sources.target)
    bundle = sources.bundle
    estimate = _npu_estimate(sources, settings, found)
    measured = _measured(bundle)
    engine = None if bundle is None else engine_plan(bundle, sources.project)
    own = found.summary.get("estimate")
    model = None if bundle is None else _model(bundle, measured)
    facts = {
        "schema_version": SCHEMA_VERSION,
        "tool": f"birdnet-deploy {__version__}",
        "name": sources.name,
        "target": {"name": sources.target, "title": found.summary["target_title"]},
        "model": model,
        "gates": gates_for(unmet or model),
        "unmet": None if unmet is None else unmet["told"],
        **{key: measured.get(key) for key in _MEASURED},
        **({} if unmet is None else {"frontier": unmet["frontier"]}),
        "validation": _validation(found),
        "estimate": estimate,
        "memory": {
            "plan": shown_plan(sources.target, bundle, engine, own),
            **regions_of(sources.target, sources.project, engine, own),
        },
        "device": list(device),
    }  # fmt: skip
    limits = limits_of(facts)
    stale = () if bundle is None else stale_lines(bundle.path, bundle.lock)
    return {**facts, "limits": limits, "verdict": verdict_of(facts, limits, stale)}


def _measured(bundle: Bundle | None) -> dict[str, Any]:
    """Gives the bundle's own ``report.json``; nothing where it is not as it was locked, or of another version."""
    if bundle is None or sha256_file(bundle.report) != bundle.lock["files"].get(bundle.report.name):
        return {}
    try:
        found = json.loads(bundle.report.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and found.get("schema_version") == MEASURED_VERSION else {}


def _model(bundle: Bundle, measured: Mapping[str, Any]) -> dict[str, Any]:
    lock = bundle.lock
    model = measured.get("model") or {}
    calibration = measured.get("calibration")
    return {
        "source": lock.get("source_model"),
        "kind": lock.get("kind", "keras"),
        "options": lock.get("options") or {},
        "versions": lock.get("versions") or {},
        "files": lock["files"],
        "lock_sha256": bundle.lock_sha256,
        "model_sha256": bundle.model_sha256,
        "network": {key: model.get(key) for key in _NETWORK},
        "operators": model.get("operators") or {},
        "prologue": model.get("prologue"),
        "config": {key: value for key, value in bundle.config.to_json().items() if key != "class_names"},
        "labels": list(bundle.labels),
        "calibration": calibration if isinstance(calibration, Mapping) else None,
        "frontend": measured.get("frontend"),
    }  # fmt: skip


def _validation(found: ValidationResult) -> dict[str, Any]:
    """Gives the findings, worst first, and what the rules that found something are about."""
    ids = dict.fromkeys(finding.rule for finding in found.findings)
    keys = ("id", "name", "severity", "summary", "why", "limit", "source", "bad", "good")
    rules = [rule_json(BY_ID[rule]) for rule in ids if rule in BY_ID]
    return {
        "counts": found.summary["counts"],
        "findings": [finding.to_json() for finding in found.findings],
        "rules": [{key: rule[key] for key in keys} for rule in rules],
        "rules_checked": len(found.summary["rules_checked"]),
        "notes": list(found.summary["notes"]),
    }


def _npu_estimate(sources: Sources, settings: Settings, found: ValidationResult) -> dict[str, Any] | None:
    """Gives layers and latency: of the target where it has an NPU, else what the usual NPU would take."""
    target = sources.target
    estimate = found.summary.get("estimate")
    if estimate and estimate["latency"] is None and target != DEFAULT_TARGET and sources.bundle is not None:
        target = DEFAULT_TARGET
        estimate = validate_path(sources.bundle.path, settings, target=target).summary.get("estimate")
    if not estimate:
        return None
    keys = ("layers", "macs", "moved_bytes", "arena", "flash", "internal_ram", "latency", "notes")
    return {"target": read_target(target).title, "is_target": target == sources.target,
            **{key: estimate[key] for key in keys}}  # fmt: skip
