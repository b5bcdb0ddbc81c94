#!/usr/bin/env python3
"""Fits the latency of the NPU to published measurements and tells how far to trust it.

    python scripts/refit_latency.py [ROWS.csv] [--min-layers 13] [--write]

ROWS.csv has the columns model, weights_kib, act_io_bytes, layers, latency_ms, source and, if there is one, family;
rows without one of the numbers are left out, and so are nets of fewer than --min-layers layers: a single layer pays
for its start, which the fit has no term for. Least squares of the relative error, no constant. --write replaces
birdnet_deploy/npu/latency.toml.
"""

from __future__ import annotations

import argparse
import csv
import re
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from birdnet_deploy.npu.latency import Fit, fit_of  # noqa: E402 - the project need not be installed

ROWS = ROOT / "benchmarks" / "validate" / "published_latencies.csv"
FIT = ROOT / "birdnet_deploy" / "npu" / "latency.toml"


@dataclass(frozen=True)
class Row:
    """One published measurement: bytes of weights after compilation, bytes that layers read and write, ms."""

    model: str
    family: str
    tool: str
    weight_bytes: float
    moved_bytes: float
    layers: int
    ms: float


def read_rows(path: Path) -> list[Row]:
    """Gives the rows of a CSV that have all numbers."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    wanted = ("weights_kib", "act_io_bytes", "layers", "latency_ms")
    return [
        Row(
            model=row["model"], family=row.get("family") or family_of(row["model"]), tool=row["tool_version"],
            weight_bytes=float(row["weights_kib"]) * 1024, moved_bytes=float(row["act_io_bytes"]),
            layers=int(row["layers"]), ms=float(row["latency_ms"]),
        )
        for row in rows
        if all(row[name] for name in wanted)
    ]  # fmt: skip


def family_of(model: str) -> str:
    """Gives the architecture that a model's name begins with: letters and a version; v1 is the one without."""
    found = re.match(r"([a-z]+?)(?:_?v(\d+))?(?![a-z])", model.lower())
    if found is None:
        return model
    name, version = found.groups()
    return name if version in (None, "1") else f"{name}v{version}"


def solve(rows: Iterable[Row]) -> tuple[float, float]:
    """Gives ms per 10^6 bytes of weights and of moved bytes: the normal equations of the relative error."""
    ww = wa = aa = w1 = a1 = 0.0
    for row in rows:
        w, a = row.weight_bytes / 1e6 / row.ms, row.moved_bytes / 1e6 / row.ms
        ww, wa, aa, w1, a1 = ww + w * w, wa + w * a, aa + a * a, w1 + w, a1 + a
    determinant = ww * aa - wa * wa
    return (w1 * aa - a1 * wa) / determinant, (a1 * ww - w1 * wa) / determinant


def error(row: Row, coefficients: tuple[float, float]) -> float:
    """Gives estimate / measured - 1."""
    weights_ms, moved_ms = coefficients
    return (weights_ms * row.weight_bytes + moved_ms * row.moved_bytes) / 1e6 / row.ms - 1


def left_out(rows: Sequence[Row]) -> dict[str, list[float]]:
    """Gives for each family the errors of its rows under a fit to all other families."""
    return {
        family: [error(row, solve(r for r in rows if r.family != family)) for row in rows if row.family == family]
        for family in sorted({row.family for row in rows})
    }


def mean_size(errors: Sequence[float]) -> float:
    """Gives the mean of the absolute values."""
    return sum(map(abs, errors)) / len(errors)


