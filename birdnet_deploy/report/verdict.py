"""The verdict over a board: how far its outputs are from the host's, how far they may be, and where they part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.report.compare import Comparison, Difference, HostWindow
from birdnet_deploy.report.stages import StageComparison

LEAST_LSB = 2  # of a tolerance for an NPU: its rounding is nobody's contract
_FRONTEND = ("input features", "network input")
OUTPUT_STAGE = "network output"

Scores = Callable[[NDArray[np.int8]], NDArray[np.float64]]


@dataclass(frozen=True)
class Tolerance:
    """By how many int8 steps an output may differ, and why so many."""

    lsb: int
    why: str

    @property
    def line(self) -> str:
        """The tolerance as one line."""
        return f"tolerance {self.lsb} LSB: {self.why}"


def tolerance_of(asked: str | int, processor: str, report: Mapping[str, Any]) -> Tolerance:
    """Gives the tolerance for a board that computes on ``processor`` (``cpu`` or ``npu``).

    ``asked`` is ``auto``, ``exact`` or a number of int8 steps; ``report`` is the bundle's ``report.json``.
    """
    if asked == "exact":
        return Tolerance(0, "bit-exact was asked for")
    if asked != "auto":
        return Tolerance(int(asked), "asked for")
    if processor != "npu":
        return Tolerance(0, "bit-exact, as the generated engine is")
    reference = report.get("reference")
    spread = reference.get("p99_9_steps") if isinstance(reference, Mapping) else None
    if type(spread) is not int or spread < 0:
        return Tolerance(LEAST_LSB, "the least for an NPU; report.json does not say how far REF and XNNPACK differ")
    why = f"p99.9 of |REF - XNNPACK| over the evaluation set is {spread} LSB (report.json)"
    return Tolerance(max(spread, LEAST_LSB), why if spread >= LEAST_LSB else f"the least for an NPU; {why}")


@dataclass(frozen=True)
class Agreement:
    """How far device and host agree on ``windows`` windows; ``top_k`` is the mean share of the host's best ``k``.

    ``score`` is the largest difference of a score, at (file, window, class); None where no window came.
    """

    windows: int
    top_1: int
    k: int
    top_k: float
    score: float
    at: tuple[str, int, int] | None


class AgreementCount:
    """Takes pairs of host and device outputs; ``result`` is what they come to."""

    def __init__(self, k: int, scores: Scores) -> None:
        self._k, self._scores = k, scores
        self._windows = self._top_1 = 0
        self._shares = self._score = 0.0
        self._at: tuple[str, int, int] | None = None

    def take(self, host: HostWindow, outputs: NDArray[np.int8]) -> None:
        """Enters one window that came."""
        ours, theirs = self._best(host.outputs), self._best(outputs)
        self._windows += 1
        self._top_1 += ours[0] == theirs[0]
        self._shares += len(set(ours) & set(theirs)) / len(ours)
        apart = np.abs(self._scores(outputs) - self._scores(host.outputs))
        worst = int(apart.argmax())
        if self._at is None or apart[worst] > self._score:
            self._score, self._at = float(apart[worst]), (host.file, host.win, worst)

    def result(self) -> Agreement:
        """Gives the agreement over all that was taken."""
        shares = self._shares / self._windows if self._windows else 0.0
        return Agreement(self._windows, self._top_1, self._k, shares, self._score, self._at)

    def _best(self, outputs: NDArray[np.int8]) -> list[int]:
        """The greatest outputs, best first; of equal ones the first goes first, as in ``top`` of the records."""
        order = np.argsort(-outputs.astype(np.int16), kind="stable")
        return [int(index) for index in order[: self._k]]


@dataclass(frozen=True)
class Verdict:
    """A board against the host. ``stages`` is None where no stages came."""

    comparison: Comparison
    tolerance: Tolerance
    agreement: Agreement
    stages: StageComparison | None
    labels: Sequence[str]

    @property
    def beyond(self) -> tuple[Difference, ...]:
        """The windows with an output beyond the tolerance."""
        return tuple(found for found in self.comparison.differences if found.max_lsb > self.tolerance.lsb)

    @property
    def first_stage(self) -> str | None:
        """The stage that differs first; None where none does, or where it is not known."""
        if self.stages is None:
            return None
        if self.stages.first is not None:
            return self.stages.first
        agree = set(self.stages.equal_windows)
        return OUTPUT_STAGE if any((found.file, found.win) in agree for found in self.beyond) else None

    @property
    def part(self) -> str | None:
        """What computes that stage: ``frontend``, ``prologue`` or ``network``."""
        first = self.first_stage
        if first is None:
            return None
        if first == OUTPUT_STAGE:
            return "network"
        return "frontend" if first in _FRONTEND else "prologue"

    @property
    def passed(self) -> bool:
        """Whether nothing that came is beyond the tolerance, and no stage differs."""
        return not self.beyond and not (self.stages is not None and self.stages.differences)

    @property
    def blame(self) -> str:
        """Where device and host part, as a half sentence."""
        if self.first_stage is None:
            return "no stages came with them, so nobody can tell frontend from network"
        if self.part == "network":
            return "the tensors before it agree, so the first stage that differs is the network"
        assert self.stages is not None
        found = self.stages.differences[0]
        return f"the first stage that differs is {found.name!r} ({self.part}; window {found.win} of {found.file})"

    def lines(self) -> list[str]:
        """Gives the verdict, one statement a line."""
        seen, found = self.agreement, self.comparison
        lines = [found.line, self.tolerance.line]
        if self.tolerance.lsb:
            came = seen.windows
            lines.append(f"windows within tolerance {came - len(self.beyond)}/{found.expected}")
        if seen.windows:
            lines.append(f"top-1 agreement {seen.top_1}/{seen.windows}, top-{seen.k} {seen.top_k:.4g}")
            lines.append(f"largest difference {found.max_lsb} LSB, of a score {seen.score:.4g}{self._where()}")
        for what, windows in (("missing", found.missing), ("unexpected", found.unexpected)):
            if windows:
                lines.append(f"{len(windows)} windows {what}, first window {windows[0][1]} of {windows[0][0]}")
        if self.stages is not None:
            lines.append(self.stages.line)
        if not self.passed:
            lines.append(f"first difference: {self.blame}")
        return lines

    def _where(self) -> str:
        at = self.agreement.at
        if at is None or not self.agreement.score:
            return ""
        return f" ({self.labels[at[2]]}, window {at[1]} of {at[0]})"

    def to_json(self) -> dict[str, Any]:
        """Gives the verdict as a JSON object."""
        found, seen = self.comparison, self.agreement
        at = None if seen.at is None else {"file": seen.at[0], "win": seen.at[1], "label": self.labels[seen.at[2]]}
        return {
            "verdict": "agrees" if self.passed else "differs",
            "tolerance": {"lsb": self.tolerance.lsb, "why": self.tolerance.why},
            "windows": {
                "expected": found.expected, "came": seen.windows, "exact": found.exact,
                "beyond_tolerance": len(self.beyond), "max_lsb": found.max_lsb,
                "missing": [list(key) for key in found.missing],
                "unexpected": [list(key) for key in found.unexpected],
            },
            "differences": [
                {"file": d.file, "win": d.win, "start": d.start, "values": d.values, "max_lsb": d.max_lsb}
                for d in found.differences
            ],
            "agreement": {"top_1": seen.top_1, "k": seen.k, "top_k": round(seen.top_k, 6)},
            "score_difference": {"max": round(seen.score, 6), "at": at},
            "stages": None if self.stages is None else self.stages.to_json(),
            "first_difference": None if self.passed else {"stage": self.first_stage, "part": self.part},
        }  # fmt: skip
