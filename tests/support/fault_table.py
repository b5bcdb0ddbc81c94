"""The forty faults: what each is, its exit codes, and the invariant of SECURITY.md that its tests hold.

Tests name a fault by their own name, ``test_f07_...``; nothing else lists them. ``python -m tests.support.fault_table``
prints the table as Markdown; at the end of a run pytest prints it with results.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
_NAMED = re.compile(r"\btest_f(\d\d)_")


@dataclass(frozen=True)
class Fault:
    """``codes`` are what a command may end with; ``needs`` is the command without which the fault cannot happen."""

    title: str
    codes: str
    invariants: tuple[str, ...]
    needs: str | None = None


FAULTS = {
    "F01": Fault(".keras empty, truncated, not a zip", "3", ("S1",)),
    "F02": Fault("path missing, a folder, a URL, a pipe", "2", ("S2",)),
    "F03": Fault(".keras with code in its config", "3", ("S3",)),
    "F04": Fault("zip members that lead out", "3", ("S3", "S6")),
    "F05": Fault("zip or HDF5 bomb", "3", ("S4",)),
    "F06": Fault("unknown layer, corrupt JSON, missing weights", "3", ("S1",)),
    "F07": Fault("NaN or Inf weights", "3", ("S7",)),
    "F08": Fault("labels and outputs differ in number", "3, 4", ("S7",)),
    "F09": Fault("labels that are not clean", "3", ("S1",)),
    "F10": Fault("nothing to calibrate on", "3", ("S7",)),
    "F11": Fault("samples that are no sound", "3", ("S1", "S7")),
    "F12": Fault("feature arrays of another shape", "3", ("S1",)),
    "F13": Fault("the converter dies or hangs", "3", ("S4", "S9")),
    "F14": Fault("malformed .tflite", "3", ("S1", "S4")),
    "F15": Fault("tensors that are not int8", "4", ("S7",)),
    "F16": Fault("unsupported, dynamic, too large", "4", ("S7",)),
    "F17": Fault("int8 and Keras disagree", "4", ("S7",)),
    "F18": Fault("hostile labels in C", "0, 3", ("S5",)),
    "F19": Fault("hostile names of a project", "0, 2", ("S6",)),
    "F20": Fault("unknown keys and values that are none", "2", ("S1",)),
    "F21": Fault("a template variable is missing", "1", ("S6", "S7")),
    "F22": Fault("an output that is not ours", "5", ("S6",)),
    "F23": Fault("killed, or the disk full, at any write", "-", ("S6", "S9")),
    "F24": Fault("twice, from anywhere", "0", ("S8",)),
    "F25": Fault("tool chain missing or too old", "6", ("S11",)),
    "F26": Fault("compile error, region overflow", "6", ("S7",)),
    "F27": Fault("the ELF built in two folders", "0", ("S8",)),
    "F28": Fault("an external tool hangs or gives nothing", "6, 7", ("S9", "S11")),
    "F29": Fault("port absent, refused, several boards", "7", ("S10",)),
    "F30": Fault("two processes on one port", "7", ("S10",)),
    "F31": Fault("flash verify mismatch, probe drops", "7", ("S7",), needs="flash"),
    "F32": Fault("another model, lock or protocol", "7, 8", ("S10",)),
    "F33": Fault("noise and corrupt lines", "0, 8", ("S10",)),
    "F34": Fault("no newline, records too long", "8", ("S4", "S10")),
    "F35": Fault("gaps and doubles", "0, 8", ("S10",)),
    "F36": Fault("reset and crash of the board", "8", ("S10",)),
    "F37": Fault("unplugged and plugged in", "8", ("S10",)),
    "F38": Fault("a silent board", "8", ("S10",)),
    "F39": Fault("records out of range", "8", ("S10",)),
    "F40": Fault("Ctrl-C, closed stdout, formulas", "0, 130", ("S5", "S9")),
}


def fault_of(name: str) -> str | None:
    """Gives the fault that a test's name or node id names, or None."""
    found = _NAMED.search(name.rpartition("::")[2])  # files have faults in their names too
    return f"F{found[1]}" if found else None


def named_tests(root: Path = TESTS) -> dict[str, list[str]]:
    """Gives the tests that name each fault, as ``file::name``, sorted."""
    named: dict[str, list[str]] = {fault: [] for fault in FAULTS}
    for path in sorted(root.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            fault = fault_of(node.name) if isinstance(node, ast.FunctionDef) else None
            if fault is not None:
                named.setdefault(fault, []).append(f"{path.relative_to(root).as_posix()}::{node.name}")
    return named


def results(reports: Iterable[Any]) -> list[str]:
    """Gives a line a fault that tests of a run have named: its title, exit codes, and how they ended."""
    counts: dict[str, list[int]] = {}
    for report in reports:
        fault = fault_of(report.nodeid)
        if fault is not None:
            counts.setdefault(fault, [0, 0])[report.outcome != "passed"] += 1
    return [
        f"{fault}  {FAULTS[fault].title:<46} exit {FAULTS[fault].codes:<7} {' '.join(FAULTS[fault].invariants):<8}"
        f"{passed:>4} passed" + (f", {failed} FAILED" if failed else "")
        for fault, (passed, failed) in sorted(counts.items())
    ]


def as_markdown() -> str:
    """Gives the table of the faults with the names of their tests."""
    lines = ["| id | fault | exit | invariants | tests |", "|---|---|---|---|---|"]
    for fault, names in named_tests().items():
        told = FAULTS[fault]
        tests = "<br>".join(f"`{name}`" for name in names) or f"none without `{told.needs}`"
        lines.append(f"| {fault} | {told.title} | {told.codes} | {', '.join(told.invariants)} | {tests} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(as_markdown(), end="")
