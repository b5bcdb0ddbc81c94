"""``python -m benchmarks.host``: windows a second on one core of this machine, the generated C beside LiteRT.

The network's outputs are held to ``BUILTIN_REF`` while it is timed. XNNPACK, which a plain ``Interpreter`` uses, rounds
in other ways: its column says how many values differ.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from benchmarks.engine import models
from benchmarks.engine.tables import table
from birdnet_deploy.artifacts import Project
from birdnet_deploy.model.beside import ModelHints
from birdnet_deploy.pipeline import generate
from birdnet_deploy.project.open import open_project
from birdnet_deploy.toolchain.host_network import HostNetwork

ROOT = Path(__file__).resolve().parents[1]
Runner = Callable[[NDArray[np.int8]], NDArray[np.int8]]
_SECONDS = 3.0  # of processor time for each engine


def litert(model: bytes, kind: OpResolverType) -> Runner:
    """Gives LiteRT with one thread."""
    interpreter = Interpreter(model_content=model, experimental_op_resolver_type=kind, num_threads=1)
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def run(inputs: NDArray[np.int8]) -> NDArray[np.int8]:
        outputs = []
        for values in inputs:
            interpreter.set_tensor(source["index"], values.reshape(source["shape"]))
            interpreter.invoke()
            outputs.append(interpreter.get_tensor(sink["index"]).ravel().copy())
        return np.array(outputs)

    return run


def windows_per_second(run: Runner, inputs: NDArray[np.int8]) -> float:
    """Gives windows a second of processor time, of enough repetitions to be told."""
    run(inputs)
    done, begin = 0, time.process_time()
    while time.process_time() - begin < _SECONDS:
        run(inputs)
        done += len(inputs)
    return done / (time.process_time() - begin)


def measure(project: Project, case: models.Case) -> str:
    """Gives a table of the three engines on the inputs of a case."""
    engines: dict[str, Runner] = {
        "generated C, host twin": HostNetwork(project).run,
        "LiteRT, XNNPACK": litert(case.model, OpResolverType.AUTO),
        "LiteRT, BUILTIN_REF": litert(case.model, OpResolverType.BUILTIN_REF),
    }
    rows = []
    for name, run in engines.items():
        differing = int((run(case.inputs) != case.expected).sum())
        rows.append((name, windows_per_second(run, case.inputs), f"{differing} of {case.expected.size}"))
    return table(rows, ("engine", "windows/s/core", "values that differ from BUILTIN_REF"))


def main() -> None:
    """Measures the project that is named, else the anchor of ../shared."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.host", description=__doc__)
    parser.add_argument("project", nargs="?", type=Path, help="a project of `generate`; else the anchor")
    parser.add_argument("--audio", type=Path, help="recordings for the inputs of a project; else noise")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="the folder that holds the anchor")
    options = parser.parse_args()
    if options.project is not None:
        project = open_project(options.project)
        print(measure(project, models.bundle_case(project.bundle.path, options.audio)))
        return
    folder = options.shared / "models"
    stem = folder / "birdnet_stm32n6_100"
    hints = ModelHints(labels=Path(f"{stem}_labels.txt"), config=Path(f"{stem}_model_config.json"))
    with tempfile.TemporaryDirectory(prefix="host-") as scratch:
        project = generate(folder / "anchor_int8.tflite", output=Path(scratch) / "project", hints=hints)
        print(measure(project, models.anchor_case(options.shared)))


if __name__ == "__main__":
    main()
