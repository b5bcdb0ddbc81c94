"""What each kernel of the prologue takes: its C structure, and weights in the order in which it loads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.prologue.graph import Step
from birdnet_deploy.support.c_literals import c_float

LANES = 4  # of firmware_stub/core/prologue/prologue_vector.h
_KERNELS = {
    "affine": "prologue_elementwise.h",
    "binary": "prologue_elementwise.h",
    "unary": "prologue_elementwise.h",
    "fill": "prologue_copy.h",
}
_OPS = {"average": "PROLOGUE_REDUCE_MEAN"}


@dataclass(frozen=True)
class CTable:
    """A constant C array."""

    name: str
    c_type: str
    values: NDArray[Any]

    @property
    def size_bytes(self) -> int:
        """Bytes of the array."""
        return int(self.values.nbytes)

    @property
    def is_float(self) -> bool:
        """Says whether it holds floats, not integers."""
        return self.c_type == "float"


def kernel_of(step: Step) -> tuple[str, str]:
    """Gives the kernel function of a step and the header that declares it."""
    return f"prologue_{step.kind}", _KERNELS.get(step.kind, f"prologue_{step.kind}.h")


def scratch_floats(step: Step) -> int:
    """Gives the floats that a kernel needs while it runs: a convolution's view of four positions."""
    if step.kind != "conv":
        return 0
    return LANES * step.integer("k_h") * step.integer("k_w") * step.integer("in_c")


def tables_of(index: int, step: Step) -> dict[str, CTable]:
    """Gives the constant arrays of a step by the name of the kernel's parameter; empty ones are left out."""
    packed = {name: _packed(step, name, values) for name, values in step.arrays.items()}
    if step.kind == "depthwise":
        packed["taps"] = _distances(step)
    return {
        name: CTable(f"step_{index}_{name}", "float" if values.dtype.kind == "f" else "int32_t", values)
        for name, values in sorted(packed.items())
        if values.size
    }


def _packed(step: Step, name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Gives an array with its lanes side by side, filled up with zeros to whole vectors."""
    if step.kind == "conv":
        groups = -(-step.integer("out_c") // LANES)
        rows = values.reshape(step.integer("out_c"), -1)
        filled = np.pad(rows, ((0, groups * LANES - len(rows)), (0, 0)))
        return filled.reshape(groups, LANES, -1).transpose(0, 2, 1).ravel()
    if step.kind == "depthwise":
        channels = step.integer("in_c")
        return np.pad(values.reshape(-1, channels), ((0, 0), (0, -channels % LANES))).ravel()
    if step.kind in ("affine", "binary") and values.size:
        return np.pad(values, (0, LANES))
    return values


def _distances(step: Step) -> NDArray[np.int32]:
    """Gives how far each tap's value lies from that of the first tap, in floats."""
    across = np.arange(step.integer("k_w")) * step.integer("dilation_w")
    down = np.arange(step.integer("k_h")) * step.integer("dilation_h") * step.integer("in_w")
    return ((down[:, None] + across) * step.integer("in_c")).astype(np.int32).ravel()


def fields_of(step: Step, tables: Mapping[str, CTable]) -> list[str]:
    """Gives the members of the kernel's structure as ``name = value``."""
    numbers = step.numbers
    fields: dict[str, str] = {}
    if "op" in numbers:
        fields["op"] = _op(step)
    if "k_h" in numbers:
        fields |= {"y": _axis(step, "h", "pad_top"), "x": _axis(step, "w", "pad_left")}
    if "outer" in numbers and step.kind != "reduce":
        fields["blocks"] = _braced(numbers[name] for name in ("outer", "channels", "inner"))
    if step.kind == "copy":
        fields |= {"count": _braced(numbers[f"n{i}"] for i in range(4))}
        fields |= {f"{side}_step": _braced(numbers[f"{side}_s{i}"] for i in range(4)) for side in ("in", "out")}
    if step.kind in ("depthwise", "pool"):
        fields["channels"] = str(numbers["in_c"])
    plain = {
        "rows": ("rows", "depth", "length"), "conv": ("in_c", "out_c"), "unary": ("count",), "fill": ("count",),
        "reduce": ("outer", "count", "inner"), "copy": ("in_at", "out_at"),
    }  # fmt: skip
    fields |= {name: str(numbers[name]) for name in plain.get(step.kind, ())}
    if step.kind == "fill":
        fields["value"] = c_float(float(numbers["low"]))
    elif "low" in numbers:
        fields["clamp"] = _braced(c_float(float(numbers[name])) for name in ("low", "high"))
    fields |= {name: table.name for name, table in tables.items() if step.kind != "binary"}
    return [f"{name} = {value}" for name, value in fields.items()]


def _op(step: Step) -> str:
    word = str(step.numbers["op"])
    reduces = step.kind in ("reduce", "pool")
    return _OPS.get(word, f"PROLOGUE_{'REDUCE_' if reduces else ''}{word.upper()}")


def _axis(step: Step, letter: str, pad: str) -> str:
    names = (f"in_{letter}", f"out_{letter}", f"k_{letter}", f"stride_{letter}")
    values = [step.numbers[name] for name in names]
    return _braced([*values, step.numbers.get(f"dilation_{letter}", 1), step.numbers[pad]])


def _braced(values: Any) -> str:
    return "{" + ", ".join(str(value) for value in values) + "}"
