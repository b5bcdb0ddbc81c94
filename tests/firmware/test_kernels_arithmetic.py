"""The fixed-point arithmetic below all kernels, in C and in Python, against its definition in exact fractions."""

from __future__ import annotations

import math
import struct
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.codegen import fixed_point
from birdnet_deploy.codegen.unsupported import Unsupported
from birdnet_deploy.support.resources import firmware_dir
from tests.support.engine import SANITIZE, STRICT, run

PROGRAM = r"""
#include <stdio.h>
#include "nn/nn_reciprocal.h"
#include "nn/nn_requantize.h"

int main(void)
{
    int32_t ask[4];
    while (fread(ask, sizeof ask, 1, stdin) == 1) {
        const int32_t a = ask[1], b = ask[2], c = ask[3];
        int32_t answer = 0;
        switch (ask[0]) {
        case 0: answer = nn_high_multiply(a, b); break;
        case 1: answer = nn_requantize(a, b, c); break;
        case 2: answer = nn_divide_by_power(a, b); break;
        case 3: answer = nn_reciprocal(a).value; break;
        case 4: answer = nn_finish(a, &(struct nn_output){b, -100, 90}); break;
        }
        fwrite(&answer, sizeof answer, 1, stdout);
    }
    return 0;
}
"""
HIGH_MULTIPLY, REQUANTIZE, DIVIDE, RECIPROCAL, FINISH = range(5)
EDGES = [0, 1, -1, 2, 3, -3, 5, 127, -128, 2**30, -(2**30), 2**31 - 2, 2**31 - 1, -(2**31), -(2**31) + 1]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that answers questions about the C functions."""
    folder = tmp_path_factory.mktemp("arithmetic")
    (folder / "main.c").write_text(PROGRAM)
    core = firmware_dir() / "core"
    run("gcc", *STRICT, *SANITIZE, "-O1", "-g", f"-I{core}", folder / "main.c", core / "nn" / "nn_reciprocal.c",
        "-o", folder / "ask")  # fmt: skip
    return folder / "ask"


def _answers(program: Path, questions: list[tuple[int, int, int, int]]) -> list[int]:
    request = b"".join(struct.pack("<4i", *question) for question in questions)
    done = subprocess.run([program], input=request, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[:2000]
    return [value for (value,) in struct.iter_unpack("<i", done.stdout)]


def _numbers(seed: int, count: int) -> list[int]:
    rng = np.random.default_rng(seed)
    wide = rng.integers(-(2**31), 2**31, count)
    narrow = rng.integers(-(2**31), 2**31, count) >> rng.integers(0, 31, count)
    return [*EDGES, *(int(n) for n in wide), *(int(n) for n in narrow)]


def _half_up(x: Fraction) -> int:
    return math.floor(x + Fraction(1, 2))


def _half_away(x: Fraction) -> int:
    return _half_up(x) if x >= 0 else -_half_up(-x)


def test_high_multiply_rounds_halves_up(program: Path) -> None:
    pairs = [(a, b) for a in _numbers(1, 200) for b in [2**30, 2**31 - 1, 1518500250, 1]]
    found = _answers(program, [(HIGH_MULTIPLY, a, b, 0) for a, b in pairs])
    expected = [_half_up(Fraction(a * b, 2**31)) for a, b in pairs]
    assert found == expected == [fixed_point.high_multiply(a, b) for a, b in pairs]


def test_requantize_rounds_twice_and_wraps_its_left_shift(program: Path) -> None:
    multipliers = [2**30, 2**31 - 1, 1518500250, 0]
    asked = [(x, m, s) for x in _numbers(2, 40) for m in multipliers for s in range(-31, 32)]
    found = _answers(program, [(REQUANTIZE, *question) for question in asked])

    def defined(x: int, multiplier: int, shift: int) -> int:
        shifted = (x * 2 ** max(shift, 0) + 2**31) % 2**32 - 2**31
        return _half_away(Fraction(_half_up(Fraction(shifted * multiplier, 2**31)), 2 ** max(-shift, 0)))

    assert found == [defined(*question) for question in asked]
    assert found == [fixed_point.requantize(*question) for question in asked]


def test_divide_by_power_rounds_halves_away_from_zero(program: Path) -> None:
    # Only what nn_high_multiply can give: its largest magnitudes are 2^31 - 2 and -2^31 + 1.
    asked = [(x, n) for x in _numbers(3, 200) if -(2**31) < x < 2**31 - 1 for n in range(32)]
    found = _answers(program, [(DIVIDE, x, n, 0) for x, n in asked])
    assert found == [_half_away(Fraction(x, 2**n)) for x, n in asked]


def test_divide_by_power_beyond_31_is_the_same_in_c_and_in_python(program: Path) -> None:
    asked = [(x, n) for x in _numbers(4, 50) if -(2**31) < x < 2**31 - 1 for n in range(-40, 100)]
    found = _answers(program, [(DIVIDE, x, n, 0) for x, n in asked])
    assert found == [fixed_point.divide_by_power(x, n) for x, n in asked]


def test_reciprocal_is_the_same_in_c_and_in_python_and_near_the_truth(program: Path) -> None:
    numbers = [n for n in _numbers(5, 2000) if n > 0] + list(range(1, 600))
    found = _answers(program, [(RECIPROCAL, n, 0, 0) for n in numbers])
    for n, value in zip(numbers, found, strict=True):
        own, power = fixed_point.reciprocal(n)
        assert value == own
        assert power == n.bit_length() - 1
        assert abs(Fraction(value, 2**31) - Fraction(2**power, n)) < Fraction(1, 2**28)


def test_finish_adds_modulo_two_to_the_32_and_clamps(program: Path) -> None:
    asked = [(value, offset) for value in _numbers(6, 100) for offset in (-128, 0, 127)]
    found = _answers(program, [(FINISH, value, offset, 0) for value, offset in asked])
    expected = [max(-100, min(90, (v + o + 2**31) % 2**32 - 2**31)) for v, o in asked]
    assert found == expected


def test_quantize_multiplier_is_within_half_a_step_and_normal() -> None:
    rng = np.random.default_rng(7)
    factors = [*(10.0 ** rng.uniform(-9, 9, 400)), 0.5, 0.25, 1.0, 1 - 2.0**-40, 2.0**-31]
    for factor in factors:
        multiplier, shift = fixed_point.quantize_multiplier(factor)
        assert 2**30 <= multiplier < 2**31
        assert abs(Fraction(multiplier) * Fraction(2) ** (shift - 31) - Fraction(factor)) <= Fraction(2) ** (shift - 32)


def test_quantize_multiplier_flushes_what_is_too_small_and_refuses_what_is_no_number() -> None:
    assert fixed_point.quantize_multiplier(2.0**-33) == (0, 0)
    assert fixed_point.quantize_multiplier(0.0) == (0, 0)
    with pytest.raises(Unsupported):
        fixed_point.quantize_multiplier(math.inf)


def test_exponential_is_near_the_truth_at_both_ends_of_its_range() -> None:
    for x in [-1, -(2**20), -(2**26) + 1, -(2**26), -(2**26) * 7, -(2**26) * 15, -(2**31) + 1]:
        assert abs(fixed_point.exp_of_negative(x) / 2**31 - math.exp(x / 2**26)) < 5e-7
    assert fixed_point.exp_of_negative(0) == 2**31 - 1
