"""Every frontend, magnitude scaling and option of the family, from a .keras to bit-exact outputs of the emulated M55.

``tests/support/family_cells.py`` holds the cells and the rule of their choice; the run ends with the table of all.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.family_cells import DOCUMENTED, OPTIONS, OTHERS, PLAIN, PRODUCT, Cell
from tests.support.family_table import PROPERTY
from tests.support.family_way import (
    IGNORED_WARNINGS,
    assert_deployable,
    assert_exact_and_telling,
    assert_follows_numpy,
    make_member,
    row_of,
    run_member,
)

pytestmark = [pytest.mark.emulator, pytest.mark.filterwarnings(*IGNORED_WARNINGS)]
CELLS = [
    *(pytest.param(cell, id=cell.name) for cell in (*PLAIN, *OPTIONS)),
    *(pytest.param(cell, id=cell.name, marks=pytest.mark.soak) for cell in (*OTHERS, *PRODUCT, *DOCUMENTED)),
]


@pytest.mark.parametrize("cell", CELLS)
def test_a_member_goes_the_whole_way(
    cell: Cell, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    member = make_member(cell, tmp_path)
    assert_deployable(member)
    project, result = run_member(member, tmp_path)
    record_property(PROPERTY, row_of(member, project, result))
    assert_exact_and_telling(result)
    assert_follows_numpy(member, tmp_path, result)
