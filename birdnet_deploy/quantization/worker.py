"""The child of ``convert``: the only place where TensorFlow runs; ``python -m ... JOBDIR``.

Reads ``job.json`` and, as soon as the parent has computed them, ``calibration.npy`` and ``evaluation.npy``; writes
``float.tflite`` (the simplified graph), ``float_outputs.npy``, ``result.json`` and, where the quantizer that needs no
TensorFlow does not serve, ``model.tflite``. The converter prints on stdout and may die of a signal: the parent
catches both.
"""

from __future__ import annotations

import json
import mmap
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.errors import ModelError
from birdnet_deploy.model.archive import KerasArchive, inspect_archive
from birdnet_deploy.model.loading import load_archive
from birdnet_deploy.quantization.integer import is_supported
from birdnet_deploy.quantization.layer_map import layer_tensors
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

BATCH = 8  # windows in one float forward
FEATURES_FILE = "features.ready"  # the parent has written both sets of features
CANCELLED_FILE = "cancelled"  # the parent needs nothing any more
CHECKED = 64  # windows that check the frontend's variant and each simplification
_POLL_S = 0.02
_MEMORY_BYTES = 16 << 30
_CPU_S = 7200
_FILE_BYTES = 4 << 30

Floats = NDArray[np.float32]


def main(folder: Path) -> None:
    """Does the job of a folder.

    Raises: ModelError (exit 3) where the model cannot be loaded or converted.
    """
    job = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
    _say(folder, "loading the model")
    archive = inspect_archive(Path(job["model"]))
    model = load_archive(archive, sample_norm=job["sample_norm"])
    logits = _logits(model, archive)
    shape = tuple(model.input_shape[1:])
    traced = trace(logits, shape)
    traced.get_concrete_function()  # while the parent still computes features
    calibration, evaluation = _await(folder)

    def on_calibration(function: Any, most: int | None = None) -> Floats:
        return forward(trace(function, shape), calibration[:most])

    frontend = next((layer for layer in model.layers if hasattr(layer, "sample_norm")), None)
    variant = check_variant(model, frontend, lambda function: on_calibration(function, CHECKED))
    if job["sample_norm"] is None and not _is_told(archive):
        require_fit(variant, frontend, job["shown"])
    _say(folder, "running the float model")
    float_outputs = forward(traced, evaluation)
    few = np.linspace(0, len(calibration) - 1, min(CHECKED, len(calibration))).astype(int)
    checked = calibration[few]
    before = forward(traced, calibration if job["judged"] else checked)
    if not job["judged"]:
        before = _only(few, before, len(calibration))
    steps = []
    if job["simplify"]:
        steps = simplify(
            model, logits, before[few], on_calibration, lambda function: forward(trace(function, shape), checked)
        )
    outputs, activation = logits, job["output_activation"]
    if job["head"] == "probabilities" and archive.head_activation != "none":
        outputs, activation = _with_activation(logits, archive.head_activation), "none"
        float_outputs = activate(float_outputs, archive.head_activation).astype(np.float32)
        before = activate(before, archive.head_activation).astype(np.float32)
    np.save(folder / "float_outputs.npy", float_outputs)
    np.save(folder / "calibration_outputs.npy", before)
    _say(folder, "converting")
    converter = _converter(outputs, shape)
    floats = _converted(converter)
    (folder / "float.tflite").write_bytes(floats)
    if not job["simplify"] or not is_supported(floats):
        _say(folder, "quantizing")
        (folder / "model.tflite").write_bytes(_quantized(converter, calibration, job["io"]))
    result = {
        "output_activation": activation,
        "simplifications": steps,
        "layout": archive.layout,
        "variant": variant,
        "sample_norm": bool(frontend.sample_norm) if frontend is not None and frontend.mode == "hybrid" else None,
        "layers": layer_tensors(model, floats, calibration[0]) if job["cuts"] else {},
    }
    jsonfile.write(folder / RESULT_FILE, result)


def _only(rows: NDArray[np.int64], outputs: Floats, count: int) -> Floats:
    """Gives the outputs of some windows among NaN for the others, which nobody asks for."""
    found = np.full((count, outputs.shape[1]), np.nan, np.float32)
    found[rows] = outputs
    return found


def _await(folder: Path) -> tuple[Floats, Floats]:
    """Gives both sets of features once the parent has written them; ends where the parent gives up."""
    while not (folder / FEATURES_FILE).exists():
        if (folder / CANCELLED_FILE).exists():
            raise SystemExit(0)
        time.sleep(_POLL_S)
    return np.load(folder / "calibration.npy", mmap_mode="r"), np.load(folder / "evaluation.npy", mmap_mode="r")


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

    return tf.function(function, input_signature=[tf.TensorSpec((BATCH, *shape), tf.float32)], autograph=False)


def forward(traced: Any, windows: Floats) -> Floats:
    """Gives float32 outputs of all windows; the last batch is filled with zeros, so that one trace serves."""
    import tensorflow as tf

    rows = []
    for start in range(0, max(len(windows), 1), BATCH):
        batch = np.zeros((BATCH, *windows.shape[1:]), np.float32)
        part = windows[start : start + BATCH]
        batch[: len(part)] = part
        rows.append(traced(tf.constant(batch)).numpy()[: len(part)])
        _let_go(windows)
    return np.concatenate(rows)


def _let_go(windows: Floats) -> None:
    """Takes the pages of mapped features out of this process; they come back when they are read again."""
    pages = getattr(windows, "_mmap", None)
    if pages is not None and hasattr(mmap, "MADV_DONTNEED"):
        pages.madvise(mmap.MADV_DONTNEED)


def _converter(function: Any, shape: tuple[int, ...]) -> Any:
    """Gives TensorFlow's converter of one concrete function at static batch 1, frozen.

    A dynamic batch would leave SHAPE, PACK and FILL, which microcontroller runtimes cannot prepare.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = [tf.TensorSpec((1, *shape), tf.float32, name="input")]
    concrete = tf.function(function, input_signature=signature, autograph=False).get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(concrete)])


def _quantized(converter: Any, calibration: Floats, io: str) -> bytes:
    """Gives the full-int8 ``.tflite`` by TensorFlow's own quantizer, ranges min/max."""
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    ends = tf.float32 if io == "float32" else tf.int8
    converter.inference_input_type = converter.inference_output_type = ends

    def windows() -> Iterator[list[Floats]]:
        for window in calibration:
            yield [window[None]]

    converter.representative_dataset = windows
    return _converted(converter)


def _converted(converter: Any) -> bytes:
    try:
        return bytes(converter.convert())
    except Exception as error:  # the converter raises RuntimeError, ValueError and its own ConverterError
        text = " ".join(str(error).split())[:300]
        raise ModelError(f"the converter refused the model ({text})", where="the converter") from error


if __name__ == "__main__":
    worker_limits(memory_bytes=_MEMORY_BYTES, cpu_s=_CPU_S, file_bytes=_FILE_BYTES)
    with reporting(Path(sys.argv[1])):
        main(Path(sys.argv[1]))
