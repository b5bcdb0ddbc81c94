"""The engines of a job, loaded in this process: one window of sound in, what each engine gives out."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.audio.frontend import features_of_pcm
from birdnet_deploy.audio.host_frontend import HostFrontend
from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.evaluation.jobs import Job
from birdnet_deploy.evaluation.results import DEVICE_TWIN, FLOAT, INT8
from birdnet_deploy.prologue.file import read_prologue
from birdnet_deploy.prologue.reference import run_reference
from birdnet_deploy.tflite.interpreter import Int8Interpreter, input_port, prepare_named
from birdnet_deploy.tflite.reader import read_model
from birdnet_deploy.toolchain.host_network import HostNetwork

Pcm = NDArray[np.int16]
Floats = NDArray[np.float32]
_C_HOST = "c-host"


class Engines:
    """All engines of a job, single-threaded; ``kernels`` says what computes each.

    Raises: ModelError (exit 3) where a model does not run; BuildError (exit 6) where a library does not load.
    """

    def __init__(self, job: Job) -> None:
        self.kernels: dict[str, str] = {}
        self._runs: list[Callable[[Floats, NDArray[np.int8] | None], NDArray[Any]]] = []
        make = {FLOAT: self._float, INT8: self._int8, DEVICE_TWIN: self._twin}
        for engine in job.engines:
            run, self.kernels[engine] = make[engine](job)
            self._runs.append(run)
        self._inputs = _inputs(job)

    def run(self, pcm: Pcm) -> list[NDArray[Any]]:
        """Gives what each engine gives for one int16 window: ``[classes]``, float32 of ``float``, else int8."""
        features, quantized = self._inputs(pcm)
        return [run(features, quantized) for run in self._runs]

    @staticmethod
    def _float(job: Job) -> tuple[Callable[..., NDArray[Any]], str]:
        assert job.float_model is not None
        interpreter, kernel = prepare_named(Path(job.float_model).read_bytes(), "optimized", 1)
        source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

        def run(features: Floats, _: object) -> NDArray[Any]:
            interpreter.set_tensor(source["index"], features.reshape(source["shape"]))
            interpreter.invoke()
            return np.asarray(interpreter.get_tensor(sink["index"]).reshape(-1))

        return run, kernel

    @staticmethod
    def _int8(job: Job) -> tuple[Callable[..., NDArray[Any]], str]:
        assert job.network is not None
        interpreter = Int8Interpreter(Path(job.network).read_bytes(), kernels="optimized")
        return lambda _, quantized: interpreter.run(quantized[None])[0], interpreter.kernel

    @staticmethod
    def _twin(job: Job) -> tuple[Callable[..., NDArray[Any]], str]:
        assert job.twin is not None
        network = HostNetwork.of_library(Path(job.twin))
        return lambda _, quantized: network.run(quantized[None])[0], _C_HOST


def _inputs(job: Job) -> Callable[[Pcm], tuple[Floats, NDArray[np.int8] | None]]:
    """Gives the function of a window that makes the features, and of them the network's int8 input where one runs."""
    config = job.model_config
    if job.network is None:
        frontend = None if job.frontend is None else HostFrontend(Path(job.frontend), config)
        return lambda pcm: (frontend.features(pcm) if frontend else features_of_pcm(pcm, config), None)
    port = input_port(read_model(Path(job.network).read_bytes()))
    if job.frontend is not None:
        behind = None if job.prologue is None else port.shape[1:]
        library = HostFrontend(Path(job.frontend), config, behind=behind)

        def in_c(pcm: Pcm) -> tuple[Floats, NDArray[np.int8] | None]:
            stages = library.stages(pcm)
            return stages[0][1], stages[-1][1]

        return in_c
    prologue = None if job.prologue is None else read_prologue(Path(job.prologue))
    scale, zero_point = port.quantization.scale, port.quantization.zero_point

    def in_numpy(pcm: Pcm) -> tuple[Floats, NDArray[np.int8] | None]:
        features = features_of_pcm(pcm, config)
        values = features if prologue is None else run_reference(prologue, features[None])[0]
        quantized = quantize_input(values, scale, zero_point)
        return features, quantized.reshape(port.shape[1:]) if math.prod(port.shape) == quantized.size else quantized

    return in_numpy
