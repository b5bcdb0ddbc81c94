"""The graph that conversion makes of a ``.keras``, drawn from its config and sizes without TensorFlow.

Batch normalisation is folded into the convolution in front of it, dropout is left out, and the head ends in logits,
as ``convert`` does it. Scales are not known before calibration, so nothing here has one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import ModelError
from birdnet_deploy.model.archive import FRONTEND_CLASS, KerasArchive, inspect_archive
from birdnet_deploy.npu.keras_frontend import draw_frontend
from birdnet_deploy.npu.sketch import Sketch
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.tflite.reader import TfliteModel

_PASSING = frozenset({"BatchNormalization", "Dropout", "SpatialDropout2D"})
_JOINING = {"Add": "ADD", "Multiply": "MUL"}
_POOLING = {"AveragePooling2D": "AVERAGE_POOL_2D", "MaxPooling2D": "MAX_POOL_2D"}
_GLOBAL = {"GlobalAveragePooling2D": "MEAN", "GlobalMaxPooling2D": "REDUCE_MAX"}
_FUSED = {"relu": "RELU", "relu6": "RELU6"}
_ACTIVATIONS = {
    "sigmoid": "LOGISTIC", "softmax": "SOFTMAX", "tanh": "TANH", "gelu": "GELU", "elu": "ELU",
    "leaky_relu": "LEAKY_RELU", "hard_silu": "HARD_SWISH", "hard_swish": "HARD_SWISH", "exponential": "EXP",
}  # fmt: skip
_LINEAR = (None, "linear")
_RELU_MAX = 6.0


def open_keras(path: Path) -> tuple[TfliteModel, str]:
    """Gives the graph of a ``.keras`` and what its head applies (``none``, ``softmax``, ``sigmoid``).

    Raises: UsageError (exit 2) for a path that is no file; ModelError (exit 3) for a file that is damaged, unsafe or
    no model of one input and one row of scores.
    """
    archive = inspect_archive(path)
    try:
        model = _Drawing(archive).model(sha256_file(path), path.stat().st_size)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        what = f"its layers do not fit each other ({error!r})"
        raise ModelError(what, where=path, fix="save the model again") from error
    return model, archive.head_activation


class _Drawing:
    """One pass over the layers, in the order of the graph."""

    def __init__(self, archive: KerasArchive) -> None:
        self.archive = archive
        self.sketch = Sketch()
        self.made: dict[str, int] = {}
        self.layers: dict[str, Mapping[str, Any]] = {
            str(layer.get("name") or layer["config"]["name"]): layer for layer in archive.model["config"]["layers"]
        }
        self.draw: Mapping[str, Callable[[str, Mapping[str, Any], list[int]], int]] = {
            "Conv2D": self._convolution, "DepthwiseConv2D": self._convolution, "Dense": self._dense,
            "ReLU": self._relu, "Activation": self._activation_layer, "Softmax": self._activation_layer,
            "Reshape": self._reshape, "Flatten": self._reshape, "Permute": self._permute,
            "Concatenate": self._concatenate, "ZeroPadding2D": self._padding, "Cropping2D": self._cropping,
            "Rescaling": self._rescaling, "AttentionPooling": self._attention, FRONTEND_CLASS: self._frontend,
            **dict.fromkeys(_JOINING, self._join), **dict.fromkeys(_POOLING, self._pool),
            **dict.fromkeys(_GLOBAL, self._global_pool),
        }  # fmt: skip

    def model(self, sha256: str, size_bytes: int) -> TfliteModel:
        """Gives the whole graph."""
        inputs = []
        pending = list(self.layers)
        while pending:
            ready = [name for name in pending if all(source in self.made for source in _sources(self.layers[name]))]
            if not ready:
                raise ValueError(f"layer {pending[0]!r} waits for itself")
            for name in ready:
                if self.layers[name]["class_name"] == "InputLayer":
                    self.made[name] = self.sketch.activation(name, (1, *self.archive.input_shape))
                    inputs.append(self.made[name])
                else:
                    self.made[name] = self._layer(name, self.layers[name])
            pending = [name for name in pending if name not in self.made]
        last = _ends(self.archive.model["config"]["output_layers"])
        return self.sketch.model(sha256, size_bytes, inputs, [self.made[name] for name in last])

    def _layer(self, name: str, layer: Mapping[str, Any]) -> int:
        kind, config = layer["class_name"], layer["config"]
        sources = [self.made[source] for source in _sources(layer)]
        if kind in _PASSING:
            return sources[0]
        if kind not in self.draw:
            raise ValueError(f"no way to draw layer {name!r} of class {kind}")
        made = self.draw[kind](name, config, sources)
        if kind in ("Conv2D", "DepthwiseConv2D", "Dense"):
            made = self._activate(made, config.get("activation"), name)
        return made

    def _activate(self, index: int, activation: object, name: str) -> int:
        if isinstance(activation, Mapping):
            activation = activation.get("class_name", "unknown")
        if activation in _LINEAR or name == self.archive.head_layer:
            return index
        text = str(activation).lower()
        if text in _FUSED:
            return self.sketch.fuse(index, _FUSED[text], name)
        shape = self.sketch.shape(index)
        if text in ("swish", "silu"):
            gate = self.sketch.add("LOGISTIC", [index], shape, f"{name}/sigmoid")
            return self.sketch.add("MUL", [index, gate], shape, name)
        return self.sketch.add(_ACTIVATIONS.get(text, text.upper()), [index], shape, name)

    def _convolution(self, name: str, config: Mapping[str, Any], sources: list[int]) -> int:
        return self.sketch.convolution(
            sources[0], config.get("filters"), _pair(config["kernel_size"]), name, stride=_pair(config["strides"]),
            padding=str(config["padding"]).upper(), dilation=_pair(config.get("dilation_rate", 1)),
            multiplier=int(config.get("depth_multiplier", 1)),
        )  # fmt: skip

    def _dense(self, name: str, config: Mapping[str, Any], sources: list[int]) -> int:
        return self.sketch.dense(sources[0], int(config["units"]), name, bias=bool(config.get("use_bias", True)))

    def _relu(self, name: str, config: Mapping[str, Any], sources: list[int]) -> int:
        if config.get("negative_slope"):
            return self.sketch.add("LEAKY_RELU", sources, self.sketch.shape(sources[0]), name)
        kind = {None: "RELU", _RELU_MAX: "RELU6"}.get(config.get("max_value"))
        if kind is not None:
            return self.sketch.fuse(sources[0], kind, name)
        shape, most = self.sketch.shape(sources[0]), self.sketch.constant(f"{name}/max", (1,))
        return self.sketch.add("MINIMUM", [self.sketch.fuse(sources[0], "RELU", name), most], shape, f"{name}/minimum")

    def _activation_layer(self, name: str, config: Mapping[str, Any], sources: list[int]) -> int:
        return self._activate(sources[0], config.get("activation", "softmax"), name)

    def _join(self, name: str, config: Mapping[str, Any], sources: list[int]) -> int:
        op = _JOINING[self.layers[name]["class_name"]]
        made = sources[0]
        for other in sources[1:]:
            shapes = self.sketch.shape(made), self.sketch.shape(other)
            shape = tuple(max(pair) for pair in zip(*shapes, strict=True))
            made = self.sketch.add(op, [made, other], shape, name, fused_activation_function="NONE")
        return made

    def _concatenate(self, name: str, config: Mapping[str, Any], sources: list[int]) -> int:
        axis = int(config.get("axis", -1))
        shape = list(self.sketch.shape(sources[0]))
        shape[axis] = sum(self.sketch.shape(source)[axis] for source in sources)
        return self.sketch.add("CONCATENATION", sources, shape, name, axis=axis)

    def _pool(self, name: str, config: Mapping[str, Any], sources: list[int]) -> int:
        size = _pair(config["pool_size"])
        stride = _pair(config.get("strides") or size)
        op = _POOLING[self.layers[name]["class_name"]]
        return self.sketch.pool(op, sources[0], size, stride, str(config["padding"]).upper(), name)

    def _global_pool(self, name: str, config: Mapping[str, Any], sources: list[int]) -> int:
        op = _GLOBAL[self.layers[name]["class_name"]]
        return self.sketch.reduce(op, sources[0], (1, 2), bool(config.get("keepdims")), name)

    def _reshape(self, name: str, config: Mapping[str, Any], sources: list[int]) -> int:
        values = math.prod(self.sketch.shape(sources[0]))
        target = [int(size) for size in config.get("target_shape", [-1])]
        known = math.prod(size for size in target if size != -1)
        return self.sketch.reshape(sources[0], (1, *(values // known if n == -1 else n for n in target)), name)

    def _permute(self, name: str, config: Mapping[str, Any], sources: list[int]) -> int:
        return self.sketch.transpose(sources[0], (0, *(int(axis) for axis in config["dims"])), name)

    def _padding(self, name: str, config: Mapping[str, Any], sources: list[int]) -> int:
        (top, bottom), (left, right) = config["padding"]
        return self.sketch.pad(sources[0], {1: top + bottom, 2: left + right}, name)

    def _cropping(self, name: str, config: Mapping[str, Any], sources: list[int]) -> int:
        (top, bottom), (left, right) = config["cropping"]
        _, height, width, depth = self.sketch.shape(sources[0])
        begin = self.sketch.constant(f"{name}/begin", (3, 4), "int32")
        shape = (1, height - top - bottom, width - left - right, depth)
        return self.sketch.add("STRIDED_SLICE", [sources[0], begin], shape, name)

    def _rescaling(self, name: str, config: Mapping[str, Any], sources: list[int]) -> int:
        scale = self.sketch.constant(f"{name}/scale", (1,))
        return self.sketch.add("MUL", [sources[0], scale], self.sketch.shape(sources[0]), name)

    def _attention(self, name: str, config: Mapping[str, Any], sources: list[int]) -> int:
        """Draws the family's AttentionPooling: a softmax over positions weights their mean."""
        sketch = self.sketch
        _, height, width, channels = sketch.shape(sources[0])
        positions = height * width
        flat = sketch.reshape(sources[0], (positions, channels), f"{name}/rows")
        score = sketch.dense(flat, 1, f"{name}_score", bias=False)
        score = sketch.reshape(score, (1, positions), f"{name}/scores")
        weights = sketch.add("SOFTMAX", [score], (1, positions), f"{name}/softmax")
        weights = sketch.reshape(weights, (1, positions, 1), f"{name}/weights")
        values = sketch.reshape(sources[0], (1, positions, channels), f"{name}/values")
        product = sketch.add("MUL", [values, weights], (1, positions, channels), f"{name}/product")
        mean = sketch.reduce("MEAN", product, (1,), False, f"{name}/mean")
        return sketch.add("MUL", [mean, sketch.constant(f"{name}/count", (1,))], (1, channels), name)

    def _frontend(self, name: str, config: Mapping[str, Any], sources: list[int]) -> int:
        return draw_frontend(self.sketch, sources[0], config, self.archive.layout, name)


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _ends(value: list[Any]) -> list[str]:
    return [str(value[0])] if value and isinstance(value[0], str) else [str(item[0]) for item in value]


def _sources(layer: Mapping[str, Any]) -> list[str]:
    """Gives the names of the layers that feed a layer, in order."""
    found: list[str] = []
    pending: list[Any] = [node.get("args") for node in layer.get("inbound_nodes", []) if isinstance(node, dict)]
    while pending:
        item = pending.pop(0)
        if isinstance(item, list):
            pending = [*item, *pending]
        elif isinstance(item, dict) and item.get("class_name") == "__keras_tensor__":
            found.append(str(item["config"]["keras_history"][0]))
    return found
