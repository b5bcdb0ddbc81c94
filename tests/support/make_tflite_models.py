"""Tiny models from the TensorFlow converter, one for each thing that can be right or wrong with a model.

    python -m tests.support.make_tflite_models FOLDER

writes ``<name>.tflite`` for each name at the end of this file. It imports TensorFlow, so it runs in a
process of its own.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

CLASSES = 8


def build_all(folder: Path) -> None:
    """Writes every model into ``folder``."""
    for name, make in _models().items():
        (folder / f"{name}.tflite").write_bytes(make())


def _models():
    import keras
    import numpy as np
    import tensorflow as tf

    layers, ops = keras.layers, keras.ops
    keras.utils.set_random_seed(7)

    def samples(shape):
        rng = np.random.default_rng(3)
        return [rng.uniform(0, 1, (1, *shape)).astype(np.float32) for _ in range(2)]

    def converter_of(model, *, static=True):
        if not static:
            return tf.lite.TFLiteConverter.from_keras_model(model)
        specs = [tf.TensorSpec((1, *model.inputs[0].shape[1:]), tf.float32, name="x")]
        function = tf.function(lambda x: model(x, training=False)).get_concrete_function(*specs)
        return tf.lite.TFLiteConverter.from_concrete_functions([function])

    def converted(model, *, static=True, io=tf.int8, int16=False, calibrate=True, per_channel=True):
        converter = converter_of(model, static=static)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if calibrate:
            converter.representative_dataset = lambda: ([x] for x in samples(model.inputs[0].shape[1:]))
            builtins = tf.lite.OpsSet.TFLITE_BUILTINS_INT8
            if int16:
                builtins = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            converter.target_spec.supported_ops = [builtins]
            converter.inference_input_type = converter.inference_output_type = io
        converter._experimental_disable_per_channel = not per_channel
        return converter.convert()

    def dscnn(*, shape=(16, 16, 1), stem=8, width=8, head=None, body=None, front=None):
        """A DS-CNN of one block: stem, depthwise, pointwise, residual, pooling, dense head."""
        inputs = keras.Input(shape, name="mel_spectrogram_input")
        x = front(inputs) if front else inputs
        x = layers.Conv2D(stem, 3, strides=(1, 2), padding="same", name="stem_conv")(x)
        x = layers.ReLU(6, name="stem_relu")(x)
        y = layers.DepthwiseConv2D(3, padding="same", name="stage1_ds1_dw")(x)
        y = layers.ReLU(6, name="stage1_ds1_dw_relu")(y)
        y = layers.Conv2D(width, 1, name="stage1_ds1_pw")(y)
        x = layers.Add(name="stage1_ds1_add")([x, y]) if stem == width else y
        x = body(x) if body else x
        x = layers.GlobalAveragePooling2D(name="gap")(x)
        return keras.Model(inputs, layers.Dense(CLASSES, activation=head, name="pred")(x), name="dscnn_audio")

    def squeeze_excite(x):
        s = layers.GlobalAveragePooling2D(keepdims=True, name="se_squeeze")(x)
        s = layers.Dense(2, activation="relu", use_bias=False, name="se_reduce")(s)
        s = layers.Dense(8, activation="sigmoid", use_bias=False, name="se_expand")(s)
        return layers.Multiply(name="se_scale")([x, s])

    def hybrid(x):
        y = ops.transpose(x, (0, 3, 2, 1))
        y = layers.Lambda(lambda z: tf.concat([z, tf.zeros([tf.shape(z)[0], 1, 16, 7])], axis=-1))(y)
        y = layers.Conv2D(16, 1, use_bias=False, activation="relu", name="audio_frontend_mel_mixer")(y)
        y = y / (ops.max(y, axis=(1, 2, 3), keepdims=True) + 1e-6)
        return ops.transpose(y, (0, 3, 2, 1))

    def planes(x):
        y = ops.transpose(x, (0, 3, 2, 1))
        y = layers.Conv2D(48, 1, activation="relu6", name="audio_frontend_mel_mixer")(y)
        return ops.reshape(y, (1, 16, 16, 3))

    def raw(x):
        y = ops.expand_dims(x, 1)
        y = layers.Conv2D(8, (1, 16), strides=(1, 4096), use_bias=False, name="audio_frontend_raw_fb2d")(y)
        return ops.transpose(y, (0, 3, 2, 1))

    def five_axes(x):
        y = ops.reshape(x, (1, 16, 8, 4, 2))
        return ops.reshape(ops.transpose(y, (0, 2, 1, 3, 4)), (1, 16, 8, 8))

    def dead_branch(x):
        y = layers.Conv2D(8, 1, name="dead_k")(ops.relu(x - 100.0))
        return x + y

    def attention(x):
        y = layers.Reshape((128, 8))(x)
        score = layers.Softmax(axis=1)(layers.Dense(1, use_bias=False, name="attn_pool_score")(y))
        pooled = ops.sum(y * score, axis=1, keepdims=True)
        return ops.expand_dims(pooled, 1)

    def dead_channels():
        model = dscnn()
        kernel, bias = model.get_layer("stage1_ds1_pw").get_weights()
        kernel[..., :3] = 0
        model.get_layer("stage1_ds1_pw").set_weights([kernel, bias])
        return model

    def alone(layer, shape):
        """A model of one layer behind a stem of eight channels, with a head."""
        inputs = keras.Input(shape, name="mel_spectrogram_input")
        x = layers.Conv2D(8, 3, padding="same", activation="relu", name="stem_conv")(inputs)
        x = layers.GlobalAveragePooling2D(name="gap")(layer(x))
        return keras.Model(inputs, layers.Dense(CLASSES, name="pred")(x), name="dscnn_audio")

    def wide_gate(x):
        y = layers.Conv2D(768, 1, name="wide_pw")(x)
        gate = layers.GlobalAveragePooling2D(keepdims=True, name="se_squeeze")(y)
        gate = layers.Dense(768, activation="sigmoid", use_bias=False, name="se_expand")(gate)
        return layers.Multiply(name="se_scale")([y, gate])

    def reshape_relu(x):
        y = layers.Reshape((8, 16, 8))(layers.Conv2D(8, 3, padding="same", name="odd_conv")(x))
        return layers.ReLU(name="late_relu")(y)

    def summed(x):
        return ops.expand_dims(ops.expand_dims(ops.sum(x, axis=(1, 2)), 1), 1)

    def two_outputs():
        inputs = keras.Input((16, 16, 1))
        x = layers.Conv2D(8, 3, padding="same")(inputs)
        return keras.Model(inputs, [layers.ReLU(6)(x), layers.GlobalAveragePooling2D()(x)])

    def conv_head():
        inputs = keras.Input((16, 16, 1))
        x = layers.Conv2D(8, 3, padding="same", activation="relu", name="stem_conv")(inputs)
        x = layers.GlobalAveragePooling2D(keepdims=True)(x)
        return keras.Model(inputs, layers.Flatten()(layers.Conv2D(10, 1, name="pred")(x)))

    def large():
        inputs = keras.Input((1024, 512, 1))
        x = layers.Conv2D(8, 3, padding="same", name="stem_conv")(inputs)
        return keras.Model(inputs, layers.GlobalAveragePooling2D()(x))

    def converted_float16(model):
        converter = converter_of(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        return converter.convert()

    def plain_float():
        return converter_of(dscnn()).convert()

    return {
        "good": lambda: converted(dscnn()),
        "dynamic": lambda: converted(dscnn(shape=(17, 16, 1), front=hybrid), static=False),
        "hybrid": lambda: converted(dscnn(shape=(17, 16, 1), front=hybrid)),
        "raw": lambda: converted(dscnn(shape=(66150, 1), front=raw)),
        "float": plain_float,
        "dynamic_range": lambda: converted(dscnn(stem=48, width=48), calibrate=False),
        "int16": lambda: converted(dscnn(), int16=True, io=tf.int16),
        "uint8_io": lambda: converted(dscnn(), io=tf.uint8),
        "float_io": lambda: converted(dscnn(), io=tf.float32),
        "stem_12": lambda: converted(dscnn(stem=12)),
        "body_20": lambda: converted(dscnn(width=20)),
        "softmax": lambda: converted(dscnn(head="softmax")),
        "sigmoid": lambda: converted(dscnn(head="sigmoid")),
        "squeeze_excite": lambda: converted(dscnn(body=squeeze_excite)),
        "attention": lambda: converted(dscnn(body=attention)),
        "five_axes": lambda: converted(dscnn(body=five_axes)),
        "reverse": lambda: converted(dscnn(body=lambda x: ops.flip(x, axis=1))),
        "leaky_relu": lambda: converted(dscnn(body=layers.LeakyReLU(0.1))),
        "dead_branch": lambda: converted(dscnn(body=dead_branch)),
        "dead_channels": lambda: converted(dead_channels()),
        "per_tensor": lambda: converted(dscnn(), per_channel=False),
        "two_outputs": lambda: converted(two_outputs()),
        "large": lambda: converted(large()),
        "kernel_7": lambda: converted(dscnn(body=layers.Conv2D(8, 7, padding="same", name="wide"))),
        "kernel_13": lambda: converted(dscnn(body=layers.Conv2D(8, (1, 13), strides=(1, 2), padding="same"))),
        "stride_3": lambda: converted(dscnn(body=layers.Conv2D(8, 3, strides=3, padding="same"))),
        "stride_over_kernel": lambda: converted(dscnn(body=layers.Conv2D(8, 1, strides=2))),
        "dilated": lambda: converted(dscnn(body=layers.Conv2D(8, 3, dilation_rate=2, padding="same"))),
        "pool_4": lambda: converted(dscnn(body=layers.AveragePooling2D(4))),
        "max_pool_5": lambda: converted(dscnn(body=layers.MaxPooling2D(5, strides=2))),
        "wide_map": lambda: converted(alone(layers.DepthwiseConv2D(3, padding="same"), (4, 300, 1))),
        "prime_17": lambda: converted(dscnn(body=layers.Conv2D(17, 1, name="odd_pw"))),
        "wide_gate": lambda: converted(dscnn(body=wide_gate)),
        "global_pool": lambda: converted(alone(layers.ReLU(6), (50, 11, 1))),
        "flat_depthwise": lambda: converted(dscnn(body=layers.DepthwiseConv2D((1, 3), strides=2, padding="same"))),
        "reshape_relu": lambda: converted(dscnn(body=reshape_relu)),
        "maximum": lambda: converted(dscnn(body=lambda x: ops.maximum(x, 0.5))),
        "minimum": lambda: converted(dscnn(body=lambda x: ops.minimum(x, 0.5))),
        "sum": lambda: converted(dscnn(body=summed)),
        "square_root": lambda: converted(dscnn(body=lambda x: ops.sqrt(ops.relu(x)))),
        "exponential": lambda: converted(dscnn(body=lambda x: ops.exp(-ops.relu(x)))),
        "transposed": lambda: converted(dscnn(body=layers.Conv2DTranspose(8, 3, strides=2))),
        "float16": lambda: converted_float16(dscnn()),
        "dynamic_float": lambda: tf.lite.TFLiteConverter.from_keras_model(dscnn()).convert(),
        "conv_head": lambda: converted(conv_head()),
        "planes": lambda: converted(dscnn(front=planes)),
        "planes_12": lambda: converted(dscnn(front=planes, stem=12)),
        "narrow": lambda: converted(dscnn(front=layers.Conv2D(3, 1, activation="relu6", name="thin"))),
    }


if __name__ == "__main__":
    build_all(Path(sys.argv[1]))
