"""The tables of a report, worst first, as cells of text with units; what the page shows is decided here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from birdnet_deploy.quantization.report import fidelity_rows
from birdnet_deploy.showing.names import layer_name

Facts = Mapping[str, Any]
_LAYERS, _WORK, _CLASSES = 12, 12, 40


def all_tables(facts: Facts) -> dict[str, dict[str, Any]]:
    """Gives every table by name: ``caption``, ``heads`` and ``rows``; no rows where there is nothing to tell."""
    return {
        "fidelity": _fidelity(facts), "classes": _classes(facts), "windows": _windows(facts), "layers": _layers(facts),
        "frontier": _frontier(facts), "regions": _regions(facts), "work": _work(facts), "times": _times(facts),
        "differences": _differences(facts),
    }  # fmt: skip


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, Any]:
    """A head that begins with ``#`` is of numbers, one that begins with ``+`` of names."""
    told = [{"text": head.lstrip("#+"), "number": head.startswith("#"), "wide": head.startswith("+")} for head in heads]
    return {"caption": caption, "heads": told, "rows": [list(row) for row in rows]}


def _fidelity(facts: Facts) -> dict[str, Any]:
    rows: list[Any] = []
    if facts["fidelity"]:
        synthetic = (facts["model"]["calibration"] or {}).get("synthetic", False)
        measured = {**facts, "calibration": {"synthetic": synthetic}, "model": {"prologue": None}}
        rows = [(name.strip(), text) for name, text in fidelity_rows(measured)]
    return _table("What int8 changed", ("+figure", "value"), rows)


def _classes(facts: Facts) -> dict[str, Any]:
    found = (facts["detail"] or {}).get("classes", ())
    rows = [
        (
            row["label"], str(row["windows"]), str(row["agreed"]), f"{100 * row['share']:.0f}",
            "{:.0f} to {:.0f}".format(*(100 * end for end in row["interval"])),
            f"{row['confident_agreed']} of {row['confident_windows']}", f"{row['mean_score_change']:+.3f}",
            row["mostly_becomes"] or "",
        )
        for row in found[:_CLASSES]
    ]  # fmt: skip
    more = f" (the first {_CLASSES} of {len(found)})" if len(found) > _CLASSES else ""
    return _table(
        f"Agreement by the class that float hears best, worst first{more}",
        ("+class", "#windows", "#int8 agrees", "#%", "#95 % interval (%)", "#confident windows kept",
         "#mean score change", "+else mostly hears"),
        rows,
    )  # fmt: skip


def _windows(facts: Facts) -> dict[str, Any]:
    rows = []
    for number, window in enumerate((facts["detail"] or {}).get("worst_windows", ()), 1):
        wanted, got = window["float"][0], window["int8"][0]
        start = window["start"] / facts["model"]["config"]["sample_rate"]
        rows.append((
            str(number), window["file"], f"{start:.2f}", f"{window['cosine']:.4f}", f"{window['max_score_error']:.3f}",
            f"{wanted['label']} ({wanted['score']:.3f})", f"{got['label']} ({got['score']:.3f})",
        ))  # fmt: skip
    heads = ("#window", "+recording", "#start (s)", "#cosine", "#largest score error", "+float hears (score)",
             "+int8 hears (score)")  # fmt: skip
    return _table("Worst windows by the cosine of their scores", heads, rows)


def _layers(facts: Facts) -> dict[str, Any]:
    found = [layer for layer in facts["layers"] or () if layer["alone_db"] is not None]
    rows = [
        (
            layer_name(layer["tensor"]), layer["operator"] or "input", str(layer["position"]), _db(layer["alone_db"]),
            _db(layer["cumulative_db"]), _db(layer["local_db"]), _db(layer["weights_db"]), layer["fix"] or "",
        )
        for layer in found[:_LAYERS]
    ]  # fmt: skip
    return _table(
        f"Int8 tensors that cost the outputs most ({len(rows)} of {len(found)}), signal to noise in dB",
        ("+tensor", "operator", "#position", "#alone (dB)", "#with all before (dB)", "#own rounding (dB)",
         "#weights (dB)", "+what would help"),
        rows,
    )  # fmt: skip


