"""A network that the NPU computes: ``stedgeai`` makes its C; a project knows its ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from birdnet_deploy.errors import ModelError
from birdnet_deploy.project.parts import Affine
from birdnet_deploy.tflite.model import TfliteModel


@dataclass(frozen=True)
class Ends:
    """``(q - zero_point) * scale``."""

    scale: float
    zero_point: int


@dataclass(frozen=True)
class NpuNetwork:
    """The ends of an int8 network, shapes without batch; ``npu.network_folder`` holds foreign output against them."""

    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    input_quantization: Affine
    output_quantization: Affine
    macs: int
    arena_bytes: int = 0
    kernel_sources: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


def npu_network(model: TfliteModel, macs: int) -> NpuNetwork:
    """Gives the network of a full-int8 model of one input and one output.

    Raises: ModelError (exit 3) for float ends, or ends of more than one scale.
    """
    source, sink = model.tensors[model.inputs[0]], model.tensors[model.outputs[0]]
    ends = []
    for tensor in (source, sink):
        quantization = tensor.quantization
        if tensor.dtype != "int8" or quantization is None or len(quantization.scales) != 1:
            raise ModelError("is not int8 with one scale", where=tensor.name, fix="convert to full int8")
        ends.append(Ends(float(quantization.scales[0]), int(quantization.zero_points[0])))
    return NpuNetwork(tuple(source.shape[1:]), tuple(sink.shape[1:]), ends[0], ends[1], macs)
