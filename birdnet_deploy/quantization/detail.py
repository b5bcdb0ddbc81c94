"""What single windows, classes and outputs show of float against int8: what a picture is drawn from, not a mean.

``birdnet-deploy report`` plots this part of ``report.json``; the worst windows themselves are in ``golden.npz``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.support.alike import CONFIDENT, cosines, counted, rounded
from birdnet_deploy.tflite.scores import activate

WORST_WINDOWS = 6
PAIRS = 1200  # outputs in the scatter, the farthest apart among them
_FARTHEST = 100
_BINS = 41
_BEST = 3
_DIGITS = 5  # of outputs and their differences


def detail_of(
    float_outputs: NDArray[np.float32], int8_outputs: NDArray[np.float32], activation: str, step: float,
    refs: Sequence[Any], labels: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """Gives pairs of outputs, their differences, agreement by class and the worst windows, worst first.

    Outputs are ``[windows, classes]`` before the activation, ``step`` is what one int8 step of them is worth, ``refs``
    have a ``file`` and a ``start`` each. Classes are those that the float model hears best in any window.
    """
    wanted, got = activate(float_outputs, activation), activate(int8_outputs, activation)
    names = [labels[i] if i < len(labels) else str(i) for i in range(wanted.shape[1])]
    difference = np.asarray(int8_outputs, np.float64) - float_outputs
    return {
        "outputs": int(difference.size),
        "output_step": step,
        "pairs": _pairs(float_outputs, int8_outputs),
        "differences": _differences(difference),
        "classes": _classes(wanted, got, names),
        "worst_windows": _worst(wanted, got, cosines(wanted, got), refs, names),
    }


def worst_arrays(
    detail: Mapping[str, Any] | None, pcm: NDArray[np.int16], features: NDArray[np.float32]
) -> dict[str, NDArray[Any]]:
    """Gives ``worst_pcm`` and ``worst_features`` of the evaluation windows that ``detail`` names, in its order."""
    if detail is None:
        return {}
    rows = [window["row"] for window in detail["worst_windows"]]
    return {"worst_pcm": np.asarray(pcm[rows]), "worst_features": np.asarray(features[rows])}


def _pairs(wanted: NDArray[np.float32], got: NDArray[np.float32]) -> dict[str, list[float]]:
    """Gives at most ``PAIRS`` outputs of both, in rising order: the farthest apart, others evenly over the range."""
    first, second = np.asarray(wanted, np.float64).ravel(), np.asarray(got, np.float64).ravel()
    order = np.argsort(first, kind="stable")
    few = min(PAIRS - _FARTHEST, len(order))
    evenly = order[np.linspace(0, len(order) - 1, few).astype(int)]
    farthest = np.argsort(-np.abs(second - first), kind="stable")[:_FARTHEST]
    taken = np.unique(np.concatenate([evenly, farthest]))
    taken = taken[np.argsort(first[taken], kind="stable")]
    return {
        "float": [round(float(value), _DIGITS) for value in first[taken]],
        "int8": [round(float(value), _DIGITS) for value in second[taken]],
    }


def _differences(difference: NDArray[np.float64]) -> dict[str, Any]:
    """Gives the histogram of int8 minus float over all outputs, and what describes it."""
    flat = difference.ravel()
    reach = float(np.abs(flat).max()) or 1.0
    counts, edges = np.histogram(flat, bins=_BINS, range=(-reach, reach))
    return {
        "edges": [round(float(edge), _DIGITS) for edge in edges],
        "counts": [int(count) for count in counts],
        "mean": round(float(flat.mean()), _DIGITS),
        "rms": round(float(np.sqrt(np.square(flat).mean())), _DIGITS),
        "p1": round(float(np.percentile(flat, 1)), _DIGITS),
        "p99": round(float(np.percentile(flat, 99)), _DIGITS),
        "max_abs": round(reach, _DIGITS),
    }


def _classes(wanted: NDArray[np.float64], got: NDArray[np.float64], names: Sequence[str]) -> list[dict[str, Any]]:
    best, other = wanted.argmax(axis=1), got.argmax(axis=1)
    confident = wanted.max(axis=1) > CONFIDENT
    records = []
    for index in np.unique(best):
        rows = best == index
        moved = np.bincount(other[rows & (other != index)], minlength=len(names))
        records.append({
            "label": names[index],
            **counted(other[rows] == index),
            "confident_windows": int((rows & confident).sum()),
            "confident_agreed": int((rows & confident & (other == index)).sum()),
            "mean_score_change": rounded((got - wanted)[rows, index].mean()),
            "mostly_becomes": names[int(moved.argmax())] if moved.any() else None,
        })  # fmt: skip
    return sorted(records, key=lambda found: (found["share"], -found["windows"], found["label"]))


def _worst(
    wanted: NDArray[np.float64], got: NDArray[np.float64], cosine: NDArray[np.float64], refs: Sequence[Any],
    names: Sequence[str],
) -> list[dict[str, Any]]:  # fmt: skip
    return [
        {
            "row": int(row), "file": refs[row].file, "start": int(refs[row].start), "cosine": rounded(cosine[row]),
            "max_score_error": rounded(np.abs(wanted[row] - got[row]).max()),
            "float": _best(wanted[row], names), "int8": _best(got[row], names),
        }
        for row in np.argsort(cosine, kind="stable")[:WORST_WINDOWS]
    ]  # fmt: skip


def _best(scores: NDArray[np.float64], names: Sequence[str]) -> list[dict[str, Any]]:
    order = np.argsort(-scores, kind="stable")[:_BEST]
    return [{"label": names[i], "score": rounded(scores[i])} for i in order]
