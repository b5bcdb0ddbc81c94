"""What a prologue costs on a Cortex-M55, estimated from what was measured: ``costs.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal

from birdnet_deploy.prologue.graph import KINDS, Prologue, Step

Form = Literal["helium", "scalar"]
QUANTIZE = "quantize"  # the cut itself


def work_of(step: Step) -> dict[str, int]:
    """Gives the amounts that a step's instructions grow with, as ``costs.toml`` names them."""
    work = {"macs": step.macs, "values": max((step.elements, *KINDS[step.kind].reads(step)[:1]))}
    if step.kind in ("rows", "conv", "depthwise"):
        work["values"] = step.elements
    if "out_h" in step.numbers:
        work["positions"] = step.integer("out_h") * step.integer("out_w")
    return work


def key_of(step: Step) -> str:
    """Gives the name of a step's costs: its kind, and the operation where that decides."""
    op = str(step.numbers.get("op", ""))
    return f"{step.kind}-{op.lstrip('r')}" if op.lstrip("r") in ("div", "log", "logistic") else step.kind


def estimate_step(step: Step, form: Form = "helium") -> int:
    """Gives the instructions of one step, estimated."""
    costs = _costs()[form][key_of(step)]
    return round(sum(costs.get(name, 0.0) * amount for name, amount in work_of(step).items()))


def estimate_instructions(prologue: Prologue, form: Form = "helium") -> int:
    """Gives the instructions of one window from features to the network's int8 input, estimated."""
    cut = _costs()[form][QUANTIZE]["values"] * prologue.sizes[prologue.output]
    return round(cut + sum(estimate_step(step, form) for step in prologue.steps))


@lru_cache(maxsize=1)
def _costs() -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    text = Path(__file__).with_name("costs.toml").read_text(encoding="utf-8")
    forms: Mapping[str, Mapping[str, Mapping[str, float]]] = tomllib.loads(text)["instructions"]
    return forms
