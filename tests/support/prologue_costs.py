"""Measures what the kernels of the prologue cost in QEMU: ``python -m tests.support.prologue_costs`` prints costs.toml.

Instructions are exact (-icount). Each kind is fitted by least squares of relative errors, no cost below zero.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np

from birdnet_deploy.prologue.cost import QUANTIZE, key_of, work_of
from birdnet_deploy.prologue.graph import Prologue
from tests.support import prologue_cases as cases
from tests.support.prologue_builds import run_form

_AMOUNTS = {"rows": ("macs", "values"), "conv": ("macs", "values", "positions"), "depthwise": ("macs", "values")}
_ROUNDS = 4000


def measured() -> list[Prologue]:
    """Gives the prologues that are measured: sizes as in the family."""
    same = cases.window
    return [
        cases.rows(64, 257, 256, 8), cases.rows(64, 257, 128, 4), cases.rows(32, 129, 64, 7),
        cases.rows(80, 513, 256, 14), cases.conv(same(32, 64, 3, 3, 1, 2), 1, 16),
        *(cases.conv(same(64, 256, 3, 3, 1, 2), 1, n) for n in (8, 16, 32)),
        *(cases.conv(same(32, 64, 1, 1), m, n) for m, n in ((8, 16), (16, 32), (32, 32), (32, 64))),
        cases.conv(same(16, 32, 1, 1), 64, 64), cases.conv(same(1, 32000, 1, 16, 1, 250, padding="VALID"), 1, 64),
        *(cases.depthwise(same(64, 128, 3, 3, s, s), n) for s in (1, 2) for n in (8, 16)),
        cases.depthwise(same(32, 64, 3, 3), 32), cases.depthwise(same(16, 32, 3, 3, 2, 2), 64),
        cases.affine(1, 64, 256), cases.affine(256, 64, 1),
        cases.binary("add", 1, 16384, 1, constant=False), cases.binary("mul", 1, 64, 256, constant=True),
        cases.binary("max", 1, 1, 16384, constant=True), cases.binary("div", 1, 1, 16384, constant=True),
        cases.unary("clamp", 16384), cases.unary("log", 16384), cases.unary("logistic", 4096),
        cases.reduce("max", 1, 16384, 1), cases.reduce("mean", 1, 2048, 32),
        cases.pool(same(64, 256, 1, 3), 1, "average"), cases.transpose(64, 256),
    ]  # fmt: skip


def fit(amounts: np.ndarray, instructions: np.ndarray) -> np.ndarray:
    """Gives costs, none negative, whose relative errors are least in the mean square (projected gradient)."""
    scaled = amounts / instructions[:, None]
    norms = np.maximum(np.linalg.norm(scaled, axis=0), 1e-30)
    matrix = scaled / norms
    costs = np.zeros(amounts.shape[1])
    rate = 1 / np.linalg.norm(matrix.T @ matrix, 2)
    for _ in range(_ROUNDS):
        costs = np.maximum(0, costs - rate * matrix.T @ (matrix @ costs - 1))
    return costs / norms


def main() -> None:
    """Prints the tables of both forms."""
    for form in ("helium", "scalar"):
        found: dict[str, list[tuple[dict[str, int], int]]] = defaultdict(list)
        for prologue in measured():
            features = np.abs(cases.random_values(1, 1, *prologue.input_shape)) + np.float32(0.01)
            with tempfile.TemporaryDirectory() as folder:
                ran = run_form(prologue, features, Path(folder), form)
            step = prologue.steps[-1]
            found[key_of(step)].append((work_of(step), ran.instructions[-2]))
            found[QUANTIZE].append(({"values": prologue.sizes[prologue.output]}, ran.instructions[-1]))
        for key, runs in sorted(found.items()):
            names = _AMOUNTS.get(key, ("values",))
            amounts = np.array([[work[name] for name in names] for work, _ in runs], float)
            instructions = np.array([n for _, n in runs], float)
            costs = fit(amounts, instructions)
            error = np.abs(amounts @ costs / instructions - 1).max()
            shown = ", ".join(f"{name} = {cost:.3g}" for name, cost in zip(names, costs, strict=True))
            print(f"[instructions.{form}.{key}] # {len(runs)} sizes, off by at most {error:.0%}\n{shown}")


if __name__ == "__main__":
    main()
