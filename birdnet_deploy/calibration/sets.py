"""What calibration hands on: windows of sound, where each came from, and the manifest of it all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, order=True)
class WindowRef:
    """Where a window came from: the recording's POSIX path relative to its root, and the first sample."""

    file: str
    start: int


@dataclass(frozen=True, eq=False)
class PcmWindows:
    """Windows of sound: int16 ``[n, window_samples]`` at the model's rate, and one ref each."""

    pcm: NDArray[np.int16]
    refs: tuple[WindowRef, ...]

    def __len__(self) -> int:
        return len(self.refs)


@dataclass(frozen=True, eq=False)
class CalibrationSet:
    """The windows that calibrate, the windows that evaluate (of other files), and their manifest.

    ``manifest`` can be written as JSON and holds no absolute path. ``warnings`` are sentences for the user.
    """

    calibration: PcmWindows
    evaluation: PcmWindows
    manifest: Mapping[str, Any]
    warnings: tuple[str, ...]
    synthetic: bool

    def held(self, hold: Callable[[str, NDArray[Any]], NDArray[Any]]) -> CalibrationSet:
        """Gives the same set with its sound where ``hold(name, array)`` puts it."""
        calibration = replace(self.calibration, pcm=hold("calibration_pcm", self.calibration.pcm))
        evaluation = replace(self.evaluation, pcm=hold("evaluation_pcm", self.evaluation.pcm))
        return replace(self, calibration=calibration, evaluation=evaluation)


def no_windows(window: int) -> PcmWindows:
    """Gives an empty set of windows."""
    return PcmWindows(np.empty((0, window), dtype=np.int16), ())
