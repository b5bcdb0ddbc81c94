"""Instruction counts, code size and arena of the engine never grow: QEMU counts exactly, so there is no tolerance."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from benchmarks.engine import budget, models, peer
from benchmarks.engine.measure import FORMS, compiler_version, measure
from birdnet_deploy.tflite.reader import read_model


def _hold(cases: list[models.Case]) -> None:
    worse, better = budget.compare(budget.measured(cases), budget.read_budget())
    assert not worse, f"dearer with gcc {compiler_version()}; if that is meant: {budget.COMMAND}\n" + "\n".join(worse)
    if better:
        warnings.warn(f"cheaper; lower the budget: {budget.COMMAND}\n" + "\n".join(better), stacklevel=2)


@pytest.mark.emulator
def test_the_projects_own_models_stay_within_their_budget() -> None:
    _hold([models.synthetic_case(name) for name in models.FAST])


@pytest.mark.emulator
@pytest.mark.shared
def test_the_anchor_stays_within_its_budget(shared: Path) -> None:
    _hold([models.anchor_case(shared)])


def test_one_instruction_more_is_a_regression() -> None:
    kept = budget.read_budget()
    assert set(kept) == {*models.FAST, "anchor"}
    assert all(set(forms) == set(FORMS) for forms in kept.values())
    assert budget.compare(kept, kept) == ([], [])
    dearer = {name: {form: dict(numbers) for form, numbers in forms.items()} for name, forms in kept.items()}
    dearer[models.FAST[0]]["helium"]["instructions"] += 1
    worse, better = budget.compare(dearer, kept)
    assert len(worse) == 1
    assert "instructions" in worse[0]
    assert not better
    assert len(budget.compare(kept, dearer)[1]) == 1
    assert budget.compare({"new": kept[models.FAST[0]]}, kept)[0]


@pytest.mark.emulator
def test_layers_add_up_to_the_total_and_name_their_operators(tmp_path: Path) -> None:
    case = models.synthetic_case(models.FAST[0])
    found = measure(case.model, case.inputs, case.expected, "helium", tmp_path)
    assert found.differing == 0
    assert sum(layer.macs for layer in found.layers) == found.macs
    called = sum(layer.instructions for layer in found.layers)
    assert found.median <= called + 100 * len(found.layers)
    assert called <= found.median + 100 * len(found.layers)
    assert [layer.operator for layer in found.layers] == sorted(layer.operator for layer in found.layers)
    assert {layer.bound_by for layer in found.layers} > {"load and store"}


def test_the_peer_is_called_with_the_shapes_of_the_model() -> None:
    case = models.synthetic_case(models.FAST[0])
    read = read_model(case.model)
    rows = [peer.layer_row(read, operator).strip() for operator in peer.products_of(read)]
    assert rows[0] == "{CONVOLUTION, {1, 33, 32, 1}, {16, 3, 3, 1}, {1, 17, 16, 16}, 2, 2, 1, 0, 1, 1, 1},"
    assert rows[1] == "{DEPTHWISE, {1, 17, 16, 16}, {1, 3, 3, 16}, {1, 17, 16, 16}, 1, 1, 1, 1, 1, 1, 1},"
    assert rows[-1] == "{FULLY_CONNECTED, {1, 1, 1, 32}, {32, 1, 1, 10}, {1, 1, 1, 10}, 1, 1, 0, 0, 1, 1, 1},"
    assert len(rows) == 10
