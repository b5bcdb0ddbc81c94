"""Which tensor of a float ``.tflite`` holds the output of which Keras layer: found by value, not by name.

A converter renames, folds and reorders; what a layer gives on a window of sound tells which tensor it became. Runs in
the worker, on the loaded Keras model.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.tflite.floats import activation_tensors, activations
from birdnet_deploy.tflite.reader import read_model

_TOLERANCE = 1e-4  # of the largest value

Floats = NDArray[np.float32]


def layer_tensors(model: Any, converted: bytes, window: Floats) -> dict[str, str]:
    """Gives the tensor name of each layer whose output is a tensor of the graph, in the order of the layers.

    The AudioFrontendLayer goes by ``frontend``. Of several tensors with a layer's values the last one of the layer's
    own shape is taken. Layers that the converter folded into others (a convolution before its batch normalisation)
    have none.
    """
    import keras

    read = read_model(converted)
    keep = activation_tensors(read)
    (values,) = activations(converted, window[None], keep)
    layers = [layer for layer in model.layers if hasattr(layer, "output") and not isinstance(layer.output, list)]
    wanted = keras.Model(model.inputs, [layer.output for layer in layers])([window[None]], training=False)
    found = {}
    for layer, value in zip(layers, wanted, strict=True):
        matches = [index for index in keep if _same(np.asarray(value), values[index])]
        own = [index for index in matches if values[index].shape == tuple(value.shape)]
        if matches:
            name = "frontend" if type(layer).__name__ == "AudioFrontendLayer" else layer.name
            found[name] = read.tensors[(own or matches)[-1]].name
    return found


def _same(wanted: Floats, got: Floats) -> bool:
    """Says whether two tensors hold the same values, whatever the order of their axes."""
    if sorted(n for n in wanted.shape if n > 1) != sorted(n for n in got.shape if n > 1):
        return False
    a, b = np.squeeze(wanted), np.squeeze(got)
    limit = _TOLERANCE * max(float(np.abs(a).max(initial=0.0)), 1e-30)
    return any(
        a.transpose(order).shape == b.shape and float(np.abs(a.transpose(order) - b).max(initial=0.0)) <= limit
        for order in itertools.permutations(range(a.ndim))
    )
