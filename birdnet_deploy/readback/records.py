"""The records of protocol BN1, typed and checked; unknown types and fields are kept (docs/protocol.md)."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.readback.stage import Stage, stage_of
from birdnet_deploy.tflite.scores import activate

PROTOCOL = 1
ACTIVATIONS = ("none", "sigmoid", "softmax")
MAX_CLASSES = 16_000
_U32 = 2**32 - 1
_MAX_FLOAT32 = float(np.finfo(np.float32).max)
_HEX = frozenset("0123456789abcdefABCDEF")


class RecordRejected(ValueError):
    """A record that arrived whole but whose fields cannot be right (F39)."""


@dataclass(frozen=True)
class Hello:
    """The first record of a boot: which firmware, model and lock, and how outputs become scores.

    ``npu`` and ``prologue`` are there where a prologue runs before the network.
    """

    seq: int
    proto: int
    fw: str
    model: str
    lock: str
    boot: str
    classes: int
    scale: float
    zp: int
    act: str
    extra: Mapping[str, Any]
    npu: str | None = None
    prologue: str | None = None


@dataclass(frozen=True)
class Inference:
    """The outputs of one window: ``start`` in samples, ``us`` in microseconds or None."""

    seq: int
    boot: str
    file: str
    win: int
    start: int
    start_ms: int
    out: bytes
    top: tuple[int, ...]
    us: Mapping[str, int] | None
    extra: Mapping[str, Any]

    @property
    def outputs(self) -> NDArray[np.int8]:
        """The int8 outputs, in the order of the labels."""
        return np.frombuffer(self.out, dtype=np.int8)


@dataclass(frozen=True)
class Error:
    """What the firmware could not do, such as a file that it could not read; it goes on."""

    seq: int
    fields: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The fields as people read them."""
        return _plain(self.fields)

    @property
    def is_golden(self) -> bool:
        """Whether the firmware's network missed its golden window at boot (app/golden.c): it predicts nothing then."""
        return self.fields.get("file") == "golden"


