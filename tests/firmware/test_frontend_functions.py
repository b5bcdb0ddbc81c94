"""The firmware's logarithms and exponential equal their numpy twins bit by bit over their whole range."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from birdnet_deploy.audio.elementary import exponential, natural_log, natural_log1p
from birdnet_deploy.support.resources import firmware_dir
from tests.support.frontend_builds import C_FLAGS, compile_c

SOURCE = Path(__file__).with_name("frontend_functions.c")
Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The functions compiled as they stand, vectorised by the compiler where it can."""
    path = tmp_path_factory.mktemp("functions") / "functions.so"
    include = f"-I{firmware_dir() / 'core'}"
    compile_c([
        os.environ.get("CC", "cc"), *C_FLAGS, "-O3", "-fPIC", "-shared", include, str(SOURCE), "-o", str(path),
    ])  # fmt: skip
    return ctypes.CDLL(str(path))


def every_nth_float(low: float, high: float, nth: int) -> Floats:
    """Gives every n-th of the positive float32 values from ``low`` to ``high``."""
    first, last = np.array([low, high], dtype=np.float32).view(np.int32)
    return np.arange(first, last, nth, dtype=np.int32).view(np.float32)


@pytest.mark.parametrize(
    ("name", "twin", "values"),
    [
        ("log_of", natural_log, every_nth_float(1.2e-38, 3.4e38, 997)),
        ("log_of", natural_log, every_nth_float(0.5, 2.0, 7)),
        ("log1p_of", natural_log1p, np.append(every_nth_float(1e-30, 1e30, 997), np.float32(0))),
        ("log1p_of", natural_log1p, every_nth_float(0.25, 4.0, 17)),
        ("exp_of", exponential, every_nth_float(1e-10, 80, 307)),
        ("exp_of", exponential, -every_nth_float(1e-10, 80, 307)),
    ],
    ids=["log", "log near 1", "log1p", "log1p near 1", "exp", "exp of negatives"],
)
def test_c_equals_numpy_bit_by_bit(
    library: ctypes.CDLL, name: str, twin: Callable[[Floats], Floats], values: Floats
) -> None:
    assert len(values) > 500_000
    computed = values.copy()
    library[name](ctypes.c_void_p(computed.ctypes.data), ctypes.c_int(len(computed)))
    assert np.array_equal(computed.view(np.int32), twin(values).view(np.int32))
