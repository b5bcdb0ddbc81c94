"""Two bundles beside each other: what a retrained or otherwise converted model changes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from birdnet_deploy.artifacts import Bundle
from birdnet_deploy.errors import ModelError

SCHEMA_VERSION = 1
FIGURES = (
    "windows", "files", "cosine_mean", "cosine_p5", "cosine_min", "top1_agreement", "top5_agreement",
    "confident_windows", "confident_top1_agreement", "mean_score_error", "max_score_error", "sqnr_db",
    "sqnr_centred_db",
)  # fmt: skip
_FACTS = ("bytes", "operator_count", "tensor_count", "macs", "head", "io", "output_activation", "input", "output")
_SHOWN_LABELS = 5
_DIGITS = 6  # of a difference

Rows = list[tuple[str, str]]


def compare_bundles(first: Bundle, second: Bundle) -> dict[str, Any]:
    """Gives what differs between two bundles, as JSON; a pair ``[first, second]`` for each thing that does.

    ``model``, ``config`` and ``lock`` have only what differs, ``fidelity`` has every figure that both reports know.

    Raises: ModelError (exit 3) where a report is not readable.
    """
    reports = _report(first), _report(second)
    models = tuple(report.get("model") or {} for report in reports)
    facts = [{**{key: model.get(key) for key in _FACTS}, "prologue": model.get("prologue")} for model in models]
    operators = [model.get("operators") or {} for model in models]
    return {
        "schema_version": SCHEMA_VERSION,
        "bundles": [_identity(bundle, report) for bundle, report in zip((first, second), reports, strict=True)],
        "same_model": first.model_sha256 == second.model_sha256,
        "model": {**_changed(*facts), "operators": _changed(*operators)},
        "labels": _labels(first.labels, second.labels),
        "config": _changed(*(_without(bundle.config.to_json(), "class_names") for bundle in (first, second))),
        "fidelity": _fidelity(*reports),
        "same_evaluation": _same_evaluation(first.lock, second.lock),
        "lock": {
            "source_model": _changed(*(_table(bundle.lock, "source_model") for bundle in (first, second))),
            "options": _changed(*(_table(bundle.lock, "options") for bundle in (first, second))),
            "versions": _changed(*(_table(bundle.lock, "versions") for bundle in (first, second))),
        },
    }


def _report(bundle: Bundle) -> Mapping[str, Any]:
    try:
        report = json.loads(bundle.report.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"not a readable report ({error})", where=bundle.report, fix="run convert again") from error
    if not isinstance(report, dict) or not all(isinstance(report.get(k) or {}, dict) for k in ("model", "fidelity")):
        raise ModelError("not a report of convert", where=bundle.report, fix="run convert again")
    return report


def _identity(bundle: Bundle, report: Mapping[str, Any]) -> dict[str, Any]:
    calibration = report.get("calibration")
    return {
        "name": bundle.path.name,
        "model_sha256": bundle.model_sha256,
        "lock_sha256": bundle.lock_sha256,
        "synthetic": isinstance(calibration, Mapping) and bool(calibration.get("synthetic")),
        "measured": report.get("fidelity") is not None,
    }


def _table(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = data.get(key)
    return found if isinstance(found, Mapping) else {}


def _without(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return {name: value for name, value in table.items() if name != key}


def _changed(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Gives the keys whose values differ, with both values; None where a table lacks the key."""
    keys = sorted({*first, *second})
    return {key: [first.get(key), second.get(key)] for key in keys if first.get(key) != second.get(key)}


def _labels(first: Sequence[str], second: Sequence[str]) -> dict[str, Any]:
    places = {label: index for index, label in enumerate(first)}
    return {
        "count": [len(first), len(second)],
        "added": [label for label in second if label not in places],
        "removed": [label for label in first if label not in set(second)],
        "moved": [label for index, label in enumerate(second) if places.get(label, index) != index],
    }


def _fidelity(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, list[Any]] | None:
    """Gives each figure of both and how much the second is above the first; None where one was not measured."""
    figures = [report.get("fidelity") for report in (first, second)]
    if not all(figures):
        return None
    pairs = {key: [(table or {}).get(key) for table in figures] for key in FIGURES}
    pairs["reference_max_steps"] = [_table(report, "reference").get("max_steps") for report in (first, second)]
    known = {key: pair for key, pair in pairs.items() if all(type(value) in (int, float) for value in pair)}
    return {key: [a, b, _difference(a, b)] for key, (a, b) in known.items()}


def _difference(first: Any, second: Any) -> Any:
    return round(second - first, _DIGITS)


def _same_evaluation(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool | None:
    """Says whether both were measured on the same windows of sound; None where a lock does not tell."""
    hashes = [
        _table(_table(lock, "calibration"), "windows_sha256").get("evaluation") for lock in (first, second)
    ]  # fmt: skip
    return None if None in hashes else hashes[0] == hashes[1]


def comparison_rows(found: Mapping[str, Any]) -> Rows:
    """Gives a comparison as rows for people."""
    rows: Rows = []
    for side, identity in zip("AB", found["bundles"], strict=True):
        mark = ", calibrated on SYNTHETIC sound" if identity["synthetic"] else ""
        rows.append((side, f"{identity['name']}, model sha256 {identity['model_sha256']}{mark}"))
    if found["same_model"]:
        rows.append(("model", "the same bytes"))
    rows += [("model", line) for line in _lines(_without(found["model"], "operators"))]
    rows += [("operators", line) for line in _lines(found["model"]["operators"])]
    rows += [("labels", line) for line in _label_lines(found["labels"])]
    rows += [("config", line) for line in _lines(found["config"])]
    rows += _fidelity_rows(found)
    for table in ("source_model", "options", "versions"):
        rows += [(table.replace("_", " "), line) for line in _lines(found["lock"][table])]
    return rows


def _lines(changed: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    for key, (first, second) in changed.items():
        growth = f" ({second - first:+,})" if type(first) is type(second) is int else ""
        yield f"{key}: {_text(first)} -> {_text(second)}{growth}"


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if type(value) is int:
        return f"{value:,}"
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    return str(value)


def _label_lines(labels: Mapping[str, Any]) -> Iterator[str]:
    first, second = labels["count"]
    if first != second:
        yield f"{first} -> {second} classes"
    for what in ("added", "removed", "moved"):
        names = labels[what]
        if names:
            more = f" and {len(names) - _SHOWN_LABELS} more" if len(names) > _SHOWN_LABELS else ""
            yield f"{len(names)} {what}: {', '.join(names[:_SHOWN_LABELS])}{more}"
    if first == second and not any(labels[what] for what in ("added", "removed", "moved")):
        yield f"the same {first}"


def _fidelity_rows(found: Mapping[str, Any]) -> Rows:
    if found["fidelity"] is None:
        sides = [side for side, identity in zip("AB", found["bundles"], strict=True) if not identity["measured"]]
        return [("fidelity", f"not measured in {' and '.join(sides)}")]
    same = found["same_evaluation"]
    on = {True: "both on the same windows", False: "on DIFFERENT windows", None: "maybe on different windows"}[same]
    rows = [("fidelity", f"against each one's own float model, {on}")]
    for key, (first, second, delta) in found["fidelity"].items():
        rows.append((key, f"{first} -> {second}" + (f" ({delta:+g})" if delta else "")))
    return rows
