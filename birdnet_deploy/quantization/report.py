"""A bundle's ``report.json`` as text for people; it needs nothing but the JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Rows = list[tuple[str, str]]
_SHOWN_LAYERS = 8
_NAME_WIDTH = 44


def model_rows(report: Mapping[str, Any]) -> Rows:
    """Gives what the int8 model is: size, ends, operators, frontend variant, simplifications."""
    model, frontend = report["model"], report["frontend"]
    macs = f"{model['macs'] / 1e6:.2f} M MACs"
    rows = [
        ("model", f"{model['bytes']:,} bytes, {model['operator_count']} operators, {macs}, sha256 {model['sha256']}"),
        *_prologue_rows(model.get("prologue")),
        ("input", _port(model["input"], model["io"])),
        ("output", f"{_port(model['output'], model['io'])}, then {model['output_activation']}"),
        ("frontend", _frontend(frontend)),
        ("calibration", _calibration(report["calibration"])),
    ]
    for step in report["simplifications"]:
        done = "" if step["applied"] else "not applied: "
        difference = f"max logit difference {step['max_logit_difference']:g}"
        rows.append(("simplified", f"{done}{step['step']} ({step['detail']}), {difference}"))
    for step in report.get("corrections", ()):
        rows.append(("corrected", f"{'' if step['applied'] else 'not applied: '}{step['step']} ({step['detail']})"))
    return rows


def _prologue_rows(prologue: Mapping[str, Any] | None) -> Rows:
    if prologue is None:
        return []
    shape = "x".join(str(n) for n in prologue["shape"])
    return [
        ("prologue", f"float up to {prologue['cut']} ({shape}): {prologue['macs'] / 1e6:.2f} M MACs on the CPU"),
        ("network", f"{prologue['network_bytes']:,} bytes behind it, sha256 {prologue['network_sha256']}"),
    ]


def _port(port: Mapping[str, Any], io: str) -> str:
    shape = "x".join(str(n) for n in port["shape"])
    return f"{io} {shape}, scale {port['scale']:.9g}, zero point {port['zero_point']}"


def _calibration(calibration: Mapping[str, Any] | str) -> str:
    if isinstance(calibration, str):  # of a .tflite that others converted
        return calibration
    sound = "SYNTHETIC sound, not birds" if calibration["synthetic"] else f"{calibration['files']} files"
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
    synthetic = isinstance(report["calibration"], Mapping) and report["calibration"]["synthetic"]
    sound = "SYNTHETIC windows: no measure of the model on real sound" if synthetic else (
        f"windows of {found['files']} files that did not calibrate"
    )  # fmt: skip
    worst, reference, ties, files = found["worst_window"], report["reference"], found["ties"], found["by_file"]
    bins = "  ".join(f"{_edges(bin_)} {_share(bin_)}" for bin_ in found["by_confidence"] if bin_["windows"])
    of_files = f"{_share(files['top1_of_files'])} files keep their best class"
    return [
        ("evaluation", f"{found['windows']} {sound}"),
        ("cosine of scores", f"mean {found['cosine_mean']}, p5 {found['cosine_p5']}, min {found['cosine_min']}"),
        ("top-1 agreement", _share(found["top1"], interval=True)),
        ("  confident", f"{_share(found['confident_top1'], interval=True)}, float score > {found['confident_above']}"),
        ("  by float score", bins),
        ("  by file", f"cosine {files['cosine_mean']}, top-1 {files['top1_agreement']}; {of_files}"),
        ("top-5 agreement", f"{found['top5_agreement']}"),
        ("ties for the best", f"{ties['int8_windows']} windows ({ties['float_windows']} in float)"),
        ("score error", f"mean {found['mean_score_error']}, max {found['max_score_error']}"),
        ("SQNR of outputs", f"{_db(found['sqnr_db'])}, centred {_db(found['sqnr_centred_db'])}"),
        *_labelled_rows(found["labelled"]),
        ("kernels", _kernels(found["kernels"], reference)),
        ("worst window", f"{worst['file']} at sample {worst['start']}, cosine {worst['cosine']}"),
        *_whole_rows(report.get("without_prologue")),
        *(_auto_rows(report.get("auto")) or _unmeasured_rows(report)),
    ]


def _edges(bin_: Mapping[str, Any]) -> str:
    if bin_["above"] is None:
        return f"to {bin_['to']}:"
    return f"> {bin_['above']}:" if bin_["to"] is None else f"to {bin_['to']}:"


def _share(figures: Mapping[str, Any], *, interval: bool = False) -> str:
    text = f"{figures['agreed']}/{figures['windows']}"
    if not interval or figures["share"] is None:
        return text
    low, high = figures["interval"]
    return f"{figures['share']} = {text} (95 %: {low} to {high})"


def _db(value: float | None) -> str:
    return "-" if value is None else f"{value} dB"


def _kernels(kernels: str, reference: Mapping[str, Any]) -> str:
    return (
        f"{kernels}; reference within {reference['max_steps']} steps (99.9 % within {reference['p99_9_steps']}) on "
        f"{reference['windows']} windows"
    )


def _labelled_rows(labelled: Mapping[str, Any] | None) -> Rows:
    if labelled is None:
        return []
    parts = [
        f"{unit} float {labelled['float'][unit]['right']}, int8 {labelled['int8'][unit]['right']} of "
        f"{labelled['int8'][unit]['of']}"
        for unit in ("windows", "files")
    ]
    return [("right by folder", "; ".join(parts))]


def _whole_rows(whole: Mapping[str, Any] | None) -> Rows:
    if whole is None:
        return []
    confident = _share(whole["confident_top1"])
    cosine = f"cosine mean {whole['cosine_mean']}, p5 {whole['cosine_p5']}, min {whole['cosine_min']}"
    return [("without prologue", f"{cosine}; confident top-1 {confident}")]


def _auto_rows(auto: Mapping[str, Any] | None) -> Rows:
    """Gives what ``--prologue auto`` would recover, as held-out calibration folds say."""
    if auto is None:
        return []
    now, then = auto["now"], auto["then"]
    if auto["cut"] == "none":
        return [
            ("--prologue auto", f"would change nothing: cosine {now['cosine_mean']} of held-out folds meets its gates")
        ]
    change = (
        f"cosine {now['cosine_mean']} -> {then['cosine_mean']}, confident top-1 {_confident(now)} -> "
        f"{_confident(then)}, for {auto['cpu_macs'] / 1e6:.2f} M float MACs on the CPU"
    )
    if auto["cut"] is None:
        return [("--prologue auto", f"would find no cut that meets its gates; best is {auto['best']}: {change}")]
    return [("--prologue auto", f"would cut after {auto['cut']}: {change}")]


def _unmeasured_rows(report: Mapping[str, Any]) -> Rows:
    """Says of a conversion without a prologue how to learn what one would recover."""
    if "level" not in report or report["model"].get("prologue") or report.get("frontier"):
        return []
    return [("--prologue auto", "not measured; --fidelity full says what it would recover")]


def _confident(figures: Mapping[str, Any]) -> str:
    return f"{figures['confident_agreed']}/{figures['confident_windows']}"


def layer_lines(report: Mapping[str, Any], most: int = _SHOWN_LAYERS) -> list[str]:
    """Gives the int8 tensors that cost the logits most as a table; nothing in a basic report."""
    layers = (report.get("layers") or [])[:most]
    if not layers:
        return []
    heading = ("int8 tensor", "operator", "alone", "cumulative", "own", "weights", "what would help")
    rows = [
        (
            short_name(layer["tensor"]), layer["operator"] or "input", _number(layer["alone_db"]),
            _number(layer["cumulative_db"]), _number(layer["local_db"]), _number(layer["weights_db"]),
            layer["fix"] or "",
        )
        for layer in layers
    ]  # fmt: skip
    return table_lines(heading, rows, numeric=frozenset({2, 3, 4, 5}))


def short_name(tensor: str) -> str:
    """Gives the telling part of a converter's name: of the first of several joined by ``;``, from the end."""
    first = tensor.split(";", 1)[0]
    return first if len(first) <= _NAME_WIDTH else "..." + first[3 - _NAME_WIDTH :]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def table_lines(heading: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: frozenset[int]) -> list[str]:
    """Gives aligned columns of text, without decoration; ``numeric`` are the columns that end at their right edge."""
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    lines = []
    for row in (heading, *rows):
        cells = [
            cell.rjust(width) if column in numeric else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
