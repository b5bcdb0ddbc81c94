"""Results, one recording at a time -> what figures need: pooled scores with their truth, and sums of agreement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.errors import CheckFailed
from birdnet_deploy.evaluation.agreement import Agreement
from birdnet_deploy.evaluation.labels import FileTruth, Truth
from birdnet_deploy.evaluation.levels import Level
from birdnet_deploy.evaluation.metrics import Pooling, pool
from birdnet_deploy.evaluation.results import OK, FileResult
from birdnet_deploy.evaluation.spool import Spool
from birdnet_deploy.support.closing import Closing


class _Rows:
    """Rows of a level: scores and truth on the disk, and the recording of each."""

    def __init__(self, stack: ExitStack, engines: int, classes: int) -> None:
        self._scores = stack.enter_context(Spool((engines, classes), np.float32))
        self._truth = stack.enter_context(Spool((classes,), np.bool_))
        self._units = stack.enter_context(Spool((), np.int64))
        self._recordings = 0

    def add(self, scores: NDArray[np.floating], truth: NDArray[np.bool_]) -> None:
        """Takes the rows of one recording: ``[rows, engines, classes]`` and ``[rows, classes]``."""
        self._scores.add(scores)
        self._truth.add(truth)
        self._units.add(np.full(len(truth), self._recordings))
        self._recordings += 1

    def level(self, engines: tuple[str, ...]) -> Level | None:
        if not self._recordings:
            return None
        parts = self._scores.array(), self._truth.array(), self._units.array()
        return Level(engines, *parts, self._recordings)


class Collector(Closing):
    """Takes results and keeps what figures need; memory does not grow with recordings, but temporary files do."""

    def __init__(
        self, truth: Truth, pooling: Pooling, temperature: float, window_s: float, overlap_s: float,
        calibrating: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        self._truth, self._pooling, self._temperature = truth, pooling, temperature
        self._window_s, self._overlap_s = window_s, overlap_s
        self._calibrating = calibrating
        self._stack = ExitStack()
        self._engines: tuple[str, ...] = ()
        self._files: _Rows | None = None
        self._timed: _Rows | None = None
        self.agreement: Agreement | None = None
        self.statuses: Counter[str] = Counter()
        self.windows = 0
        self.labelled = self.calibrated = 0
        self.kernels: dict[str, str] = {}

    def close(self) -> None:
        """Lets go of the temporary files."""
        self._stack.close()

    def take(self, results: Iterable[FileResult]) -> None:
        """Takes recordings, each once.

        Raises: CheckFailed (exit 4) where recordings were evaluated by different engines or models.
        """
        for result in results:
            self.statuses[result.status] += 1
            if result.status == OK and result.windows:
                self._add(result)

    def _add(self, result: FileResult) -> None:
        scores = self._scores(result)
        self.windows += result.windows
        self.calibrated += result.sha256 in self._calibrating
        if self.agreement is not None:
            self.agreement.add(scores, [found.outputs for found in result.engines])
        truth = self._truth.of(result.file)
        if truth is None or self._files is None or self._timed is None:
            return
        self.labelled += 1
        pooled = np.stack([pool(found, self._pooling, self._temperature) for found in scores])
        self._files.add(pooled[None], _marks([truth.classes], scores.shape[2]))
        windows = self._of_windows(truth, result)
        if windows is not None:
            self._timed.add(scores.transpose(1, 0, 2), _marks(windows, scores.shape[2]))

    def _of_windows(self, truth: FileTruth, result: FileResult) -> list[frozenset[int]] | None:
        found = [truth.of_window(s, s + self._window_s, self._overlap_s) for s in result.starts_s.tolist()]
        known = [classes for classes in found if classes is not None]
        return known if len(known) == len(found) else None

    def _scores(self, result: FileResult) -> NDArray[np.float32]:
        """Gives ``[engines, windows, classes]``; the first recording says which engines and how many classes."""
        names = tuple(found.engine for found in result.engines)
        classes = len(self._truth.labels)
        if not self._engines:
            self._engines = names
            self.kernels = {found.engine: found.kernel for found in result.engines}
            self._files, self._timed = (_Rows(self._stack, len(names), classes) for _ in range(2))
            self.agreement = self._stack.enter_context(Agreement(names))
        shapes = {found.scores.shape for found in result.engines}
        if names != self._engines or shapes != {(result.windows, classes)}:
            raise CheckFailed(
                f"has {', '.join(names)} with {sorted(shapes)} scores, others have {', '.join(self._engines)} and the "
                f"model {classes} classes",
                where=result.file, fix="evaluate all recordings with the same engines and model",
            )  # fmt: skip
        return np.stack([found.scores for found in result.engines])

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines of all recordings."""
        return self._engines

    def levels(self) -> tuple[Level | None, Level | None]:
        """Gives the level of files and that of windows whose labels have times; None where nothing is labelled."""
        if self._files is None or self._timed is None:
            return None, None
        return self._files.level(self._engines), self._timed.level(self._engines)


def _marks(classes: list[frozenset[int]], count: int) -> NDArray[np.bool_]:
    marks = np.zeros((len(classes), count), np.bool_)
    for row, found in enumerate(classes):
        marks[row, sorted(found)] = True
    return marks
