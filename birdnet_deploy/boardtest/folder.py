"""The folder of a board test: what was asked, the windows as they come, the report at the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from birdnet_deploy.artifacts import Bundle
from birdnet_deploy.board.card import MANIFEST_FILE, Card
from birdnet_deploy.errors import OutputRefused, UsageError
from birdnet_deploy.report.outputs import mark_incomplete
from birdnet_deploy.report.predictions import Prediction, write_predictions
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.lines import LineFile

STATE_FILE = "board-test.json"
PARTIAL_FILE = "predictions.partial.jsonl"
PREDICTIONS_FILE = "predictions.jsonl"
REPORT_FILE = "report.json"
SUMMARY_FILE = "summary.txt"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class _Begun:
    """What is written once a first window comes."""

    state: dict[str, Any]
    manifest: dict[str, Any]
    lines: list[str]


class Folder:
    """A folder that is new, empty or an earlier board test's; ``line`` saves a window at once.

    Raises: OutputRefused (5) where it holds anything else or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            names = sorted(found.name for found in path.iterdir())
        except OSError as error:
            raise self._refused(error) from error
        if names and STATE_FILE not in names:
            listed = ", ".join(names[:5])
            raise OutputRefused(f"not the folder of a board test (it holds {listed})", where=path, fix="name another")
        self._partial: LineFile | None = None
        self._begun: _Begun | None = None

    def kept(self, bundle: Bundle, card: Card) -> list[Prediction]:
        """Gives the whole windows of an earlier test of this bundle, of those recordings that are still the same.

        Raises: UsageError (2) where there is none, or it is of another model.
        """
        try:
            state: dict[str, Any] = json.loads((self.path / STATE_FILE).read_text(encoding="utf-8"))
            told = (state["model"], state["lock"])
            before = {entry["original"]: entry["wav_sha256"] for entry in state["files"]}
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise UsageError("no board test to resume", where=self.path, fix="leave out --resume") from error
        if told != (bundle.model_sha256, bundle.lock_sha256):
            raise UsageError("a test of another model", where=self.path, fix="name another --save, or no --resume")
        same = {file.original for file in card.files if before.get(file.original) == file.wav_sha256}
        partial, whole = self.path / PARTIAL_FILE, self.path / PREDICTIONS_FILE
        found = _read(partial if partial.is_file() else whole, len(bundle.labels))
        return [prediction for prediction in found if prediction.file in same]

    def begin(self, bundle: Bundle, card: Card, kept: Sequence[Prediction]) -> None:
        """Says what is tested, and which windows are there. Until the first that comes nothing is changed."""
        manifest = json.loads(card.manifest.read_text(encoding="utf-8"))
        state = {
            "schema_version": SCHEMA_VERSION, "model": bundle.model_sha256, "lock": bundle.lock_sha256,
            "files": manifest["files"],
        }  # fmt: skip
        self._begun = _Begun(state, manifest, [json.dumps(found.to_json(), allow_nan=False) for found in kept])

    def _opened(self) -> LineFile:
        """Gives the file of windows; when it is opened, what an earlier test left is gone."""
        if self._partial is not None:
            return self._partial
        assert self._begun is not None
        try:
            self._partial = LineFile(self.path / PARTIAL_FILE)
            for line in self._begun.lines:
                self._partial.write(line)
            jsonfile.write(self.path / STATE_FILE, self._begun.state)
            jsonfile.write(self.path / MANIFEST_FILE, self._begun.manifest)
            for name in (PREDICTIONS_FILE, REPORT_FILE, SUMMARY_FILE):
                (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise self._refused(error) from error
        return self._partial

    def line(self, text: str) -> None:
        """Saves one window."""
        self._opened().write(text)

    def end(self, predictions: Sequence[Prediction], *, complete: bool) -> Path:
        """Gives the file of windows: ``predictions.jsonl``, or the partial one, each of its lines marked."""
        partial = self._opened()
        partial.close()
        if not complete:
            mark_incomplete(partial.path)
            return partial.path
        write_predictions(self.path / PREDICTIONS_FILE, predictions, complete=True)
        partial.path.unlink()
        return self.path / PREDICTIONS_FILE

    def report(self, content: dict[str, Any], lines: Sequence[str]) -> None:
        """Writes the report and the summary."""
        try:
            jsonfile.write(self.path / REPORT_FILE, content)
            (self.path / SUMMARY_FILE).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> OutputRefused:
        return OutputRefused(f"cannot be written ({error.strerror})", where=self.path, fix="name another --save")


def _read(path: Path, classes: int) -> list[Prediction]:
    """Gives the whole lines of a file of windows; a half one at its end, and what is damaged, is left out."""
    found = []
    for line in path.read_bytes().split(b"\n") if path.is_file() else []:
        try:
            data = json.loads(line)
            outputs = np.array(data["outputs"], dtype=np.int8)
            scores = np.array(data["scores"], dtype=np.float64)
            numbers = [int(data[key]) for key in ("win", "start", "seq")]
            if outputs.shape != (classes,) or scores.shape != (classes,):
                continue
            found.append(
                Prediction(
                    str(data["file"]),
                    numbers[0],
                    numbers[1],
                    float(data["start_s"]),
                    numbers[2],
                    str(data["boot"]),
                    outputs,
                    scores,
                    data["us"],
                )  # fmt: skip
            )
        except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
            continue
    return found
