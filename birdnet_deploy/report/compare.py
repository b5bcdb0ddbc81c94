"""Device against host, window by window: are the outputs the same integers?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.audio.windows import Samples, window_at, window_starts

Int8 = NDArray[np.int8]


class DeviceWindow(Protocol):
    """What is compared of a device's window: its recording, number and start, and the int8 outputs."""

    @property
    def file(self) -> str:
        """The recording, named as the host names it."""

    @property
    def win(self) -> int:
        """The window's number in the file."""

    @property
    def start(self) -> int:
        """The window's first sample."""

    @property
    def outputs(self) -> Int8:
        """The outputs in label order."""


@dataclass(frozen=True)
class HostWindow:
    """What the device should give for one window, computed on the host."""

    file: str
    win: int
    start: int
    outputs: Int8


@dataclass(frozen=True)
class Difference:
    """A window whose outputs differ: in how many values, and by how much at most (in LSB)."""

    file: str
    win: int
    start: int
    values: int
    max_lsb: int


@dataclass(frozen=True)
class Comparison:
    """The verdict over all windows of the card; ``missing`` and ``unexpected`` are (file, window, start)."""

    expected: int
    exact: int
    differences: tuple[Difference, ...]
    missing: tuple[tuple[str, int, int], ...]
    unexpected: tuple[tuple[str, int, int], ...]

    @property
    def max_lsb(self) -> int:
        """The greatest difference of any value."""
        return max((difference.max_lsb for difference in self.differences), default=0)

    @property
    def line(self) -> str:
        """The verdict as one line."""
        return f"windows bit-exact {self.exact}/{self.expected}"


def host_windows(
    name: str, pcm: Samples, window: int, quantized: Callable[[NDArray[np.int16]], Int8],
    infer: Callable[[Int8], Int8],
) -> Iterator[HostWindow]:  # fmt: skip
    """Yields what the device should give for every window of one file.

    ``quantized`` gives the int8 input of one window of ``window`` samples, ``infer`` the int8 outputs
    ``[n, classes]`` of inputs ``[n, *shape]``.
    """
    for number, start in enumerate(window_starts(len(pcm), window)):
        outputs = infer(quantized(window_at(pcm, start, window))[np.newaxis])
        yield HostWindow(name, number, start, outputs[0])


def compare_windows(
    expected: Iterable[HostWindow], device: Iterable[DeviceWindow],
    on_pair: Callable[[HostWindow, Int8], None] = lambda host, outputs: None,
) -> Comparison:  # fmt: skip
    """Gives the verdict; a window that the device sent more than once is exact only if every copy is.

    ``on_pair`` is told each window that came, once, with the copy that is farthest from the host's outputs.
    """
    came: dict[tuple[str, int, int], list[Int8]] = defaultdict(list)
    for record in device:
        came[record.file, record.win, record.start].append(record.outputs)
    total = exact = 0
    differences, missing = [], []
    for host in expected:
        total += 1
        key = (host.file, host.win, host.start)
        copies = came.pop(key, [])
        if not copies:
            missing.append(key)
            continue
        apart = np.abs(np.stack(copies).astype(np.int16) - host.outputs.astype(np.int16))
        on_pair(host, copies[int(apart.max(axis=1).argmax())])
        distances = apart.max(axis=0)
        if distances.any():
            values, max_lsb = int(np.count_nonzero(distances)), int(distances.max())
            differences.append(Difference(host.file, host.win, host.start, values, max_lsb))
        else:
            exact += 1
    return Comparison(total, exact, tuple(differences), tuple(missing), tuple(sorted(came)))