def _db(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _frontier(facts: Facts) -> dict[str, Any]:
    chosen = chosen_cut(facts)
    points = sorted(facts["frontier"] or (), key=lambda point: (point["cosine_mean"], point["cpu_macs"]))
    rows = [
        (
            point["name"], f"{point['cpu_macs'] / 1e6:.2f}", f"{point['cpu_instructions'] / 1e6:.2f}",
            f"{point['npu_macs'] / 1e6:.2f}", f"{point['cosine_mean']:.4f}", f"{point['cosine_min']:.4f}",
            f"{point['confident_agreed']} of {point['confident_windows']}",
            gates_told(point), "chosen" if point["name"] == chosen else "",
        )
        for point in points
    ]  # fmt: skip
    return _table(
        "Cuts, worst first, on held-out calibration folds",
        ("+cut", "#CPU (M MAC)", "#CPU (M instructions)", "#NPU (M MAC)", "#mean cosine", "#least cosine",
         "#confident windows kept", "+gates", "taken"),
        rows,
    )  # fmt: skip


def chosen_cut(facts: Facts) -> str | None:
    """Gives the name of the cut that the model was made with; None where no model was made."""
    if facts["model"] is None:
        return None
    prologue = facts["model"]["prologue"]
    return prologue["cut"] if prologue else "none"


def gates_told(point: Facts) -> str:
    """Gives whether a cut meets the gates, in words."""
    if point.get("lacks_room"):
        return "meets them with too little room"
    return "meets" if point["meets"] else "misses"


def _regions(facts: Facts) -> dict[str, Any]:
    found = sorted(
        facts["memory"]["regions"], key=lambda region: (-region["used_bytes"] / region["bytes"], region["name"])
    )
    rows = [
        (
            region["name"], f"0x{region['address']:08X}", f"{region['bytes']:,}", f"{region['used_bytes']:,}",
            f"{100 * region['used_bytes'] / region['bytes']:.1f}",
            "; ".join(f"{fill['what']} {fill['bytes']:,} B" for fill in region["fills"]) or "empty",
        )
        for region in found
    ]  # fmt: skip
    return _table(
        "Regions of the target, fullest first",
        ("region", "#start", "#size (B)", "#taken (B)", "#taken (%)", "+what fills it"), rows,
    )  # fmt: skip


def _work(facts: Facts) -> dict[str, Any]:
    estimate = facts["estimate"]
    if not estimate:
        return _table("", ("+",), [])
    latency = estimate["latency"]
    key = "time_share" if latency else "macs"
    layers = sorted(estimate["layers"], key=lambda layer: (-(layer[key] or 0), layer["index"]))
    rows = [
        (
            str(layer["index"]), layer["op"], layer_name(layer["name"]), layer["where"], f"{layer['macs'] / 1e6:.3f}",
            f"{layer['weight_bytes']:,}", f"{layer['read_bytes'] + layer['written_bytes']:,}",
            f"{1000 * latency['ms'] * layer['time_share']:.0f}" if latency else "-",
            f"{100 * layer['time_share']:.1f}" if latency else "-",
        )
        for layer in layers[:_WORK]
    ]  # fmt: skip
    order = "slowest first, estimated" if latency else "most work first"
    return _table(
        f"Operators, {order} ({len(rows)} of {len(layers)})",
        ("#operator", "kind", "+name", "runs in", "#work (M MAC)", "#weights (B)", "#moved (B)", "#time (µs)",
         "#time (%)"),
        rows,
    )  # fmt: skip


def _times(facts: Facts) -> dict[str, Any]:
    names = {"fe": "frontend (and prologue)", "nn": "network", "pro": "prologue"}
    rows = [
        (
            found["source"], names.get(key, key), str(spread["windows"]), f"{spread['median_ms']:.2f}",
            f"{spread['p95_ms']:.2f}", f"{spread['max_ms']:.2f}",
            "emulated clock, no board's" if found["emulated"] else "the board's clock",
        )
        for found in facts["device"]
        for key, spread in found["times"].items()
    ]  # fmt: skip
    rows.sort(key=lambda row: -float(row[3]))
    heads = ("readback", "part", "#windows", "#median (ms)", "#95 % (ms)", "#longest (ms)", "by")
    return _table("Time of a window, slowest part first", heads, rows)


def _differences(facts: Facts) -> dict[str, Any]:
    rows = [
        (found["source"], worst["file"], str(worst["win"]), str(worst["values"]), str(worst["max_lsb"]))
        for found in facts["device"]
        for worst in (found["verdict"] or {}).get("differences", ())
    ]
    rows.sort(key=lambda row: -int(row[4]))
    heads = ("readback", "+recording", "#window", "#outputs that differ", "#largest difference (int8 steps)")
    return _table("Windows that differ from the host, worst first", heads, rows)
