"""No member of the family has an error: neither as a .keras nor converted; the count of false errors is 0."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from birdnet_deploy.npu.check import check_path
from birdnet_deploy.npu.finding import ValidationResult
from tests.support import family_models
from tests.support.family_cells import DOCUMENTED, OPTIONS, OTHERS, PLAIN, PRODUCT, Cell
from tests.support.family_way import IGNORED_WARNINGS, TARGETS, make_member

pytestmark = pytest.mark.filterwarnings(*IGNORED_WARNINGS)
ALL = (*PLAIN, *OPTIONS, *OTHERS, *PRODUCT, *DOCUMENTED)
FEW = (*PLAIN[:-2:3], *OPTIONS[:5], OPTIONS[12], *DOCUMENTED[2::3])
SAME = ("macs", "arena_bytes_at_least")  # of a graph that was drawn and one that was converted


def false_errors(results: Iterable[ValidationResult]) -> Counter[str]:
    return Counter(finding.rule for result in results for finding in result.findings if finding.severity == "error")


def drawn(cell: Cell, folder: Path) -> list[ValidationResult]:
    """What is said of a member before it is converted, for each target."""
    import keras

    from birdnet_deploy.model import build_dscnn_model

    path = family_models.save(build_dscnn_model(**cell.parameters), cell, folder)
    keras.backend.clear_session()
    return [check_path(path, target=target) for target in TARGETS]


def test_a_choice_of_members_has_no_error_before_conversion(tmp_path: Path) -> None:
    frontends = {cell.parameters["audio_frontend"] for cell in FEW}
    assert {"hybrid", "raw", "librosa"} <= frontends
    results = [result for number, cell in enumerate(FEW) for result in drawn(cell, tmp_path / str(number))]
    assert len(results) == 2 * len(FEW)
    assert false_errors(results) == Counter()
    assert all(result.summary["kind"] == "keras" for result in results)


@pytest.mark.soak
def test_no_member_has_an_error_before_conversion(tmp_path: Path) -> None:
    results = [result for number, cell in enumerate(ALL) for result in drawn(cell, tmp_path / str(number))]
    assert false_errors(results) == Counter()


@pytest.mark.soak
@pytest.mark.parametrize("cell", [pytest.param(cell, id=cell.name) for cell in ALL])
def test_a_converted_member_has_no_error_and_is_the_one_that_was_drawn(cell: Cell, tmp_path: Path) -> None:
    member = make_member(cell, tmp_path)
    before = check_path(tmp_path / "member.keras")
    assert false_errors([before, *member.checked.values()]) == Counter()
    after = member.checked[TARGETS[0]].summary
    assert [before.summary[key] for key in SAME] == [after[key] for key in SAME]
    assert before.summary["weight_bytes"] == pytest.approx(after["weight_bytes"], rel=0.1)
