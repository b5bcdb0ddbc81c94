"""Windows a second of processor time in one process: the plain way, and what an evaluating worker does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from birdnet_deploy.evaluation.engines import Engines
from birdnet_deploy.evaluation.jobs import Job
from birdnet_deploy.model.config import ModelConfig
from tests.support.librosa_oracle import oracle_features

Window = NDArray[np.int16]
Way = Callable[[Window], Any]
_SECONDS = 3.0  # of processor time for each way
_TURNS = 3


def plain_way(model: Path, config: ModelConfig, kernels: OpResolverType = OpResolverType.AUTO) -> Way:
    """Gives what scripts do: librosa's features of a window, a float-I/O ``.tflite`` in one interpreter, batch 1."""
    interpreter = Interpreter(model_path=str(model), num_threads=1, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def run(pcm: Window) -> NDArray[np.float32]:
        interpreter.set_tensor(source["index"], oracle_features(pcm, config).reshape(source["shape"]))
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(sink["index"])).copy()

    return run


def ways_of(model: Path | None, job: Job) -> dict[str, Way]:
    """Gives the ways by name, the plain one first; without ``model``, a float-I/O ``.tflite``, there is none."""
    config, ways = job.model_config, dict[str, Way]()
    if model is not None:
        ways["plain"] = plain_way(model, config)
        ways["plain, without XNNPACK"] = plain_way(model, config, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    return {**ways, "evaluate": Engines(job).run, "evaluate, numpy features": Engines(replace(job, frontend=None)).run}


def windows_per_second(ways: dict[str, Way], windows: list[Window]) -> dict[str, float]:
    """Gives windows a second of processor time; the ways take turns, and the best turn of each counts."""
    best = dict.fromkeys(ways, 0.0)
    for _ in range(_TURNS):
        for name, way in ways.items():
            way(windows[0])
            done, begin = 0, time.process_time()
            while (spent := time.process_time() - begin) < _SECONDS / _TURNS:
                way(windows[done % len(windows)])
                done += 1
            best[name] = max(best[name], done / spent)
    return best
