"""The int8 interpreter in a child with limits: LiteRT may die of what a ``.tflite`` says, with some windows only."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.errors import ModelError
from birdnet_deploy.support.closing import Closing
from birdnet_deploy.support.helper import Helper, serve
from birdnet_deploy.tflite.interpreter import Int8Interpreter, QuantParams, input_port, output_port
from birdnet_deploy.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Callable

_MODULE = "birdnet_deploy.tflite.limited"
_MEMORY_BYTES = 4 << 30
_LOAD_TIMEOUT_S = 60.0
_RUN_TIMEOUT_S, _WINDOW_TIMEOUT_S = 60.0, 10.0


class LimitedInterpreter(Closing):
    """Runs a full-int8 ``.tflite`` on the reference kernels, as ``Int8Interpreter`` does, in a child.

    Raises: ModelError (exit 3) where the model is not int8 inside, or LiteRT refuses it, crashes or hangs.
    """

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        model = read_model(data)
        source, sink = input_port(model), output_port(model)
        self._path, self._shape = path, source.shape[1:]
        self.input_quantization: QuantParams = source.quantization
        self.output_quantization: QuantParams = sink.quantization
        self.classes = math.prod(sink.shape[1:])
        self._helper = Helper(_MODULE, name="LiteRT", failure=ModelError, fix="convert the model again")
        try:
            self._helper.ask({"load": True}, data, where=path, timeout_s=_LOAD_TIMEOUT_S, most_bytes=0)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the child."""
        self._helper.close()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input, without batch."""
        return self._shape

    def run(self, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
        """Gives int8 ``[n, classes]`` of int8 ``[n, *input_shape]``, one window at a time.

        Raises: ModelError (exit 3) where the kernels refuse a window, crash or hang.
        """
        size = len(inputs) * self.classes
        _, found = self._helper.ask(
            {"load": False}, np.ascontiguousarray(inputs).tobytes(), where=self._path,
            timeout_s=_RUN_TIMEOUT_S + _WINDOW_TIMEOUT_S * len(inputs), most_bytes=size,
        )  # fmt: skip
        if len(found) != size:
            raise ModelError(f"LiteRT gives {len(found)} values, not {size}", where=self._path, fix="convert it again")
        return np.frombuffer(found, np.int8).reshape(len(inputs), self.classes)


def _worker() -> Callable[[Mapping[str, Any], bytes], tuple[Mapping[str, Any], Iterable[bytes]]]:
    """Gives what answers in the child: the first question brings the model, others bring windows."""
    interpreter: Int8Interpreter | None = None

    def work(question: Mapping[str, Any], data: bytes) -> tuple[Mapping[str, Any], Iterable[bytes]]:
        nonlocal interpreter
        if question["load"]:
            interpreter = Int8Interpreter(data)
            return {}, ()
        assert interpreter is not None
        windows = np.frombuffer(data, np.int8).reshape(-1, *interpreter.input_shape)
        return {}, (interpreter.run(windows).tobytes(),)

    return work


if __name__ == "__main__":
    serve(_worker(), memory_bytes=_MEMORY_BYTES)
