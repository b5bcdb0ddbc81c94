"""The plain way to convert, as tutorials have it, with this project's loader and frontend.

    python -m benchmarks.convert.plain MODEL.keras WINDOWS.npz OUT.tflite

``from_keras_model`` with its dynamic batch, float input and output, min/max of TensorFlow's converter, features
computed again for each pass over the windows, and a check that runs float and int8 one window at a time.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from birdnet_deploy.audio.frontend import features_of_pcm
from birdnet_deploy.model.archive import inspect_archive
from birdnet_deploy.model.loading import load_archive
from birdnet_deploy.model.source import open_source


def main(model_path: Path, windows_path: Path, output: Path) -> None:
    """Converts and checks one model; prints the mean cosine."""
    config = open_source(model_path).config
    pcm = np.load(windows_path)["pcm"]
    model = load_archive(inspect_archive(model_path))

    def features() -> Iterator[Any]:
        for window in pcm:
            yield features_of_pcm(window, config)[None]

    peak = max(float(np.abs(window).max()) for window in features())  # a first pass: are the data sane?
    if not np.isfinite(peak):
        raise SystemExit("the windows are not finite")
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([window] for window in features())
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    output.write_bytes(converter.convert())

    interpreter = tf.lite.Interpreter(model_path=str(output), num_threads=1)
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    cosines = []
    for window in features():
        wanted = np.asarray(model(window, training=False))[0]
        interpreter.set_tensor(source, window)
        interpreter.invoke()
        got = interpreter.get_tensor(sink)[0]
        cosines.append(float(wanted @ got / (np.linalg.norm(wanted) * np.linalg.norm(got) + 1e-12)))
    print(f"cosine {np.mean(cosines):.4f} of {len(cosines)} windows")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
