"""The float kernels of the prologue: the same bits on the host, on a scalar M55, with Helium, and in numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.prologue.cost import estimate_step
from birdnet_deploy.prologue.graph import Prologue
from birdnet_deploy.prologue.reading import prologue_from_tflite
from birdnet_deploy.prologue.reference import run_stages
from tests.support import prologue_cases as cases
from tests.support.make_prologue_models import PREFIXES
from tests.support.prologue_builds import FORMS, SCALE, ZERO_POINT, run_form
from tests.support.prologue_cases import binary, conv, depthwise, pool, reduce, rows, unary, window

ON_EVERY_FORM = pytest.mark.parametrize(
    "form", [pytest.param(form, marks=() if form == "host" else pytest.mark.emulator) for form in FORMS]
)


def kernel_cases() -> dict[str, Prologue]:
    """Odd sizes of every kernel: tails of vectors, padding on all sides, strides, dilations, one of everything."""
    return {
        "rows": rows(7, 40, 21, 5), "rows of runs": rows(5, 40, 19, 3, runs=3), "rows of one": rows(3, 9, 1, 2),
        "rows of blocks": rows(4, 30, 64, 6), "rows of three": rows(2, 9, 3, 2),
        "conv stem": conv(window(9, 14, 3, 3, 1, 2), 1, 6), "conv 1x1": conv(window(5, 7, 1, 1), 5, 9),
        "conv valid": conv(window(8, 11, 3, 2, 2, 1, padding="VALID"), 3, 4),
        "conv dilated": conv(window(9, 12, 3, 3, dilation=2), 2, 5),
        "conv strided": conv(window(1, 80, 1, 16, 1, 7, padding="VALID"), 1, 8),
        "conv larger than its map": conv(window(2, 3, 5, 5), 2, 3), "conv to one": conv(window(1, 1, 1, 1), 6, 1),
        "depthwise": depthwise(window(9, 13, 3, 3), 5), "depthwise by two": depthwise(window(8, 16, 3, 3, 2, 2), 8),
        "depthwise dilated": depthwise(window(9, 14, 3, 3, dilation=2), 4),
        "depthwise of one": depthwise(window(4, 6, 2, 3), 1), "depthwise small": depthwise(window(2, 3, 5, 5), 3),
        "average": pool(window(5, 9, 3, 3), 3, "average"), "greatest": pool(window(5, 9, 2, 2, 2, 2), 2, "max"),
        "affine planar": cases.affine(1, 5, 13), "affine by channel": cases.affine(6, 7, 1),
        "affine of one": cases.affine(1, 1, 1), "clamp": unary("clamp", 37), "log": unary("log", 33),
        "logistic": unary("logistic", 35), "transpose": cases.transpose(5, 7),
        **{f"{op} constant": binary(op, 2, 5, 3, constant=True) for op in ("add", "rsub", "mul", "rdiv", "max", "min")},
        **{f"{op} tensor": binary(op, 1, 50, 1, constant=False) for op in ("add", "sub", "div", "max")},
        "gate": binary("mul", 6, 7, 1, constant=False), "peak": binary("div", 1, 1, 45, constant=False),
        **{f"{op} of rows": reduce(op, 3, 19, 1) for op in ("max", "mean", "sum")},
        **{f"{op} of columns": reduce(op, 2, 9, 6) for op in ("max", "mean", "sum")},
        "sum of three": reduce("sum", 2, 3, 1), "mean of one": reduce("mean", 1, 1, 1),
    }  # fmt: skip


@ON_EVERY_FORM
def test_every_kernel_gives_the_bits_of_numpy(form: str, tmp_path: Path) -> None:
    prologue = cases.combined(kernel_cases())
    features = cases.random_values(3, 3, *prologue.input_shape) * np.array([[1], [30], [0.01]], np.float32)
    features[2, ::5] = 0.0
    expected = run_stages(prologue, features)
    ran = run_form(prologue, features, tmp_path, form)
    assert list(ran.stages) == list(kernel_cases())
    for name, values in ran.stages.items():
        assert np.array_equal(values.view(np.int32), expected[name].view(np.int32)), name


@ON_EVERY_FORM
@pytest.mark.parametrize(("scale", "zero_point"), [(6 / 255, -128), (0.1, 5), (3e-5, 127), (900.0, 0)])
def test_the_cut_quantizes_as_tflite_does(form: str, scale: float, zero_point: int, tmp_path: Path) -> None:
    """Halves, values that lie next to them, and values far beyond the range among others."""
    prologue = cases.combined({"as they are": unary("clamp", 4099)})
    step = prologue.steps[0]
    prologue = Prologue(
        prologue.input_shape, prologue.output_shape, prologue.sizes, 0, 1,
        (type(step)("unary", "all", (0,), 1, {**step.numbers, **cases.NONE}, {}),),
    )  # fmt: skip
    halves = (np.arange(-1024, 1024) / 2).astype(np.float32) * np.float32(scale)
    near = np.nextafter(halves, np.float32(np.inf))
    beyond = np.array([1e30, -1e30, 0.0], np.float32)
    features = np.concatenate([halves, near, beyond])[None]
    ran = run_form(prologue, features, tmp_path, form, scale=scale, zero_point=zero_point)
    assert np.array_equal(ran.output, quantize_input(features, scale, zero_point))


def litert(model: bytes, features: np.ndarray) -> np.ndarray:
    """What LiteRT's own kernels make of features, one window at a time."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    rows_ = []
    for window_ in features:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], window_[None])
        interpreter.invoke()
        rows_.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    return np.stack(rows_)


