"""The tables that the benchmark prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.engine.measure import Layer, Measurement
from benchmarks.engine.peer import PeerResult

# facts/emulated-m55.md: the same model, QEMU and window; million instructions, text in bytes, arena in bytes
ANCHORS = (
    ("TFLM reference kernels", 448.9e6, 126.8e3, 258_948),
    ("TFLM + CMSIS-NN (Helium)", 29.95e6, 143.6e3, 259_060),
    ("prototype, scalar", 208.5e6, 13.4e3, 196_656),
    ("prototype, Helium", 25.06e6, 13.3e3, 196_656),
)
# The same source, instructions per MAC of the prototype with Helium: by operator, products of a sum, output channels
_PROTOTYPE = {
    ("CONV_2D", 256, 64): "0.22", ("CONV_2D", 264, 64): "0.22", ("CONV_2D", 32, 32): "0.62", ("CONV_2D", 9, 16): "4.33",
}  # fmt: skip
_PROTOTYPE_DEPTHWISE = "2.6-2.9"  # 3x3


def _prototype(layer: Layer) -> str:
    products = layer.macs // layer.output_size
    if layer.op == "DEPTHWISE_CONV_2D":
        return _PROTOTYPE_DEPTHWISE if products == 9 else ""
    return _PROTOTYPE.get((layer.op, products, int(layer.shape.split("x")[-1])), "")


def table(rows: Iterable[Sequence[object]], header: Sequence[str]) -> str:
    """Gives aligned text; numbers to the right."""
    cells = [list(header), *([_text(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    right = [all(row[i].replace(",", "").replace(".", "").replace("-", "").isdigit() or not row[i] for row in cells[1:])
             for i in range(len(header))]  # fmt: skip
    lines = [
        "  ".join(cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def totals_table(found: Iterable[tuple[str, Measurement]]) -> str:
    """Gives a row a model and form."""
    rows = [
        (
            name, m.form, m.macs, m.median, m.maximum, m.median / max(m.macs, 1), m.text_bytes, m.library_bytes,
            m.constant_bytes, m.arena_bytes, m.arena_bound, f"{m.differing} of {m.compared}",
        )
        for name, m in found
    ]  # fmt: skip
    header = (
        "model", "form", "MAC", "instructions", "maximum", "per MAC", "text", "library", "constants", "arena", "bound",
        "values that differ",
    )  # fmt: skip
    return table(rows, header)


def anchors_table() -> str:
    """Gives what the facts say of other engines on the anchor."""
    rows = [(name, int(count), int(text), arena) for name, count, text, arena in ANCHORS]
    return table(rows, ("engine (facts/emulated-m55.md)", "instructions", "text", "arena"))


def layers_table(measurements: Sequence[Measurement]) -> str:
    """Gives a row a kernel call with a column of instructions and one per MAC (else per output value) a form."""
    rows = []
    for layers in zip(*(m.layers for m in measurements), strict=True):
        first = layers[0]
        each: list[object] = []
        for layer in layers:
            each += [layer.instructions, layer.instructions / (layer.macs or layer.output_size)]
        each += [_prototype(first), first.bound_by if measurements[0].form == "helium" else ""]
        rows.append((first.operator, first.op, first.kernel, first.shape, first.macs, *each))
    header = ["#", "operator", "kernel", "output", "MAC"]
    for m in measurements:
        header += [m.form, "per MAC|value"]
    header += ["prototype", "Helium bound by"]
    return table(rows, header)


def peer_table(measurement: Measurement, peer: PeerResult) -> str:
    """Gives a row a product: the engine beside CMSIS-NN, and their totals."""
    rows: list[Sequence[object]] = []
    ours = theirs = 0
    for layer in measurement.layers:
        other = sum(peer.instructions.get(operator, 0) for operator in layer.operators)
        if not other:
            continue
        ours, theirs = ours + layer.instructions, theirs + other
        macs = max(layer.macs, 1)
        rows.append((
            layer.operator, layer.op, layer.shape, layer.macs, layer.instructions, layer.instructions / macs, other,
            other / macs, layer.instructions / other,
        ))  # fmt: skip
    rows.append(("", "all products", "", "", ours, "", theirs, "", ours / max(theirs, 1)))
    header = ("#", "operator", "output", "MAC", "engine", "per MAC", "CMSIS-NN", "per MAC", "engine / CMSIS-NN")
    return f"{table(rows, header)}\ntext of CMSIS-NN for these: {peer.text_bytes:,} bytes"
