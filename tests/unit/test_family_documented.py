"""The nine full-size configurations that are documented: each converts, has no ``validate`` error, and generates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from birdnet_deploy import pipeline
from tests.support.family_cells import DOCUMENTED, Cell
from tests.support.family_table import PROPERTY
from tests.support.family_way import IGNORED_WARNINGS, assert_deployable, make_member, row_of

pytestmark = pytest.mark.filterwarnings(*IGNORED_WARNINGS)


@pytest.mark.parametrize("cell", [pytest.param(cell, id=cell.name) for cell in DOCUMENTED])
def test_a_documented_member_converts_validates_and_generates(
    cell: Cell, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    member = make_member(cell, tmp_path)
    assert_deployable(member)
    project = pipeline.generate(member.bundle.path, target="qemu-an547", output=tmp_path / "project")
    record_property(PROPERTY, row_of(member, project))
