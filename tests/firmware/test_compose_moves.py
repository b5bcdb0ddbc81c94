"""Chains of moves become one move each, and give what the reference gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.codegen.compose_moves import compose_moves
from birdnet_deploy.codegen.graph import read_graph
from birdnet_deploy.codegen.lower import Program, lower
from birdnet_deploy.codegen.network import generate_network
from birdnet_deploy.tflite.reader import read_model
from tests.support.engine import Engine
from tests.support.int8_models import ModelBuilder
from tests.support.reference import reference_outputs

SCALE, ZERO_POINT = 0.1, -7
Shape = tuple[int, ...]


class _Chain:
    """Moves one after the other on a tensor of four dimensions, the first of size 1."""

    def __init__(self, shape: Shape) -> None:
        self.build = ModelBuilder()
        self.shape = shape
        self.source = self.tensor = self._new(shape)

    def _new(self, shape: Shape, data: np.ndarray | None = None) -> int:
        return self.build.tensor(shape, SCALE, ZERO_POINT, data=data)

    def _then(self, name: str, inputs: list[int], shape: Shape, **options: int) -> None:
        output = self._new(shape)
        self.build.operator(name, inputs, output, **options)
        self.tensor, self.shape = output, shape

    def transpose(self, order: list[int]) -> None:
        self._then("TRANSPOSE", [self.tensor, self.build.ints(order)], tuple(self.shape[i] for i in order))

    def pad(self, pads: list[tuple[int, int]]) -> None:
        shape = tuple(n + a + b for n, (a, b) in zip(self.shape, pads, strict=True))
        self._then("PAD", [self.tensor, self.build.ints(pads)], shape)

    def slice(self, begins: list[int], sizes: list[int]) -> None:
        self._then("SLICE", [self.tensor, self.build.ints(begins), self.build.ints(sizes)], tuple(sizes))

    def join(self, axis: int, constant: np.ndarray) -> None:
        other = self._new(constant.shape, constant)
        shape = tuple(n + (constant.shape[i] if i == axis else 0) for i, n in enumerate(self.shape))
        self._then("CONCATENATION", [self.tensor, other], shape, axis=axis)

    def finish(self) -> bytes:
        return self.build.finish([self.source], [self.tensor])


def _random(rng: np.random.Generator) -> bytes:
    chain = _Chain((1, *(int(n) for n in rng.integers(2, 6, 3))))
    for kind in rng.choice(["transpose", "pad", "slice", "join"], int(rng.integers(2, 5))):
        if kind == "transpose":
            chain.transpose([0, *(int(i) for i in 1 + rng.permutation(3))])
        elif kind == "pad":
            chain.pad([(0, 0), *((int(a), int(b)) for a, b in rng.integers(0, 3, (3, 2)))])
        elif kind == "slice":
            begins = [0, *(int(rng.integers(0, n)) for n in chain.shape[1:])]
            chain.slice(begins, [1, *(int(rng.integers(1, n - b + 1)) for n, b in
                                      zip(chain.shape[1:], begins[1:], strict=True))])  # fmt: skip
        else:
            axis = int(rng.integers(1, 4))
            shape = tuple(int(rng.integers(1, 3)) if i == axis else n for i, n in enumerate(chain.shape))
            chain.join(axis, rng.integers(-128, 128, shape).astype(np.int8))
    return chain.finish()


def _programs(model: bytes) -> tuple[Program, Program]:
    plain = lower(read_graph(read_model(model)))
    return plain, compose_moves(plain)


def test_random_chains_equal_the_reference(tmp_path: Path, kernels: Path) -> None:
    rng = np.random.default_rng(8)
    models = [_random(rng) for _ in range(60)]
    networks = [generate_network(read_model(model)) for model in models]
    inputs = [rng.integers(-128, 128, (3, *network.input_shape)).astype(np.int8) for network in networks]
    answers = Engine(networks, tmp_path, kernels).outputs(inputs)
    for model, stack, answer in zip(models, inputs, answers, strict=True):
        assert answer is not None
        assert np.array_equal(answer, reference_outputs(model, stack))
    pairs = [_programs(model) for model in models]
    assert all(len(composed.steps) <= len(plain.steps) for plain, composed in pairs)
    assert sum(len(composed.steps) < len(plain.steps) for plain, composed in pairs) > 20


def test_a_transposed_pad_is_a_fill_and_one_copy() -> None:
    chain = _Chain((1, 4, 5, 3))
    chain.pad([(0, 0), (1, 2), (0, 3), (0, 0)])
    chain.transpose([0, 3, 2, 1])
    plain, composed = _programs(chain.finish())
    assert [step.kernel for step in plain.steps] == ["nn_fill", "nn_copy", "nn_copy"]
    assert [step.kernel for step in composed.steps] == ["nn_fill", "nn_copy"]
    assert all(step.folds == (0, 1) for step in composed.steps)
    assert composed.steps[1].inputs == (chain.source,)


@pytest.mark.parametrize("reader", ["output", "operator"])
def test_a_moved_tensor_that_others_read_is_made(reader: str) -> None:
    chain = _Chain((1, 4, 5, 3))
    chain.transpose([0, 2, 1, 3])
    kept, shape = chain.tensor, chain.shape
    chain.transpose([0, 3, 1, 2])
    if reader == "output":
        model = chain.build.finish([chain.source], [kept])
    else:
        output = chain.build.tensor(shape, SCALE, ZERO_POINT)
        chain.transpose([0, 2, 3, 1])
        chain.build.operator("MAXIMUM", [kept, chain.tensor], output)
        model = chain.build.finish([chain.source], [output])
    plain, composed = _programs(model)
    made = {step.output for step in composed.steps}
    assert kept in made
    assert len(plain.steps) - len(composed.steps) == (0 if reader == "output" else 1)


def test_a_view_between_two_moves_keeps_its_offset() -> None:
    chain = _Chain((1, 4, 5, 3))
    chain.transpose([0, 2, 1, 3])
    chain.slice([0, 2, 0, 0], [1, 3, 4, 3])
    chain.transpose([0, 2, 1, 3])
    plain, composed = _programs(chain.finish())
    assert (len(plain.steps), len(plain.aliases), len(composed.steps)) == (2, 1, 1)
    assert dict(composed.steps[0].fields)["input_start"] == 2 * 3
