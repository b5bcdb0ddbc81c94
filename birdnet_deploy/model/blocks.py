"""The blocks of the DS-CNN: plain Keras layers in the outer functional graph, named as files name them.

Importing this module imports Keras and TensorFlow.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from birdnet_deploy.model.layers import AttentionPooling


def make_divisible(value: float, divisor: int = 8) -> int:
    """Gives the multiple of ``divisor`` nearest to ``value``, and at least ``divisor``."""
    return max(divisor, int(value + divisor / 2) // divisor * divisor)


def _l2(weight_decay: float | None) -> Any:
    return keras.regularizers.L2(weight_decay) if weight_decay else None


def relu6(x: Any, name: str) -> Any:
    """Gives ``min(max(x, 0), 6)``."""
    return layers.ReLU(max_value=6, name=name)(x)


def _depthwise_bn_relu6(x: Any, strides: tuple[int, int], weight_decay: float | None, name: str) -> Any:
    y = layers.DepthwiseConv2D(
        (3, 3),
        strides=strides,
        padding="same",
        use_bias=False,
        depthwise_regularizer=_l2(weight_decay),
        name=name,
    )(x)
    y = layers.BatchNormalization(name=f"{name}_bn")(y)
    return relu6(y, f"{name}_relu")


def pointwise_bn(x: Any, channels: int, name: str, weight_decay: float | None = None) -> Any:
    """Gives a 1x1 convolution to ``channels`` with its batch normalisation, no bias."""
    regularizer = _l2(weight_decay)
    y = layers.Conv2D(
        channels, (1, 1), padding="same", use_bias=False, kernel_regularizer=regularizer, name=name
    )(x)  # fmt: skip
    return layers.BatchNormalization(name=f"{name}_bn")(y)


def _drop_and_add(x: Any, y: Any, stride: tuple[int, int], drop_rate: float | None, name: str) -> Any:
    if drop_rate:
        y = layers.SpatialDropout2D(drop_rate, name=f"{name}_drop")(y)
    if stride == (1, 1) and x.shape[-1] == y.shape[-1]:
        y = layers.Add(name=f"{name}_add")([x, y])
    return y


def ds_conv_block(
    x: Any,
    out_ch: int,
    stride_f: int = 1,
    stride_t: int = 1,
    name: str = "ds",
    weight_decay: float | None = 1e-4,
    drop_rate: float | None = 0.1,
) -> Any:
    """Gives a depthwise-separable block of ``[B, F, T, C]``: ``[B, F/stride_f, T/stride_t, out_ch]``.

    A residual connection joins where both strides are 1 and the channels match. A ``drop_rate`` or
    ``weight_decay`` of 0 or None adds none.
    """
    stride = (stride_f, stride_t)
    y = _depthwise_bn_relu6(x, stride, weight_decay, f"{name}_dw")
    y = pointwise_bn(y, out_ch, f"{name}_pw", weight_decay)
    return relu6(_drop_and_add(x, y, stride, drop_rate, name), f"{name}_pw_relu")


def se_block(x: Any, reduction: int = 4, name: str = "se") -> Any:
    """Gives ``x`` with every channel weighted by a gate that the whole map decides (squeeze and excite)."""
    channels = x.shape[-1]
    y = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    y = layers.Dense(max(1, channels // reduction), activation="relu", use_bias=False, name=f"{name}_reduce")(y)
    y = layers.Dense(channels, activation="sigmoid", use_bias=False, name=f"{name}_expand")(y)
    return layers.Multiply(name=f"{name}_scale")([x, y])


def inverted_residual_block(
    x: Any,
    out_ch: int,
    expansion: int = 6,
    stride_f: int = 1,
    stride_t: int = 1,
    use_se: bool = False,
    se_reduction: int = 4,
    weight_decay: float | None = 1e-4,
    drop_rate: float | None = 0.1,
    name: str = "ir",
) -> Any:
    """Gives a MobileNetV2 block of ``[B, F, T, C]``: expand, depthwise, optional gate, linear projection.

    A residual connection joins where both strides are 1 and the channels match.
    """
    stride = (stride_f, stride_t)
    hidden = make_divisible(x.shape[-1] * expansion)
    y = relu6(pointwise_bn(x, hidden, f"{name}_expand", weight_decay), f"{name}_expand_relu")
    y = _depthwise_bn_relu6(y, stride, weight_decay, f"{name}_dw")
    if use_se:
        y = se_block(y, se_reduction, f"{name}_se")
    y = pointwise_bn(y, out_ch, f"{name}_project", weight_decay)
    return _drop_and_add(x, y, stride, drop_rate, name)


def attention_pooling(x: Any, name: str = "attn_pool") -> Any:
    """Gives the ``[B, C]`` attention-weighted average of ``[B, H, W, C]``."""
    return AttentionPooling(name=name)(x)


def stem(x: Any, channels: int) -> Any:
    """Gives the first convolution's ``[B, F, T/2, channels]``."""
    y = layers.Conv2D(channels, (3, 3), strides=(1, 2), padding="same", use_bias=False, name="stem_conv")(x)
    return relu6(layers.BatchNormalization(name="stem_bn")(y), "stem_relu")


def embeddings(x: Any, channels: int) -> Any:
    """Gives ``x`` brought to ``channels`` by a 1x1 convolution, or ``x`` itself where it has them."""
    if x.shape[-1] == channels:
        return x
    y = layers.Conv2D(channels, (1, 1), padding="same", use_bias=False, name="emb_conv")(x)
    return relu6(layers.BatchNormalization(name="emb_bn")(y), "emb_relu")


def head(x: Any, classes: int, activation: str, dropout_rate: float, *, attention: bool) -> Any:
    """Gives the scores ``[B, classes]``: pooled over positions, then one dense layer."""
    y = attention_pooling(x) if attention else layers.GlobalAveragePooling2D(name="gap")(x)
    y = layers.Dropout(dropout_rate, name="dropout")(y)
    return layers.Dense(classes, activation=activation, name="pred")(y)
