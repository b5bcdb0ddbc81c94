"""What a full-int8 model has to be, and what is worth knowing of one."""

from __future__ import annotations

import numpy as np

from birdnet_deploy.errors import ModelError
from birdnet_deploy.quantization.ranges import LEAST_SPAN
from birdnet_deploy.quantization.statistics import Statistics
from birdnet_deploy.tflite.interpreter import input_port, output_port
from birdnet_deploy.tflite.model import Tensor, TfliteModel

# Shapes, axes and biases; everything that carries sound is int8.
_INTEGER_CONSTANTS = frozenset({"int32", "int64"})
_SCALES = (1e-7, 1e3)  # of activations


def check_full_int8(model: TfliteModel, *, io: str, where: object, scales: bool = True) -> None:
    """Holds a model to full int8: int8 activations and weights, int32 biases and shapes, static shapes, sane scales.

    Without ``scales`` those are left to ``degenerate_scales``, which reports them.

    Raises: ModelError (exit 3) naming the first tensor that is not.
    """
    input_port(model), output_port(model)
    ends = {*model.inputs, *model.outputs} if io == "float32" else set()
    for tensor in model.tensors:
        if tensor.shape_signature is not None and -1 in tensor.shape_signature:
            raise ModelError(f"tensor {tensor.name!r} has a dynamic shape", where=where, fix="report this")
        if tensor.dtype == "int8":
            if scales:
                _check_scale(tensor, where)
        elif not (tensor.data and tensor.dtype in _INTEGER_CONSTANTS) and not (
            tensor.index in ends and tensor.dtype == "float32"
        ):
            raise ModelError(
                f"tensor {tensor.name!r} stayed {tensor.dtype}, the model is not full int8",
                where=where, fix="simplify the layer that it belongs to",
            )  # fmt: skip


def _check_scale(tensor: Tensor, where: object) -> None:
    """Refuses an activation without a range: at a scale of 7.8e-9 kernels disagree between 0 and saturation."""
    if tensor.data or tensor.quantization is None:
        return
    scale = tensor.quantization.scales[0]
    if not _SCALES[0] <= scale <= _SCALES[1]:
        raise _without_range(tensor.name, scale, where)


def _without_range(name: str, scale: float, where: object) -> ModelError:
    what = "hardly moves" if scale < _SCALES[1] else "has no usable range"
    return ModelError(
        f"activation {name!r} {what} on the calibration windows (scale {scale:.3g})",
        where=where, fix="train the model, calibrate on more varied recordings, or remove the dead branch",
    )  # fmt: skip


def check_moves(model: TfliteModel, statistics: Statistics, where: object) -> None:
    """Refuses a float graph with an activation that is next to nothing on every window.

    Raises: ModelError (exit 3) naming the first.
    """
    for index, tensor in statistics.tensors.items():
        span = max(float(tensor.high.max()), 0.0) - min(float(tensor.low.min()), 0.0)
        if span <= LEAST_SPAN:
            raise _without_range(model.tensors[index].name, span / 255, where)


def degenerate_scales(model: TfliteModel) -> list[str]:
    """Gives a line for each activation whose scale ``check_full_int8`` would refuse."""
    return [
        f"activation {tensor.name!r} has the scale {tensor.quantization.scales[0]:.3g}, at which kernels disagree"
        for tensor in model.tensors
        if tensor.dtype == "int8" and not tensor.data and tensor.quantization is not None
        if not _SCALES[0] <= tensor.quantization.scales[0] <= _SCALES[1]
    ]


def dead_channels(model: TfliteModel) -> list[str]:
    """Gives a line for each layer that has channels whose weights are all zero: they can be trained away or pruned."""
    lines = []
    for op in model.operators:
        if op.op not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            continue
        weights = model.tensors[op.inputs[1]]
        values = np.frombuffer(weights.data, np.int8).reshape(weights.shape)
        axis = values.ndim - 1 if op.op == "DEPTHWISE_CONV_2D" else 0
        dead = int((~values.any(axis=tuple(i for i in range(values.ndim) if i != axis))).sum())
        if dead:
            name = model.tensors[op.outputs[0]].name.split(";")[0]
            lines.append(f"{name!r}: {dead} of {values.shape[axis]} channels are dead")
    return lines
