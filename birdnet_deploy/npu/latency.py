"""How long the NPU takes for a model, from two numbers: the bytes of its weights and the bytes that its layers move.

``latency.toml`` has the fit; ``scripts/refit_latency.py`` makes it from published measurements and writes it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("latency.toml")
_MB = 1e6
_PLACES = {
    "weights_mb": "{} MB of weights, the rows have {} to {}",
    "moved_mb": "layers move {} MB, those of the rows {} to {}",
    "weight_share": "weights take {} % of the time, in the rows {} to {} %",
    "layers": "{} layers, the rows have {} to {}",
    "ms": "{} ms, the rows take {} to {}",
}
Range = tuple[float, float]


@dataclass(frozen=True)
class Fit:
    """``ms = weights_ms * W + moved_ms * A`` with W and A in 10^6 bytes, and where and how well it holds.

    ``mean_error`` is of the rows themselves. ``left_out_*`` are errors (estimate / measured - 1) of rows whose whole
    family was left out of the fit: the mean of their sizes, and the lowest and highest. The ranges are what the rows
    cover; ``weight_share`` is the part of the time that weights take, the one direction in which a fit of two terms
    without a constant, weighted by its result, can extrapolate.
    """

    weights_ms: float
    moved_ms: float
    rows: int
    families: tuple[str, ...]
    mean_error: float
    left_out_mean_error: float
    left_out_low: float
    left_out_high: float
    ranges: Mapping[str, Range]
    source: str

    def predict(self, weight_bytes: float, moved_bytes: float) -> float:
        """Gives milliseconds for bytes of compiled weights and bytes that layers read and write."""
        return (self.weights_ms * weight_bytes + self.moved_ms * moved_bytes) / _MB

    def weight_share(self, weight_bytes: float, moved_bytes: float) -> float:
        """Gives the part of the predicted time, 0 to 1, that reading the weights takes."""
        total = self.predict(weight_bytes, moved_bytes)
        return self.weights_ms * weight_bytes / _MB / total if total else 0.0


@dataclass(frozen=True)
class Place:
    """Where a model lies against one range of the fit."""

    what: str
    value: float
    low: float
    high: float

    @property
    def inside(self) -> bool:
        """Says whether the rows of the fit cover the value."""
        return self.low <= self.value <= self.high

    def __str__(self) -> str:
        unit = 100 if self.what == "weight_share" else 1
        return _PLACES[self.what].format(*(f"{unit * number:.3g}" for number in (self.value, self.low, self.high)))


@dataclass(frozen=True)
class Latency:
    """The estimate in milliseconds, the band that the fit's errors give it, and where the model lies in the fit."""

    ms: float
    low_ms: float
    high_ms: float
    places: tuple[Place, ...]

    @property
    def inside(self) -> bool:
        """Says whether the model lies within every range of the fit."""
        return all(place.inside for place in self.places)


@lru_cache(maxsize=1)
def read_fit() -> Fit:
    """Gives the fit of ``latency.toml``."""
    return fit_of(tomllib.loads(_FILE.read_text(encoding="utf-8")))


def fit_of(data: Mapping[str, Any]) -> Fit:
    """Gives the fit of the tables of a ``latency.toml``."""
    fit, errors = data["fit"], data["errors"]
    return Fit(
        weights_ms=fit["weights_ms"], moved_ms=fit["moved_ms"], rows=fit["rows"], families=tuple(fit["families"]),
        mean_error=errors["mean"], left_out_mean_error=errors["left_out_mean"], left_out_low=errors["left_out_low"],
        left_out_high=errors["left_out_high"], source=fit["source"],
        ranges={name: (low, high) for name, (low, high) in data["ranges"].items()},
    )  # fmt: skip


def estimate_latency(weight_bytes: float, moved_bytes: float, layers: int, *, weights_error: float) -> Latency:
    """Gives the latency of a model on the NPU with all activations on chip.

    ``weight_bytes`` are those after compilation, known to a ``weights_error`` (estimate / measured - 1, of either
    sign). The band takes that and the worst errors of left-out families together; it is no confidence interval.
    """
    fit = read_fit()
    ms = fit.predict(weight_bytes, moved_bytes)
    least = fit.predict(weight_bytes / (1 + weights_error), moved_bytes)
    most = fit.predict(weight_bytes / (1 - weights_error), moved_bytes)
    values = {
        "weights_mb": weight_bytes / _MB, "moved_mb": moved_bytes / _MB,
        "weight_share": fit.weight_share(weight_bytes, moved_bytes), "layers": float(layers), "ms": ms,
    }  # fmt: skip
    places = tuple(Place(what, values[what], *fit.ranges[what]) for what in values)
    return Latency(ms, least / (1 + fit.left_out_high), most / (1 + fit.left_out_low), places)
