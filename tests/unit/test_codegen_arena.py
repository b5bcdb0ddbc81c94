"""The memory plan: nothing that lives at once overlaps, sharing is only taken where it is exact, bounds are met."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from birdnet_deploy.codegen.arena import Arena, plan_arena
from birdnet_deploy.codegen.graph import read_graph
from birdnet_deploy.codegen.lower import lower
from birdnet_deploy.codegen.packing import ALIGNMENT, Buffer
from birdnet_deploy.tflite.reader import read_model
from tests.support.int8_models import SAME, ModelBuilder
from tests.support.kernel_graphs import random_graph

SHAPE = (1, 4, 4, 8)
SIZE = 128


def _plan(build: ModelBuilder, source: int, output: int) -> Arena:
    return plan_arena(lower(read_graph(read_model(build.finish([source], [output])))))


def _image(build: ModelBuilder) -> int:
    return build.tensor(SHAPE, 0.1, 0)


def _overlaps(buffers: tuple[Buffer, ...]) -> bool:
    pairs = itertools.combinations(buffers, 2)
    return any(
        a.first <= b.last and b.first <= a.last
        and a.offset < b.offset + b.size_bytes and b.offset < a.offset + a.size_bytes
        for a, b in pairs
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_buffers_that_live_at_once_never_overlap(seed: int) -> None:
    _, model, _ = random_graph(np.random.default_rng(seed))
    arena = plan_arena(lower(read_graph(read_model(model))))
    assert not _overlaps(arena.buffers)
    assert all(buffer.offset % ALIGNMENT == 0 for buffer in arena.buffers)
    assert arena.size_bytes >= arena.lower_bound
    assert arena.size_bytes == max(b.offset + b.size_bytes for b in arena.buffers)


def test_a_chain_of_elementwise_operators_needs_one_tensor() -> None:
    build = ModelBuilder()
    source = tensor = _image(build)
    for _ in range(5):
        output = _image(build)
        build.operator("RELU", [tensor], output)
        tensor = output
    assert _plan(build, source, tensor).size_bytes == SIZE


def test_an_operand_that_is_read_later_is_not_overwritten() -> None:
    build = ModelBuilder()
    source, first, output = _image(build), build.tensor(SHAPE, 1 / 256, -128), _image(build)
    build.operator("SOFTMAX", [source], first, beta=1.0)
    build.operator("MUL", [source, first], output)
    arena = _plan(build, source, output)
    assert arena.places[first] != arena.places[source]


def test_an_operand_that_another_reads_through_a_view_is_not_overwritten() -> None:
    build = ModelBuilder()
    source, whole, output = _image(build), _image(build), _image(build)
    row = build.tensor((1, 1, 4, 8), 0.1, 0)
    build.operator("QUANTIZE", [source], whole)
    build.operator("SLICE", [whole, build.ints([0, 2, 0, 0]), build.ints([1, 1, 4, 8])], row)
    build.operator("MUL", [whole, row], output)
    arena = _plan(build, source, output)
    assert arena.places[row] == arena.places[whole] + 2 * 32
    assert arena.places[output] != arena.places[whole]


def test_a_reshape_is_the_same_memory() -> None:
    build = ModelBuilder()
    source, relu = _image(build), _image(build)
    flat, output = (build.tensor((1, SIZE), 0.1, 0) for _ in range(2))
    build.operator("RELU", [source], relu)
    build.operator("RESHAPE", [relu, build.ints((1, SIZE))], flat)
    build.operator("RELU6", [flat], output)
    arena = _plan(build, source, output)
    assert arena.places[flat] == arena.places[relu]
    assert arena.size_bytes == SIZE


def test_a_pointwise_convolution_overwrites_its_input_where_that_lowers_the_peak() -> None:
    build = ModelBuilder()
    source, kept, output = _image(build), _image(build), _image(build)
    weights = build.tensor((8, 1, 1, 8), 0.1, data=np.ones((8, 1, 1, 8), np.int8))
    bias = build.tensor([8], 0.01, data=np.zeros(8, np.int32), dtype="int32")
    build.operator("CONV_2D", [source, weights, bias], kept, padding=SAME, strideH=1, strideW=1)
    build.operator("RELU", [kept], output)
    arena = _plan(build, source, output)
    assert arena.places[kept] == arena.places[source]
    assert arena.size_bytes == SIZE + sum(b.size_bytes for b in arena.buffers if not b.tensors)


def test_the_output_lives_to_the_end_and_the_input_from_the_beginning() -> None:
    build = ModelBuilder()
    source, output = _image(build), build.tensor((1, 8), 0.1, 0)
    build.operator("MEAN", [source, build.ints([1, 2])], output)
    arena = _plan(build, source, output)
    lives = {tensor: (b.first, b.last) for b in arena.buffers for tensor in b.tensors}
    assert lives == {source: (0, 0), output: (0, 1)}


def test_an_output_that_is_a_view_of_the_input_needs_no_step() -> None:
    build = ModelBuilder()
    source, output = _image(build), build.tensor((1, SIZE), 0.1, 0)
    build.operator("RESHAPE", [source, build.ints((1, SIZE))], output)
    arena = _plan(build, source, output)
    assert arena.places[output] == arena.places[source] == 0
    assert arena.size_bytes == SIZE


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs_get_the_optimum_of_the_rules(seed: int) -> None:
    _, model, _ = random_graph(np.random.default_rng(seed))
    arena = plan_arena(lower(read_graph(read_model(model))))
    assert arena.is_optimal
    assert arena.size_bytes == arena.lower_bound


def test_the_bound_counts_an_output_and_the_operand_it_may_take_over_once() -> None:
    build = ModelBuilder()
    source, output = _image(build), _image(build)
    first, second = (build.tensor(SHAPE, 1 / 256, -128) for _ in range(2))
    build.operator("SOFTMAX", [source], first, beta=1.0)
    build.operator("SOFTMAX", [source], second, beta=0.5)
    build.operator("ADD", [first, second], output)
    arena = _plan(build, source, output)
    scratch = sum(b.size_bytes for b in arena.buffers if not b.tensors)
    assert arena.lower_bound == arena.size_bytes == 2 * SIZE + scratch