def toml_of(rows: Sequence[Row]) -> str:
    """Gives the text of ``latency.toml`` for the rows."""
    weights_ms, moved_ms = (float(f"{value:.4g}") for value in solve(rows))
    errors = [error(row, (weights_ms, moved_ms)) for row in rows]
    outs = [value for values in left_out(rows).values() for value in values]
    shares = [weights_ms * r.weight_bytes / (weights_ms * r.weight_bytes + moved_ms * r.moved_bytes) for r in rows]
    ranges = {
        "weights_mb": [r.weight_bytes / 1e6 for r in rows], "moved_mb": [r.moved_bytes / 1e6 for r in rows],
        "weight_share": shares, "layers": [float(r.layers) for r in rows], "ms": [r.ms for r in rows],
    }  # fmt: skip
    families = ", ".join(f'"{name}"' for name in sorted({row.family for row in rows}))
    lines = [
        "# Made by: python scripts/refit_latency.py --write",
        "# ms = weights_ms * W + moved_ms * A, W and A in 10^6 bytes; errors are estimate / measured - 1.",
        "",
        "[fit]",
        f"weights_ms = {weights_ms}",
        f"moved_ms = {moved_ms}",
        f"rows = {len(rows)}",
        f"families = [{families}]",
        'source = "fit from published rows (NPU 1 GHz, CPU 800 MHz); not measured on this board"',
        "",
        "[errors]",
        f"mean = {mean_size(errors):.4f}",
        f"left_out_mean = {mean_size(outs):.4f}",
        f"left_out_low = {min(outs):.4f}",
        f"left_out_high = {max(outs):.4f}",
        "",
        "[ranges]",
        *(f"{name} = [{min(values):.4g}, {max(values):.4g}]" for name, values in ranges.items()),
    ]
    return "\n".join(lines) + "\n"


def report(rows: Sequence[Row], others: Sequence[Row], fit: Fit) -> str:
    """Gives the tables: every row, every family left out, and the rows that the fit was not made for."""
    used = (fit.weights_ms, fit.moved_ms)
    lines = [
        f"ms = {fit.weights_ms} * W + {fit.moved_ms} * A   (10^6 bytes; {fit.rows} rows)",
        f"that is {1000 / fit.weights_ms:.0f} MB/s for weights, {1000 / fit.moved_ms:.0f} MB/s for activations",
        "",
        f"{'model':<34} {'tool':<6} {'measured':>9} {'estimate':>9} {'error':>7}",
    ]
    for row in rows:
        estimate = row.ms * (1 + error(row, used))
        lines.append(f"{row.model:<34} {row.tool[:6]:<6} {row.ms:9.2f} {estimate:9.2f} {100 * error(row, used):+6.1f}%")
    lines += ["", f"{'family left out of the fit':<34} {'rows':>6} {'mean':>7} {'lowest':>8} {'highest':>8}"]
    for family, errors in left_out(rows).items():
        lines.append(
            f"{family:<34} {len(errors):6} {100 * mean_size(errors):6.1f}% {100 * min(errors):+7.1f}% "
            f"{100 * max(errors):+7.1f}%"
        )
    lines.append("")
    lines.append(
        f"mean error {100 * fit.mean_error:.1f}%; of left-out families {100 * fit.left_out_mean_error:.1f}% "
        f"({100 * fit.left_out_low:+.1f}% to {100 * fit.left_out_high:+.1f}%)"
    )
    if others:
        ratios = sorted(1 / (1 + error(row, used)) for row in others)
        lines.append(
            f"{len(others)} rows of fewer layers, not fitted: measured / estimate {ratios[0]:.2f} to {ratios[-1]:.2f}, "
            f"median {ratios[len(ratios) // 2]:.2f}"
        )
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the report; with --write replaces latency.toml."""
    import tomllib

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="?", type=Path, default=ROWS)
    parser.add_argument("--min-layers", type=int, default=13)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args(arguments)
    every = read_rows(options.rows)
    rows = [row for row in every if row.layers >= options.min_layers]
    if len({row.family for row in rows}) < 2:
        parser.error("rows of two families are needed at least")
    text = toml_of(rows)
    sys.stdout.write(report(rows, [row for row in every if row not in rows], fit_of(tomllib.loads(text))))
    if options.write:
        FIT.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no error
    sys.exit(main())
