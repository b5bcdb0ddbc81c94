"""The content of a ``.tflite`` file as frozen records; ``reader.read_model`` gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Quantization:
    """``real = scales[c] * (q - zero_points[c])``; one pair, or one for each index ``c`` along ``axis``.

    Scales are the exact float32 values of the file, finite and not negative (0 occurs in broken models).
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int


@dataclass(frozen=True)
class Tensor:
    """One tensor. ``data`` is little endian, row-major, and empty for an activation."""

    index: int
    name: str
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...] | None
    dtype: str
    quantization: Quantization | None
    data: bytes


@dataclass(frozen=True)
class Operator:
    """One operator, in the order of execution. An input of -1 is absent.

    ``options`` has the schema's field names, defaults filled in, enums as names; it is empty for operators
    without options and for those that this project has no use for.
    """

    index: int
    op: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class TfliteModel:
    """A model of one subgraph; ``inputs`` and ``outputs`` are tensor indices."""

    sha256: str
    size_bytes: int
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
