"""The figures of an evaluation as text, the worst first. Nothing here prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from birdnet_deploy.evaluation.results import ENGINES, INT8
from birdnet_deploy.evaluation.summary import Summary
from birdnet_deploy.support.printable import printable

_CLASSES = 20  # the worst that are shown
_DASH = "-"


def summary_lines(summary: Summary) -> list[str]:
    """Gives the lines of a summary: what was evaluated, the figures by file and by window, differences, agreement, and
    the classes with the lowest average precision."""
    data = summary.data
    lines = _coverage(data)
    for key, rows in (("by_file", "files"), ("by_window", "windows")):
        if data[key] is not None:
            lines += ["", *_level(data[key], rows, data)]
    if data["agreement"]:
        lines += ["", *_agreement(data["agreement"])]
    return lines


def _coverage(data: Mapping[str, Any]) -> list[str]:
    truth = data["truth"]
    files = ", ".join(f"{count:,} {status}" for status, count in data["files"].items()) or "none"
    lines = [
        f"files: {files}; {data['windows']:,} windows",
        f"labelled: {truth['labelled']:,} files; without labels: {truth['unlabelled']:,} (counted, not used)",
    ]
    if data["calibrated"]:
        of = sum(data["files"].values())
        lines.append(f"{data['calibrated']:,} of these {of:,} files calibrated the bundle: they judge it too kindly")
    if truth["unknown_labels"]:
        first = ", ".join(printable(entry["label"]) for entry in truth["most_unknown"][:3])
        lines.append(
            f"labels that the model does not have: {truth['unknown_labels']:,} ({first}); "
            f"{truth['only_unknown_labels']:,} files have no others and are not used"
        )
    if truth["broken_tables"]:
        lines.append(f"tables that cannot be read: {truth['broken_tables']:,}; first: {truth['broken'][0]}")
    return lines


def _level(level: Mapping[str, Any], rows: str, data: Mapping[str, Any]) -> list[str]:
    threshold = data["thresholds"][len(data["thresholds"]) // 2] if data["thresholds"] else None
    names = ["average_precision", "roc_auc"]
    heads = ["mean AP", "ROC-AUC", "top-1"]
    if threshold is not None:
        names += [f"precision@{threshold:g}", f"recall@{threshold:g}"]
        heads += [f"precision at {threshold:g}", f"recall at {threshold:g}"]

    def cells(entry: Mapping[str, Any], *, sign: bool = False) -> list[str]:
        found = [entry["macro"][names[0]], entry["macro"][names[1]], entry["top1"]]
        return [_percent(one, sign=sign) for one in (*found, *(entry["macro"][name] for name in names[2:]))]

    bootstrap = data["bootstrap"]
    pooling = f", {data['pooling']['name']} of their windows' scores" if rows == "files" else ""
    title = (
        f"by {rows[:-1]}: {level['rows']:,} {rows} of {level['recordings']:,} recordings{pooling}; means over "
        f"{level['classes_with_positives']} classes; %, in brackets 95 % of {bootstrap['replicates']} resamples"
    )  # fmt: skip
    engines = [[name, *cells(level["engines"][name])] for name in data["engines"]]
    lines = [title, *_columns([["engine", *heads], *engines])]
    if level["differences"]:
        changes = [[f"{e['to']} - {e['from']}", *cells(e, sign=True)] for e in level["differences"]]
        lines += ["differences on the same recordings, percentage points", *_columns([["", *heads], *changes])]
    return lines + _classes(level, rows)


def _classes(level: Mapping[str, Any], rows: str) -> list[str]:
    """Gives the classes with the lowest average precision of int8, or of the first engine where it did not run."""
    engines = level["engines"]
    names = [name for name in ENGINES if name in engines]  # of a summary that was read the order is another
    judge = INT8 if INT8 in engines else names[0]
    classes = engines[judge]["classes"]
    order = sorted(classes, key=lambda label: (classes[label]["average_precision"]["value"], label))
    body = [
        [
            printable(label), f"{classes[label]['positives']:,}",
            *(_percent(engines[name]["classes"][label]["average_precision"]) for name in names),
        ]
        for label in order[:_CLASSES]
    ]  # fmt: skip
    more = f", {_CLASSES} of {len(order)}" if len(order) > _CLASSES else ""
    head = ["class", rows, *(f"AP {name}" for name in names)]
    return [f"classes, worst AP of {judge} first, %{more}", *_columns([head, *body])]


def _agreement(pairs: Sequence[Mapping[str, Any]]) -> list[str]:
    edges = [f"{_edge(bin_)}" for bin_ in pairs[0]["by_confidence"]]
    head = [
        "",
        "windows",
        "top-1",
        f"confident (> {pairs[0]['confident']['above']:g})",
        "mean cosine",
        "int8 equal",
        *edges,
    ]
    body = [
        [
            f"{pair['to']} with {pair['from']}", f"{pair['windows']:,}", _percent(pair["top1"]),
            _percent(pair["confident"]["top1"]), _cosine(pair["cosine"]), _equal(pair["outputs"]),
            *(_share(bin_) for bin_ in pair["by_confidence"]),
        ]
        for pair in pairs
    ]  # fmt: skip
    title = (
        "agreement over all windows, % with the same best class; last columns: by best score of the second, of windows"
    )
    return [title, *_columns([head, *body])]


def _share(bin_: Mapping[str, Any]) -> str:
    value = bin_["top1"]["value"]
    return _DASH if value is None else f"{100 * value:.1f} of {bin_['windows']:,}"


def _edge(bin_: Mapping[str, Any]) -> str:
    if bin_["above"] is None:
        return f"to {bin_['to']:g}"
    return f"above {bin_['above']:g}" if bin_["to"] is None else f"to {bin_['to']:g}"


def _equal(outputs: Mapping[str, Any] | None) -> str:
    return _DASH if outputs is None else f"{_percent(outputs['equal'])}, <= {outputs['max_steps']} steps"


def _cosine(figure: Mapping[str, Any]) -> str:
    if figure["low"] is None:
        return f"{figure['value']:.4f}"
    return f"{figure['value']:.4f} ({figure['low']:.4f} .. {figure['high']:.4f})"


def _percent(figure: Mapping[str, Any], *, sign: bool = False) -> str:
    if figure["value"] is None:
        return _DASH
    form = "+.1f" if sign else ".1f"
    value, *ends = (
        None if figure[key] is None else format(100 * figure[key], form) for key in ("value", "low", "high")
    )
    return f"{value}" if None in ends else f"{value} ({ends[0]} .. {ends[1]})"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Gives rows as aligned columns, the first to the left, all others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]  # fmt: skip
