"""A bundle's ``report.json`` as rows for people; it needs nothing but the JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Rows = list[tuple[str, str]]


def model_rows(report: Mapping[str, Any]) -> Rows:
    """Gives what the int8 model is: size, ends, operators, frontend variant, simplifications."""
    model, frontend = report["model"], report["frontend"]
    rows = [
        ("model", f"{model['bytes']:,} bytes, {model['operator_count']} operators, sha256 {model['sha256']}"),
        ("input", _port(model["input"], model["io"])),
        ("output", f"{_port(model['output'], model['io'])}, then {model['output_activation']}"),
        ("frontend", _frontend(frontend)),
        ("calibration", _calibration(report["calibration"])),
    ]
    for step in report["simplifications"]:
        done = "" if step["applied"] else "not applied: "
        difference = f"max logit difference {step['max_logit_difference']:g}"
        rows.append(("simplified", f"{done}{step['step']} ({step['detail']}), {difference}"))
    return rows


def _port(port: Mapping[str, Any], io: str) -> str:
    shape = "x".join(str(n) for n in port["shape"])
    return f"{io} {shape}, scale {port['scale']:.9g}, zero point {port['zero_point']}"


def _calibration(calibration: Mapping[str, Any] | str) -> str:
    if isinstance(calibration, str):  # of a .tflite that others converted
        return calibration
    sound = "synthetic sound, not birds" if calibration["synthetic"] else f"{calibration['files']} files"
    return f"{calibration['windows']} windows of {sound}"


def _frontend(frontend: Mapping[str, Any]) -> str:
    divides = frontend["divides_by_sample_maximum"]
    if divides is None:
        return str(frontend["name"])
    division = "divides" if divides else "does not divide"
    text = f"{frontend['name']}, {frontend['weights_layout']} layout, {division} by the sample's maximum"
    found = frontend.get("statistics")
    if found is None:
        return text
    return f"{text} ({found['layer']} off by {found['off_by']:g}, the other way by {found['other_way_off_by']:g})"


def fidelity_rows(report: Mapping[str, Any]) -> Rows:
    """Gives what int8 changed, as measured; one row that says so where nothing was."""
    found = report["fidelity"]
    if found is None:
        return [("fidelity", "not measured: no recordings were left to evaluate on")]
    confident, worst, sqnr = found["confident_top1_agreement"], found["worst_window"], found["sqnr_db"]
    cosine = f"mean {found['cosine_mean']}, p5 {found['cosine_p5']}, min {found['cosine_min']}"
    of = f"{found['confident_windows']} windows with a float score above {found['confident_above']}"
    return [
        ("evaluation", f"{found['windows']} windows of {found['files']} files that did not calibrate"),
        ("cosine of scores", cosine),
        ("top-1 agreement", f"{found['top1_agreement']}; {'-' if confident is None else confident} of {of}"),
        ("top-5 agreement", f"{found['top5_agreement']}"),
        ("max score error", f"{found['max_score_error']}"),
        ("SQNR of outputs", "-" if sqnr is None else f"{sqnr} dB"),
        ("kernels", f"{found['kernels']}; reference within {found['reference_spread_steps']} steps"),
        ("worst window", f"{worst['file']} at sample {worst['start']}, cosine {worst['cosine']}"),
    ]
