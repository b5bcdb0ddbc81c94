"""Packing buffers of known lives: nothing overlaps, the least is found, and a search that ended early says so."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from birdnet_deploy.codegen.packing import ALIGNMENT, Buffer, Packing, _first_fit, _height, _Search, most_alive, pack


def _random(rng: np.random.Generator, count: int, steps: int, longest: int, largest: int) -> list[Buffer]:
    starts = rng.integers(0, steps, count)
    return [
        Buffer((i,), int(rng.integers(1, largest)) * ALIGNMENT, int(start), int(start + rng.integers(0, longest)))
        for i, start in enumerate(starts)
    ]


def _check(packing: Packing, buffers: list[Buffer]) -> None:
    assert sorted(b.tensors for b in packing.buffers) == sorted(b.tensors for b in buffers)
    assert packing.height == max(b.offset + b.size_bytes for b in packing.buffers)
    for a, b in itertools.combinations(packing.buffers, 2):
        assert not a.rivals(b) or a.offset + a.size_bytes <= b.offset or b.offset + b.size_bytes <= a.offset
    assert all(b.offset % ALIGNMENT == 0 and b.offset >= 0 for b in packing.buffers)


def test_the_bound_is_the_most_that_lives_at_one_step() -> None:
    assert most_alive([Buffer((0,), 32, 0, 2), Buffer((1,), 16, 2, 3), Buffer((2,), 64, 3, 3)]) == 80
    assert most_alive([]) == 0
    assert pack([]).height == 0


def test_the_search_finds_the_least_of_all_packings_from_any_start() -> None:
    """First fit over all orders holds the least packing; here every order is tried."""
    rng = np.random.default_rng(2)
    for _ in range(60):
        buffers = _random(rng, 6, 6, 5, 6)
        least = min(_height(_first_fit(order)) for order in itertools.permutations(buffers))
        stacked = [
            Buffer(b.tensors, b.size_bytes, b.first, b.last, sum(other.size_bytes for other in buffers[:i]))
            for i, b in enumerate(buffers)
        ]
        search = _Search(buffers, stacked, 0, 100_000)  # a bound of 0 is never met: the whole tree is looked at
        assert (search.height, search.is_complete) == (least, True)
        found = pack(buffers)
        _check(found, buffers)
        assert (found.height, found.is_least) == (least, True)


@pytest.mark.parametrize("seed", range(6))
def test_many_buffers_are_packed_near_the_bound_and_always_the_same(seed: int) -> None:
    buffers = _random(np.random.default_rng(seed), 50, 40, 9, 40)
    found = pack(buffers)
    _check(found, buffers)
    assert found.height <= 1.1 * most_alive(buffers)
    assert found.is_least or found.height > most_alive(buffers)
    assert pack(list(buffers)) == found


def test_a_search_that_ends_early_takes_the_best_and_does_not_call_it_the_least() -> None:
    for seed in range(400):
        buffers = _random(np.random.default_rng(seed), 60, 60, 30, 40)
        found = pack(buffers, most_nodes=1)
        _check(found, buffers)
        if found.height > most_alive(buffers):
            assert not found.is_least
            return
    raise AssertionError("every packing met the bound at once")
