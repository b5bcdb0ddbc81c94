"""The kernels on an emulated Cortex-M55: random models of every kind, bit for bit as the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.codegen.network import generate_network
from birdnet_deploy.errors import ModelError
from birdnet_deploy.tflite.reader import read_model
from tests.support.engine import EMULATED_M55, Engine, compile_kernels
from tests.support.kernel_families import FAMILIES
from tests.support.reference import reference_outputs

EACH = 4


@pytest.mark.emulator
@pytest.mark.parametrize("optimize", ["-O2", "-O3"])
def test_kernels_equal_the_reference_on_the_emulated_m55(optimize: str, tmp_path: Path) -> None:
    kernels = compile_kernels(tmp_path / "kernels", EMULATED_M55, optimize)
    made = []
    for family, (make, _) in FAMILIES.items():
        rng = np.random.default_rng([55, *family.encode()])
        made += [make(rng) for _ in range(EACH)]
    networks, cases = [], []
    for case in made:
        try:
            networks.append(generate_network(read_model(case[1])))
            cases.append(case)
        except ModelError as error:
            assert "reference" in str(error)
    answers = Engine(networks, tmp_path / "engine", kernels, EMULATED_M55).outputs([case[2] for case in cases])
    assert len(cases) > EACH * len(FAMILIES) * 0.9
    for (name, model, inputs), answer in zip(cases, answers, strict=True):
        assert np.array_equal(answer, reference_outputs(model, inputs)), name
