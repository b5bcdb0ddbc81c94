"""What a board should give: the bundle's own frontend and the reference kernels, whatever firmware is on the board."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy import pipeline
from birdnet_deploy.artifacts import Bundle
from birdnet_deploy.audio.host_frontend import HostFrontend
from birdnet_deploy.audio.windows import Samples, window_starts
from birdnet_deploy.board.card import Card, CardFile
from birdnet_deploy.readback.identity import Identity, identity_of
from birdnet_deploy.report.compare import HostWindow, host_windows
from birdnet_deploy.report.stages import StageCheck
from birdnet_deploy.support.process import scratch_folder
from birdnet_deploy.support.progress import Progress, Silent
from birdnet_deploy.tflite.limited import LimitedInterpreter
from birdnet_deploy.tflite.scores import activate
from birdnet_deploy.toolchain.host import build_host_frontend

_TARGET = "qemu-an547"  # the frontend's sources are the same for every target


class Sounds(Protocol):
    """Where the samples of a card's files are."""

    def pcm(self, file: CardFile) -> Samples:
        """Gives the samples as the firmware finds them."""


@dataclass(frozen=True)
class Reference:
    """The host's side of a comparison."""

    bundle: Bundle
    frontend: HostFrontend
    interpreter: LimitedInterpreter

    @property
    def identity(self) -> Identity:
        """What the hello of the bundle's firmware must say."""
        return identity_of(self.bundle)

    def scores(self, outputs: NDArray[np.int8]) -> NDArray[np.float64]:
        """Gives the scores of int8 outputs ``[..., classes]``, as the host makes them of records."""
        quantization = self.interpreter.output_quantization
        real = (outputs.astype(np.float64) - quantization.zero_point) * float(np.float32(quantization.scale))
        return activate(real, self.bundle.config.output_activation)

    def starts(self, file: CardFile) -> list[int]:
        """Gives the first samples of a file's windows."""
        return window_starts(file.samples, self.bundle.config.window_samples)

    def count(self, files: Sequence[CardFile]) -> int:
        """Gives the number of windows of some files."""
        return sum(len(self.starts(file)) for file in files)

    def windows(
        self, sounds: Sounds, files: Sequence[CardFile], check: StageCheck | None = None
    ) -> Iterator[HostWindow]:
        """Yields what the board should give for every window; with ``check`` the stages of each are compared too."""
        config = self.bundle.config
        return expected_windows(sounds, files, config.window_samples, self.frontend, self.interpreter, check)


def expected_windows(
    sounds: Sounds, files: Sequence[CardFile], window: int, frontend: HostFrontend, interpreter: LimitedInterpreter,
    check: StageCheck | None = None,
) -> Iterator[HostWindow]:  # fmt: skip
    """Yields what a board should give for every window of ``files``, each named as its original."""
    for file in files:
        quantized: Callable[[NDArray[np.int16]], NDArray[np.int8]] = frontend.quantized
        if check is not None:
            quantized = partial(_checked, frontend, check, file.original, count())
        yield from host_windows(file.original, sounds.pcm(file), window, quantized, interpreter.run)


def _checked(
    frontend: HostFrontend, check: StageCheck, file: str, windows: Iterator[int], pcm: NDArray[np.int16]
) -> NDArray[np.int8]:
    """Gives the network's input of a file's next window after its stages were compared."""
    stages = frontend.stages(pcm)
    check.take(file, next(windows), stages)
    found: NDArray[np.int8] = stages[-1][1]
    return found


@contextmanager
def open_reference(
    bundle: Bundle, *, tools: Mapping[str, Path] | None = None, progress: Progress | None = None
) -> Iterator[Reference]:
    """Gives the reference of a bundle while the body runs.

    The frontend is rendered from the bundle and compiled here: one that was edited in a project is not asked what
    it should give itself.

    Raises: ModelError (3), CheckFailed (4) where the bundle differs from its lock, ToolchainError (6).
    """
    progress = progress or Silent()
    with LimitedInterpreter(bundle.network) as interpreter, scratch_folder() as scratch:
        behind = None if bundle.prologue is None else interpreter.input_shape
        project = pipeline.generate(bundle.path, target=_TARGET, output=scratch / "reference")
        library = build_host_frontend(project, tools=tools, progress=progress)
        yield Reference(bundle, HostFrontend(library, bundle.config, behind=behind), interpreter)


def told(windows: Iterable[HostWindow], total: int, progress: Progress) -> Iterator[HostWindow]:
    """Yields windows and tells how far they are."""
    for done, window in enumerate(windows, 1):
        yield window
        progress.advance(done, total)


def by_name(card: Card) -> dict[str, CardFile]:
    """Gives the files of a card by what a readback may call them: the original's name, or the name on the card."""
    return {**{file.name: file for file in card.files}, **{file.original: file for file in card.files}}
