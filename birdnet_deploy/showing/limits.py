"""The verdict: which limits a model keeps and by how much, what else speaks against a release, what is not shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from birdnet_deploy.boardtest.judge import DEFAULT_TARGET as EMULATED_TARGET
from birdnet_deploy.quantization.frontier import gates_of
from birdnet_deploy.quantization.options import AUTO, QuantizeOptions
from birdnet_deploy.report.tables import EMULATED
from birdnet_deploy.showing.names import layer_name

Facts = Mapping[str, Any]
_TWIN = {"host": "the host twin"}
RELEASE, REFUSE, OPEN = "release", "do not release", "not yet"


def limits_of(facts: Facts) -> list[dict[str, Any]]:
    """Gives the limits that are known for a model, the one that is nearest (or exceeded most) first.

    ``used`` is the share of what a limit allows that is taken: of a loss, of memory, of time; above 1 it is exceeded.
    """
    found = [*_gates(facts), *_cpu_macs(facts), *_memories(facts), *_time(facts)]
    return sorted(found, key=lambda limit: (-limit["used"], limit["name"]))


def _limit(name: str, used: float, value: str, limit: str, why: str) -> dict[str, Any]:
    share = round(float(used), 4)
    return {"name": name, "used": share, "holds": share <= 1, "value": value, "limit": limit, "why": why}


def gates_for(model: Facts | None) -> dict[str, Any]:
    """Gives the gates that a model is held to: those it was converted with, else those of ``--prologue auto``."""
    options = (model or {}).get("options") or {}
    cosine, agreement = options.get("min_cosine"), options.get("min_agreement")
    asked = (cosine, agreement) != (None, None)
    prologue = options.get("prologue") or AUTO if asked else AUTO
    gates = gates_of(QuantizeOptions(prologue=prologue, min_cosine=cosine, min_agreement=agreement))
    return {**asdict(gates), "why": "asked for" if asked else "the gates of --prologue auto"}


def _gates(facts: Facts) -> Iterator[dict[str, Any]]:
    found, gates = facts["fidelity"], facts["gates"]
    if not found:
        return
    least, share, counts = gates["min_cosine"], gates["min_agreement"], found["confident_top1"]
    if least is not None and least < 1:
        cosine = found["cosine_mean"]
        used = (1 - cosine) / (1 - least)
        yield _limit("mean cosine of scores", used, f"{cosine:.4f}", f"at least {least:g}", gates["why"])
    if share is not None and counts["windows"]:
        misses = counts["windows"] - counts["agreed"]
        allowed = max(gates["misses"], int((1 - share) * counts["windows"] + 1e-9))
        low, high = counts["interval"]
        yield _limit(
            "confident windows that keep their species", misses / allowed if allowed else 2.0 * (misses > 0),
            f"{counts['agreed']} of {counts['windows']} (95 %: {low:.3f} to {high:.3f})",
            f"at most {allowed} lost ({share:g})", gates["why"],
        )  # fmt: skip


def _cpu_macs(facts: Facts) -> Iterator[dict[str, Any]]:
    prologue = (facts["model"] or {}).get("prologue")
    most = ((facts["model"] or {}).get("options") or {}).get("max_cpu_macs")
    if prologue and most:
        taken = prologue["macs"]
        yield _limit(
            "float MACs on the CPU", taken / most, f"{taken / 1e6:.2f} M", f"at most {most / 1e6:.2f} M",
            "the budget of --max-cpu-macs",
        )  # fmt: skip


def _memories(facts: Facts) -> Iterator[dict[str, Any]]:
    memory = facts["memory"]
    for region in memory["regions"]:
        if region["needed_bytes"]:
            yield _limit(
                f"memory {region['name']}", region["needed_bytes"] / region["bytes"],
                f"{region['needed_bytes'] / 1024:,.0f} KiB", f"{region['bytes'] / 1024:,.0f} KiB",
                f"{memory['source']}; without copies that may shrink",
            )  # fmt: skip


def _time(facts: Facts) -> Iterator[dict[str, Any]]:
    model, estimate = facts["model"], facts["estimate"]
    if model is None:
        return
    window_ms = 1000 * float(model["config"]["chunk_duration"])
    if estimate and estimate["is_target"] and estimate["latency"]:
        most = estimate["latency"]["high_ms"]
        yield _limit(
            "NPU time of a window", most / window_ms, f"{most:.2f} ms at most", f"{window_ms:,.0f} ms",
            "estimated, not measured; a window must be done before the next",
        )  # fmt: skip
    for device in facts["device"]:
        total = sum(spread["p95_ms"] for spread in device["times"].values())
        if total and not device["emulated"] and device["target"] == facts["target"]["name"]:
            name, why = f"time of a window on {device['target']}", "95th percentile, by the board's own clock"
            yield _limit(name, total / window_ms, f"{total:,.1f} ms", f"{window_ms:,.0f} ms", why)


def verdict_of(facts: Facts, limits: Sequence[Mapping[str, Any]], stale: Sequence[str]) -> dict[str, Any]:
    """Gives the verdict: release, do not release (something is wrong) or not yet (something was not shown), and why.

    ``checks`` has every question with its answer: True, False, or None where nobody has shown it.
    """
    checks = [*_checks(facts, limits, stale)]
    wrong = [check["told"] for check in checks if check["holds"] is False]
    missing = [check["told"] for check in checks if check["holds"] is None]
    status = REFUSE if wrong else OPEN if missing else RELEASE
    reasons = wrong or missing or [check["told"] for check in checks if not check["told"].startswith("memory")]
    return {
        "status": status, "reasons": reasons, "missing": missing, "checks": checks, "help": _help(facts, wrong),
        "scope": EMULATED if facts["target"]["name"] == EMULATED_TARGET else None,
        "worst_window": _worst(facts), "costliest_layer": _costliest(facts), "slowest_layer": _slowest(facts),
        "nearest_limit": dict(limits[0]) if limits else None,
    }  # fmt: skip


def _checks(facts: Facts, limits: Sequence[Mapping[str, Any]], stale: Sequence[str]) -> Iterator[dict[str, Any]]:
    def check(question: str, holds: bool | None, told: str) -> dict[str, Any]:
        return {"question": question, "holds": holds, "told": told}

    if facts.get("unmet"):
        yield check("Does any cut meet the gates?", False, facts["unmet"])
    elif facts["model"] is None:
        yield check("Is there a bundle?", None, "only a model was looked at, no bundle")
    else:
        told = "; ".join(stale) if stale else "every file is as it was locked"
        yield check("Is the bundle what convert wrote?", not stale, told)
        yield check("Was it calibrated and measured on recordings?", *_evidence(facts))
    for limit in limits:
        told = f"{limit['name']} {limit['value']}, allowed {limit['limit']} ({limit['why']})"
        yield check(f"Does it keep the limit of {limit['name']}?", limit["holds"], told)
    errors = facts["validation"]["counts"]["error"]
    told = (
        f"{errors} error{'s' * (errors != 1)} of the rules for {facts['target']['title']}"
        if errors
        else "the rules find no error"
    )
    yield check("Do the rules accept it?", errors == 0, told)
    judged = [device for device in facts["device"] if device["verdict"] or device["error"]]
    if not judged:
        yield check("Does the device give what the host gives?", None, "no device was held against the host")
    elif all(device["target"] != facts["target"]["name"] for device in judged):
        others = ", ".join(sorted({_TWIN.get(device["target"], device["target"]) for device in judged}))
        told = f"no {facts['target']['title']} was held against the host, only {others}"
        yield check("Does the target give what the host gives?", None, told)
    for device in judged:
        agrees = bool(device["verdict"] and device["verdict"]["agrees"])
        told = f"{device['target']}: {device['error'] or device['lines'][0]}"
        yield check(f"Does {device['target']} give what the host gives?", agrees, told)


def _evidence(facts: Facts) -> tuple[bool | None, str]:
    calibration, found = facts["model"]["calibration"], facts["fidelity"]
    if calibration and calibration.get("synthetic"):
        return False, "calibrated on synthetic sound, not on birds"
    if not found:
        return None, "float against int8 was not measured"
    return True, f"measured on {found['windows']} windows of {found['files']} files that did not calibrate"


def _help(facts: Facts, wrong: Sequence[str]) -> str | None:
    """Gives what would mend a lost gate, where a conversion has measured it."""
    auto = facts["auto"]
    if not wrong or not auto or auto["cut"] in (None, "none"):
        return None
    return (
        f"--prologue auto would cut after {auto['cut']}: mean cosine of held-out folds {auto['now']['cosine_mean']} -> "
        f"{auto['then']['cosine_mean']}, for {auto['cpu_macs'] / 1e6:.2f} M float MACs on the CPU"
    )


def _worst(facts: Facts) -> dict[str, Any] | None:
    found = facts["fidelity"]
    if not found:
        return None
    rate = facts["model"]["config"]["sample_rate"]
    worst = found["worst_window"]
    return {**worst, "start_s": round(worst["start"] / rate, 3)}


def _costliest(facts: Facts) -> dict[str, Any] | None:
    layers = [layer for layer in facts["layers"] or () if layer["alone_db"] is not None]
    if not layers:
        return None
    worst = min(layers, key=lambda layer: (layer["alone_db"], layer["position"]))
    return {
        "name": layer_name(worst["tensor"]), "operator": worst["operator"] or "the network's input",
        "alone_db": worst["alone_db"], "fix": worst["fix"],
    }  # fmt: skip


def _slowest(facts: Facts) -> dict[str, Any] | None:
    estimate = facts["estimate"]
    if not estimate or not estimate["layers"]:
        return None
    worst = max(estimate["layers"], key=lambda layer: (layer["time_share"] or 0, layer["macs"], -layer["index"]))
    return {
        "name": layer_name(worst["name"]), "operator": worst["op"], "macs": worst["macs"],
        "time_share": worst["time_share"], "target": estimate["target"],
    }  # fmt: skip
