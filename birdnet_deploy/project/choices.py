"""What a user chooses when a project is rendered: what predictions name, and where sound comes from."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import LabelsError, UsageError
from birdnet_deploy.model.labels import read_labels
from birdnet_deploy.support.hashes import sha256_file

MAX_TOP_K = 100
AUDIO_SOURCES = ("card", "microphone")
_LOWEST, _HIGHEST = -128, 127


@dataclass(frozen=True)
class Choices:
    """``top_k`` best classes a record names; ``threshold`` is the least score of those, None for any.

    ``species`` is a file of labels, one a line: only these are named. Either part of a label `scientific_common` will
    do. The order of labels and outputs stays.
    """

    top_k: int = 3
    threshold: float | None = None
    species: Path | None = None
    audio_source: str = "card"

    def to_json(self) -> dict[str, Any]:
        """Gives the choices as JSON data, the species list by its hash."""
        species = None if self.species is None else sha256_file(self.species)
        return {**vars(self), "species": species}


def choices_context(choices: Choices, labels: Sequence[str], scale: float, zero_point: int, activation: str) -> (
    Mapping[str, Any]
):  # fmt: skip
    """Gives what ``app_config.h`` takes of the choices; an output means ``(q - zero_point) * scale``.

    Raises: UsageError (exit 2) for a number that makes no sense; LabelsError (exit 3) for a species list that cannot
    be read, or names what the model does not know.
    """
    if not 1 <= choices.top_k <= MAX_TOP_K:
        raise UsageError(f"--top-k is {choices.top_k}", fix=f"give 1 to {MAX_TOP_K}")
    if choices.audio_source not in AUDIO_SOURCES:
        raise UsageError(f"--audio-source is {choices.audio_source!r}", fix=f"valid: {', '.join(AUDIO_SOURCES)}")
    chosen = _chosen(choices.species, labels)
    return {
        "top_k": min(choices.top_k, len(labels)),
        "microphone": choices.audio_source == "microphone",
        "chosen": len(chosen),
        "species_mask": _mask(chosen, len(labels)),
        **_threshold(choices.threshold, scale, zero_point, activation),
    }


def _chosen(species: Path | None, labels: Sequence[str]) -> frozenset[int]:
    """Gives the indices of the labels that a species list names."""
    if species is None:
        return frozenset(range(len(labels)))
    known: dict[str, int] = {}
    for index, label in reversed(list(enumerate(labels))):
        for part in (*(part for part in label.split("_", 1) if part), label):
            known[part] = index
    known.update({label: index for index, label in enumerate(labels)})
    unknown = [name for name in read_labels(species) if name not in known]
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        more = f", and {len(unknown) - 1} more names" if len(unknown) > 1 else ""
        fix = f"did you mean {near[0]!r}?" if near else "give labels of this model, one a line"
        raise LabelsError(f"the model knows no {unknown[0]!r}{more}", where=species, fix=fix)
    return frozenset(known[name] for name in read_labels(species))


def _mask(chosen: frozenset[int], classes: int) -> list[int]:
    """Gives the mask's bytes: class i is bit i % 8 of byte i / 8."""
    return [sum(1 << bit for bit in range(8) if 8 * byte + bit in chosen) for byte in range(-(-classes // 8))]


def _threshold(threshold: float | None, scale: float, zero_point: int, activation: str) -> dict[str, Any]:
    """Gives the least int8 output that reaches the threshold, or for softmax what the firmware compares with."""
    if threshold is None:
        return {"threshold_text": None, "lowest_output": _LOWEST, "softmax": None}
    if not math.isfinite(threshold) or not 0 <= threshold <= 1:
        raise UsageError(f"--threshold is {threshold:g}", fix="give a score from 0 to 1")
    text = f"{threshold:.9g}"
    if activation == "softmax":
        return {
            "threshold_text": text, "lowest_output": _LOWEST,
            "softmax": {"share": threshold, "step": math.exp(-scale)},
        }  # fmt: skip
    real = threshold
    if activation == "sigmoid":
        real = -math.inf if threshold == 0 else math.inf if threshold == 1 else math.log(threshold / (1 - threshold))
    lowest = next((q for q in range(_LOWEST, _HIGHEST + 1) if (q - zero_point) * scale >= real), _HIGHEST + 1)
    return {"threshold_text": text, "lowest_output": lowest, "softmax": None}
