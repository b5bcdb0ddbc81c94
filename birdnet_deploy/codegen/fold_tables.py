"""Chains of operators that depend on one int8 value become one table look-up.

Functions of one value, products with a constant of each channel (a depthwise 1x1 filter), and sums of such branches
are all functions of the one tensor that they begin with: 256 values, by channel where constants are. What nobody else
reads is never computed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from birdnet_deploy.codegen.graph import Graph
from birdnet_deploy.codegen.steps import Alias, Array, Field, Step, Values
from birdnet_deploy.tflite.reader import Tensor

_LEAST_PIXELS = 128  # tables by channel are at most twice as large as the tensor
_MOST_BYTES = 32_768
_INT8 = np.arange(-128, 128)


def fold_tables(graph: Graph, steps: Sequence[Step], aliases: Sequence[Alias]) -> list[Step]:
    """Gives the steps with every such chain as one look-up; all tensors that other steps read stay as they are."""
    return _Folding(graph, steps, aliases).result()


class _Folding:
    """What is known of each tensor: the tensor that it is a function of, and that function by channel."""

    def __init__(self, graph: Graph, steps: Sequence[Step], aliases: Sequence[Alias]) -> None:
        self.tensors = graph.model.tensors
        self.steps = steps
        self.roots: dict[int, int] = {}
        self.functions: dict[int, Values] = {}
        self.makers: dict[int, Step] = {}
        for step in steps:
            self._add(step)
        self.read = {graph.output.index, *(alias.source for alias in aliases)}
        self._mark_what_is_read()

    def _add(self, step: Step) -> None:
        """Notes a step whose result is a function of one tensor."""
        activations = {i for i in step.inputs if not self.tensors[i].data}
        roots = {self.roots.get(i, i) for i in activations}
        alike = all(self.tensors[i].shape == step.node.output.shape for i in activations)
        if step.function is None or len(roots) != 1 or not alike:
            return
        inputs = [self._values(i, step.node.output) for i in step.inputs]
        if all(values is not None for values in inputs):
            function = _narrowed(step.function([values for values in inputs if values is not None]))
            if _is_worth_it(function, step.node.output):
                self.roots[step.output] = roots.pop()
                self.functions[step.output] = function
                self.makers[step.output] = step

    def _values(self, index: int, output: Tensor) -> Values | None:
        """Gives a tensor as a function of its root: [channels or 1, 256], or [channels or 1, 1] of a constant."""
        tensor = self.tensors[index]
        if not tensor.data:
            return self.functions.get(index, _INT8[np.newaxis])
        count = math.prod(tensor.shape)
        by_channel = bool(tensor.shape) and count == tensor.shape[-1] == output.shape[-1]
        if count != 1 and not by_channel:
            return None
        return np.frombuffer(tensor.data, np.int8).astype(np.int64).reshape(-1, 1)

    def _mark_what_is_read(self) -> None:
        """A folded result is computed only where a step reads it that is not folded itself."""
        for step in self.steps:
            if step.output not in self.functions:
                self.read.update(step.inputs)

    def result(self) -> list[Step]:
        """Gives the steps that are left."""
        kept = []
        for step in self.steps:
            if step.output not in self.functions:
                kept.append(step)
            elif step.output in self.read:
                kept.append(self._lookup(step))
        return kept

    def _lookup(self, step: Step) -> Step:
        chain = self._chain(step)
        if len(chain) == 1 and step.kernel == "nn_lookup":
            return step
        function = self.functions[step.output]
        channels, count = step.node.output.shape[-1], math.prod(step.node.output.shape)
        name = f"table_{step.node.operator.index}"
        if len(function) == 1:
            kernel = "nn_lookup"
            table = Array(name, "int8_t", tuple(function[0].tolist()), "for -128 .. 127")
            fields: tuple[Field, ...] = (("count", count), ("table", table))
        else:
            kernel = "nn_lookup_channels"
            turned = np.roll(function, 128, axis=1)
            tables = Array(name, "int8_t", tuple(turned.ravel().tolist()), "[channel][0 .. 127, -128 .. -1]")
            fields = (("pixels", count // channels), ("channels", channels), ("tables", tables))
        folds = tuple(link.node.operator.index for link in chain)
        macs = sum(link.macs for link in chain)
        return Step(step.node, kernel, fields, (self.roots[step.output],), shares=(0,), macs=macs, folds=folds)

    def _chain(self, step: Step) -> list[Step]:
        """Gives the steps that a look-up stands for, in order."""
        found, waiting = {step.output: step}, [step]
        while waiting:
            for index in waiting.pop().inputs:
                maker = self.makers.get(index)
                if maker is not None and index not in found:
                    found[index] = maker
                    waiting.append(maker)
        return [link for link in self.steps if link.output in found]


def _narrowed(function: Values) -> Values:
    """Gives one row where all channels have the same function."""
    return function[:1] if (function == function[:1]).all() else function


def _is_worth_it(function: Values, output: Tensor) -> bool:
    pixels = math.prod(output.shape) // output.shape[-1]
    return len(function) == 1 or (pixels >= _LEAST_PIXELS and function.size <= _MOST_BYTES)
