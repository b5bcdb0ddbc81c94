"""Float prefixes of family members for tests, made by TensorFlow in a process of its own: ``python -m ... FOLDER``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from tests.support.family_cells import OPTIONS, PLAIN, Cell

# member -> the layer whose output is the cut
PREFIXES = {
    "hybrid+pwl": "stage1_ds1_pw_relu",
    "hybrid+pcen": "audio_frontend",
    "hybrid+db": "stem_relu",
    "raw+pwl": "stage1_ds1_dw_relu",
    "hybrid+pwl 20 mels": "stem_relu",
    "hybrid no nyquist": "audio_frontend",
    "hybrid+pwl se": "stage1_se1_scale",
    "raw ir": "stage2_ir1_project_bn",
    "mfcc 13 mfcc": "stage1_ds1_pw_relu",
}


def cell_of(name: str) -> Cell:
    """Gives a member by its name."""
    return next(cell for cell in (*PLAIN, *OPTIONS) if cell.name == name)


def prefix_of(model: Any, layer: str, shape: tuple[int, ...]) -> bytes:
    """Gives the float ``.tflite`` from a model's input to the output of one of its layers, batch 1, frozen."""
    import keras
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    part = keras.Model(model.inputs, model.get_layer(layer).output)
    signature = [tf.TensorSpec((1, *shape), tf.float32)]
    concrete = tf.function(lambda batch: part(batch, training=False), input_signature=signature).get_concrete_function()
    frozen = convert_variables_to_constants_v2(concrete)
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert())


def main(folder: Path) -> None:
    """Writes ``<member>.tflite`` for every member of PREFIXES."""
    from tests.support.family_models import build

    for name, layer in PREFIXES.items():
        model = build(cell_of(name))
        (folder / f"{name}.tflite").write_bytes(prefix_of(model, layer, model.input_shape[1:]))


if __name__ == "__main__":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    main(Path(sys.argv[1]))
