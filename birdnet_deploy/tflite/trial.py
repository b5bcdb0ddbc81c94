"""A first run of a ``.tflite`` of unknown origin, in a child with limits: LiteRT may die of what a file says.

``try_model`` (parent) runs this module as a worker; afterwards the model may run in the parent.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.process import JOB_FILE, reporting, run_worker, scratch_folder, worker_limits

_MEMORY_BYTES = 4 << 30
_CPU_S = 60
_TIMEOUT_S = 120.0


def try_model(path: Path) -> None:
    """Runs one window of zeros through a model on the reference kernels.

    Raises: ModelError (exit 3) where LiteRT refuses the model, crashes or hangs.
    """
    with scratch_folder() as folder:
        jsonfile.write(folder / JOB_FILE, {"model": str(path.resolve())})
        run_worker("birdnet_deploy.tflite.trial", folder, name="LiteRT", where=path, timeout_s=_TIMEOUT_S)


def _run(folder: Path) -> None:
    import numpy as np

    from birdnet_deploy.tflite.interpreter import Int8Interpreter

    job = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
    interpreter = Int8Interpreter(Path(job["model"]).read_bytes())
    interpreter.run(np.zeros((1, *interpreter.input_shape), np.int8))


if __name__ == "__main__":
    worker_limits(memory_bytes=_MEMORY_BYTES, cpu_s=_CPU_S, file_bytes=1 << 20)
    with reporting(Path(sys.argv[1])):
        _run(Path(sys.argv[1]))
