"""What the user asks of ``quantize_model``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Head = Literal["logits", "probabilities"]
Io = Literal["int8", "float32"]
METHODS = ("minmax", "percentile", "moving-average", "octav")  # of ranges
EXTREMES = ("minmax", "moving-average")  # those that need no counts of values
AUTO = "auto"
NONE = "none"
AUTO_MIN_COSINE = 0.996
AUTO_MIN_AGREEMENT = 0.985
AUTO_ROOM = 1 / 3  # of the cosine that the gate lets go: what `auto` leaves to recordings unlike the calibrating ones
AUTO_MISSES = 2  # confident windows with another best class that `auto` forgives, however few windows there are
MAX_CPU_MACS = 3_000_000
FOLDS = 4
TIMEOUT_S = 3600.0


@dataclass(frozen=True)
class QuantizeOptions:
    """How a model is quantized.

    ``head`` ``logits`` cuts the final softmax or sigmoid off, ``probabilities`` keeps it. ``io`` ``float32`` keeps
    float ends around the int8 graph. ``sample_norm`` overrides what the file's layout says. ``simplify`` False
    converts the graph as traced. ``prologue`` is ``none``, ``auto`` or the name of a cut; ``frontier`` measures the
    cuts also where none is asked for. ``ranges`` is ``auto`` or one of `METHODS`. Gates are those of held-out
    calibration folds; None is no gate, and for ``auto`` its defaults.
    """

    head: Head = "logits"
    io: Io = "int8"
    sample_norm: bool | None = None
    simplify: bool = True
    prologue: str = NONE
    frontier: bool = False
    ranges: str = AUTO
    min_cosine: float | None = None
    min_agreement: float | None = None
    max_cpu_macs: int = MAX_CPU_MACS
    folds: int = FOLDS
    timeout_s: float = TIMEOUT_S

    @property
    def judged(self) -> bool:
        """Whether held-out folds decide on anything."""
        gated = (self.min_cosine, self.min_agreement) != (None, None)
        return self.ranges == AUTO or self.prologue != NONE or self.frontier or gated
