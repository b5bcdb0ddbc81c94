"""What a project asks of the parts that codegen makes of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Affine(Protocol):
    """An int8 tensor's meaning: ``(q - zero_point) * scale``."""

    @property
    def scale(self) -> float:
        """The step between two int8 values."""

    @property
    def zero_point(self) -> int:
        """The int8 value of zero."""


class Part(Protocol):
    """What a project needs to know of generated C; shapes are without batch."""

    @property
    def files(self) -> Mapping[str, str]:
        """File names and texts, for ``generated/``."""

    @property
    def arena_bytes(self) -> int:
        """Memory for its tensors, the input included."""

    @property
    def macs(self) -> int:
        """Multiplications with weights of one window."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The input's shape."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The output's shape."""


class Network(Part, Protocol):
    """The int8 network that runs: generated C, or for the NPU nothing but its ends (``npu_network.NpuNetwork``)."""

    @property
    def kernel_sources(self) -> tuple[str, ...]:
        """File names in ``core/nn`` that it calls."""

    @property
    def output_quantization(self) -> Affine:
        """What an output value means."""


class Prologue(Part, Protocol):
    """The generated float layers: from the features to the network's input."""

    @property
    def sources(self) -> tuple[str, ...]:
        """File names in ``core/prologue`` that it calls."""