@pytest.mark.parametrize("member", PREFIXES)
def test_members_of_the_family_agree_with_litert(member: str, prologue_prefixes: Path, tmp_path: Path) -> None:
    data = (prologue_prefixes / f"{member}.tflite").read_bytes()
    prologue = prologue_from_tflite(data)
    features = np.random.default_rng(0).uniform(0, 1, (3, *prologue.input_shape)).astype(np.float32) ** 2
    stages = run_stages(prologue, features)
    expected = litert(data, features)
    assert expected.shape[1:] == prologue.output_shape
    assert np.abs(stages[prologue.output_name] - expected).max() <= 1e-5 * np.abs(expected).max()
    ran = run_form(prologue, features, tmp_path, "host")
    for name, values in ran.stages.items():
        assert np.array_equal(values.view(np.int32), stages[name].reshape(values.shape).view(np.int32)), name
    final = stages[prologue.output_name].reshape(len(features), -1)
    assert np.array_equal(ran.output, quantize_input(final, SCALE, ZERO_POINT))


@pytest.mark.emulator
@pytest.mark.parametrize("form", ["scalar", "helium"])
def test_a_whole_member_has_the_same_bits_on_the_m55(form: str, prologue_prefixes: Path, tmp_path: Path) -> None:
    prologue = prologue_from_tflite((prologue_prefixes / "hybrid+pwl se.tflite").read_bytes())
    features = np.random.default_rng(1).uniform(0, 1, (2, *prologue.input_shape)).astype(np.float32)
    stages = run_stages(prologue, features)
    ran = run_form(prologue, features, tmp_path, form)
    for name, values in ran.stages.items():
        assert np.array_equal(values.view(np.int32), stages[name].reshape(values.shape).view(np.int32)), name


@pytest.mark.emulator
def test_helium_takes_well_under_two_instructions_a_multiplication_where_the_work_is(tmp_path: Path) -> None:
    """Sizes of the shared checkpoint; the estimate of ``costs.toml`` is held to what is counted."""
    sizes = {
        "mel": (rows(64, 257, 256, 8), 1.55), "stem": (conv(window(64, 256, 3, 3, 1, 2), 1, 16), 1.85),
        "depthwise": (depthwise(window(64, 128, 3, 3, 2, 2), 16), 2.1),
        "pointwise": (conv(window(32, 64, 1, 1), 16, 32), 1.25),
    }  # fmt: skip
    prologue = cases.combined({name: case for name, (case, _) in sizes.items()})
    features = np.abs(cases.random_values(4, 1, *prologue.input_shape))
    ran = run_form(prologue, features, tmp_path, "helium")
    for (name, (case, most)), instructions in zip(sizes.items(), ran.instructions, strict=False):
        assert instructions / case.macs < most, (name, instructions / case.macs)
        assert abs(estimate_step(case.steps[0]) / instructions - 1) < 0.2, name
