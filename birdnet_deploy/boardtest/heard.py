"""What a board test has heard so far, over all connections: each window once, saved as it comes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.board.card import CardFile
from birdnet_deploy.readback.ledger import Ledger
from birdnet_deploy.readback.records import AnyRecord, Error, Inference
from birdnet_deploy.readback.stage import Stage
from birdnet_deploy.report.predictions import Prediction

Key = tuple[str, int, int]  # original, window, start


@dataclass
class Heard:
    """The windows by (original, window, start), each with every different answer that came; the first is saved."""

    names: dict[str, CardFile]
    rate: int
    scores: Callable[[NDArray[np.int8]], NDArray[np.float64]]
    save: Callable[[str], None] = lambda line: None
    windows: dict[Key, list[Prediction]] = field(default_factory=dict)
    stages: list[Stage] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    golden_missed: str | None = None
    counts: Counter[str] = field(default_factory=Counter)
    fw: str | None = None
    kept: int = 0

    def keep(self, predictions: Iterable[Prediction]) -> None:
        """Enters the windows of an earlier, interrupted test; who keeps the file has them."""
        for prediction in predictions:
            self._enter(prediction, save=False)
        self.kept = len(self.windows)

    def record(self, record: AnyRecord) -> None:
        """Enters a record that is intact and new."""
        if isinstance(record, Stage):
            self.stages.append(replace(record, file=self._original(record.file)))
        elif isinstance(record, Inference):
            outputs = record.outputs
            self._enter(
                Prediction(
                    file=self._original(record.file),
                    win=record.win,
                    start=record.start,
                    start_s=record.start / self.rate,
                    seq=record.seq,
                    boot=record.boot,
                    outputs=outputs,
                    scores=self.scores(outputs),
                    us=record.us,
                )
            )

    def has(self, file: CardFile, win: int, start: int) -> bool:
        """Says whether a window is there."""
        return (file.original, win, start) in self.windows

    def tell(self, errors: Iterable[Error]) -> None:
        """Takes what the board says that it could not do."""
        for error in errors:
            self.errors.append(error.text)
            if error.is_golden:
                self.golden_missed = error.text

    def all(self) -> list[Prediction]:
        """Gives every answer, to be compared."""
        return [copy for copies in self.windows.values() for copy in copies]

    def saved(self) -> list[Prediction]:
        """Gives each window once, in the order of files and windows."""
        order: dict[str, int] = {}
        for file in self.names.values():
            order.setdefault(file.original, len(order))
        first = [copies[0] for copies in self.windows.values()]
        return sorted(first, key=lambda found: (order.get(found.file, len(order)), found.file, found.win))

    def close_connection(self, ledger: Ledger) -> None:
        """Adds what one connection counted."""
        self.counts.update(asdict(ledger.counts))
        self.tell(ledger.errors)
        self.problems += [f"the firmware crashed ({fault.text})" for fault in ledger.faults]
        self.problems += [f"rejected {text}" for text in ledger.rejected]
        if ledger.boot.hello is not None:
            self.fw = ledger.boot.hello.fw

    def _original(self, name: str) -> str:
        return self.names[name].original if name in self.names else name

    def _enter(self, prediction: Prediction, *, save: bool = True) -> None:
        copies = self.windows.setdefault((prediction.file, prediction.win, prediction.start), [])
        if save and not copies:
            self.save(json.dumps(prediction.to_json(), allow_nan=False))
        if all(not np.array_equal(prediction.outputs, copy.outputs) for copy in copies):
            copies.append(prediction)
