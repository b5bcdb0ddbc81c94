"""The same figures with every recording counting once, and what the labels of folders say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.model.labels import folder_label
from birdnet_deploy.support.alike import CONFIDENT, counted, rounded

Scores = NDArray[np.float64]


def file_figures(wanted: Scores, got: Scores, cosine: NDArray[np.float64], files: Sequence[str]) -> dict[str, Any]:
    """Gives means over recordings, and one record a recording in the order of their names.

    ``wanted`` and ``got`` are scores ``[windows, classes]``, ``files`` the recording of each window. A recording's
    own best class is that of its scores' maximum over windows; ``top1_of_files`` compares those.
    """
    records: list[dict[str, Any]] = []
    pooled = []
    for name, rows in rows_by_file(files):
        best = wanted[rows].argmax(axis=1) == got[rows].argmax(axis=1)
        confident = wanted[rows].max(axis=1) > CONFIDENT
        pooled.append(wanted[rows].max(axis=0).argmax() == got[rows].max(axis=0).argmax())
        records.append({
            "file": name,
            "windows": len(rows),
            "cosine_mean": rounded(cosine[rows].mean()),
            "cosine_min": rounded(cosine[rows].min()),
            "top1_agreed": int(best.sum()),
            "confident_windows": int(confident.sum()),
            "confident_agreed": int(best[confident].sum()),
            "same_best_class": bool(pooled[-1]),
        })  # fmt: skip
    sure = [entry for entry in records if entry["confident_windows"]]
    return {
        "cosine_mean": rounded(np.mean([cosine[rows].mean() for _, rows in rows_by_file(files)])),
        "top1_agreement": rounded(np.mean([entry["top1_agreed"] / entry["windows"] for entry in records])),
        "confident_top1_agreement": rounded(
            np.mean([entry["confident_agreed"] / entry["confident_windows"] for entry in sure])
        ) if sure else None,
        "top1_of_files": counted(np.array(pooled, bool)),
        "files": records,
    }  # fmt: skip


def rows_by_file(files: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Gives the rows of each recording, by name."""
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(files):
        rows.setdefault(name, []).append(row)
    return sorted(rows.items())


def labelled_accuracy(
    wanted: Scores, got: Scores, files: Sequence[str], labels: Sequence[str]
) -> Mapping[str, Any] | None:
    """Gives how often the best class is the label that the recording's folder names, of float beside int8.

    By windows, and by recordings (the maximum over windows). None where no folder is named after a label.
    """
    found = [(rows, folder_label(name, labels)) for name, rows in rows_by_file(files)]
    known = [(rows, labels.index(label)) for rows, label in found if label is not None]
    if not known:
        return None

    def figures(scores: Scores) -> dict[str, Any]:
        windows = [scores[rows].argmax(axis=1) == label for rows, label in known]
        whole = [scores[rows].max(axis=0).argmax() == label for rows, label in known]
        return {"windows": _right(np.concatenate(windows)), "files": _right(np.array(whole, bool))}

    return {"float": figures(wanted), "int8": figures(got)}


def _right(hits: NDArray[np.bool_]) -> dict[str, Any]:
    figures = counted(hits)
    return {"right": figures.pop("agreed"), "of": figures.pop("windows"), **figures}
