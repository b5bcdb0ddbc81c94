"""The firmware's own frontend, compiled for this machine, called from Python."""

from __future__ import annotations

import ctypes
import math
import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.errors import AudioError, BuildError
from birdnet_deploy.model.config import ModelConfig

_FIX = "build the project again"


class HostFrontend:
    """One project's frontend library: int16 windows -> the features and the int8 input of the firmware."""

    def __init__(self, library: Path, config: ModelConfig) -> None:
        """Opens the library that ``toolchain.host`` has built.

        Raises: BuildError (exit 6) where it cannot be loaded or was built for another config.
        """
        try:
            self._library = ctypes.CDLL(str(library.resolve()))
            sizes = (self._library.frontend_host_window(), self._library.frontend_host_size())
        except (OSError, AttributeError) as error:
            raise BuildError(f"not a loadable frontend library ({error})", where=library, fix=_FIX) from error
        self._lock = threading.Lock()  # the C works in static memory, and ctypes lets other threads run
        self._shape = config.shape
        self._window = config.window_samples
        if sizes != (self._window, math.prod(self._shape)):
            raise BuildError(
                f"built for {sizes[0]} samples and {sizes[1]} features, the model takes {self._window} and "
                f"{math.prod(self._shape)}",
                where=library, fix=_FIX,
            )  # fmt: skip

    def features(self, pcm: NDArray[np.int16]) -> NDArray[np.float32]:
        """Gives the float32 tensor of one int16 window, in the model's shape without batch.

        Raises: AudioError (exit 3) where ``pcm`` is not one whole int16 window.
        """
        if pcm.dtype != np.int16 or pcm.shape != (self._window,):
            raise AudioError(
                f"samples are {pcm.dtype} {pcm.shape}, not int16 ({self._window},)",
                fix="cut windows with window_at",
            )
        samples = np.ascontiguousarray(pcm)
        features = np.empty(self._shape, dtype=np.float32)
        with self._lock:
            self._library.frontend_host_run(_address(samples), _address(features))
        return features

    def quantized(self, pcm: NDArray[np.int16]) -> NDArray[np.int8]:
        """Gives the model's int8 input of one int16 window.

        Raises: as ``features``.
        """
        features = self.features(pcm)
        quantized = np.empty(self._shape, dtype=np.int8)
        self._library.frontend_host_quantize(_address(features), _address(quantized))
        return quantized


def _address(array: NDArray[np.generic]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
