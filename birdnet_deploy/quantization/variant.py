"""Whether a hybrid frontend divides by the sample's maximum: the choice, checked on the model's own statistics.

A file does not say it, and the wrong choice destroys the scores without any error (`model.loading`). But its first
BatchNormalization remembers how large its input was in training: on the shared checkpoint the right choice is off
by a factor of 1.9, the wrong one by 77. Runs in the worker, on the loaded Keras model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.errors import ModelError

DIGITS = 2
_OFF = 10.0  # a choice that is off by more does not fit,
_FITS = 4.0  # one that is off by less does
_FLOOR = 1e-12  # dead channels

OnWindows = Callable[[Any], NDArray[np.float32]]  # a function of a batch -> its outputs on windows


def check_variant(model: Any, frontend: Any, on_windows: OnWindows) -> Mapping[str, Any] | None:
    """Gives by which factors the first BatchNormalization's statistics are off: as the frontend is, and the other way.

    None where there is nothing to compare: another frontend, no BatchNormalization, or one that was never trained.
    """
    if frontend is None or frontend.mode != "hybrid":
        return None
    norm = next((layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"), None)
    if norm is None:
        return None
    mean, variance = (np.asarray(value, np.float64) for value in (norm.moving_mean, norm.moving_variance))
    if not mean.any() and (variance == 1.0).all():
        return None
    remembered = np.square(mean) + variance
    chosen = frontend.sample_norm
    factors = []
    for divides in (chosen, not chosen):
        frontend.sample_norm = divides
        factors.append(_factor(_energy(model, norm, on_windows), remembered))
    frontend.sample_norm = chosen
    return {"layer": norm.name, "off_by": round(factors[0], DIGITS), "other_way_off_by": round(factors[1], DIGITS)}


def _energy(model: Any, norm: Any, on_windows: OnWindows) -> NDArray[np.float64]:
    """Gives the mean square of each channel of what a BatchNormalization takes."""
    import keras
    from keras import ops

    before = keras.Model(model.inputs, norm.input)
    squares = on_windows(lambda batch: ops.mean(ops.square(before(batch, training=False)), axis=(1, 2)))
    energy: NDArray[np.float64] = np.asarray(squares, np.float64).mean(axis=0)
    return energy


def _factor(found: NDArray[np.float64], remembered: NDArray[np.float64]) -> float:
    ratios = np.log10((found + _FLOOR) / (remembered + _FLOOR)) / 2.0
    return float(10.0 ** np.median(np.abs(ratios)))


def contradicts(check: Mapping[str, Any] | None) -> TypeGuard[Mapping[str, Any]]:
    """Says whether the model's statistics clearly ask for the other choice."""
    return check is not None and check["off_by"] > _OFF and check["other_way_off_by"] < _FITS


def misfit(check: Mapping[str, Any]) -> str:
    """Gives what a check found, in words."""
    return f"{check['layer']} is off by a factor of {check['off_by']:g}, the other way by {check['other_way_off_by']:g}"


def require_fit(check: Mapping[str, Any] | None, frontend: Any, where: object) -> None:
    """Refuses a choice that only the file's layout suggested and the model's statistics contradict.

    Raises: ModelError (exit 3) with the option for either choice.
    """
    if not contradicts(check):
        return
    divides, other = ("divides", "off") if frontend.sample_norm else ("does not divide", "on")
    raise ModelError(
        f"by its layout the frontend {divides} by the sample's maximum, but then {misfit(check)}",
        where=where, fix=f"--sample-norm {other}, or name the layout's choice to insist on it",
    )  # fmt: skip
