"""Every int8 kernel against TensorFlow Lite's reference kernels, bit for bit, on the host under ASan and UBSan.

Models are random, of one operator each or small graphs (seeded: the same models each time); `make soak` draws more.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.codegen.network import GeneratedNetwork, generate_network
from birdnet_deploy.errors import ModelError
from birdnet_deploy.tflite.reader import read_model
from tests.support.engine import Engine
from tests.support.int8_models import ModelBuilder
from tests.support.kernel_cases import Case
from tests.support.kernel_families import FAMILIES
from tests.support.reference import reference_outputs


def _generated(model: bytes) -> GeneratedNetwork | None:
    """The network of a model, or None where the engine refuses it because the reference does."""
    try:
        return generate_network(read_model(model))
    except ModelError as error:
        assert "reference" in str(error), error
        return None


def _compare(made: list[Case], folder: Path, kernels: Path) -> int:
    """Holds engine and reference together on all models; gives how many ran."""
    networks = [(case, network) for case in made if (network := _generated(case[1])) is not None]
    engine = Engine([network for _, network in networks], folder, kernels)
    answers = engine.outputs([inputs for (_, _, inputs), _ in networks])
    for ((name, model, inputs), _), answer in zip(networks, answers, strict=True):
        expected = reference_outputs(model, inputs)
        assert answer is not None, name
        wrong = np.argwhere(answer != expected)
        assert not len(wrong), (
            f"{name}: {len(wrong)} of {expected.size} values differ, first {wrong[0].tolist()}: "
            f"{answer[tuple(wrong[0])]}, reference {expected[tuple(wrong[0])]}"
        )
    return len(networks)


@pytest.mark.parametrize("family", FAMILIES)
def test_kernels_equal_the_reference_on_random_models(family: str, tmp_path: Path, kernels: Path) -> None:
    make, count = FAMILIES[family]
    rng = np.random.default_rng([7, *family.encode()])
    assert _compare([make(rng) for _ in range(count)], tmp_path, kernels) > count * 0.6


@pytest.mark.parametrize("depth", [511, 512, 6522, 20_000])
def test_a_softmax_of_many_equal_values_gives_zeros(depth: int, tmp_path: Path, kernels: Path) -> None:
    """From 512 equal values on the reference's process ends; its last answer goes on for more of them."""
    build = ModelBuilder()
    source = build.tensor((1, depth), 0.05, 3)
    result = build.tensor((1, depth), 1 / 256, -128)
    build.operator("SOFTMAX", [source], result, beta=1.0)
    model = build.finish([source], [result])
    flat, steep = np.zeros((1, depth), np.int8), np.full((1, depth), -128, np.int8)
    steep[0, :3] = 127
    answers = Engine([generate_network(read_model(model))], tmp_path, kernels).outputs([np.stack([flat, steep])])
    assert answers[0] is not None
    assert (answers[0][0] == -128 + (depth < 512)).all()
    assert np.array_equal(answers[0][1:], reference_outputs(model, steep[np.newaxis]))
    if depth < 512:
        assert np.array_equal(answers[0][:1], reference_outputs(model, flat[np.newaxis]))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("family", FAMILIES)
def test_kernels_equal_the_reference_on_many_random_models(
    family: str, seed: int, tmp_path: Path, kernels: Path
) -> None:
    make, count = FAMILIES[family]
    rng = np.random.default_rng([100 + seed, *family.encode()])
    assert _compare([make(rng) for _ in range(count)], tmp_path, kernels) > 0
