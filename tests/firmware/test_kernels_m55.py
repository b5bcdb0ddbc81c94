"""Both forms of the kernels on an emulated Cortex-M55: random models of every kind, bit for bit as the reference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.codegen.network import generate_network
from birdnet_deploy.errors import ModelError
from birdnet_deploy.tflite.reader import read_model
from tests.support.engine import EMULATED_M55, Engine, Machine, compile_kernels
from tests.support.kernel_families import FAMILIES
from tests.support.reference import reference_outputs

EACH = 4
SCALAR_M55 = replace(
    EMULATED_M55, flags=tuple(flag.replace("cortex-m55", "cortex-m55+nomve") for flag in EMULATED_M55.flags)
)
# Families whose kernels have a Helium form with several ways through it: more of them.
MANY = {
    "conv", "depthwise", "wide_conv", "wide_depthwise", "wide_sum", "halves", "add", "sub", "mul", "chain",
    "fully_connected", "mean", "transpose",
}  # fmt: skip


@pytest.mark.emulator
@pytest.mark.parametrize(
    ("machine", "optimize"),
    [(EMULATED_M55, "-O2"), (EMULATED_M55, "-O3"), (SCALAR_M55, "-O2")],
    ids=["helium", "helium -O3", "scalar"],
)
def test_kernels_equal_the_reference_on_the_emulated_m55(machine: Machine, optimize: str, tmp_path: Path) -> None:
    kernels = compile_kernels(tmp_path / "kernels", machine, optimize)
    made = []
    for family, (make, count) in FAMILIES.items():
        rng = np.random.default_rng([55, *family.encode()])
        made += [make(rng) for _ in range(count if family in MANY and optimize == "-O2" else EACH)]
    networks, cases = [], []
    for case in made:
        try:
            networks.append(generate_network(read_model(case[1])))
            cases.append(case)
        except ModelError as error:
            assert "reference" in str(error)
    answers = Engine(networks, tmp_path / "engine", kernels, machine).outputs([case[2] for case in cases])
    assert len(cases) > len(made) * 0.85
    for (name, model, inputs), answer in zip(cases, answers, strict=True):
        assert np.array_equal(answer, reference_outputs(model, inputs)), name
