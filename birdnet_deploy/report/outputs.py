"""The files that a readback writes while it goes on: each holds whole lines whenever the reader dies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from birdnet_deploy.report.predictions import Prediction
from birdnet_deploy.report.selections import BirdnetTable, Choice, CsvTable, RavenTable, Timing, Write
from birdnet_deploy.support.files import replaced_text
from birdnet_deploy.support.lines import LineFile

STDOUT = "-"


@dataclass(frozen=True)
class Wanted:
    """Which files: JSON lines, CSV (``-``: stdout), Raven's and BirdNET's tables; None: not that one."""

    save: Path | None = None
    csv: str | None = None
    raven: Path | None = None
    birdnet: Path | None = None

    @property
    def paths(self) -> list[Path]:
        """The files."""
        csv = None if self.csv is None or self.csv == STDOUT else Path(self.csv)
        return [path for path in (self.save, csv, self.raven, self.birdnet) if path is not None]


class Outputs:
    """The files that grow with each window. They are opened at the first hello that fits: until then they stay."""

    def __init__(self, wanted: Wanted, choice: Choice, timing: Timing, csv_to_stdout: Write) -> None:
        self.windows = 0
        self._wanted, self._choice, self._timing, self._stdout = wanted, choice, timing, csv_to_stdout
        self._tables: list[CsvTable | RavenTable | BirdnetTable] = []
        self._files: list[LineFile] = []
        self._save: LineFile | None = None
        self._opened = False

    def open(self) -> None:
        """Opens the files; what they held is gone."""
        if self._opened:
            return
        self._opened = True
        wanted, choice = self._wanted, self._choice
        if wanted.save is not None:
            self._save = self._file(wanted.save)
        if wanted.csv is not None:
            to = self._stdout if wanted.csv == STDOUT else self._file(Path(wanted.csv)).write
            self._tables.append(CsvTable(to, choice))
        if wanted.raven is not None:
            self._tables.append(RavenTable(self._file(wanted.raven).write, choice, self._timing))
        if wanted.birdnet is not None:
            self._tables.append(BirdnetTable(self._file(wanted.birdnet).write, choice, self._timing))

    def _file(self, path: Path) -> LineFile:
        self._files.append(LineFile(path))
        return self._files[-1]

    def add(self, prediction: Prediction) -> None:
        """Writes a window to all of them."""
        self.windows += 1
        if self._save is not None:
            self._save.write(json.dumps(prediction.to_json(), allow_nan=False))
        for table in self._tables:
            table.add(prediction)

    def finish(self, *, complete: bool) -> None:
        """Makes the files those of this session, also where nothing came; an incomplete save is marked."""
        self.open()
        self.close()
        if not complete and self._save is not None and self.windows and self._save.path.is_file():
            mark_incomplete(self._save.path)

    def close(self) -> None:
        """Closes them."""
        for file in self._files:
            file.close()


def mark_incomplete(path: Path) -> None:
    """Adds ``"incomplete": true`` to every object of a saved file, as ``run --save`` does.

    Raises: OutputRefused (exit 5) where it cannot be written again; it stays as it was then.
    """
    with path.open(encoding="utf-8") as lines, replaced_text(path) as marked:
        for line in lines:
            marked.write(json.dumps({**json.loads(line), "incomplete": True}, allow_nan=False) + "\n")
