"""From the float prefix as a ``.tflite`` to the steps that run: layouts chosen, padding and transposes fused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from birdnet_deploy.errors import ModelError
from birdnet_deploy.prologue.builder import Builder
from birdnet_deploy.prologue.graph import Prologue, check_prologue
from birdnet_deploy.prologue.read_elementwise import ELEMENTWISE
from birdnet_deploy.prologue.read_moves import MOVES
from birdnet_deploy.prologue.read_products import PRODUCTS
from birdnet_deploy.prologue.views import Unsupported, View, plain
from birdnet_deploy.tflite.model import Operator, TfliteModel
from birdnet_deploy.tflite.reader import read_model

LOWERINGS: Mapping[str, Callable[[Builder, Operator], View]] = {**PRODUCTS, **ELEMENTWISE, **MOVES}
_WHERE = "the prologue"
_FIX = "cut elsewhere, or take --prologue none"


def prologue_from_tflite(data: bytes) -> Prologue:
    """Gives the steps of a float32 ``.tflite`` of one input and one output, both of batch 1.

    Raises: ModelError (exit 3) where the file is malformed, not float32 or dynamic, or where operators have no
    kernel, which are listed all at once with the tensor that they make.
    """
    model = read_model(data)
    _check_ends(model)
    builder = Builder(model)
    missing: list[str] = []
    for op in model.operators:
        if not any(index in builder.views for index in op.inputs):
            builder.fold_constant(op)
            continue
        missing += _lowered(builder, op)
        if missing and op.outputs[0] not in builder.views:  # goes on as if it were there, to find all
            tensor = model.tensors[op.outputs[0]]
            builder.views[tensor.index] = plain(builder.new(max(1, math.prod(tensor.shape))), tensor.shape)
    if missing:
        raise ModelError(f"no float kernel for {'; '.join(missing)}", where=_WHERE, fix=_FIX)
    prologue = _finished(builder, model)
    check_prologue(prologue, _WHERE)
    return prologue


def _lowered(builder: Builder, op: Operator) -> list[str]:
    name = builder.model.tensors[op.outputs[0]].name
    lowering = LOWERINGS.get(op.op)
    if lowering is None:
        return [f"{op.op} ({name})"]
    try:
        _check_float(builder, op)
        builder.views[op.outputs[0]] = lowering(builder, op)
    except Unsupported as reason:
        return [f"{op.op} ({name}) {reason}"]
    builder.complete(name)
    return []


def _check_ends(model: TfliteModel) -> None:
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(f"has {len(model.inputs)} inputs and {len(model.outputs)} outputs", where=_WHERE, fix=_FIX)
    for index in (*model.inputs, *model.outputs):
        tensor = model.tensors[index]
        if tensor.dtype != "float32" or not tensor.shape or tensor.shape[0] != 1 or 0 in tensor.shape:
            what = f"{tensor.name!r} is {tensor.dtype} {list(tensor.shape)}, not float32 of batch 1"
            raise ModelError(what, where=_WHERE, fix=_FIX)


def _check_float(builder: Builder, op: Operator) -> None:
    for index in (*op.inputs[:1], *op.outputs):
        tensor = builder.model.tensors[index]
        if tensor.dtype != "float32" and not tensor.data:
            raise Unsupported(f"is {tensor.dtype}, not float32")
        if tensor.shape_signature is not None and -1 in tensor.shape_signature:
            raise Unsupported("has a dynamic shape")
    for index in op.inputs:
        constant = builder.model.tensors[index].data if index >= 0 else b""
        if constant and builder.model.tensors[index].dtype == "float32":
            values = np.frombuffer(constant, "<f4")
            if not np.isfinite(values).all():
                raise Unsupported("has a constant that is not finite")


def _finished(builder: Builder, model: TfliteModel) -> Prologue:
    source, target = model.tensors[model.inputs[0]], model.tensors[model.outputs[0]]
    if target.index not in builder.views:
        raise ModelError("its output does not depend on its input", where=_WHERE, fix=_FIX)
    end = builder.plain(builder.views[target.index])
    if end.tensor == builder.input or end.size != builder.sizes[end.tensor]:
        end = builder.copied(end)
    builder.complete(target.name)
    used = builder.used(end.tensor)
    place = {tensor: i for i, tensor in enumerate(used)}
    return Prologue(
        input_shape=source.shape[1:],
        output_shape=target.shape[1:],
        sizes=tuple(builder.sizes[tensor] for tensor in used),
        input=place[builder.input],
        output=place[end.tensor],
        steps=builder.renumbered(place),
    )
