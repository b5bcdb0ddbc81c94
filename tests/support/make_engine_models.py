"""Converts small models of the family, and one of plain Keras layers, to full int8; a process of its own (TensorFlow).

    python -m tests.support.make_engine_models FOLDER

Plain conversion, nothing simplified: the engine must run whatever the converter makes of every option.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from birdnet_deploy.model.family import build_dscnn_model
from tests.support.make_small_model import perturb

BASE = {
    "num_mels": 16, "spec_width": 32, "sample_rate": 8000, "chunk_duration": 1.0, "embeddings_size": 32,
    "num_classes": 5, "audio_frontend": "hybrid", "alpha": 0.25, "fft_length": 128,
}  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {
    "hybrid_pwl": {"mag_scale": "pwl", "class_activation": "sigmoid"},
    "hybrid_pcen_se": {"mag_scale": "pcen", "use_se": True},
    "hybrid_db_inverted_se": {"mag_scale": "db", "use_inverted_residual": True, "use_se": True, "expansion_factor": 2},
    "precomputed_attention": {"audio_frontend": "librosa", "use_attention_pooling": True},
    "raw": {"audio_frontend": "raw", "mag_scale": "pwl"},
}


def plain() -> keras.Model:
    """A separable network with a residual, odd sizes, a leading pad and a maximum pool."""
    inputs = keras.Input((19, 23, 1))
    x = layers.ZeroPadding2D(((1, 2), (0, 3)))(inputs)
    x = layers.Conv2D(12, 5, strides=(2, 1), padding="valid")(x)
    x = layers.ReLU(6)(layers.BatchNormalization()(x))
    x = layers.MaxPooling2D((2, 3), padding="same")(x)
    y = layers.DepthwiseConv2D(3, padding="same")(x)
    y = layers.Conv2D(12, 1)(layers.ReLU()(layers.BatchNormalization()(y)))
    x = layers.ReLU(6)(layers.Add()([x, y]))
    x = layers.Conv2D(8, 3, groups=2, padding="same")(x)
    x = layers.Concatenate()([x, layers.AveragePooling2D(3, strides=1, padding="same")(x)])
    x = layers.GlobalMaxPooling2D()(x)
    return keras.Model(inputs, layers.Dense(7, activation="softmax")(x))


def convert(model: keras.Model, seed: int) -> bytes:
    """Gives the model with a static batch of 1 as full int8, calibrated on noise that looks like a spectrogram."""
    shape = (1, *model.input_shape[1:])
    run = tf.function(lambda x: model(x, training=False)).get_concrete_function(tf.TensorSpec(shape, tf.float32))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(run)])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    random = np.random.default_rng(seed)
    converter.representative_dataset = lambda: ([random.beta(0.5, 3, shape).astype(np.float32)] for _ in range(12))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def main(folder: Path) -> None:
    """Writes NAME.tflite for every set of options."""
    keras.utils.set_random_seed(3)
    for seed, (name, options) in enumerate({**OPTIONS, "plain": {}}.items()):
        model = plain() if name == "plain" else build_dscnn_model(**{**BASE, **options})
        perturb(model, seed)
        (folder / f"{name}.tflite").write_bytes(convert(model, seed))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
