"""The tables that the benchmark prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.engine.measure import Measurement

# facts/emulated-m55.md: the same model, QEMU and window; million instructions, text in bytes, arena in bytes
ANCHORS = (
    ("TFLM reference kernels", 448.9e6, 126.8e3, 258_948),
    ("TFLM + CMSIS-NN (Helium)", 29.95e6, 143.6e3, 259_060),
    ("prototype, scalar", 208.5e6, 13.4e3, 196_656),
    ("prototype, Helium", 25.06e6, 13.3e3, 196_656),
)


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
        rows.append((first.operator, first.op, first.kernel, first.shape, first.macs, *each))
    header = ["#", "operator", "kernel", "output", "MAC"]
    for m in measurements:
        header += [m.form, "per MAC|value"]
    return table(rows, header)
