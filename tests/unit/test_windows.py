"""The rule of windows: docs/input-contract.md."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from birdnet_deploy.audio.windows import window_at, window_starts


@pytest.mark.parametrize(
    ("samples", "starts"),
    [
        (0, []),
        (1, [0]),
        (9, [0]),
        (10, [0]),
        (11, [0, 1]),
        (14, [0, 4]),
        (15, [0, 5]),
        (16, [0, 5, 6]),
        (20, [0, 5, 10]),
        (23, [0, 5, 10, 13]),
    ],
)
def test_half_window_hop_and_a_right_aligned_end(samples: int, starts: list[int]) -> None:
    assert window_starts(samples, 10) == starts


def test_odd_window_steps_by_its_floored_half() -> None:
    assert window_starts(11, 5) == [0, 2, 4, 6]


def test_own_hop() -> None:
    assert window_starts(25, 10, 10) == [0, 10, 15]


def test_a_window_of_one_sample_steps_by_one() -> None:
    assert window_starts(3, 1) == [0, 1, 2]


def test_no_window_of_nothing() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        window_starts(10, 0)


@given(st.integers(1, 400), st.integers(1, 60), st.integers(1, 60))
def test_every_sample_is_covered_once_the_hop_is_no_longer_than_the_window(n: int, window: int, hop: int) -> None:
    starts = window_starts(n, window, hop)
    assert starts == sorted(set(starts))
    assert all(start + window <= n for start in starts) or starts == [0]
    if hop <= window:
        assert {s for start in starts for s in range(start, start + window)} >= set(range(n))


def test_window_at_pads_with_zeros_at_the_end_only() -> None:
    pcm = np.array([1, 2, 3], dtype=np.int16)
    assert window_at(pcm, 0, 5).tolist() == [1, 2, 3, 0, 0]
    assert window_at(pcm, 1, 2).tolist() == [2, 3]
    assert window_at(pcm, 0, 5).dtype == np.int16
