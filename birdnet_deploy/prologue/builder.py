"""What lowering writes to: tensors, steps, and where the values of each ``.tflite`` tensor lie."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.prologue.graph import Step
from birdnet_deploy.prologue.views import Unsupported, View, plain
from birdnet_deploy.tflite.model import Operator, TfliteModel

MAX_NAME = 48  # characters of a step's name in records and comments
_RANK = 4  # of a copy
_DTYPES = {"float32": "<f4", "int32": "<i4", "int64": "<i8", "float16": "<f2"}


class Builder:
    """The prologue as it grows; ``views`` holds the tensors that are computed, by their index in the file."""

    def __init__(self, model: TfliteModel) -> None:
        self.model = model
        self.sizes: list[int] = []
        self.steps: list[Step] = []
        self.folded: dict[int, NDArray[Any]] = {}
        source = model.tensors[model.inputs[0]]
        self.input = self.new(math.prod(source.shape))
        self.views: dict[int, View] = {source.index: plain(self.input, source.shape)}
        self._named = 0
        self._names: set[str] = set()

    def new(self, count: int) -> int:
        """Gives a new tensor of so many floats."""
        self.sizes.append(count)
        return len(self.sizes) - 1

    def shape(self, op: Operator) -> tuple[int, ...]:
        """Gives the shape of what an operator makes."""
        return self.model.tensors[op.outputs[0]].shape

    def view(self, op: Operator, position: int) -> View:
        """Gives where an operand lies.

        Raises: Unsupported where it is a constant or absent.
        """
        found = self.views.get(op.inputs[position])
        if found is None:
            raise Unsupported(f"has a constant as operand {position}")
        return found

    def constant(self, op: Operator, position: int) -> NDArray[Any] | None:
        """Gives an operand that is a constant, else None; float16 becomes float32."""
        index = op.inputs[position] if position < len(op.inputs) else -1
        if index < 0 or index in self.views:
            return None
        if index in self.folded:
            return self.folded[index]
        tensor = self.model.tensors[index]
        if tensor.dtype not in _DTYPES:
            raise Unsupported(f"has a constant of {tensor.dtype}")
        values = np.frombuffer(tensor.data, _DTYPES[tensor.dtype]).reshape(tensor.shape)
        return values.astype(np.float32) if values.dtype.kind == "f" else values

    def integers(self, op: Operator, position: int) -> list[int]:
        """Gives an operand that is a list of constant integers.

        Raises: Unsupported where it is none.
        """
        values = self.constant(op, position)
        if values is None or values.dtype.kind != "i":
            raise Unsupported(f"has an operand {position} that is no list of constants")
        return [int(value) for value in values.ravel()]

    def fold_constant(self, op: Operator) -> None:
        """Takes a DEQUANTIZE of a float16 constant as the constant; what else is constant stays unknown."""
        if op.op == "DEQUANTIZE" and self.model.tensors[op.inputs[0]].dtype == "float16":
            values = self.constant(op, 0)
            assert values is not None
            self.folded[op.outputs[0]] = values

    def emit(
        self, kind: str, inputs: Sequence[int], output: int, numbers: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:  # fmt: skip
        """Adds a step; ``complete`` names it."""
        kept = {name: np.ascontiguousarray(values).ravel() for name, values in (arrays or {}).items()}
        typed = {name: values.astype("f4" if values.dtype.kind == "f" else "i4") for name, values in kept.items()}
        self.steps.append(Step(kind, "", tuple(inputs), output, dict(numbers), typed))

    def copied(self, view: View, order: Sequence[int] | None = None) -> View:
        """Gives the tensor in memory of its own, padding included, in an order of axes (row-major where None)."""
        order = tuple(order) if order is not None else tuple(range(len(view.shape)))
        output = View(self.new(math.prod(view.shape)), view.shape, order)
        at = 0
        if view.pad is not None:
            axis, before, _ = view.pad
            self.emit("fill", (), output.tensor, {"count": output.size, "low": 0.0})
            at = before * output.stride(axis)
        self.copy(view, output, view.held, out_at=at)
        return output

    def copy(
        self, source: View, target: View, shape: Sequence[int], *, in_at: int = 0, out_at: int = 0,
        steps: Sequence[int] | None = None,
    ) -> None:  # fmt: skip
        """Emits the copy of a block of ``shape``, from ``in_at`` in the source to ``out_at`` in the target.

        ``steps`` are the distances along each axis of the source, in indices.
        """
        axes = sorted((i for i, n in enumerate(shape) if n != 1), key=target.stride, reverse=True)
        if len(axes) > _RANK:
            raise Unsupported(f"moves {len(axes)} axes")
        each = [1] * len(shape) if steps is None else list(steps)
        rows = [(shape[i], source.stride(i) * each[i], target.stride(i)) for i in axes]
        rows = [(1, 0, 0)] * (_RANK - len(rows)) + rows
        numbers = {"in_at": in_at, "out_at": out_at}
        for i, (n, inward, outward) in enumerate(rows):
            numbers |= {f"n{i}": n, f"in_s{i}": inward, f"out_s{i}": outward}
        self.emit("copy", (source.tensor,), target.tensor, numbers)

    def plain(self, view: View) -> View:
        """Gives the tensor row-major with its padding, copied where it does not lie so."""
        return view if view.is_plain else self.copied(view)

    def whole(self, view: View) -> View:
        """Gives the tensor with its padding, in whichever order."""
        return view if view.pad is None else self.copied(view, view.order)

    def complete(self, name: str) -> None:
        """Names the last step after the tensor that it completes, if any step came since the last name."""
        if len(self.steps) == self._named:
            return
        short = short_name(name)
        unique, number = short, 2
        while unique in self._names:
            unique, number = f"{short} ({number})", number + 1
        self._names.add(unique)
        self.steps[-1] = replace(self.steps[-1], name=unique)
        self._named = len(self.steps)

    def used(self, output: int) -> list[int]:
        """Gives the tensors that lead from the input to ``output``; steps that do not are dropped."""
        needed = {output}
        kept = []
        for step in reversed(self.steps):
            if step.output in needed:
                needed.update(step.inputs)
                kept.append(step)
        self.steps = kept[::-1]
        return sorted(needed | {self.input})

    def renumbered(self, place: Mapping[int, int]) -> tuple[Step, ...]:
        """Gives the steps with other numbers for their tensors."""
        return tuple(
            replace(step, inputs=tuple(place[i] for i in step.inputs), output=place[step.output])
            for step in self.steps
        )  # fmt: skip


def short_name(name: str) -> str:
    """Gives the telling end of a tensor's name: of fused layers the last, printable ASCII, not too long."""
    parts = [part for part in name.split(";") if part]
    text = re.sub(r":\d+$", "", parts[0]) if parts else ""
    text = "".join(c if c.isascii() and c.isprintable() and c not in '"\\@' else "_" for c in text) or "unnamed"
    return text[-MAX_NAME:]
