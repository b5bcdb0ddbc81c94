"""The generated network, compiled for this machine, called from Python: for evaluations of many windows."""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.artifacts import Project
from birdnet_deploy.errors import BuildError, ModelError
from birdnet_deploy.support.progress import Progress
from birdnet_deploy.toolchain.host import build_host_network


class HostNetwork:
    """One project's network: int8 inputs -> int8 outputs, bit for bit those of the board and of ``BUILTIN_REF``.

    The C works in static memory: one network a process. Threads take turns; for several cores use processes.
    """

    def __init__(
        self, project: Project, *, tools: Mapping[str, Path] | None = None, progress: Progress | None = None
    ) -> None:
        """Builds the library where it is not there yet, and opens it.

        Raises: UsageError (exit 2) for a project of an older version; ToolchainError, BuildError (exit 6).
        """
        self._open(build_host_network(project, tools=tools, progress=progress))

    @classmethod
    def of_library(cls, library: Path) -> Self:
        """Gives the network of a library that is built already.

        Raises: BuildError (exit 6) where it cannot be loaded.
        """
        network = cls.__new__(cls)
        network._open(library)
        return network

    def _open(self, library: Path) -> None:
        try:
            self._library = ctypes.CDLL(str(library.resolve()))
            self.input_size = int(self._library.network_host_input_size())
            self.classes = int(self._library.network_host_output_size())
        except (OSError, AttributeError) as error:
            raise BuildError(
                f"not a loadable network ({error})", where=library, fix="remove it and try again"
            ) from error
        self._lock = threading.Lock()

    def run(self, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
        """Gives int8 ``[n, classes]`` of int8 inputs ``[n, ...]`` in the model's shape, flat or not.

        Raises: ModelError (exit 3) for another type or size, or where the network divides by zero on an input.
        """
        if inputs.dtype != np.int8 or inputs.ndim < 2 or math.prod(inputs.shape[1:]) != self.input_size:
            raise ModelError(
                f"inputs are {inputs.dtype} {inputs.shape}, not int8 [n, ...] of {self.input_size} values each",
                fix="quantize the features with audio.quantize",
            )
        source = np.ascontiguousarray(inputs)
        outputs = np.empty((len(inputs), self.classes), dtype=np.int8)
        with self._lock:
            done = int(self._library.network_host_run(_address(source), _address(outputs), ctypes.c_int32(len(source))))
        if done != len(source):
            raise ModelError(f"the network stops on input {done}: it divides by zero there", fix="leave it out")
        return outputs


def _address(array: NDArray[np.int8]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
