"""Pictures of float against int8: the scatter of outputs, their differences, the layers, the frontier of cuts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from birdnet_deploy.showing.figures.style import BAD, GRID, INK, SERIES, SOFT, Picture, draw_svg
from birdnet_deploy.showing.names import layer_name
from birdnet_deploy.showing.tables import chosen_cut, gates_told

Facts = Mapping[str, Any]
_TOLD = 8  # cuts in the words beside the picture
_MARKS = (("o", SERIES[2], "meets the gates"), ("D", SERIES[4], "with too little room"), ("X", BAD, "misses them"))


def scatter(facts: Facts) -> Picture | None:
    """Gives the scatter of outputs of both models; None where nothing was measured."""
    detail = facts["detail"]
    if not detail:
        return None
    first, second, unit = detail["pairs"]["float"], detail["pairs"]["int8"], _unit(facts)
    low, high = min(first + second), max(first + second)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.plot([low, high], [low, high], color=SOFT, linewidth=1, linestyle="--", label="equal")
        axes.plot(first, second, ".", color=SERIES[0], markersize=3.5, alpha=0.6, label="an output")
        axes.set_xlabel(f"float model ({unit})")
        axes.set_ylabel(f"int8 model ({unit})")
        axes.legend(loc="upper left")

    alt = (
        f"{len(first)} of {detail['outputs']:,} outputs, the farthest apart among them, float from {min(first):.2f} to "
        f"{max(first):.2f} {unit} against int8. On the dashed line both are equal. The root mean square of the "
        f"difference is {detail['differences']['rms']:.3f}, the greatest {detail['differences']['max_abs']:.3f}; "
        f"one int8 step is {detail['output_step']:.4f}."
    )
    return draw_svg("scatter", f"Outputs, int8 against float ({unit})", alt, (5.4, 4.2), draw)


def differences(facts: Facts) -> Picture | None:
    """Gives the histogram of int8 minus float."""
    detail = facts["detail"]
    if not detail:
        return None
    found, unit, step = detail["differences"], _unit(facts), detail["output_step"]
    edges, counts = found["edges"], found["counts"]

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.stairs(counts, edges, fill=True, color=SERIES[0], alpha=0.75)
        axes.axvline(0, color=INK, linewidth=1)
        for side in (-step / 2, step / 2):
            axes.axvline(side, color=BAD, linewidth=1.2, linestyle=":")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlabel(f"int8 - float ({unit})")
        axes.set_ylabel("outputs (count, logarithmic)")

    alt = (
        f"Histogram of int8 minus float over {detail['outputs']:,} outputs: mean {found['mean']:+.3f} {unit}, 98 % "
        f"between {found['p1']:+.3f} and {found['p99']:+.3f}, the greatest {found['max_abs']:.3f}. The dotted lines "
        f"are half an int8 step of the output ({step / 2:.4f}), which is the least that can be lost."
    )
    return draw_svg("differences", f"Difference of outputs ({unit})", alt, (5.4, 4.2), draw)


def layers(facts: Facts) -> Picture | None:
    """Gives the ratio of signal to noise of each int8 tensor in the order of execution."""
    rows = sorted(
        (row for row in facts["layers"] or () if row["alone_db"] is not None), key=lambda row: row["position"]
    )
    if not rows:
        return None
    worst = min(rows, key=lambda row: (row["alone_db"], row["position"]))
    kinds = (
        ("alone_db", "logits, this tensor alone in int8", "o", "-", SERIES[0]),
        ("cumulative_db", "this tensor, all before it in int8 too", "s", "--", SERIES[4]),
        ("local_db", "this tensor, its own rounding", "^", ":", SERIES[2]),
    )

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for key, label, marker, line, colour in kinds:
            points = [(row["position"], row[key]) for row in rows if row[key] is not None]
            axes.plot(
                *zip(*points, strict=True), marker=marker, linestyle=line, color=colour, markersize=4, label=label
            )
        axes.plot(worst["position"], worst["alone_db"], "o", color=BAD, markersize=11, markerfacecolor="none", mew=2.5)
        axes.annotate(
            f"costs most: {worst['alone_db']:.1f} dB", (worst["position"], worst["alone_db"]), color=BAD,
            xytext=(10, -14), textcoords="offset points", fontweight="bold",
        )  # fmt: skip
        axes.set_xlabel("position in the network (operator number; -1 is the input)")
        axes.set_ylabel("signal to noise (dB, more is better)")
        axes.margins(y=0.12)
        figure.legend(loc="outside lower center", ncols=1)

    alt = (
        f"Signal to quantization noise of {len(rows)} int8 tensors in dB, in the order of execution. The one that "
        f"costs the outputs most is {layer_name(worst['tensor'])} at position {worst['position']}: alone in int8 it "
        f"leaves {worst['alone_db']:.1f} dB."
    )
    return draw_svg("layers", "Signal to quantization noise of each layer (dB)", alt, (10, 4.6), draw)


def frontier(facts: Facts) -> Picture | None:
    """Gives what each cut keeps against what it costs the CPU; None where less than two were measured."""
    points = facts["frontier"] or ()
    if len(points) < 2:
        return None
    options, chosen = (facts["model"] or {}).get("options") or {}, chosen_cut(facts)
    gate, budget = facts["gates"]["min_cosine"], options.get("max_cpu_macs")

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        macs = [point["cpu_macs"] / 1e6 for point in points]
        axes.plot(macs, [point["cosine_mean"] for point in points], "-", color=GRID, linewidth=1.5)
        named = _with_room(points, chosen or "", 1e6 * max(*macs, (budget or 0) / 1e6))
        for number, point in enumerate(points):
            ours = point["name"] == chosen
            marker, colour, _ = _MARKS[0 if point["meets"] else 1 if point.get("lacks_room") else 2]
            place = (point["cpu_macs"] / 1e6, point["cosine_mean"])
            axes.plot(*place, marker=marker, color=colour, markersize=9)
            if ours:
                axes.plot(*place, marker="o", color=INK, markersize=18, markerfacecolor="none", markeredgewidth=2)
            if point["name"] not in named:
                continue
            axes.annotate(
                f"{point['name']}{' (chosen)' if ours else ''}", place, xytext=(13, -4 - 11 * (number % 2)),
                textcoords="offset points", fontsize=10, fontweight="bold" if ours else "normal",
            )  # fmt: skip
        if gate is not None:
            axes.axhline(gate, color=BAD, linestyle="--", linewidth=1.3)
            axes.annotate(f"gate {gate:g}", (0.995, gate), xycoords=("axes fraction", "data"), ha="right", va="bottom")
        if budget and max(macs) > 0.4 * budget / 1e6:
            axes.axvline(budget / 1e6, color=SOFT, linestyle=":", linewidth=1.5)
            axes.annotate(
                f"budget {budget / 1e6:g} M", (budget / 1e6, 0.02), xycoords=("data", "axes fraction"), rotation=90,
                ha="right", va="bottom",
            )  # fmt: skip
        for marker, colour, label in _MARKS:
            axes.plot([], [], marker=marker, color=colour, linestyle="", markersize=9, label=label)
        figure.legend(loc="outside lower center", ncols=3)
        axes.margins(x=0.16, y=0.18)
        axes.set_xlabel("float multiply-accumulates on the CPU for a window (M MAC)")
        axes.set_ylabel("mean cosine of scores (1 is equal)")

    told = "; ".join(
        f"{point['name']} {point['cpu_macs'] / 1e6:.2f} M MAC, cosine {point['cosine_mean']:.4f}, "
        f"the gates: {gates_told(point)}"
        for point in points[:_TOLD]
    ) + ("" if len(points) <= _TOLD else f"; {len(points) - _TOLD} more stand in the table")
    gated = "" if gate is None else f" The gate on the mean cosine is {gate:g}."
    alt = f"Cosine against float work on the CPU of {len(points)} cuts: {told}. Chosen: {chosen or 'nothing'}.{gated}"
    return draw_svg("frontier", "The frontier of prologues (cosine against M MAC)", alt, (10, 4.4), draw)


def _with_room(points: Sequence[Facts], chosen: str, wide: float) -> set[str]:
    """Gives the names that have room right of their points on an axis of ``wide`` MACs, and the chosen one."""
    cosines = [point["cosine_mean"] for point in points]
    high = max(cosines) - min(cosines) or 1

    def near(point: Facts, other: Facts) -> bool:
        right = 0 <= other["cpu_macs"] - point["cpu_macs"] < 0.25 * wide
        return bool(right and abs(other["cosine_mean"] - point["cosine_mean"]) < 0.1 * high)

    return {
        point["name"]
        for point in points
        if point["name"] == chosen or not any(near(point, other) for other in points if other is not point)
    }


def _unit(facts: Facts) -> str:
    head = (facts["model"] or {}).get("network", {}).get("head")
    return "probability" if head == "probabilities" else "logit"
