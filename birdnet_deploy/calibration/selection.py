"""Which recordings evaluate, and which windows are taken where there are more than needed."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TypeVar

from birdnet_deploy.calibration.sets import WindowRef
from birdnet_deploy.calibration.survey import Survey
from birdnet_deploy.support.hashes import sha256_bytes

EVALUATION_SHARE = 0.30
EVALUATION_PER_FILE = 12  # windows; one long soundscape would else be most of what is measured

T = TypeVar("T")


def evaluation_names(names: Sequence[str]) -> frozenset[str]:
    """Gives the recordings that evaluate: those whose path's SHA-256 lies in the lowest 30 % of all hashes.

    A recording keeps its role when others come or go. Where that leaves a side empty, it takes the recording
    with the lowest (to evaluate) or highest (to calibrate) hash; a single recording calibrates. How many windows it
    gives has no say: `choose_windows` keeps a long recording from outweighing the others.
    """
    ranked = sorted(names, key=_path_hash)
    if len(ranked) < 2:
        return frozenset()
    low = sum(int(_path_hash(name), 16) < EVALUATION_SHARE * 2**256 for name in ranked)
    return frozenset(ranked[: min(max(low, 1), len(ranked) - 1)])


def _path_hash(name: str) -> str:
    return sha256_bytes(unicodedata.normalize("NFC", name).encode())  # macOS and Linux spell accents differently


def choose_windows(surveys: Sequence[Survey], limit: int, *, per_file: int | None = None) -> tuple[WindowRef, ...]:
    """Gives at most ``limit`` windows, and at most ``per_file`` of a recording, in order of file and start.

    Where there are more, every label folder gets the same number as far as it has them, in it every file, and of a
    file the loudest window and those at even steps down to the quietest: its song and what is around it.
    """
    labels: dict[str, list[Survey]] = {}
    for survey in sorted(surveys, key=lambda survey: survey.name):
        labels.setdefault(survey.label, []).append(survey)
    groups = [[(survey, _at_most(survey, per_file)) for survey in labels[label]] for label in sorted(labels)]
    quotas = fair_shares([sum(count for _, count in group) for group in groups], limit)
    chosen = []
    for group, quota in zip(groups, quotas, strict=True):
        counts = fair_shares([count for _, count in group], quota)
        for (survey, _), count in zip(group, counts, strict=True):
            chosen += [WindowRef(survey.name, start) for start in by_energy(survey, count)]
    return tuple(sorted(chosen))


def _at_most(survey: Survey, per_file: int | None) -> int:
    return len(survey.starts) if per_file is None else min(len(survey.starts), per_file)


def by_energy(survey: Survey, count: int) -> list[int]:
    """Gives the starts of ``count`` windows of a recording: the loudest, and at even steps of rank below it."""
    ranked = sorted(zip(survey.starts, survey.energies, strict=True), key=lambda found: (-found[1], found[0]))
    return [ranked[i * len(ranked) // count][0] for i in range(count)]


def fair_shares(available: Sequence[int], total: int) -> list[int]:
    """Gives how much each gets of ``total``: the same for all, except those that have less."""
    shares = [0] * len(available)
    left = min(total, sum(available))
    while left > 0:
        open_ = [index for index, share in enumerate(shares) if share < available[index]]
        each = left // len(open_)
        if each == 0:
            for index in spread(open_, left):
                shares[index] += 1
            return shares
        for index in open_:
            given = min(each, available[index] - shares[index])
            shares[index] += given
            left -= given
    return shares


def spread(items: Sequence[T], count: int) -> list[T]:
    """Gives ``count`` of the items at even distances (all of them where there are no more)."""
    if count >= len(items):
        return list(items)
    return [items[(2 * i + 1) * len(items) // (2 * count)] for i in range(count)]
