"""What lowering makes of operators: kernel calls, the constants they need, and tensors that share memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.codegen.graph import Node


@dataclass(frozen=True)
class Array:
    """A constant C array; ``layout`` says in words what lies in it."""

    name: str
    c_type: str
    values: tuple[int | float, ...]
    layout: str

    @property
    def size_bytes(self) -> int:
        """Bytes of the array in C."""
        return len(self.values) * {"int8_t": 1, "int32_t": 4, "double": 8}[self.c_type]


Field = tuple[str, "Value"]
Value = int | bool | Array | tuple[int, ...] | tuple[Field, ...]

Values = NDArray[np.int64]  # int8 values by channel: [channels or 1, values or 1]
Function = Callable[[Sequence[Values]], Values]


@dataclass(frozen=True)
class Step:
    """One call of a kernel: ``function(&parameters, inputs.., output[, scratch])``.

    ``inputs`` are tensor indices. ``shares`` are positions of inputs whose memory the output may take over, and
    ``scratch_bytes`` is what the call needs while it runs. ``fallible`` kernels return a status. ``function`` computes
    the result from the inputs' values where each depends on one value (and its channel) only. ``folds`` are the
    operators that the call computes, where they are several.
    """

    node: Node
    kernel: str
    fields: tuple[Field, ...]
    inputs: tuple[int, ...]
    shares: tuple[int, ...] = ()
    scratch_bytes: int = 0
    takes_scratch: bool = False
    fallible: bool = False
    macs: int = 0
    struct: str = ""
    function: Function | None = None
    folds: tuple[int, ...] = ()

    @property
    def output(self) -> int:
        """The index of the tensor that the step writes, wholly or in part."""
        return self.node.output.index

    @property
    def struct_name(self) -> str:
        """The C structure of the parameters."""
        return self.struct or self.kernel

    def arrays(self) -> tuple[Array, ...]:
        """Gives the constant arrays among the parameters."""
        return tuple(_arrays_of(self.fields))


@dataclass(frozen=True)
class Alias:
    """A tensor whose values lie in another tensor's memory, ``offset`` bytes from its start."""

    tensor: int
    source: int
    offset: int


Lowered = Sequence[Step] | Alias


def _arrays_of(fields: tuple[Field, ...]) -> list[Array]:
    found: list[Array] = []
    for _, value in fields:
        if isinstance(value, Array):
            found.append(value)
        elif is_struct(value):
            found.extend(_arrays_of(value))  # type: ignore[arg-type]
    return found


def is_struct(value: Value) -> bool:
    """Says whether a value is a nested structure, not a number, array or list of numbers."""
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], tuple)
