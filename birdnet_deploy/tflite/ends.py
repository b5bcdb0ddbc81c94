"""Float ends of a full-int8 ``.tflite``: the outer QUANTIZE and DEQUANTIZE, found, and taken off exactly.

What is left computes the same int8 values: the two operators only turn them into floats and back. A stranger's file
is edited in a child with limits (``strip_float_ends``); this module is that child as well.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from birdnet_deploy.errors import ModelError
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.process import JOB_FILE, reporting, run_worker, scratch_folder, worker_limits
from birdnet_deploy.tflite.model import TfliteModel
from birdnet_deploy.tflite.reader import read_model

_OUTPUT_FILE = "stripped.tflite"
_MEMORY_BYTES = 4 << 30
_CPU_S = 60
_TIMEOUT_S = 120.0


def inner_ends(model: TfliteModel) -> tuple[int, int]:
    """Gives the tensors behind an outer QUANTIZE of the first input and before an outer DEQUANTIZE of the first output.

    The model's own ends where there are none, or where something else reads the float input too.
    """
    source, sink = model.inputs[0], model.outputs[0]
    readers = [op for op in model.operators if source in op.inputs]
    if _is_float(model, source) and [op.op for op in readers] == ["QUANTIZE"] and source not in model.outputs:
        source = readers[0].outputs[0]
    writer = next((op for op in model.operators if sink in op.outputs), None)
    if _is_float(model, sink) and writer is not None and writer.op == "DEQUANTIZE":
        sink = writer.inputs[0]
    return source, sink


def _is_float(model: TfliteModel, index: int) -> bool:
    return model.tensors[index].dtype == "float32"


def has_float_ends(model: TfliteModel) -> bool:
    """Says whether there is an outer QUANTIZE or DEQUANTIZE to take off."""
    return inner_ends(model) != (model.inputs[0], model.outputs[0])


def without_float_ends(data: bytes) -> bytes:
    """Gives the bytes of a model of one input and output without its outer QUANTIZE and DEQUANTIZE.

    Raises: ModelError (exit 3) where the file is not readable.
    """
    from birdnet_deploy.tflite.edit import drop_unused, pack, unpack

    source, sink = inner_ends(read_model(data))
    unpacked = unpack(data)
    (graph,) = unpacked.subgraphs
    outer = (int(graph.inputs[0]), int(graph.outputs[0]))
    graph.operators = [
        op
        for op in graph.operators
        if not (source != outer[0] and source in op.outputs) and not (sink != outer[1] and outer[1] in op.outputs)
    ]
    graph.inputs, graph.outputs = np.array([source], np.int32), np.array([sink], np.int32)
    drop_unused(unpacked)
    return pack(unpacked)


def strip_float_ends(path: Path) -> bytes:
    """Gives a model file without its outer QUANTIZE and DEQUANTIZE, made in a child; its own bytes where it has none.

    Raises: ModelError (exit 3) where the file is not readable, or the child crashes or hangs.
    """
    data = path.read_bytes()
    if not has_float_ends(read_model(data)):
        return data
    with scratch_folder() as folder:
        jsonfile.write(folder / JOB_FILE, {"model": str(path.resolve())})
        run_worker("birdnet_deploy.tflite.ends", folder, name="the editor", where=path, timeout_s=_TIMEOUT_S)
        output = folder / _OUTPUT_FILE
        if not output.is_file():
            raise ModelError("its float ends could not be taken off", where=path, fix="convert it with int8 ends")
        return output.read_bytes()


def _run(folder: Path) -> None:
    job = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
    (folder / _OUTPUT_FILE).write_bytes(without_float_ends(Path(job["model"]).read_bytes()))


if __name__ == "__main__":
    worker_limits(memory_bytes=_MEMORY_BYTES, cpu_s=_CPU_S, file_bytes=1 << 30)
    with reporting(Path(sys.argv[1])):
        _run(Path(sys.argv[1]))