@dataclass(frozen=True)
class Fault:
    """The firmware crashed; the fields are what it knew, such as registers (eight hex digits each)."""

    seq: int
    fields: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The fields as people read them, the configurable fault status decoded."""
        causes = fault_causes(self.fields.get("cfsr"))
        return _plain(self.fields) + (f" ({', '.join(causes)})" if causes else "")


@dataclass(frozen=True)
class Bye:
    """The end of a run: how many windows it reported and how many records it had to drop."""

    seq: int
    windows: int
    dropped: int
    extra: Mapping[str, Any]


@dataclass(frozen=True)
class Unknown:
    """A record of a type that this version does not know."""

    seq: int
    kind: str
    fields: Mapping[str, Any]


# Source: Armv8-M Architecture Reference Manual (DDI 0553), CFSR: MMFSR, BFSR and UFSR in one word.
_CFSR_BITS = {
    0: "instruction access violation",
    1: "data access violation",
    3: "memory fault on exception return",
    4: "memory fault on exception entry",
    5: "memory fault in lazy float state",
    8: "instruction bus error",
    9: "precise data bus error",
    10: "imprecise data bus error",
    11: "bus fault on exception return",
    12: "bus fault on exception entry",
    13: "bus fault in lazy float state",
    16: "undefined instruction",
    17: "invalid state",
    18: "invalid exception return",
    19: "no coprocessor",
    20: "stack overflow",
    24: "unaligned access",
    25: "division by zero",
}


def fault_causes(cfsr: object) -> list[str]:
    """Gives what the bits of a CFSR say, a string of hex digits as ``fault`` records hold it."""
    if not isinstance(cfsr, str) or not cfsr or not _HEX.issuperset(cfsr):
        return []
    bits = int(cfsr, 16)
    return [cause for bit, cause in _CFSR_BITS.items() if bits >> bit & 1]


def _plain(fields: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in fields.items())


AnyRecord = Hello | Inference | Stage | Error | Fault | Bye | Unknown


def parse_record(seq: int, data: Mapping[str, Any], hello: Hello | None) -> AnyRecord:
    """Gives the typed record of a frame; ``hello`` is the boot's, which says how many classes there are.

    Raises: RecordRejected where a field is missing, of another type or out of range.
    """
    fields = _Fields(data)
    kind = fields.text("t")
    if kind == "hello":
        return _hello(seq, fields)
    if kind in ("inf", "stage") and hello is not None:
        return _inference(seq, fields, hello) if kind == "inf" else stage_of(seq, fields)
    if kind == "bye":
        return Bye(seq, fields.integer("windows", 0, _U32), fields.integer("dropped", 0, _U32), fields.rest())
    if kind == "err":
        return Error(seq, fields.rest())
    if kind == "fault":
        return Fault(seq, fields.rest())
    return Unknown(seq, kind, fields.rest())


def _hello(seq: int, fields: _Fields) -> Hello:
    proto = fields.integer("proto", 0, _U32)
    if proto != PROTOCOL:  # its other fields may mean something else: only the number can be told
        return Hello(seq, proto, "", "", "", "", 0, 0.0, 0, "none", fields.rest())
    return Hello(
        seq=seq,
        proto=proto,
        fw=fields.text("fw"),
        model=fields.hexadecimal("model", 64),
        lock=fields.hexadecimal("lock", 64),
        boot=fields.hexadecimal("boot", 8),
        classes=fields.integer("classes", 1, MAX_CLASSES),
        scale=fields.scale("scale"),
        zp=fields.integer("zp", -128, 127),
        act=fields.choice("act", ACTIVATIONS),
        npu=fields.optional_hexadecimal("npu", 64),
        prologue=fields.optional_hexadecimal("prologue", 64),
        extra=fields.rest(),
    )


def _inference(seq: int, fields: _Fields, hello: Hello) -> Inference:
    return Inference(
        seq=seq,
        boot=hello.boot,
        file=fields.text("file"),
        win=fields.integer("win", 0, _U32),
        start=fields.integer("start", 0, _U32),
        start_ms=fields.integer("start_ms", 0, _U32 * 1000),
        out=binascii.unhexlify(fields.hexadecimal("out", 2 * hello.classes)),
        top=fields.indices("top", hello.classes),
        us=fields.durations("us"),
        extra=fields.rest(),
    )


class _Fields:
    """Takes the fields of a record one by one; what nobody took is ``rest``."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self._taken: set[str] = set()

    def rest(self) -> dict[str, Any]:
        return {key: value for key, value in self._data.items() if key not in self._taken}

    def _take(self, key: str) -> Any:
        if key not in self._data:
            raise RecordRejected(f"{key} is missing")
        self._taken.add(key)
        return self._data[key]

    def _checked(self, key: str, good: Callable[[Any], bool], expected: str) -> Any:
        value = self._take(key)
        if not good(value):
            shown = repr(value)
            raise RecordRejected(f"{key} is {shown[:40]}{'...' if len(shown) > 40 else ''}, not {expected}")
        return value

    def text(self, key: str) -> str:
        return str(self._checked(key, lambda v: isinstance(v, str) and v.isprintable() and v != "", "a name"))

    def hexadecimal(self, key: str, digits: int) -> str:
        def good(value: Any) -> bool:
            return isinstance(value, str) and len(value) == digits and _HEX.issuperset(value)

        return str(self._checked(key, good, f"{digits} hex digits"))

    def optional_hexadecimal(self, key: str, digits: int) -> str | None:
        return self.hexadecimal(key, digits) if key in self._data else None

    def integer(self, key: str, low: int, high: int) -> int:
        expected = f"an integer from {low} to {high}"
        return int(self._checked(key, lambda v: _is_integer(v, low, high), expected))

    def scale(self, key: str) -> float:
        def good(value: Any) -> bool:
            return type(value) in (int, float) and 0 < value <= _MAX_FLOAT32

        # the firmware prints nine digits, which name exactly one float32
        return float(np.float32(self._checked(key, good, "a positive number")))

    def choice(self, key: str, valid: tuple[str, ...]) -> str:
        expected = f"one of {', '.join(valid)}"
        return str(self._checked(key, lambda v: isinstance(v, str) and v in valid, expected))

    def indices(self, key: str, classes: int) -> tuple[int, ...]:
        def good(value: Any) -> bool:
            if not isinstance(value, list) or not all(_is_integer(v, 0, classes - 1) for v in value):
                return False
            return len(set(value)) == len(value)

        return tuple(self._checked(key, good, f"different classes from 0 to {classes - 1}"))

    def durations(self, key: str) -> Mapping[str, int] | None:
        def good(value: Any) -> bool:
            return isinstance(value, dict) and all(_is_integer(v, 0, 2**63) for v in value.values())

        expected = "microseconds or null"
        taken: Mapping[str, int] | None = self._checked(key, lambda v: v is None or good(v), expected)
        return taken


def _is_integer(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def scores_of(outputs: NDArray[np.int8], hello: Hello) -> NDArray[np.float64]:
    """Gives the scores of int8 outputs ``[..., classes]``: ``(q - zp) * scale``, then the activation."""
    return activate((outputs.astype(np.float64) - hello.zp) * hello.scale, hello.act)
