"""Float ``.tflite`` models on LiteRT: their outputs, or every activation on the way."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.errors import ModelError
from birdnet_deploy.tflite.interpreter import quiet_stderr
from birdnet_deploy.tflite.model import TfliteModel
from birdnet_deploy.tflite.reader import read_model

Floats = NDArray[np.float32]
_KEPT = 32


@lru_cache(maxsize=_KEPT)
def read_once(model: bytes) -> TfliteModel:
    """Gives the content of a model's bytes, read once where the same bytes come again.

    Raises: ModelError (exit 3) as ``read_model``.
    """
    return read_model(model)


THREADS = min(4, os.cpu_count() or 1)


def run_float(model: bytes, inputs: Floats) -> Floats:
    """Gives float32 outputs ``[n, *shape]`` of float32 ``[n, *input_shape]``, one window at a time.

    Raises: ModelError (exit 3) where LiteRT refuses the model.
    """
    read = read_once(model)
    shape = read.tensors[read.outputs[0]].shape[1:]
    outputs = np.empty((len(inputs), *shape), np.float32)
    for index, values in enumerate(activations(model, inputs, keep=read.outputs)):
        outputs[index] = values[read.outputs[0]][0]
    return outputs


def activations(model: bytes, inputs: NDArray[np.generic], keep: tuple[int, ...]) -> Iterator[Mapping[int, Floats]]:
    """Gives for each window the values of the tensors ``keep``, batch of 1 in front.

    Raises: ModelError (exit 3) where LiteRT refuses the model.
    """
    from ai_edge_litert.interpreter import Interpreter

    read = read_once(model)
    inner = not set(keep) <= {*read.outputs}
    try:
        with quiet_stderr(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that keeping all tensors takes memory
            interpreter = Interpreter(model_content=model, num_threads=THREADS, experimental_preserve_all_tensors=inner)
            interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        text = " ".join(str(error).split())[:300]
        raise ModelError(f"LiteRT cannot run it ({text})", where="the float .tflite", fix="report this") from error
    shape = read.tensors[read.inputs[0]].shape
    for window in inputs:
        interpreter.set_tensor(read.inputs[0], window.reshape(shape))
        interpreter.invoke()
        yield {index: interpreter.get_tensor(index) for index in keep}


def activation_tensors(model: TfliteModel) -> tuple[int, ...]:
    """Gives the float tensors that hold sound: inputs and what operators write, in the order of execution."""
    written = [*model.inputs, *(index for op in model.operators for index in op.outputs)]
    return tuple(index for index in written if model.tensors[index].dtype == "float32")
