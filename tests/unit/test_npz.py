"""Arrays whose header is no Python: numpy reads it as Python's own text and raises what its tokenizer does."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest

from birdnet_deploy.errors import ModelError
from birdnet_deploy.project.golden_window import _read
from birdnet_deploy.showing.figures.windows import read_heard


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    path, header = tmp_path / "golden.npz", b"{'descr': ((("
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("input", "output", "worst_pcm", "worst_features"):
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    return path


def test_a_header_that_is_no_python_is_one_clear_error(golden: Path) -> None:
    with pytest.raises(ModelError, match="not readable golden windows"):
        _read(golden)
    assert read_heard(golden) is None
