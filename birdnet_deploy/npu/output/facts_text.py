"""The facts of a check as lines: what was judged, what is estimated and on what that rests, what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from birdnet_deploy.npu.latency import read_fit
from birdnet_deploy.support.printable import printable

Facts = Mapping[str, Any]
_NAME_COLUMNS = 60
_FEWEST_MACS, _MOST_MACS = 0.8, 2.0


def totals(summary: Facts) -> str:
    """Gives the line that closes a check: counts, size of the model, and the target."""
    counts = ", ".join(f"{count} {severity}" for severity, count in summary["counts"].items())
    parts = [counts]
    if "operators" in summary:
        on_npu = ", ".join(f"{count} {kind}" for kind, count in summary["operators_on_npu"].items())
        parts.append(
            f"{sum(summary['operators'].values())} operators (NPU table: {on_npu}), {summary['macs'] / 1e6:.1f} M MAC, "
            f"weights {summary['weight_bytes']:,} B, activations at least {summary['arena_bytes_at_least']:,} B"
        )
    chosen = f" ({summary['target_from']})" if summary.get("target_from") else ""
    return printable(f"{'; '.join(parts)}; target {summary['target']}{chosen}")


def estimate_lines(summary: Facts) -> Iterator[str]:
    """Yields the estimate and what it rests on."""
    estimate = summary.get("estimate")
    if not estimate:
        return
    latency, flash, arena = estimate["latency"], estimate["flash"], estimate["arena"]
    parts = []
    if latency:
        parts.append(f"{latency['ms']:.2f} ms on the NPU ({latency['low_ms']:.2f} to {latency['high_ms']:.2f})")
    if flash:
        parts.append(f"weights {flash['bytes']:,} B of flash ({flash['low_bytes']:,} to {flash['high_bytes']:,})")
        ram = estimate["internal_ram"]
        parts.append(f"internal RAM {ram['median_bytes']:,} B ({ram['low_bytes']:,} to {ram['high_bytes']:,})")
    if arena["buffers"]:
        parts.append(f"a plan of the activations takes {_pools(arena)}")
    yield f"estimate: {'; '.join(parts)}" if parts else "estimate: none"
    if latency:
        fit = latency["fit"]
        yield (
            f"  {latency['source']}; {fit['rows']} rows of {', '.join(fit['families'])}; families left out of the fit "
            f"are off by {_percent(fit['left_out_mean_error'])} in the mean, by {_percent(fit['left_out_low'])} to "
            f"+{_percent(fit['left_out_high'])} at worst"
        )
    yield from (f"  {note}" for note in estimate["notes"])


def _pools(arena: Facts) -> str:
    used = [f"{pool['used_bytes']:,} B of {pool['name']}" for pool in arena["pools"] if pool["used_bytes"]]
    return ", ".join(used) + ("" if arena["fits"] else ", and does not fit")


def layer_lines(estimate: Facts | None) -> Iterator[str]:
    """Yields the table of layers and the arena plan."""
    if not estimate:
        return
    heads = ("#", "operator", "runs in", "MAC", "weights B", "read B", "written B", "time", "output", "name")
    rows = [
        (
            str(layer["index"]), layer["op"], layer["where"], f"{layer['macs']:,}", f"{layer['weight_bytes']:,}",
            f"{layer['read_bytes']:,}", f"{layer['written_bytes']:,}", _share(layer["time_share"]),
            "x".join(map(str, layer["output_shape"])) or "scalar", layer["name"].split(";")[0][:_NAME_COLUMNS],
        )
        for layer in estimate["layers"]
    ]  # fmt: skip
    yield from _table(heads, rows, right=frozenset({0, 3, 4, 5, 6, 7}))
    buffers = estimate["arena"]["buffers"]
    if buffers:
        yield ""
        places = [
            (
                buffer["pool"] or "no pool", f"{buffer['offset']:,}", f"{buffer['size_bytes']:,}",
                f"{buffer['first']} to {buffer['last']}", ", ".join(map(str, buffer["tensors"])),
            )
            for buffer in buffers
        ]  # fmt: skip
        yield from _table(("pool", "offset", "bytes", "operators", "tensors"), places, right=frozenset({1, 2}))
        yield ""


def engine_lines(engine: Facts | None) -> Iterator[str]:
    """Yields the kernel calls of the generated C engine and where they read and write in its arena."""
    if not engine:
        return
    if "problem" in engine:
        yield printable(f"engine: no plan, {engine['problem']}")
        return
    yield (
        f"engine: arena {engine['arena_bytes']:,} B (no plan needs less than {engine['arena_lower_bound']:,}), "
        f"constants {engine['weight_bytes']:,} B"
    )
    rows = [
        (
            str(step["operator"]), step["op"], step["kernel"], _offsets(step["input_offsets"]),
            f"{step['output_offset']:,}", _offsets([step["scratch_offset"]]),
        )
        for step in engine["steps"]
    ]  # fmt: skip
    yield from _table(
        ("#", "operator", "kernel", "reads at", "writes at", "scratch at"), rows, right=frozenset({0, 4, 5})
    )
    yield ""


def _offsets(offsets: Sequence[int | None]) -> str:
    return ", ".join("-" if offset is None else f"{offset:,}" for offset in offsets)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]
    for row in (heads, *rows):
        cells = (
            f"{cell:>{w}}" if i in right else f"{cell:<{w}}"
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        yield printable("  ".join(cells).rstrip())


def measured_lines(summary: Facts) -> Iterator[str]:
    """Yields what a run of stedgeai measured beside what is estimated; only a board measures a latency."""
    run, estimate = summary.get("measured"), summary.get("estimate") or {}
    if not run:
        return
    yield printable(f"measured: ST Edge AI Core {run['tool_version'] or '(unknown)'}, from {', '.join(run['files'])}")
    flash, ram, latency = estimate.get("flash"), estimate.get("internal_ram"), estimate.get("latency")
    rows = [
        ("weights", _size(flash and flash["bytes"]), _size(run["weight_bytes"])),
        ("activations", _size(ram and ram["median_bytes"]), _size(run["activation_bytes"])),
        ("latency", _ms(latency and latency["ms"]), _ms(run["latency_ms"])),
        *_latency_of_the_weights(run, estimate),
        ("epochs", "-", _epochs(run)),
        *((f"pool {pool['name']}", _planned(estimate, pool["name"]), _pool(pool)) for pool in run["pools"]
          if pool["used_bytes"]),
    ]  # fmt: skip
    yield from (f"  {line}" for line in _table(("", "estimate", "measured"), rows, right=frozenset({1})))
    yield from (printable(f"  note: {note}") for note in (*run["notes"], *_doubts(run, estimate)))


def _latency_of_the_weights(run: Facts, estimate: Facts) -> Iterator[tuple[str, str, str]]:
    """Yields the estimate again with the weights as they were compiled, which are known now."""
    if estimate.get("latency") and run["weight_bytes"]:
        ms = read_fit().predict(run["weight_bytes"], estimate["moved_bytes"])
        yield "latency, these weights", _ms(ms), ""


def _doubts(run: Facts, estimate: Facts) -> Iterator[str]:
    """Yields a word where a run is hardly of this model: stedgeai counts activations as well, but not many times."""
    theirs, ours = run["macs"], estimate.get("macs")
    if theirs and ours and not _FEWEST_MACS * ours < theirs < _MOST_MACS * ours:
        yield f"is it of this model? stedgeai counted {theirs:,} MAC, the model has {ours:,}"


def _epochs(run: Facts) -> str:
    if run["epoch_count"] is None:
        return "-"
    software = [epoch for epoch in run["epochs"] if epoch["kind"] == "sw"]
    names = f": {', '.join(epoch['operation'] for epoch in software)}" if software else ""
    return f"{run['epoch_count']}, {run['software_epochs']} in software{names}"


def _planned(estimate: Facts, name: str) -> str:
    pools = estimate["arena"]["pools"] if estimate else ()
    return next((_size(pool["used_bytes"]) for pool in pools if pool["name"] == name), "-")


def _pool(pool: Facts) -> str:
    return f"{pool['used_bytes']:,} of {pool['size_bytes']:,} B"


def _size(value: int | None) -> str:
    return "-" if value is None else f"{value:,} B"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} ms"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
