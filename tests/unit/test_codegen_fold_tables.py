"""Which chains of operators become one look-up; that they compute the same is held in tests/firmware."""

from __future__ import annotations

import numpy as np

from birdnet_deploy.codegen.graph import read_graph
from birdnet_deploy.codegen.lower import lower
from birdnet_deploy.codegen.steps import Step
from birdnet_deploy.tflite.reader import read_model
from tests.support.int8_models import SAME, ModelBuilder

CHANNELS = 4


def _steps(build: ModelBuilder, source: int, output: int) -> tuple[Step, ...]:
    return lower(read_graph(read_model(build.finish([source], [output])))).steps


def _product(build: ModelBuilder, source: int, shape: tuple[int, ...]) -> int:
    data = np.array([3, -90, 127, 5], np.int8).reshape(1, 1, 1, CHANNELS)
    weights = build.tensor(data.shape, [0.01] * CHANNELS, data=data, axis=3)
    bias = build.tensor([CHANNELS], [0.0005] * CHANNELS, data=np.arange(CHANNELS, dtype=np.int32), dtype="int32")
    output = build.tensor(shape, 0.05, 3)
    build.operator("DEPTHWISE_CONV_2D", [source, weights, bias], output, padding=SAME, strideH=1, strideW=1,
                   depthMultiplier=1)  # fmt: skip
    return output


def _branches(width: int) -> tuple[Step, ...]:
    """relu(k * x) + x, with a factor k for each channel."""
    shape = (1, 1, width, CHANNELS)
    build = ModelBuilder()
    source = build.tensor(shape, 0.05, 0)
    scaled = _product(build, source, shape)
    relu, output = build.tensor(shape, 0.04, -128), build.tensor(shape, 0.06, 0)
    build.operator("RELU", [scaled], relu)
    build.operator("ADD", [relu, source], output)
    return _steps(build, source, output)


def test_branches_of_one_tensor_become_one_table_a_channel() -> None:
    (step,) = _branches(200)
    assert step.kernel == "nn_lookup_channels"
    assert step.folds == (0, 1, 2)
    assert step.macs == 200 * CHANNELS
    assert len(step.arrays()[0].values) == 256 * CHANNELS


def test_tables_by_channel_are_not_made_for_few_pixels() -> None:
    assert [step.kernel for step in _branches(20)] == ["nn_depthwise", "nn_lookup", "nn_add"]


def test_a_result_that_others_read_is_still_computed() -> None:
    shape = (1, 2, 3, CHANNELS)
    build = ModelBuilder()
    source = build.tensor(shape, 0.05, 0)
    first, second = build.tensor(shape, 0.04, -128), build.tensor(shape, 0.03, -128)
    build.operator("RELU", [source], first)
    build.operator("RELU6", [first], second)
    both = build.tensor((1, 2, 3, 2 * CHANNELS), 0.04, -128)
    again = build.tensor(shape, 0.04, -128)
    build.operator("QUANTIZE", [second], again)
    build.operator("CONCATENATION", [first, again], both, axis=3)
    steps = _steps(build, source, both)
    assert [(step.kernel, step.folds) for step in steps[:2]] == [("nn_lookup", ()), ("nn_lookup", (0, 1, 2))]
    assert [step.inputs for step in steps] == [(source,), (source,), (first,), (again,)]


def test_functions_of_different_tensors_stay_apart() -> None:
    shape = (1, 2, 300, CHANNELS)
    build = ModelBuilder()
    source = build.tensor(shape, 0.05, 0)
    peak = build.tensor(shape, 0.05, 0)
    build.operator("MAX_POOL_2D", [source], peak, filterHeight=3, filterWidth=3, strideH=1, strideW=1, padding=SAME)
    first, second, output = (build.tensor(shape, 0.04, 0) for _ in range(3))
    build.operator("RELU", [source], first)
    build.operator("RELU", [peak], second)
    build.operator("ADD", [first, second], output)
    assert [step.kernel for step in _steps(build, source, output)] == [
        "nn_pool_maximum", "nn_lookup", "nn_lookup", "nn_add",
    ]  # fmt: skip
