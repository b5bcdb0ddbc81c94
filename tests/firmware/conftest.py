"""What tests of the firmware's C share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.engine import compile_kernels
from tests.support.once import made_once


def _compile(folder: Path) -> None:
    compile_kernels(folder)


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of all int8 kernels for the host, sanitized, compiled once."""
    return made_once(tmp_path_factory, "kernels", _compile) / "kernels.a"
