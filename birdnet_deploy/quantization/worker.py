"""The child of ``convert``: the only place where a model is quantized; ``python -m ... JOBDIR``.

Reads ``job.json``, ``calibration.npy`` and ``evaluation.npy``; writes ``model.tflite``, ``float_outputs.npy``
and ``result.json``. The converter prints on stdout and may die of a signal: the parent catches both.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.errors import ModelError
from birdnet_deploy.model.archive import KerasArchive, inspect_archive
from birdnet_deploy.model.loading import load_archive
from birdnet_deploy.quantization.simplify import simplify
from birdnet_deploy.quantization.variant import check_variant, require_fit
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.process import (
    JOB_FILE,
    RESULT_FILE,
    STEPS_FILE,
    reporting,
    worker_limits,
)
from birdnet_deploy.tflite.scores import activate

BATCH = 32  # windows in one float forward
CHECKED = 64  # windows that check the frontend's variant
_MEMORY_BYTES = 16 << 30
_CPU_S = 7200
_FILE_BYTES = 4 << 30

Floats = NDArray[np.float32]


def main(folder: Path) -> None:
    """Does the job of a folder.

    Raises: ModelError (exit 3) where the model cannot be loaded or converted.
    """
    job = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
    calibration = np.load(folder / "calibration.npy", mmap_mode="r")
    evaluation = np.load(folder / "evaluation.npy", mmap_mode="r")
    _say(folder, "loading the model")
    archive = inspect_archive(Path(job["model"]))
    model = load_archive(archive, sample_norm=job["sample_norm"])
    logits = _logits(model, archive)
    traced = trace(logits, calibration.shape[1:])

    def on_calibration(function: Any, most: int | None = None) -> Floats:
        return forward(trace(function, calibration.shape[1:]), calibration[:most])

    frontend = next((layer for layer in model.layers if hasattr(layer, "sample_norm")), None)
    variant = check_variant(model, frontend, lambda function: on_calibration(function, CHECKED))
    if job["sample_norm"] is None and not _is_told(archive):
        require_fit(variant, frontend, job["shown"])
    _say(folder, "running the float model")
    float_logits = forward(traced, evaluation)
    steps = simplify(model, logits, forward(traced, calibration), on_calibration)
    outputs, activation = logits, job["output_activation"]
    if job["head"] == "probabilities" and archive.head_activation != "none":
        outputs, activation = _with_activation(logits, archive.head_activation), "none"
        float_logits = activate(float_logits, archive.head_activation).astype(np.float32)
    np.save(folder / "float_outputs.npy", float_logits)
    _say(folder, "quantizing")
    (folder / "model.tflite").write_bytes(_convert(outputs, calibration, job["io"]))
    result = {
        "output_activation": activation,
        "simplifications": steps,
        "layout": archive.layout,
        "variant": variant,
        "sample_norm": bool(frontend.sample_norm) if frontend is not None and frontend.mode == "hybrid" else None,
    }
    jsonfile.write(folder / RESULT_FILE, result)


def _is_told(archive: KerasArchive) -> bool:
    """Says whether the file states the variant of its frontend, as those do that this project wrote."""
    return archive.frontend is not None and not archive.frontend.keys().isdisjoint(("layout", "sample_norm"))


def _say(folder: Path, step: str) -> None:
    with (folder / STEPS_FILE).open("a", encoding="utf-8") as file:
        file.write(f"{step}\n")


def _logits(model: Any, archive: KerasArchive) -> Any:
    """Gives the function of a batch that computes what the head's activation is applied to."""
    import keras

    last = model.get_layer(archive.head_layer)
    if archive.head_activation != "none" and not hasattr(last, "units"):
        model = keras.Model(model.inputs, last.input, name=model.name)
    elif archive.head_activation != "none":
        last.activation = keras.activations.linear
    return lambda batch: model(batch, training=False)


def _with_activation(logits: Any, activation: str) -> Any:
    import keras

    function = keras.activations.get(activation)
    return lambda batch: function(logits(batch))


def trace(function: Any, shape: tuple[int, ...]) -> Any:
    """Gives ``function`` traced for ``BATCH`` windows; later changes of the model are not in it."""
    import tensorflow as tf

    return tf.function(function, input_signature=[tf.TensorSpec((BATCH, *shape), tf.float32)])


def forward(traced: Any, windows: Floats) -> Floats:
    """Gives float32 outputs of all windows; the last batch is filled with zeros, so that one trace serves."""
    import tensorflow as tf

    rows = []
    for start in range(0, max(len(windows), 1), BATCH):
        batch = np.zeros((BATCH, *windows.shape[1:]), np.float32)
        part = windows[start : start + BATCH]
        batch[: len(part)] = part
        rows.append(traced(tf.constant(batch)).numpy()[: len(part)])
    return np.concatenate(rows)


def _convert(function: Any, calibration: Floats, io: str) -> bytes:
    """Gives the ``.tflite``: one concrete function at static batch 1, frozen, full int8.

    A dynamic batch would leave SHAPE, PACK and FILL, which microcontroller runtimes cannot prepare.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = [tf.TensorSpec((1, *calibration.shape[1:]), tf.float32, name="input")]
    concrete = tf.function(function, input_signature=signature).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(concrete)])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    ends = tf.float32 if io == "float32" else tf.int8
    converter.inference_input_type = converter.inference_output_type = ends

    def windows() -> Iterator[list[Floats]]:
        for window in calibration:
            yield [window[None]]

    converter.representative_dataset = windows
    try:
        return bytes(converter.convert())
    except Exception as error:  # the converter raises RuntimeError, ValueError and its own ConverterError
        text = " ".join(str(error).split())[:300]
        raise ModelError(f"the converter refused the model ({text})", where="the converter") from error


if __name__ == "__main__":
    worker_limits(memory_bytes=_MEMORY_BYTES, cpu_s=_CPU_S, file_bytes=_FILE_BYTES)
    with reporting(Path(sys.argv[1])):
        main(Path(sys.argv[1]))
