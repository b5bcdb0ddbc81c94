"""The label file: one class a line, in the order of the model's outputs. The only loader there is."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from birdnet_deploy.errors import LabelsError
from birdnet_deploy.support.inputs import read_input

MAX_LABEL_BYTES = 512


def parse_labels(data: bytes, *, where: object = "labels") -> tuple[str, ...]:
    """Gives the labels of a file's bytes, in order. A BOM and CRLF line ends are normalised.

    Raises: LabelsError (exit 3) naming the line for non-UTF-8, blank, duplicate, control characters or a label of
    more than 512 bytes; or for an empty file.
    """
    lines = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").split(b"\n")
    if lines and lines[-1] == b"":
        lines.pop()
    if not lines:
        raise LabelsError("holds no label", where=where, fix="write one label a line, in the model's order")
    return _distinct(lines, [f"{where}:{number}" for number in range(1, len(lines) + 1)], "line")


def checked_names(names: tuple[str, ...], *, where: object) -> tuple[str, ...]:
    """Gives the ``class_names`` of a config, held to what a label file is held to.

    Raises: LabelsError (exit 3) naming the entry.
    """
    lines = [name.encode("utf-8", "surrogatepass") for name in names]
    return _distinct(lines, [f"{where}: class_names entry {number}" for number in range(1, len(names) + 1)], "entry")


def default_labels(classes: int) -> tuple[str, ...]:
    """Gives ``class_000`` and so on, for a model whose classes have no names."""
    return tuple(f"class_{index:03d}" for index in range(classes))


def _distinct(lines: Sequence[bytes], places: Sequence[str], unit: str) -> tuple[str, ...]:
    labels: dict[str, int] = {}
    for number, (line, place) in enumerate(zip(lines, places, strict=True), 1):
        label = _label(line, place)
        if label in labels:
            raise LabelsError(f"{label!r} is already on {unit} {labels[label]}", where=place, fix="remove one of them")
        labels[label] = number
    return tuple(labels)


def _label(line: bytes, where: str) -> str:
    fix = "write one clean UTF-8 label a line"
    if len(line) > MAX_LABEL_BYTES:
        raise LabelsError(f"a label of {len(line)} bytes, more than {MAX_LABEL_BYTES}", where=where, fix=fix)
    try:
        label = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LabelsError("not UTF-8", where=where, fix=fix) from error
    if not label.strip():
        raise LabelsError("a blank line", where=where, fix="remove it: a line is an output of the model")
    if not label.isprintable():
        raise LabelsError("a control character in the label", where=where, fix=fix)
    return label


def read_labels(path: Path) -> tuple[str, ...]:
    """Gives the labels of a file, in order.

    Raises: LabelsError (exit 3), as ``parse_labels``, or where the file cannot be read.
    """
    try:
        data = read_input(path)
    except OSError as error:
        raise LabelsError(f"cannot be read ({error.strerror})", where=path, fix="name it with --labels") from error
    return parse_labels(data, where=path)


def format_labels(labels: tuple[str, ...]) -> str:
    """Gives the text of a label file; ``parse_labels`` gives the same labels back."""
    return "".join(f"{label}\n" for label in labels)


def check_label_count(labels: tuple[str, ...], outputs: int, *, where: object) -> None:
    """Holds labels and model outputs to the same number (F08).

    Raises: LabelsError (exit 3) with both numbers.
    """
    if len(labels) != outputs:
        raise LabelsError(
            f"{len(labels)} labels but the model has {outputs} outputs",
            where=where, fix="give the label file of this model with --labels",
        )  # fmt: skip


def folder_label(path: str, labels: Sequence[str]) -> str | None:
    """Gives the label that the folder of a recording (a POSIX path) is named after, if any; accents may be composed
    or not."""
    folder = unicodedata.normalize("NFC", path.rpartition("/")[0].rpartition("/")[2])
    return next((label for label in labels if unicodedata.normalize("NFC", label) == folder), None)
