"""Pictures of what a model takes: memory over time, regions and what fills them, work and time of each layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from birdnet_deploy.showing.figures.style import BAD, GRID, INK, PAPER, SERIES, SOFT, Picture, draw_svg
from birdnet_deploy.showing.names import layer_name

Facts = Mapping[str, Any]
_KIB = 1024
# What fills a region by the first word that it has: colour and hatch, so that neither alone has to tell it apart.
_LOOKS = {
    "activations": (SERIES[0], ""), "weights": (SERIES[1], "//"), "code": (SERIES[2], ".."),
    "zeroed": (SERIES[3], "\\\\"), "stack": (SERIES[4], "xx"), "initialised": (SERIES[5], "++"),
}  # fmt: skip
_OTHER = (SOFT, "oo")


def memory_plan(facts: Facts) -> Picture | None:
    """Gives the plan of the activations: time to the right, addresses upwards."""
    plan = facts["memory"]["plan"]
    if not plan or not plan["buffers"]:
        return None
    last = max(len(plan["steps"]) - 1, 0)
    largest = max(plan["buffers"], key=lambda buffer: (buffer["bytes"], -buffer["first"]))

    def draw(figure: Any) -> None:
        from matplotlib.patches import Rectangle

        axes = figure.subplots()
        shown = 0
        for buffer in plan["buffers"]:
            width = min(buffer["last"], last) + 1 - buffer["first"]
            scratch = not buffer["tensors"]
            colour = GRID if scratch else SERIES[shown % len(SERIES)]
            shown += not scratch
            corner = (buffer["first"], buffer["offset"] / _KIB)
            axes.add_patch(Rectangle(corner, width, buffer["bytes"] / _KIB, facecolor=colour, edgecolor=PAPER, lw=0.8))
        top = max(pool["base"] + pool["bytes"] for pool in plan["pools"])
        for pool in plan["pools"]:
            end = (pool["base"] + pool["bytes"]) / _KIB
            axes.axhline(end, color=SOFT, linewidth=1)
            axes.annotate(f"end of {pool['name']}", (last + 1, end), ha="right", va="bottom", fontsize=10)
        if plan["lower_bound_bytes"]:
            axes.axhline(plan["lower_bound_bytes"] / _KIB, color=INK, linestyle="--", linewidth=1)
        axes.set_xlim(0, last + 1)
        axes.set_ylim(0, top / _KIB * 1.08)
        axes.set_xlabel("time (step of the network)")
        axes.set_ylabel("address in the pool (KiB)")

    proof = {True: " No plan under its rules is smaller.", False: " It is the best found.", None: ""}[plan["optimal"]]
    name = largest["tensors"][-1] if largest["tensors"] else "scratch"
    alt = (
        f"{len(plan['buffers'])} buffers over {last + 1} steps, {plan['kind']}; together they need "
        f"{plan['bytes']:,} bytes.{proof} The largest is {name}: {largest['bytes']:,} bytes, steps "
        f"{largest['first']} to {largest['last']}. Grey is scratch."
    )
    return draw_svg("memory-plan", "Memory plan: who lives when and where (KiB)", alt, (10, 4.4), draw)


def regions(facts: Facts) -> Picture | None:
    """Gives each memory of the target as a bar, and what fills it."""
    found = [region for region in facts["memory"]["regions"] if region["used_bytes"]]
    if not found:
        return None

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        named = set()
        for row, region in enumerate(reversed(found)):
            left = 0.0
            axes.barh(row, 100, color="none", edgecolor=SOFT, height=0.62, linewidth=1)
            for fill in region["fills"]:
                word, share = fill["what"].split(" ", 1)[0].rstrip(","), 100 * fill["bytes"] / region["bytes"]
                colour, hatch = _LOOKS.get(word, _OTHER)
                label = None if word in named else word
                named.add(word)
                axes.barh(
                    row, share, left=left, color=colour, edgecolor=PAPER, height=0.62, hatch=hatch, linewidth=0.6,
                    label=label,
                )  # fmt: skip
                left += share
            over = region["used_bytes"] > region["bytes"]
            axes.annotate(
                f"{100 * region['used_bytes'] / region['bytes']:.1f} %", (min(left, 100), row), xytext=(5, 0),
                textcoords="offset points", va="center", color=BAD if over else INK, fontweight="bold",
            )  # fmt: skip
        names = [f"{region['name']}\n0x{region['address']:08X}, {_size(region['bytes'])}" for region in reversed(found)]
        axes.set_yticks(range(len(found)), names)
        axes.set_xlim(0, 112)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("taken of the region (%)")
        axes.set_ylabel("region (start, size)")
        figure.legend(loc="outside lower center", ncols=6)

    told = "; ".join(
        f"{region['name']} {region['used_bytes']:,} of {region['bytes']:,} bytes ("
        + ", ".join(f"{fill['what']} {fill['bytes']:,}" for fill in region["fills"]) + ")"
        for region in found
    )  # fmt: skip
    alt = f"What fills the memories of the target, by {facts['memory']['source']}: {told}."
    return draw_svg("regions", "Flash and memory map (% of each region)", alt, (10, 1.6 + 0.75 * len(found)), draw)


def _size(count: int) -> str:
    return f"{count / _KIB / _KIB:g} MiB" if count % (_KIB * _KIB) == 0 else f"{count / _KIB:g} KiB"


def work(facts: Facts) -> Picture | None:
    """Gives multiply-accumulates and estimated time of each layer, in the order of execution."""
    estimate = facts["estimate"]
    if not estimate or not estimate["layers"]:
        return None
    rows, latency = estimate["layers"], estimate["latency"]
    macs = max(rows, key=lambda row: (row["macs"], -row["index"]))
    slow = max(rows, key=lambda row: (row["time_share"] or 0, -row["index"]))
    timed = latency is not None

    def draw(figure: Any) -> None:
        panels = figure.subplots(2 if timed else 1, 1, sharex=True, squeeze=False)[:, 0]
        numbers = [row["index"] for row in rows]
        panels[0].bar(numbers, [row["macs"] / 1e6 for row in rows], color=SERIES[0])
        panels[0].bar([macs["index"]], [macs["macs"] / 1e6], color=BAD, hatch="//", edgecolor=PAPER)
        panels[0].set_ylabel("work (M MAC)")
        if timed:
            panels[1].bar(numbers, [1000 * latency["ms"] * (row["time_share"] or 0) for row in rows], color=SERIES[4])
            panels[1].bar([slow["index"]], [1000 * latency["ms"] * slow["time_share"]], color=BAD, hatch="//",
                          edgecolor=PAPER)  # fmt: skip
            panels[1].set_ylabel("NPU time (µs, estimated)")
        panels[-1].set_xlabel("operator number")

    alt = (
        f"Work and time of {len(rows)} operators: {estimate['macs'] / 1e6:.2f} M MAC in all, most in operator "
        f"{macs['index']} ({macs['op']}, {layer_name(macs['name'])}): {macs['macs'] / 1e6:.2f} M."
    )
    if timed:
        alt += (
            f" The estimate for the {estimate['target']} is {latency['ms']:.2f} ms ({latency['low_ms']:.2f} to "
            f"{latency['high_ms']:.2f}), most in operator {slow['index']} ({slow['op']}): "
            f"{1000 * latency['ms'] * slow['time_share']:.0f} µs. Estimated, not measured."
        )
    return draw_svg("work", "Work and time of each layer (M MAC, µs)", alt, (10, 4.8 if timed else 3), draw)


def device(facts: Facts) -> Picture | None:
    """Gives how many windows of each readback differ from the host by how many steps; None where none was judged."""
    judged = [found for found in facts["device"] if found["verdict"]]
    if not judged:
        return None

    def draw(figure: Any) -> None:
        panels = figure.subplots(len(judged), 1, squeeze=False)[:, 0]
        for axes, found in zip(panels, judged, strict=True):
            counts = found["verdict"]["by_lsb"]
            names = ["equal" if lsb == 0 else f"{lsb}" for lsb, _ in counts]
            bars = axes.barh(range(len(counts)), [count for _, count in counts], height=0.6)
            for bar, (lsb, _) in zip(bars, counts, strict=True):
                bar.set_color(SERIES[2] if lsb == 0 else BAD)
            axes.bar_label(bars, padding=4)
            axes.set_yticks(range(len(counts)), names)
            axes.invert_yaxis()
            axes.margins(x=0.1)
            axes.set_ylim(len(counts) - 0.5, -0.5)
            axes.set_xlabel(f"windows of {found['source']} (count)")
            axes.set_ylabel("difference\n(int8 steps)")

    told = "; ".join(
        f"{found['source']} on {found['target']}: "
        + ", ".join(f"{count} windows {'equal' if lsb == 0 else f'off by {lsb} steps'}"
                    for lsb, count in found["verdict"]["by_lsb"])
        for found in judged
    )  # fmt: skip
    rows = sum(len(found["verdict"]["by_lsb"]) for found in judged)
    alt = f"Device against host, by the greatest difference of a window: {told}."
    size = (10, 0.8 * len(judged) + 0.45 * rows + 0.4)
    return draw_svg("device", "Device against host (int8 steps)", alt, size, draw)
