"""The firmware's own frontend and prologue, compiled for this machine, called from Python."""

from __future__ import annotations

import ctypes
import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.errors import AudioError, BuildError
from birdnet_deploy.model.config import ModelConfig

INPUT_STAGE = "input features"
NETWORK_STAGE = "network input"
NPU_STAGE = "npu input"
_FIX = "build the project again"
_OBSERVER = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.POINTER(ctypes.c_float), ctypes.c_uint32)

Stages = list[tuple[str, NDArray[Any]]]


class HostFrontend:
    """One project's frontend library: int16 windows -> the features and the network's int8 input of the firmware.

    ``behind`` is the shape of that input (without batch) where a prologue lies between the two.
    """

    def __init__(self, library: Path, config: ModelConfig, *, behind: tuple[int, ...] | None = None) -> None:
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
        self._behind = behind
        if behind is not None:
            self._check_prologue(library, behind)

    def _check_prologue(self, library: Path, behind: tuple[int, ...]) -> None:
        try:
            sizes = (self._library.prologue_host_input_size(), self._library.prologue_host_output_size())
        except AttributeError as error:
            raise BuildError("has no prologue", where=library, fix=_FIX) from error
        if sizes != (math.prod(self._shape), math.prod(behind)):
            what = f"its prologue makes {sizes[1]} of {sizes[0]} values, not {math.prod(behind)} of the features"
            raise BuildError(what, where=library, fix=_FIX)

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
        """Gives the int8 input of the network that runs, of one int16 window.

        Raises: as ``features``.
        """
        found: NDArray[np.int8] = self.stages(pcm)[-1][1]
        return found

    def stages(self, pcm: NDArray[np.int16]) -> Stages:
        """Gives the tensors from the features to the network's int8 input by name, as ``stage`` records tell them.

        Raises: as ``features``.
        """
        features = self.features(pcm)
        stages: Stages = [(INPUT_STAGE, features)]
        if self._behind is None:
            quantized = np.empty(self._shape, dtype=np.int8)
            self._library.frontend_host_quantize(_address(features), _address(quantized))
            return [*stages, (NETWORK_STAGE, quantized)]

        def observe(name: bytes, values: Any, count: int) -> None:
            stages.append((name.decode("ascii"), np.ctypeslib.as_array(values, (count,)).copy()))

        quantized = np.empty(self._behind, dtype=np.int8)
        with self._lock:
            self._library.prologue_host_run(_address(features), _address(quantized), _OBSERVER(observe))
        return [*stages, (NPU_STAGE, quantized)]


def _address(array: NDArray[np.generic]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
