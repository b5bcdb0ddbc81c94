"""How well outputs fit the float model's, on calibration windows that are held out fold by fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.support.alike import CONFIDENT, cosines
from birdnet_deploy.tflite.floats import THREADS
from birdnet_deploy.tflite.interpreter import Int8Interpreter
from birdnet_deploy.tflite.scores import activate

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Judge:
    """The float model's ``outputs`` on the calibration windows, and the fold of each."""

    outputs: Floats
    activation: str
    folds: NDArray[np.int64]

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """The float model's scores."""
        return activate(self.outputs, self.activation)

    @cached_property
    def count(self) -> int:
        """The number of folds."""
        return int(self.folds.max()) + 1

    def rows(self, fold: int) -> NDArray[np.int64]:
        """Gives the windows that a fold holds out; with a single fold nothing is held out."""
        return np.flatnonzero(self.folds == fold)

    def held_out(self, of_fold: Callable[[int, NDArray[np.int64]], Floats]) -> Floats:
        """Gives the outputs of all windows, each by ``of_fold(fold, its windows)`` of the fold that holds it out."""
        result = np.empty_like(self.outputs)
        for fold in range(self.count):
            rows = self.rows(fold)
            result[rows] = of_fold(fold, rows)
        return result

    def left_out(self, fold: int) -> int | None:
        """Gives the fold to leave out of the statistics; None where there is only one."""
        return fold if self.count > 1 else None

    def cosines(self, outputs: Floats) -> NDArray[np.float64]:
        """Gives the cosine of the scores of each window."""
        return cosines(self.scores, activate(outputs, self.activation))

    def loss(self, outputs: Floats) -> float:
        """Gives one minus the mean cosine."""
        return float(1.0 - self.cosines(outputs).mean())

    def fold_losses(self, outputs: Floats) -> list[float]:
        """Gives one minus the mean cosine of each fold."""
        found = 1.0 - self.cosines(outputs)
        return [float(found[self.rows(fold)].mean()) for fold in range(self.count)]

    def agrees(self, outputs: Floats) -> NDArray[np.bool_]:
        """Says of each window whether the best class is the float model's."""
        same: NDArray[np.bool_] = activate(outputs, self.activation).argmax(axis=1) == self.scores.argmax(axis=1)
        return same

    @cached_property
    def confident(self) -> NDArray[np.bool_]:
        """Says of each window whether the float model is confident."""
        sure: NDArray[np.bool_] = self.scores.max(axis=1) > CONFIDENT
        return sure


def better(judge: Judge, candidate: Floats, current: Floats) -> bool:
    """Says whether folds agree that a candidate is better: the mean is, and no more than a quarter of them disagree."""
    old, new = np.array(judge.fold_losses(current)), np.array(judge.fold_losses(candidate))
    return bool(judge.loss(candidate) < judge.loss(current)) and 4 * int((new > old).sum()) <= len(old)


def run_int8(model: bytes, inputs: Floats) -> Floats:
    """Gives the real outputs of a full-int8 model on optimized kernels, of real inputs."""
    interpreter = Int8Interpreter(model, kernels="optimized", threads=THREADS)
    given = interpreter.input_quantization
    return interpreter.output_quantization.dequantize(
        interpreter.run(quantize_input(inputs, given.scale, given.zero_point))
    )
