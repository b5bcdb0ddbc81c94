"""Exact simplification before quantizing; each step is proven on the calibration windows, else not applied.

Runs in the worker, on the loaded Keras model. A hybrid frontend that divides by the window's peak would divide by
zero on a silent window: int8 has no 1e-6, and the reference kernels refuse to run. A branch that never fires has a
range of zero: quantized, it gets a degenerate scale (7.8e-9) at which kernels disagree, and int8 could not represent
it anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_LOGIT_DIFFERENCE = 1e-4
DIGITS = 6  # decimals of a reported difference

Floats = NDArray[np.float32]
OnWindows = Callable[[Any], Floats]  # a function of a batch -> its outputs on all calibration windows


def simplify(
    model: Any, outputs: Any, before: Floats, on_windows: OnWindows, on_checked: OnWindows | None = None
) -> list[Mapping[str, Any]]:
    """Simplifies ``model`` in place; gives one record a step: name, detail, applied, max_logit_difference.

    ``outputs`` is the function of a batch that the int8 model is to compute, ``on_windows`` runs a function on all
    calibration windows and ``on_checked`` on those that prove each step (all, where it is None), for which ``outputs``
    gave ``before``.
    """
    checked = on_checked or on_windows
    frontend = next((layer for layer in model.layers if type(layer).__name__ == "AudioFrontendLayer"), None)
    if frontend is None or frontend.mode == "precomputed":
        return []
    magnitude = frontend.magnitude()
    steps: list[Mapping[str, Any]] = []

    def attempt(step: str, detail: str, apply: Callable[[], None], revert: Callable[[], None]) -> bool:
        apply()
        difference = float(np.abs(checked(outputs) - before).max())
        applied = difference <= MAX_LOGIT_DIFFERENCE
        if not applied:
            revert()
        steps.append({
            "step": step, "detail": detail, "applied": applied, "max_logit_difference": round(difference,
            DIGITS),
        })  # fmt: skip
        return applied

    if frontend.mode == "hybrid" and frontend.sample_norm:
        floor = _peak_floor(frontend, on_windows)
        attempt(
            "keep the divisor of silent windows off zero", f"at least {floor:.3g}",
            lambda: setattr(frontend, "peak_floor", floor), lambda: setattr(frontend, "peak_floor", 0.0),
        )  # fmt: skip
    silent = _silent_branches(frontend, magnitude, on_windows)
    if silent:
        detail = f"{len(silent)} of {len(magnitude.branches())} branches never fire"
        dropped = attempt(
            "drop silent magnitude branches", detail,
            lambda: setattr(magnitude, "dead_branches", frozenset(silent)),
            lambda: setattr(magnitude, "dead_branches", frozenset()),
        )  # fmt: skip
        if dropped and _foldable(frontend, magnitude, silent):
            _fold_gain(frontend, magnitude, attempt)
    return steps


def _peak_floor(frontend: Any, on_windows: OnWindows) -> float:
    """Gives half of the quietest window's peak, but no less than two int8 steps of the loudest's."""

    def peaks(batch: Any) -> Any:
        return frontend.loudest(frontend.mel_spectrum(batch))[:, :, 0, 0]

    found = on_windows(peaks)
    return max(float(found.min()) / 2, float(found.max()) * 2 / 255)


def _silent_branches(frontend: Any, magnitude: Any, on_windows: OnWindows) -> list[int]:
    """Gives the branches whose ``shift(x)`` stays at or below zero in every value of every window."""
    from keras import ops

    branches = magnitude.branches()
    if not branches:
        return []

    def peaks(batch: Any) -> Any:
        x = magnitude.branch_input(frontend.before_magnitude(batch, training=False))
        return ops.stack([ops.max(shift(x), axis=(1, 2, 3)) for shift, _ in branches], axis=1)

    highest = on_windows(peaks).max(axis=0)
    return [index for index, peak in enumerate(highest) if peak <= 0.0]


def _foldable(frontend: Any, magnitude: Any, silent: list[int]) -> bool:
    """``k0 * relu(mel(x))`` is ``relu((k0 * mel)(x))`` where k0 >= 0 and it has no other reader."""
    gain = magnitude.linear_gain()
    if gain is None or frontend.mode != "hybrid" or frontend.sample_norm:
        return False
    return len(silent) == len(magnitude.branches()) and bool((gain.get_weights()[0] >= 0).all())


def _fold_gain(frontend: Any, magnitude: Any, attempt: Callable[..., bool]) -> None:
    mixer = frontend.mel_mixer
    (kernel,) = mixer.get_weights()
    gain = magnitude.linear_gain().get_weights()[0].reshape(-1)

    def apply() -> None:
        mixer.set_weights([kernel * gain])
        magnitude.gain_folded = True

    def revert() -> None:
        mixer.set_weights([kernel])
        magnitude.gain_folded = False

    attempt("fold the magnitude gain into the mel kernel", f"{len(gain)} channels", apply, revert)
