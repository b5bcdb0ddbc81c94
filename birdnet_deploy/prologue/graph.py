"""The float prefix as a frozen artefact: tensors by size, and steps that each are one call of a kernel.

Shapes are resolved: a tensor is a row of floats, a step says in numbers how it walks over them. Layouts were chosen
by ``reading.py``, so nothing here is transposed in passing. ``check_prologue`` holds every step to its tensors, so what
comes out of a file can be generated and run blindly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.errors import ModelError

Numbers = Mapping[str, int | float | str]
Arrays = Mapping[str, NDArray[np.float32] | NDArray[np.int32]]

MAX_FLOATS = 1 << 24  # of one tensor: more memory than any board of this family has
MAX_STEPS = 1 << 10
LEAST, MOST = -3.4028234663852886e38, 3.4028234663852886e38  # bounds of a step without an activation

_WINDOW = (
    "in_h", "in_w", "out_h", "out_w", "k_h", "k_w", "stride_h", "stride_w", "pad_top", "pad_left",
)  # fmt: skip
_CLAMP = ("low", "high")
_BLOCKS = ("outer", "channels", "inner")
BINARY_OPS = ("add", "sub", "rsub", "mul", "div", "rdiv", "max", "min")
UNARY_OPS = ("clamp", "log", "logistic")
REDUCE_OPS = ("max", "mean", "sum")
POOL_OPS = ("average", "max")


@dataclass(frozen=True)
class Step:
    """One call of a kernel. ``name`` is that of the tensor that it completes, "" where another step goes on.

    ``numbers`` are integers, but ``low`` and ``high``, which are floats, and ``op``, a word; ``arrays`` are float32
    weights and int32 indices.
    """

    kind: str
    name: str
    inputs: tuple[int, ...]
    output: int
    numbers: Numbers
    arrays: Arrays

    @property
    def macs(self) -> int:
        """Multiplications with weights; zero weights of ``rows`` are none."""
        return KINDS[self.kind].macs(self)

    @property
    def elements(self) -> int:
        """Values that the step writes."""
        return KINDS[self.kind].writes(self)

    def integer(self, name: str) -> int:
        """Gives a number that is an integer."""
        return int(self.numbers[name])


@dataclass(frozen=True)
class Prologue:
    """The layers before the cut; shapes are without batch, ``sizes`` are the floats of each tensor."""

    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    sizes: tuple[int, ...]
    input: int
    output: int
    steps: tuple[Step, ...]

    @property
    def macs(self) -> int:
        """Multiplications with weights of one window."""
        return sum(step.macs for step in self.steps)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights and indices."""
        return sum(array.nbytes for step in self.steps for array in step.arrays.values())

    @property
    def output_name(self) -> str:
        """The name of the tensor at the cut."""
        return next(step.name for step in reversed(self.steps) if step.output == self.output)


@dataclass(frozen=True)
class Kind:
    """What a kind of step consists of: its numbers, its arrays with their dtype, and what it touches."""

    numbers: tuple[str, ...]
    arrays: Mapping[str, str]
    inputs: tuple[int, int]
    reads: Callable[[Step], tuple[int, ...]]
    writes: Callable[[Step], int]
    fits: Callable[[Step], bool]
    macs: Callable[[Step], int] = lambda step: 0
    ops: tuple[str, ...] = ()


def _product(step: Step, names: tuple[str, ...]) -> int:
    return math.prod(step.integer(name) for name in names)


def _length(step: Step, name: str) -> int:
    return len(step.arrays[name])


def _out_size(step: Step) -> int:
    return _product(step, ("out_h", "out_w", "out_c"))


def _in_size(step: Step) -> tuple[int, ...]:
    return (_product(step, ("in_h", "in_w", "in_c")),)


def _rows_fit(step: Step) -> bool:
    runs, first, taps = (step.arrays[name] for name in ("runs", "first", "taps"))
    return (
        _length(step, "bias") == len(runs) == step.integer("rows")
        and bool((runs >= 0).all() and (taps > 0).all() and (first >= 0).all())
        and int(runs.sum()) == len(first) == len(taps)
        and int(taps.sum(dtype=np.int64)) == _length(step, "weights")
        and bool((first.astype(np.int64) + taps <= step.integer("depth")).all())
    )


