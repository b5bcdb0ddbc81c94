"""Prologues of a single step, with random weights: for the kernels' arithmetic and for their costs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.prologue.graph import LEAST, MOST, Prologue, Step, check_prologue

NONE = {"low": LEAST, "high": MOST}
RELU6 = {"low": 0.0, "high": 6.0}


def random_values(seed: int, *shape: int) -> NDArray[np.float32]:
    """Gives normal float32 numbers."""
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def one_step(
    kind: str, numbers: dict[str, Any], arrays: dict[str, NDArray[Any]], sizes: tuple[int, ...], output: int
) -> Prologue:
    """Gives a checked prologue of one step; ``sizes`` are those of its inputs, the first is the features."""
    steps = []
    inputs = tuple(range(len(sizes)))
    if len(sizes) > 1:  # the second operand is made of the features
        copy = {f"{p}{i}": 1 if p == "n" else 0 for p in ("n", "in_s", "out_s") for i in range(4)}
        copy |= {"n3": sizes[1], "in_s3": 1, "out_s3": 1, "in_at": sizes[0] - sizes[1], "out_at": 0}
        steps.append(Step("copy", "second", (0,), 1, copy, {}))
    flat = {name: np.ascontiguousarray(values).ravel() for name, values in arrays.items()}
    steps.append(Step(kind, kind, inputs, len(sizes), numbers, flat))
    prologue = Prologue((sizes[0],), (output,), (*sizes, output), 0, len(sizes), tuple(steps))
    check_prologue(prologue, "a case")
    return prologue


def window(
    height: int, width: int, k_h: int, k_w: int, stride_h: int = 1, stride_w: int = 1, dilation: int = 1,
    padding: str = "SAME",
) -> dict[str, int]:  # fmt: skip
    """Gives the numbers of a sliding window over a map."""
    numbers: dict[str, int] = {"dilation_h": dilation, "dilation_w": dilation}
    for letter, side, size, taps, stride in (
        ("h", "top", height, k_h, stride_h), ("w", "left", width, k_w, stride_w),
    ):  # fmt: skip
        reach = (taps - 1) * dilation + 1
        out = -(-size // stride) if padding == "SAME" else (size - reach) // stride + 1
        missing = max(0, (out - 1) * stride + reach - size) if padding == "SAME" else 0
        numbers |= {
            f"in_{letter}": size, f"out_{letter}": out, f"k_{letter}": taps, f"stride_{letter}": stride,
            f"pad_{side}": missing // 2,
        }  # fmt: skip
    return numbers


def conv(numbers: dict[str, int], in_c: int, out_c: int, seed: int = 0, **clamp: float) -> Prologue:
    """Gives a convolution."""
    weights = random_values(seed, out_c, numbers["k_h"], numbers["k_w"], in_c)
    arrays = {"weights": weights, "bias": random_values(seed + 1, out_c)}
    sizes = (numbers["in_h"] * numbers["in_w"] * in_c,)
    output = numbers["out_h"] * numbers["out_w"] * out_c
    return one_step("conv", {**numbers, "in_c": in_c, "out_c": out_c, **(clamp or RELU6)}, arrays, sizes, output)


def depthwise(numbers: dict[str, int], channels: int, seed: int = 0) -> Prologue:
    """Gives a depthwise convolution."""
    arrays = {
        "weights": random_values(seed, numbers["k_h"], numbers["k_w"], channels),
        "bias": random_values(seed + 1, channels),
    }
    sizes = (numbers["in_h"] * numbers["in_w"] * channels,)
    output = numbers["out_h"] * numbers["out_w"] * channels
    return one_step("depthwise", {**numbers, "in_c": channels, "out_c": channels, **RELU6}, arrays, sizes, output)


def pool(numbers: dict[str, int], channels: int, op: str) -> Prologue:
    """Gives a pool."""
    kept = {name: value for name, value in numbers.items() if not name.startswith("dilation")}
    sizes = (numbers["in_h"] * numbers["in_w"] * channels,)
    output = numbers["out_h"] * numbers["out_w"] * channels
    return one_step("pool", {**kept, "in_c": channels, "out_c": channels, "op": op, **NONE}, {}, sizes, output)


def rows(count: int, depth: int, length: int, taps: int, seed: int = 0, runs: int = 1) -> Prologue:
    """Gives a sparse projection with runs of ``taps`` weights."""
    random = np.random.default_rng(seed)
    room = depth // runs
    first = [run * room + random.integers(0, room - taps + 1) for _ in range(count) for run in range(runs)]
    arrays = {
        "bias": random_values(seed, count),
        "runs": np.full(count, runs, np.int32),
        "first": np.array(first, np.int32),
        "taps": np.full(count * runs, taps, np.int32),
        "weights": random_values(seed + 1, count * runs * taps),
    }
    numbers = {"rows": count, "depth": depth, "length": length, "low": 0.0, "high": MOST}
    return one_step("rows", numbers, arrays, (depth * length,), count * length)


def affine(outer: int, channels: int, inner: int, seed: int = 0) -> Prologue:
    """Gives a scale and an offset for each channel."""
    arrays = {"scale": random_values(seed, channels), "offset": random_values(seed + 1, channels)}
    numbers = {"outer": outer, "channels": channels, "inner": inner, **NONE}
    size = outer * channels * inner
    return one_step("affine", numbers, arrays, (size,), size)


def binary(op: str, outer: int, channels: int, inner: int, *, constant: bool, seed: int = 0) -> Prologue:
    """Gives an operation with a constant, or with the last values of the features themselves."""
    size = outer * channels * inner
    numbers = {"op": op, "outer": outer, "channels": channels, "inner": inner, **NONE}
    table = np.abs(random_values(seed, channels)) + np.float32(0.5) if constant else np.zeros(0, np.float32)
    return one_step("binary", numbers, {"b": table}, (size,) if constant else (size, channels), size)


def unary(op: str, count: int) -> Prologue:
    """Gives a function of each value."""
    numbers = {"op": op, "count": count, **(NONE if op != "clamp" else RELU6)}
    return one_step("unary", numbers, {}, (count,), count)


def reduce(op: str, outer: int, count: int, inner: int) -> Prologue:
    """Gives a reduction of an axis."""
    numbers = {"op": op, "outer": outer, "count": count, "inner": inner}
    return one_step("reduce", numbers, {}, (outer * count * inner,), outer * inner)


def transpose(height: int, width: int) -> Prologue:
    """Gives a copy that swaps two axes."""
    numbers = {f"{p}{i}": 1 if p == "n" else 0 for p in ("n", "in_s", "out_s") for i in range(4)}
    numbers |= {"n2": width, "n3": height, "in_s2": 1, "in_s3": width, "out_s2": height, "out_s3": 1}
    return one_step("copy", {**numbers, "in_at": 0, "out_at": 0}, {}, (height * width,), height * width)


def combined(cases: dict[str, Prologue]) -> Prologue:
    """Gives one prologue that runs all cases on the first values of the same features; stages bear their names."""
    most = max(case.sizes[0] for case in cases.values())
    sizes, steps = [most], []
    for name, case in cases.items():
        first = len(sizes) - 1
        sizes += case.sizes[1:]
        for step in case.steps:
            inputs = tuple(tensor + first if tensor else 0 for tensor in step.inputs)
            shown = name if step is case.steps[-1] else ""
            steps.append(Step(step.kind, shown, inputs, step.output + first, step.numbers, step.arrays))
    prologue = Prologue((most,), (sizes[-1],), tuple(sizes), 0, len(sizes) - 1, tuple(steps))
    check_prologue(prologue, "cases")
    return prologue
