"""The budget that CI holds: what each model may cost at most, exactly, in ``budget.json`` beside this file.

QEMU counts instructions exactly, so there is no tolerance. Numbers belong to the compiler that the file names.

    python -m benchmarks.engine.budget            compare
    python -m benchmarks.engine.budget --write    lower (or, on purpose, raise) the budget to what is measured now
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.engine import models
from benchmarks.engine.measure import FORMS, compiler_version, measure

FILE = Path(__file__).resolve().parent / "budget.json"
SHARED = FILE.parents[2].parent / "shared"
COMMAND = "python -m benchmarks.engine.budget --write"

Costs = dict[str, dict[str, dict[str, int]]]  # model -> form -> what -> number


def measured(cases: Iterable[models.Case]) -> Costs:
    """Gives the costs of some models in both forms.

    Raises: ValueError where an output value is not the reference's: a wrong engine has no cost.
    """
    costs: Costs = {}
    for case in cases:
        for form in FORMS:
            with tempfile.TemporaryDirectory(prefix="engine-") as folder:
                found = measure(case.model, case.inputs, case.expected, form, Path(folder), layers=False)
            if found.differing:
                raise ValueError(f"{case.name}, {form}: {found.differing} of {found.compared} values are wrong")
            costs.setdefault(case.name, {})[form] = {
                "instructions": found.maximum,
                "text_bytes": found.text_bytes,
                "constant_bytes": found.constant_bytes,
                "arena_bytes": found.arena_bytes,
            }
    return costs


def read_budget() -> Costs:
    """Gives the budget as it is checked in."""
    costs: Costs = json.loads(FILE.read_text(encoding="utf-8"))["costs"]
    return costs


def compare(found: Costs, budget: Mapping[str, Mapping[str, Mapping[str, int]]]) -> tuple[list[str], list[str]]:
    """Gives what got dearer and what got cheaper, a line a number; a number without budget counts as dearer."""
    worse, better = [], []
    for model, forms in found.items():
        for form, numbers in forms.items():
            for what, number in numbers.items():
                allowed = budget.get(model, {}).get(form, {}).get(what)
                line = f"{model}, {form}: {what} {number:,}, budget {'none' if allowed is None else f'{allowed:,}'}"
                if allowed is None or number > allowed:
                    worse.append(line)
                elif number < allowed:
                    better.append(line)
    return worse, better


def write_budget(found: Costs) -> None:
    """Makes ``found`` the budget of its models; that of others stays."""
    kept = read_budget() if FILE.is_file() else {}
    text = json.dumps({"compiler": f"gcc {compiler_version()}", "costs": kept | found}, indent=2, sort_keys=True)
    FILE.write_text(text + "\n", encoding="utf-8", newline="\n")


def cases() -> list[models.Case]:
    """Gives the models of the budget: the project's own small ones, and the anchor where it is there."""
    own = [models.synthetic_case(name) for name in models.FAST]
    return [*own, models.anchor_case(SHARED)] if SHARED.is_dir() else own


def main() -> int:
    """Compares or writes; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine.budget", description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="take what is measured as the new budget")
    write = parser.parse_args().write
    found = measured(cases())
    if write:
        write_budget(found)
        return 0
    worse, better = compare(found, read_budget())
    print(
        "\n".join([*(f"dearer:  {line}" for line in worse), *(f"cheaper: {line}" for line in better)]) or "as budgeted"
    )
    if better and not worse:
        print(f"lower it: {COMMAND}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