def _conv_fits(step: Step) -> bool:
    filters = _product(step, ("out_c", "k_h", "k_w", "in_c"))
    return _length(step, "weights") == filters and _length(step, "bias") == step.integer("out_c")


def _depthwise_fits(step: Step) -> bool:
    filters, channels = _product(step, ("k_h", "k_w", "in_c")), step.integer("in_c")
    same = step.integer("out_c") == channels == _length(step, "bias")
    return same and _length(step, "weights") == filters


def _binary_reads(step: Step) -> tuple[int, ...]:
    block = _product(step, _BLOCKS)
    return (block,) if _length(step, "b") else (block, step.integer("channels"))


def _binary_fits(step: Step) -> bool:
    return _length(step, "b") in (0, step.integer("channels")) and len(_binary_reads(step)) == len(step.inputs)


def _affine_fits(step: Step) -> bool:
    return _length(step, "scale") == _length(step, "offset") == step.integer("channels")


def _span(step: Step, side: str) -> int:
    """The floats from the start of a tensor to the last that a copy touches."""
    last = sum((step.integer(f"n{i}") - 1) * step.integer(f"{side}_s{i}") for i in range(4))
    return step.integer(f"{side}_at") + last + 1


KINDS: Mapping[str, Kind] = {
    "rows": Kind(
        ("rows", "depth", "length", *_CLAMP),
        {"bias": "float32", "runs": "int32", "first": "int32", "taps": "int32", "weights": "float32"}, (1, 1),
        lambda s: (_product(s, ("depth", "length")),), lambda s: _product(s, ("rows", "length")), _rows_fit,
        lambda s: _length(s, "weights") * s.integer("length"),
    ),
    "conv": Kind(
        (*_WINDOW, "in_c", "out_c", "dilation_h", "dilation_w", *_CLAMP), {"weights": "float32", "bias": "float32"},
        (1, 1), _in_size, _out_size, _conv_fits,
        lambda s: _product(s, ("out_h", "out_w")) * _length(s, "weights"),
    ),
    "depthwise": Kind(
        (*_WINDOW, "in_c", "out_c", "dilation_h", "dilation_w", *_CLAMP), {"weights": "float32", "bias": "float32"},
        (1, 1), _in_size, _out_size, _depthwise_fits,
        lambda s: _product(s, ("out_h", "out_w")) * _length(s, "weights"),
    ),
    "pool": Kind(
        (*_WINDOW, "in_c", "out_c", "op", *_CLAMP), {}, (1, 1), _in_size, _out_size,
        lambda s: s.numbers["in_c"] == s.numbers["out_c"], ops=POOL_OPS,
    ),
    "affine": Kind(
        (*_BLOCKS, *_CLAMP), {"scale": "float32", "offset": "float32"}, (1, 1),
        lambda s: (_product(s, _BLOCKS),), lambda s: _product(s, _BLOCKS), _affine_fits, lambda s: s.elements,
    ),
    "binary": Kind(
        (*_BLOCKS, "op", *_CLAMP), {"b": "float32"}, (1, 2), _binary_reads, lambda s: _product(s, _BLOCKS),
        _binary_fits, lambda s: s.elements if s.numbers["op"] == "mul" and _length(s, "b") else 0, BINARY_OPS,
    ),
    "unary": Kind(
        ("count", "op", *_CLAMP), {}, (1, 1), lambda s: (s.integer("count"),), lambda s: s.integer("count"),
        lambda s: True, ops=UNARY_OPS,
    ),
    "reduce": Kind(
        ("outer", "count", "inner", "op"), {}, (1, 1), lambda s: (_product(s, ("outer", "count", "inner")),),
        lambda s: _product(s, ("outer", "inner")), lambda s: True, ops=REDUCE_OPS,
    ),
    "copy": Kind(
        tuple(f"{p}{i}" for p in ("n", "in_s", "out_s") for i in range(4)) + ("in_at", "out_at"), {}, (1, 1),
        lambda s: (_span(s, "in"),), lambda s: _span(s, "out"), lambda s: True,
    ),
    "fill": Kind(
        ("count", "low"), {}, (0, 0), lambda s: (), lambda s: s.integer("count"), lambda s: True,
    ),
}  # fmt: skip
_FROM_ZERO = frozenset(
    {"pad_top", "pad_left", "in_at", "out_at", *(f"{p}_s{i}" for p in ("in", "out") for i in range(4))}
)


