"""Device against host, stage by stage: which tensor between sound and network is the first that differs?"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class DeviceStage(Protocol):
    """What is compared of a device's stage."""

    @property
    def file(self) -> str:
        """The recording, named as the host names it."""

    @property
    def win(self) -> int:
        """The window's number in the file."""

    @property
    def name(self) -> str:
        """The tensor."""

    @property
    def dtype(self) -> str:
        """``float32`` or ``int8``."""

    @property
    def count(self) -> int:
        """The number of values."""

    @property
    def crc32(self) -> int:
        """Over the bytes of the values, little endian."""

    @property
    def min(self) -> float:
        """The least value."""

    @property
    def max(self) -> float:
        """The greatest value."""

    @property
    def sum(self) -> float:
        """Of all values."""


@dataclass(frozen=True)
class StageDifference:
    """The first stage of a window that differs, and how far, as one line."""

    file: str
    win: int
    name: str
    how: str


@dataclass(frozen=True)
class StageComparison:
    """The verdict over the stages of all windows; ``missing`` counts stages that did not come.

    ``equal_windows`` are the (file, window) all of whose stages came and agree.
    """

    compared: int
    equal: int
    missing: int
    differences: tuple[StageDifference, ...]
    equal_windows: tuple[tuple[str, int], ...] = ()

    @property
    def first(self) -> str | None:
        """The stage that differs first in the order of the data, over all windows; None where none does."""
        return self.differences[0].name if self.differences else None

    @property
    def line(self) -> str:
        """The verdict as one line."""
        told = f"stages bit-exact {self.equal}/{self.compared}"
        if not self.differences:
            return told
        first = self.differences[0]
        return f"{told}; the first that differs is {first.name!r} (window {first.win} of {first.file}: {first.how})"

    def to_json(self) -> dict[str, Any]:
        """Gives the verdict as a JSON object."""
        found = [{"file": d.file, "win": d.win, "stage": d.name, "how": d.how} for d in self.differences]
        return {"compared": self.compared, "equal": self.equal, "missing": self.missing, "differences": found}


class StageCheck:
    """Takes the host's stages window by window and holds the device's against them.

    With ``partial`` windows of which no stage came are passed over; else their stages are missing.
    """

    def __init__(self, device: Iterable[DeviceStage], *, partial: bool = False) -> None:
        self._partial = partial
        self._came: dict[tuple[str, int], dict[str, DeviceStage]] = defaultdict(dict)
        for stage in device:
            self._came[stage.file, stage.win][stage.name] = stage
        self._compared = self._equal = self._missing = 0
        self._agree: list[tuple[str, int]] = []
        self._differences: list[tuple[int, StageDifference]] = []

    def take(self, file: str, win: int, stages: Sequence[tuple[str, NDArray[Any]]]) -> None:
        """Compares the stages of one window, given in the order of the data."""
        came = self._came.get((file, win), {})
        if self._partial and not came:
            return
        found, equal = False, self._equal
        for place, (name, values) in enumerate(stages):
            self._compared += 1
            device = came.get(name)
            if device is None:
                self._missing += 1
            elif how := _difference(values, device):
                if not found:
                    self._differences.append((place, StageDifference(file, win, name, how)))
                found = True
            else:
                self._equal += 1
        if self._equal - equal == len(stages):
            self._agree.append((file, win))

    def result(self) -> StageComparison:
        """Gives the verdict over what was taken; the earliest stage stands first."""
        ranked = sorted(self._differences, key=lambda pair: pair[0])
        differences = tuple(found for _, found in ranked)
        return StageComparison(self._compared, self._equal, self._missing, differences, tuple(self._agree))


def _difference(host: NDArray[Any], device: DeviceStage) -> str:
    """Gives how a stage differs, "" where it does not."""
    if (device.dtype, device.count) != (host.dtype.name, host.size):
        return f"{device.count} values of {device.dtype}, the host has {host.size} of {host.dtype.name}"
    crc32 = zlib.crc32(np.ascontiguousarray(host, host.dtype.newbyteorder("<")).tobytes())
    if crc32 == device.crc32:
        return ""
    ours = (float(host.min()), float(host.max()), float(host.sum(dtype=np.float64)))
    told = "from {:.6g} to {:.6g} with sum {:.6g}"
    return f"{told.format(device.min, device.max, device.sum)}, on the host {told.format(*ours)}"
