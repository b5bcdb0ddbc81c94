"""Predictions as people and scripts use them: real file names, seconds, scores; a file's best labels."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.support.files import replaced_text


@dataclass(frozen=True)
class Prediction:
    """One window. ``file`` is the recording's POSIX path relative to the audio folder, ``start`` in samples,
    ``start_s`` in seconds; ``outputs`` and ``scores`` are in label order, ``us`` are the device's own times.
    """

    file: str
    win: int
    start: int
    start_s: float
    seq: int
    boot: str
    outputs: NDArray[np.int8]
    scores: NDArray[np.float64]
    us: Mapping[str, int] | None

    def to_json(self) -> dict[str, Any]:
        """Gives the object that ``--save`` writes."""
        return {
            "file": self.file,
            "start_s": self.start_s,
            "win": self.win,
            "start": self.start,
            "seq": self.seq,
            "boot": self.boot,
            "outputs": self.outputs.tolist(),
            "scores": self.scores.tolist(),
            "us": None if self.us is None else dict(self.us),
        }


@dataclass(frozen=True)
class Detection:
    """A label of a file: its best score over all windows, and where that window starts (s)."""

    label: str
    score: float
    start_s: float


@dataclass(frozen=True)
class FileResult:
    """One recording: its true label where the folder names one, its best labels, how many windows came."""

    file: str
    true_label: str | None
    detections: tuple[Detection, ...]
    windows: int

    @property
    def right(self) -> bool | None:
        """Whether the best label is the true one; None where that is unknown or nothing came."""
        if self.true_label is None or not self.detections:
            return None
        return self.detections[0].label == self.true_label


def write_predictions(path: Path, predictions: Iterable[Prediction], *, complete: bool) -> None:
    """Writes one JSON object a line and window; in an incomplete run each is marked ``"incomplete": true``.

    Raises: OutputRefused (exit 5) where the file cannot be written; what was there stays.
    """
    mark = {} if complete else {"incomplete": True}
    with replaced_text(path) as file:
        for prediction in predictions:
            file.write(json.dumps({**prediction.to_json(), **mark}, allow_nan=False) + "\n")


def best_labels(predictions: Sequence[Prediction], labels: Sequence[str], top_k: int) -> tuple[Detection, ...]:
    """Gives the ``top_k`` labels of one file by their greatest score over its windows, best first.

    Of equal scores the first label, and the first window, goes first.
    """
    if not predictions:
        return ()
    scores = np.stack([prediction.scores for prediction in predictions])
    pooled, windows = scores.max(axis=0), scores.argmax(axis=0)
    order = np.argsort(-pooled, kind="stable")[:top_k]
    return tuple(Detection(labels[index], float(pooled[index]), predictions[windows[index]].start_s) for index in order)


def file_results(
    files: Iterable[tuple[str, str | None]],
    predictions: Iterable[Prediction],
    labels: Sequence[str],
    top_k: int,
) -> tuple[FileResult, ...]:
    """Gives the result of each file, (path, true label or None), in the order of ``files``."""
    by_file: dict[str, list[Prediction]] = defaultdict(list)
    for prediction in predictions:
        by_file[prediction.file].append(prediction)
    return tuple(
        FileResult(file, true, best_labels(by_file[file], labels, top_k), len(by_file[file])) for file, true in files
    )
