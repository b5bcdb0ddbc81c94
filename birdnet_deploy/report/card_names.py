"""The manifest of a card: which recording each of its 8.3 names stands for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from birdnet_deploy.errors import UsageError
from birdnet_deploy.support.inputs import read_input_text


@dataclass(frozen=True)
class Names:
    """A card's manifest: where its names lead, and how long the recordings are where it says so."""

    originals: Mapping[str, str]
    sample_rate: int | None
    file_s: Mapping[str, float]


def read_manifest(path: Path) -> Names:
    """Gives the names of a card's ``manifest.json``.

    Raises: UsageError (exit 2) where it is none.
    """
    try:
        data = json.loads(read_input_text(path))
        files = {_text(entry["name"]): entry for entry in data["files"]}
        originals = {name: _text(entry["original"]) for name, entry in files.items()}
        rate = int(data["sample_rate"])
        if rate < 1 or len(files) != len(data["files"]):
            raise ValueError("a rate that is none, or a name twice")
        known = {name: entry["samples"] for name, entry in files.items() if "samples" in entry}
        file_s = {originals[name]: int(samples) / rate for name, samples in known.items()}
    except (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError) as error:
        raise UsageError(
            f"not the manifest of a card ({type(error).__name__})", where=path, fix="name its manifest.json"
        ) from error
    return Names(originals, rate, file_s)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
