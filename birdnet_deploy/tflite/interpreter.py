"""The host's int8 reference: a ``.tflite`` run by LiteRT, int8 in and int8 out whatever its own I/O is.

``reference`` kernels (``BUILTIN_REF``) are the contract that the generated C equals bit by bit; ``optimized``
ones (XNNPACK) are ten times faster and differ by some units, so they serve for statistics over many windows.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.errors import ModelError
from birdnet_deploy.tflite.model import Quantization, Tensor, TfliteModel
from birdnet_deploy.tflite.reader import read_model

Kernels = Literal["reference", "optimized"]


@dataclass(frozen=True)
class QuantParams:
    """``real = scale * (q - zero_point)`` of a whole tensor; ``scale`` is an exact float32 value."""

    scale: float
    zero_point: int

    def dequantize(self, values: NDArray[np.int8]) -> NDArray[np.float32]:
        """Gives the real values as float32, with one float32 multiplication each as TFLite does it."""
        return (values.astype(np.int32) - self.zero_point).astype(np.float32) * np.float32(self.scale)


@dataclass(frozen=True)
class _Port:
    """One end of the model: its int8 quantization, and whether the file has a float tensor there."""

    shape: tuple[int, ...]
    quantization: QuantParams
    is_float: bool


def input_port(model: TfliteModel) -> _Port:
    """Gives what the model takes: int8, or float32 that a first QUANTIZE turns into int8.

    Raises: ModelError (exit 3) where it is neither.
    """
    after = {op.inputs[0]: op.outputs[0] for op in model.operators if op.op == "QUANTIZE"}
    return _port(model, model.inputs, after, "input")


def output_port(model: TfliteModel) -> _Port:
    """Gives what the model yields: int8, or float32 that a last DEQUANTIZE made of int8.

    Raises: ModelError (exit 3) where it is neither.
    """
    before = {op.outputs[0]: op.inputs[0] for op in model.operators if op.op == "DEQUANTIZE"}
    return _port(model, model.outputs, before, "output")


def _port(model: TfliteModel, ends: tuple[int, ...], inner: Mapping[int, int], name: str) -> _Port:
    if len(ends) != 1:
        raise ModelError(f"has {len(ends)} {name}s, not one", where="the .tflite", fix="deploy a plain classifier")
    outer = model.tensors[ends[0]]
    is_float = outer.dtype == "float32"
    tensor: Tensor = model.tensors[inner[outer.index]] if is_float and outer.index in inner else outer
    found: Quantization | None = tensor.quantization
    if tensor.dtype != "int8" or found is None or len(found.scales) != 1:
        raise ModelError(
            f"{name} {outer.name!r} is {outer.dtype}, not int8 with one scale",
            where="the .tflite", fix="convert the model to full int8: birdnet-deploy convert",
        )  # fmt: skip
    return _Port(outer.shape, QuantParams(found.scales[0], found.zero_points[0]), is_float)


class Int8Interpreter:
    """Runs a full-int8 ``.tflite``; float32 ends are fed and read so that the same int8 values pass.

    Raises: ModelError (exit 3) where the model is not int8 inside, or LiteRT refuses it.
    """

    def __init__(self, model: bytes, *, kernels: Kernels = "reference", threads: int = 1) -> None:
        read = read_model(model)
        self._input, self._output = input_port(read), output_port(read)
        self.input_quantization: QuantParams = self._input.quantization
        self.output_quantization: QuantParams = self._output.quantization
        self._interpreter, self.kernel = prepare_named(model, kernels, threads)
        self._in_index = self._interpreter.get_input_details()[0]["index"]
        self._out_index = self._interpreter.get_output_details()[0]["index"]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input, without batch."""
        return self._input.shape[1:]

    @property
    def classes(self) -> int:
        """The number of values in one output."""
        return math.prod(self._output.shape[1:])

    def run(self, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
        """Gives int8 ``[n, classes]`` of int8 ``[n, *input_shape]``, one window at a time.

        Raises: ModelError (exit 3) where the kernels refuse a window (an int8 division by zero).
        """
        outputs = np.empty((len(inputs), self.classes), dtype=np.int8)
        for index, window in enumerate(inputs):
            value = self.input_quantization.dequantize(window) if self._input.is_float else window
            self._interpreter.set_tensor(self._in_index, value.reshape(self._input.shape))
            try:
                self._interpreter.invoke()
            except RuntimeError as error:
                what = f"the kernels refuse window {index} ({' '.join(str(error).split())})"
                raise ModelError(what, where="model.tflite", fix="convert the model again") from error
            result = self._interpreter.get_tensor(self._out_index).reshape(-1)
            if self._output.is_float:
                quantization = self.output_quantization
                result = quantize_input(result, quantization.scale, quantization.zero_point)
            outputs[index] = result
        return outputs


def prepare(model: bytes, kernels: Kernels, threads: int) -> Any:
    """Gives LiteRT's interpreter of a model, int8 or float, its tensors allocated.

    Raises: ModelError (exit 3) where LiteRT refuses it.
    """
    return prepare_named(model, kernels, threads)[0]


def prepare_named(model: bytes, kernels: Kernels, threads: int) -> tuple[Any, str]:
    """Gives the interpreter as ``prepare`` does, and which kernels it got: ``reference``, ``xnnpack`` or ``builtin``.

    Raises: as ``prepare``.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolvers = {"reference": OpResolverType.BUILTIN_REF}
    if kernels == "optimized":  # XNNPACK cannot prepare every graph (raw with pcen), its fallback can
        resolvers = {
            "xnnpack": OpResolverType.AUTO, "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        }  # fmt: skip
    for name, resolver in resolvers.items():
        try:
            with quiet_stderr():
                # content, not a path: LiteRT verifies the flatbuffer only then
                interpreter = Interpreter(
                    model_content=model, num_threads=threads, experimental_op_resolver_type=resolver
                )
                interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            failure = error
        else:
            return interpreter, name
    text = " ".join(str(failure).split())[:300]
    raise ModelError(f"LiteRT cannot run it ({text})", where="the .tflite", fix="convert the model again")


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keeps LiteRT's own lines about delegates off the user's terminal; it has no switch for them."""
    saved, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)


def operator_counts(model: TfliteModel) -> dict[str, int]:
    """Gives how often each operator occurs, sorted by name."""
    return dict(sorted(Counter(op.op for op in model.operators).items()))
