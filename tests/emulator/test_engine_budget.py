"""Instruction counts, code size and arena of the engine never grow: QEMU counts exactly, so there is no tolerance."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from benchmarks.engine import budget, models
from benchmarks.engine.measure import FORMS, compiler_version


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
