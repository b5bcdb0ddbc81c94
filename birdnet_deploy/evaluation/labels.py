"""What is truly in a recording and in each of its windows: label files, tables beside recordings, class folders."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath

from birdnet_deploy.errors import LabelsError
from birdnet_deploy.evaluation.label_files import Annotation, read_annotations
from birdnet_deploy.model.labels import folder_label

MIN_OVERLAP_S = 0.5  # of an annotation and a window; all of an annotation that is shorter
_TABLE = re.compile(
    r"(?P<of>.+?)(\.table\.\d+)?(\.birdnet)?(\.(selections?|selection\.table|labels?|annotations?|audacity|raven))?"
    r"\.(txt|tsv)",
    re.IGNORECASE,
)
_FOLDERS_AT_ONCE = 8  # whose listings are kept: files come folder by folder
_SHOWN = 10  # names of broken tables that are told


@dataclass(frozen=True)
class FileTruth:
    """The classes of a recording by index; ``spans`` are (class, start s, end s), None where no times are known.

    A span's class is None where the model does not have its label.
    """

    classes: frozenset[int]
    spans: tuple[tuple[int | None, float, float], ...] | None = None

    def of_window(self, start_s: float, end_s: float, min_overlap_s: float = MIN_OVERLAP_S) -> frozenset[int] | None:
        """Gives the classes that a window shares at least ``min_overlap_s`` with, or all of a shorter annotation; None
        where no times are known."""
        if self.spans is None:
            return None
        return frozenset(
            index
            for index, first, last in self.spans
            if index is not None and _overlaps(first, last, start_s, end_s, min_overlap_s)
        )


def _overlaps(first: float, last: float, start_s: float, end_s: float, least: float) -> bool:
    shared = min(last, end_s) - max(first, start_s)
    if last == first:  # a point
        return start_s <= first < end_s
    return shared > 0 and shared >= min(least, last - first)


@dataclass
class Coverage:
    """What the truth could not use, counted while recordings were asked for."""

    unknown: Counter[str] = field(default_factory=Counter)
    only_unknown: int = 0
    unlabelled: int = 0
    broken: list[str] = field(default_factory=list)
    broken_tables: int = 0

    def note_broken(self, line: str) -> None:
        """Counts a table that cannot be read; the first few are kept as text."""
        self.broken_tables += 1
        if len(self.broken) < _SHOWN:
            self.broken.append(line)


class Names:
    """Which class a written label means: the whole label, else its scientific, else its common name, where only one
    class has it; accents may be composed or not, case does not count."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._places: dict[str, int | None] = {}
        parts = [label.partition("_") for label in labels]
        for names in (labels, [p[0] if p[1] else "" for p in parts], [p[2] for p in parts]):
            fresh: dict[str, int | None] = {}
            for index, name in enumerate(names):
                key = _key(name)
                if key:
                    fresh[key] = index if key not in fresh else None
            self._places = {**fresh, **self._places}

    def index(self, names: Iterable[str]) -> int | None:
        """Gives the class of the first name that means one."""
        found = (self._places.get(_key(name)) for name in names)
        return next((index for index in found if index is not None), None)


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip()).casefold()


class Truth:
    """Ground truth by file name as the results have it. The first source that knows a recording counts: ``files``
    (label files, or folders of tables laid out as the recordings), tables beside it, its class folder.

    Label files are held in memory; tables and folders are looked at when a recording is asked for, so that memory does
    not grow with them. ``strict`` makes a table that cannot be read an error.

    Raises: LabelsError (exit 3) for a label file that is wrong.
    """

    def __init__(
        self, labels: Sequence[str], root: Path, files: Sequence[Path] = (), *, window_s: float, strict: bool = False
    ) -> None:
        self.labels, self.coverage = tuple(labels), Coverage()
        self._root, self._window_s, self._strict = root, window_s, strict
        self._names = Names(labels)
        self._known: dict[str, list[Annotation]] = {}
        self._tables = [path for path in files if path.is_dir()] + [root]
        for path in files:
            if not path.is_dir():
                self._hold(path)

    def _hold(self, path: Path) -> None:
        root, folder = self._root.resolve(), path.parent.resolve()
        below = folder.relative_to(root).as_posix() if folder != root and folder.is_relative_to(root) else ""
        for said in read_annotations(path):
            if said.file is None:
                raise LabelsError("a line names no recording", where=path, fix="put the table beside its recording")
            name = said.file if "/" in said.file else said.file.replace("\\", "/")
            if name.startswith("/"):
                name = name.removeprefix(f"{root.as_posix()}/")
            elif below and not os.path.exists(root / name):  # noqa: PTH110 - False too of a name that no system takes
                # it is relative to the label file
                name = f"{below}/{name}"
            self._known.setdefault(unicodedata.normalize("NFC", name.removeprefix("./")), []).append(said)

    @property
    def named(self) -> int:
        """How many recordings the label files name."""
        return len(self._known)

    def of(self, file: str) -> FileTruth | None:
        """Gives the truth of a recording; None where nobody says any, or only labels that the model does not have."""
        annotations = self._known.get(unicodedata.normalize("NFC", file))
        if annotations is None:
            annotations = self._beside(file)
        if annotations is None:
            label = folder_label(file, self.labels)
            if label is None:
                self.coverage.unlabelled += 1
                return None
            return FileTruth(frozenset([self.labels.index(label)]))
        return self._truth(annotations)

    def _truth(self, annotations: Sequence[Annotation]) -> FileTruth | None:
        found: list[tuple[int | None, float | None, float]] = []
        for said in annotations:
            index = self._names.index(said.names)
            if said.names and index is None:
                self.coverage.unknown[said.names[0]] += 1
            if said.names:
                start = said.start_s
                length_end = start + self._window_s if start is not None else 0.0
                found.append((index, start, length_end if said.end_s is None else said.end_s))
        if found and all(index is None for index, _, _ in found):
            self.coverage.only_unknown += 1
            return None
        classes = frozenset(index for index, _, _ in found if index is not None)
        spans = [(index, start, end) for index, start, end in found if start is not None]
        return FileTruth(classes, tuple(spans) if len(spans) == len(found) else None)

    def _beside(self, file: str) -> list[Annotation] | None:
        place = PurePosixPath(file)
        for root in self._tables:
            tables = tables_in(str(root / place.parent))
            paths = tables.get(place.name, ()) or tables.get(place.stem, ())
            if found := list(self._readable(paths)):
                return [said for annotations in found for said in annotations if _is_of(said, place.name)]
        return None

    def _readable(self, paths: Iterable[Path]) -> Iterator[list[Annotation]]:
        for path in paths:
            try:
                yield read_annotations(path)
            except LabelsError as error:
                if self._strict:
                    raise
                self.coverage.note_broken(error.line)


def _is_of(said: Annotation, name: str) -> bool:
    return said.file is None or re.split(r"[/\\]", said.file)[-1] == name


@lru_cache(maxsize=_FOLDERS_AT_ONCE)
def tables_in(folder: str) -> dict[str, tuple[Path, ...]]:
    """Gives the tables of a folder by the name, or the stem, of the recording that they are named after."""
    try:
        names = sorted(path.name for path in Path(folder).iterdir())
    except (OSError, ValueError):  # the latter of a name that no system takes
        return {}
    found: dict[str, tuple[Path, ...]] = {}
    for name in names:
        match = _TABLE.fullmatch(name)
        if match:
            found[match["of"]] = (*found.get(match["of"], ()), Path(folder) / name)
    return found
