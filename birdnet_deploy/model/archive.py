"""Looks into a ``.keras`` file without Keras or TensorFlow: is it safe, what goes in, what comes out.

Nothing is assumed: the head's activation, the frontend and where its weights lie are read from the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import ModelError
from birdnet_deploy.model.config import ACTIVATIONS
from birdnet_deploy.model.safety import (
    CONFIG_MEMBER,
    METADATA_MEMBER,
    check_config,
    parse_json,
    read_members,
)
from birdnet_deploy.model.weights import WeightArray, read_weights

FRONTEND_CLASS = "AudioFrontendLayer"
_HEADS = {"linear": "none", "softmax": "softmax", "sigmoid": "sigmoid"}
_OWN_LIMITS = {"mel_bins": 4096, "channels": 4096, "spec_width": 65535, "fft_length": 16384, "pcen_K": 64}
_PASSING = frozenset({"Dropout", "SpatialDropout2D", "Reshape", "Flatten"})  # change no score


@dataclass(frozen=True)
class LayerRow:
    """One layer for a summary: shapes without batch, ``output_shape`` None where the file does not say."""

    name: str
    class_name: str
    output_shape: tuple[int, ...] | None
    parameters: int


@dataclass(frozen=True)
class KerasArchive:
    """What a ``.keras`` file says about itself; ``input_shape`` is without batch.

    ``head_activation`` is what the graph applies last: ``none``, ``softmax`` or ``sigmoid``. ``frontend`` is
    the config of the AudioFrontendLayer, None without one. ``layout`` is ``2025`` (magnitude weights directly
    in the frontend, no division by the sample's maximum) or ``2026``. ``model`` is the config that Keras may
    load.
    """

    path: Path
    keras_version: str
    input_shape: tuple[int, ...]
    outputs: int
    head_activation: str
    head_layer: str
    frontend: Mapping[str, Any] | None
    layout: str
    model: Mapping[str, Any]
    weights: tuple[WeightArray, ...]

    @property
    def frontend_mode(self) -> str | None:
        """``precomputed``, ``hybrid`` or ``raw``; None without a frontend layer."""
        return None if self.frontend is None else str(self.frontend.get("mode"))

    @property
    def parameters(self) -> int:
        """The number of weights in the file's layers, states of random generators excluded."""
        return sum(array.size for array in self.weights if "seed_generator" not in array.path)

    def layers(self) -> tuple[LayerRow, ...]:
        """Gives the layers in the order of the graph."""
        shapes = _output_shapes(self.model["config"]["layers"])
        shapes[self.head_layer] = (self.outputs,)
        counts: dict[str, int] = {}
        for array in self.weights:
            if "seed_generator" not in array.path:
                counts[array.layer] = counts.get(array.layer, 0) + array.size
        return tuple(
            LayerRow(_name(layer), layer["class_name"], shapes.get(_name(layer)), counts.get(_name(layer), 0))
            for layer in self.model["config"]["layers"]
        )


def inspect_archive(path: Path) -> KerasArchive:
    """Gives what a local ``.keras`` file holds, after checking that it is safe to load.

    Raises: UsageError (exit 2) for a missing path, folder or URL; ModelError (exit 3) for a file that cannot
    be read, is unsafe, holds NaN or infinite weights, or is no model with one input and one row of scores.
    """
    members = read_members(path)
    model = parse_json(members[CONFIG_MEMBER], CONFIG_MEMBER, path)
    metadata = parse_json(members[METADATA_MEMBER], METADATA_MEMBER, path)
    model = {key: value for key, value in model.items() if key != "compile_config"}  # never loaded
    check_config(model, path)
    weights, groups = read_weights(path)
    try:
        graph = _Graph(model, path)
        _check_sizes(graph, weights)
        frontend = graph.frontend()
        head, activation = graph.head()
        return KerasArchive(
            path=path,
            keras_version=str(metadata.get("keras_version", "unknown")),
            input_shape=graph.input_shape(),
            outputs=graph.outputs(),
            head_activation=activation,
            head_layer=head,
            frontend=frontend,
            layout=_layout(frontend, groups),
            model=model,
            weights=weights,
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        what = f"{CONFIG_MEMBER} is no whole functional model ({error!r})"
        raise ModelError(what, where=path, fix="save the model again") from error


def _layout(frontend: Mapping[str, Any] | None, groups: tuple[str, ...]) -> str:
    if frontend is not None and "layout" in frontend:  # saved by this project from a 2025 file
        return str(frontend["layout"])
    return "2026" if frontend is None or any(name.endswith("/mag_layer") for name in groups) else "2025"


def _name(layer: Mapping[str, Any]) -> str:
    return str(layer.get("name") or layer["config"].get("name"))


def _sources(layer: Mapping[str, Any]) -> list[tuple[str, tuple[int | None, ...]]]:
    """Gives the layers that feed a layer, with the shape that each gives."""
    found = []
    pending: list[Any] = [node.get("args") for node in layer.get("inbound_nodes", []) if isinstance(node, dict)]
    while pending:
        item = pending.pop(0)
        if isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, dict) and item.get("class_name") == "__keras_tensor__":
            found.append((str(item["config"]["keras_history"][0]), tuple(item["config"]["shape"])))
    return found


def _output_shapes(layers: list[Mapping[str, Any]]) -> dict[str, tuple[int, ...]]:
    return {source: shape[1:] for layer in layers for source, shape in _sources(layer)}  # type: ignore[misc]


class _Graph:
    """The functional graph of a checked model config."""

    def __init__(self, model: Mapping[str, Any], path: Path) -> None:
        self.path = path
        config = model.get("config")
        config = config if isinstance(config, dict) else {}
        layers = config.get("layers")
        if model.get("class_name") != "Functional" or not isinstance(layers, list):
            raise self.refusal(f"a {model.get('class_name')} model, not a functional one")
        self.layers = {_name(layer): layer for layer in layers}
        self.inputs = self._ends(config["input_layers"])
        self.output_names = self._ends(config["output_layers"])
        self.feeds = {name: [source for source, _ in _sources(layer)] for name, layer in self.layers.items()}

    def refusal(self, what: str) -> ModelError:
        return ModelError(what, where=self.path, fix="deploy a DS-CNN with one input and one row of scores")

    @staticmethod
    def _ends(value: list[Any]) -> list[str]:
        """Gives layer names of ``["name", 0, 0]`` or of a list of them."""
        return [str(value[0])] if value and isinstance(value[0], str) else [str(item[0]) for item in value]

    def frontend(self) -> Mapping[str, Any] | None:
        found = [layer["config"] for layer in self.layers.values() if layer.get("class_name") == FRONTEND_CLASS]
        if len(found) > 1:
            raise self.refusal("has more than one AudioFrontendLayer")
        return found[0] if found else None

    def input_shape(self) -> tuple[int, ...]:
        if len(self.inputs) != 1 or self.inputs[0] not in self.layers:
            raise self.refusal(f"has {len(self.inputs)} inputs")
        config = self.layers[self.inputs[0]]["config"]
        shape = config.get("batch_shape") or config.get("batch_input_shape") or [None]
        if len(shape) < 2 or not all(type(n) is int and n > 0 for n in shape[1:]):
            raise self.refusal(f"has the input shape {shape}, not a fixed one")
        return tuple(shape[1:])

    def _tail(self) -> list[Mapping[str, Any]]:
        """Gives the layers from the output backwards as long as each has one source."""
        if len(self.output_names) != 1 or self.output_names[0] not in self.layers:
            raise self.refusal(f"has {len(self.output_names)} outputs")
        chain: list[Mapping[str, Any]] = []
        name = self.output_names[0]
        while name in self.layers and len(chain) <= len(self.layers):
            chain.append(self.layers[name])
            if len(self.feeds[name]) != 1:
                break
            name = self.feeds[name][0]
        return chain

    def head(self) -> tuple[str, str]:
        """Gives the last layer that changes scores, and the activation that it applies."""
        for layer in self._tail():
            kind, config = layer["class_name"], layer["config"]
            if kind in _PASSING or (kind == "Activation" and config.get("activation") == "linear"):
                continue
            activation = "softmax" if kind == "Softmax" else config.get("activation", "linear")
            if kind not in ("Dense", "Softmax", "Activation") or activation not in _HEADS:
                break
            return _name(layer), _HEADS[activation]
        last = self._tail()[0]
        activation = last["config"].get("activation")
        raise self.refusal(
            f"ends in {last['class_name']} {_name(last)!r} (activation {activation!r}), "
            f"not in class scores with one of: {', '.join(ACTIVATIONS)}"
        )

    def outputs(self) -> int:
        for layer in self._tail():
            if layer["class_name"] == "Dense":
                return int(layer["config"]["units"])
            if layer["class_name"] not in _PASSING | {"Softmax", "Activation"}:
                break
        raise self.refusal("does not end in a Dense layer of class scores")


def _check_sizes(graph: _Graph, weights: tuple[WeightArray, ...]) -> None:
    """Holds the sizes that a config asks for to the file's weights, so that loading allocates no more."""
    for layer in graph.layers.values():
        for key in _OWN_LIMITS.keys() & layer["config"].keys():
            value, most = layer["config"][key], _OWN_LIMITS[key]
            if type(value) is not int or not 1 <= value <= most:
                raise graph.refusal(f"layer {_name(layer)!r} has {key} {value!r}, not 1 to {most},")
    kernels: dict[str, tuple[int, ...]] = {}
    for array in weights:
        kernels.setdefault(array.layer, array.shape)
    if not any(kernels):  # written by a Keras that put no names into the file
        return
    for name, layer in graph.layers.items():
        key = {"Conv2D": "filters", "Dense": "units"}.get(layer["class_name"])
        if key is None:
            continue
        size = layer["config"].get(key)
        kernel = kernels.get(name)
        if kernel is None:
            raise ModelError(f"weights of layer {name!r} are missing", where=graph.path, fix="save the model again")
        if kernel[-1] != size:
            raise ModelError(
                f"layer {name!r} has {key} {size!r} but weights of shape {list(kernel)}",
                where=graph.path, fix="save the model again",
            )  # fmt: skip