def check_prologue(prologue: Prologue, where: object) -> None:
    """Holds a prologue to what its kernels may touch.

    Raises: ModelError (exit 3) naming the first step that does not fit its tensors.
    """
    tensors = range(len(prologue.sizes))
    if not prologue.steps or len(prologue.steps) > MAX_STEPS:
        _fail(f"has {len(prologue.steps)} steps", where)
    if not all(0 < size <= MAX_FLOATS for size in prologue.sizes):
        _fail("has a tensor that is empty or too large", where)
    if prologue.input not in tensors or prologue.output not in tensors:
        _fail("names a tensor that is not there", where)
    ends = ((prologue.input, prologue.input_shape), (prologue.output, prologue.output_shape))
    if any(math.prod(shape) != prologue.sizes[tensor] for tensor, shape in ends):
        _fail("has ends of another size than their shapes", where)
    written = {prologue.input}
    for index, step in enumerate(prologue.steps):
        what = f"step {index} ({step.kind})"
        if not _is_whole(step) or not {*step.inputs, step.output} <= {*tensors}:
            _fail(f"has a {what} that is none", where)
        touched = (*zip(step.inputs, KINDS[step.kind].reads(step), strict=True), (step.output, step.elements))
        if any(count > prologue.sizes[tensor] for tensor, count in touched) or step.output == prologue.input:
            _fail(f"has a {what} that touches more than its tensors", where)
        if not written.issuperset(step.inputs):
            _fail(f"has a {what} that reads what nobody wrote", where)
        written.add(step.output)
    if prologue.output not in {step.output for step in prologue.steps if step.name}:
        _fail("never completes its output", where)


def _is_whole(step: Step) -> bool:
    """Says whether a step has the numbers and arrays of its kind, and they hang together."""
    kind = KINDS.get(step.kind)
    if kind is None or set(step.numbers) != set(kind.numbers) or set(step.arrays) != set(kind.arrays):
        return False
    if not kind.inputs[0] <= len(step.inputs) <= kind.inputs[1]:
        return False
    for name, value in step.numbers.items():
        if name == "op":
            good = value in kind.ops
        elif name in _CLAMP:
            good = type(value) is float and abs(value) <= MOST and not _is_negative_zero(value)
        else:
            good = type(value) is int and (0 if name in _FROM_ZERO else 1) <= value <= MAX_FLOATS
        if not good:
            return False
    for name, dtype in kind.arrays.items():
        array = step.arrays[name]
        if array.ndim != 1 or array.dtype != dtype or not np.isfinite(array).all():
            return False
    return kind.fits(step) and _windows_fit(step) and _bounds_fit(step)


def _is_negative_zero(value: float) -> bool:
    return value == 0 and math.copysign(1, value) < 0


def _bounds_fit(step: Step) -> bool:
    """Says whether there is room between the bounds; an upper bound of 0 would tell zeros of both signs apart."""
    if "high" not in step.numbers:
        return True
    low, high = (float(step.numbers[name]) for name in _CLAMP)
    return low < high and high != 0


def _windows_fit(step: Step) -> bool:
    """Says whether every window of a convolution or pool holds at least one value of the input."""
    if "k_h" not in step.numbers:
        return True
    for k, stride, pad, size, out, dilation in (
        ("k_h", "stride_h", "pad_top", "in_h", "out_h", "dilation_h"),
        ("k_w", "stride_w", "pad_left", "in_w", "out_w", "dilation_w"),
    ):
        last = (step.integer(out) - 1) * step.integer(stride) - step.integer(pad)
        reach = (step.integer(k) - 1) * int(step.numbers.get(dilation, 1))
        if last >= step.integer(size) or reach < step.integer(pad):
            return False
    return True


def _fail(what: str, where: object) -> None:
    raise ModelError(f"the prologue {what}", where=where, fix="run convert again")
