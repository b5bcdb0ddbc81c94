"""What a ``.tflite`` file holds, read without TensorFlow: tensors, operators, quantization, weights.

The file is not trusted: ``flatbuffer`` checks every byte that is followed, this module that what it says
hangs together (indices, data sizes, quantization, the order of execution). What comes out can be iterated
over blindly. The schema is data, ``schema.json``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import ModelError, UsageError
from birdnet_deploy.support.hashes import sha256_bytes
from birdnet_deploy.tflite.flatbuffer import Field, Flatbuffer, parse_fields
from birdnet_deploy.tflite.model import Operator, Quantization, Tensor, TfliteModel

__all__ = ["Operator", "Quantization", "Tensor", "TfliteModel", "read_model"]

MAX_FILE_BYTES = 64 * 1024 * 1024  # the weights' slot in the flash of the STM32N6570-DK is smaller
MAX_RANK = 16
SCHEMA_VERSION = 3
_PLACEHOLDER = 127  # a deprecated_builtin_code that means: see builtin_code

_BITS = {
    "bool": 8, "int8": 8, "uint8": 8, "int16": 16, "uint16": 16, "float16": 16, "bfloat16": 16,
    "int32": 32, "uint32": 32, "float32": 32, "int64": 64, "uint64": 64, "float64": 64, "complex64": 64,
    "complex128": 128, "int4": 4, "uint4": 4, "int2": 2, "float8_e4m3fn": 8, "float8_e5m2": 8,
}  # fmt: skip
_ZERO_POINTS = {
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-32768, 32767),
    "int32": (-(2**31), 2**31 - 1),
}


@dataclass(frozen=True)
class _Schema:
    tables: Mapping[str, tuple[Field, ...]]
    options: Mapping[str, tuple[Field, ...]]
    option_ids: Mapping[str, int]
    operator_options: Mapping[str, str]
    inputs: Mapping[str, tuple[int, int]]
    operators: tuple[str, ...]


@lru_cache(maxsize=1)
def _schema() -> _Schema:
    raw = json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
    enums = {name: tuple(values) for name, values in raw["enums"].items()}
    return _Schema(
        tables={name: parse_fields(text, enums) for name, text in raw["tables"].items()},
        options={name: parse_fields(text, enums) for name, text in raw["options"].items()},
        option_ids=raw["option_ids"],
        operator_options=raw["operator_options"],
        inputs={op: (int(text.split()[0]), int(text.split()[1])) for op, text in raw["inputs"].items()},
        operators=enums["BuiltinOperator"],
    )


def read_model(source: Path | bytes) -> TfliteModel:
    """Gives the content of a ``.tflite`` file, or of its bytes.

    Raises: UsageError (exit 2) where the path is missing or no file; ModelError (exit 3) where the file
    cannot be read, is malformed, is larger than 64 MiB, has several subgraphs, sparse tensors or data outside
    the flatbuffer.
    """
    where: object = "the model" if isinstance(source, bytes) else source
    data = source if isinstance(source, bytes) else _read_file(source)
    if len(data) > MAX_FILE_BYTES:
        raise ModelError(f"larger than {MAX_FILE_BYTES} bytes", where=where, fix="no target takes it")
    return _Reader(Flatbuffer(data, where)).model()


def _read_file(path: Path) -> bytes:
    if not path.is_file():
        what = "a folder, not a .tflite file" if path.is_dir() else "no such .tflite file"
        raise UsageError(what, where=path, fix="name a .tflite file")
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", where=path, fix="mend permissions") from error


class _Reader:
    """One pass over one file."""

    def __init__(self, buffer: Flatbuffer) -> None:
        self.buffer = buffer
        self.schema = _schema()
        self._data: dict[int, bytes] = {}
        self._variables: set[int] = set()
        self._buffers: tuple[int, ...] = ()

    def _table(self, kind: str, position: int, what: str) -> dict[str, Any]:
        return self.buffer.read(position, self.schema.tables[kind], what)

    def model(self) -> TfliteModel:
        root = self._table("Model", self.buffer.root(b"TFL3"), "the model")
        if root["version"] != SCHEMA_VERSION:
            self.buffer.fail(f"it has schema version {root['version']}, not {SCHEMA_VERSION}")
        subgraphs: tuple[int, ...] = root["subgraphs"] or ()
        if len(subgraphs) != 1:
            self.buffer.fail(f"it has {len(subgraphs)} subgraphs where one is read")
        self._buffers = root["buffers"] or ()
        graph = self._table("SubGraph", subgraphs[0], "the subgraph")
        tensors = tuple(self._tensor(i, at) for i, at in enumerate(graph["tensors"] or ()))
        codes = [self._code(i, at) for i, at in enumerate(root["operator_codes"] or ())]
        operators = tuple(self._operator(i, at, codes) for i, at in enumerate(graph["operators"] or ()))
        model = TfliteModel(
            sha256=sha256_bytes(self.buffer.data),
            size_bytes=len(self.buffer.data),
            tensors=tensors,
            operators=operators,
            inputs=graph["inputs"] or (),
            outputs=graph["outputs"] or (),
        )
        self._check_indices(model)
        self._check_order(model)
        return model

    def _tensor(self, index: int, position: int) -> Tensor:
        raw = self._table("Tensor", position, f"tensor {index}")
        what = f"tensor {index} ({_shown(raw['name'])})"
        shape = raw["shape"] or ()
        if len(shape) > MAX_RANK or any(n < 0 for n in shape):
            self.buffer.fail(f"{what} has the shape {list(shape)[:MAX_RANK]}")
        signature = raw["shape_signature"]
        if signature is not None and (len(signature) != len(shape) or any(n < -1 for n in signature)):
            self.buffer.fail(f"{what} has a shape signature that is none of its shape")
        if raw["is_variable"]:
            self._variables.add(index)
        if raw["sparsity"] is not None:
            self.buffer.fail(f"{what} is sparse, which is not read")
        if raw["external_buffer"]:
            self.buffer.fail(f"{what} keeps its data in an external buffer, which is not read")
        dtype = raw["type"].lower()
        data = self._buffer_data(raw["buffer"], what)
        if data and dtype in _BITS and len(data) != (math.prod(shape) * _BITS[dtype] + 7) // 8:
            self.buffer.fail(f"{what} has {len(data)} bytes of data for shape {list(shape)} of {dtype}")
        quantization = self._quantization(raw["quantization"], shape, dtype, what)
        return Tensor(index, raw["name"] or "", shape, signature, dtype, quantization, data)

    def _buffer_data(self, index: int, what: str) -> bytes:
        if index in self._data:
            return self._data[index]
        if index >= len(self._buffers):
            self.buffer.fail(f"{what} names buffer {index} of {len(self._buffers)}")
        raw = self._table("Buffer", self._buffers[index], f"buffer {index}")
        if raw["offset"] > 1 or raw["size"] > 1:
            self.buffer.fail(f"buffer {index} keeps its data outside the flatbuffer, which is not read")
        self._data[index] = raw["data"] or b""
        return self._data[index]

    def _quantization(self, position: int | None, shape: tuple[int, ...], dtype: str, what: str) -> Quantization | None:
        if position is None:
            return None
        raw = self._table("QuantizationParameters", position, f"the quantization of {what}")
        scales = raw["scale"] or ()
        if not scales:
            return None
        zeros = raw["zero_point"] or (0,)
        zeros = zeros * len(scales) if len(zeros) == 1 else zeros
        axis = raw["quantized_dimension"]
        if len(zeros) != len(scales):
            self.buffer.fail(f"{what} has {len(scales)} scales and {len(zeros)} zero points")
        if not all(math.isfinite(scale) and scale >= 0 for scale in scales):
            self.buffer.fail(f"{what} has a scale that is negative or no number")
        low, high = _ZERO_POINTS.get(dtype, (-(2**63), 2**63 - 1))
        if not all(low <= zero <= high for zero in zeros):
            self.buffer.fail(f"{what} has a zero point out of the range of {dtype}")
        if len(scales) > 1 and not (0 <= axis < len(shape) and shape[axis] == len(scales)):
            self.buffer.fail(f"{what} has {len(scales)} scales along axis {axis} of shape {list(shape)}")
        return Quantization(scales, zeros, axis)

    def _code(self, index: int, position: int) -> tuple[str, int, str]:
        """Gives name, version and custom name of an operator code."""
        raw = self._table("OperatorCode", position, f"operator code {index}")
        old, new = raw["deprecated_builtin_code"], raw["builtin_code"]
        number = new if old == _PLACEHOLDER else max(old, new)
        if number < 0:
            self.buffer.fail(f"operator code {index} is {number}")
        known = self.schema.operators
        name = known[number] if number < len(known) else f"BUILTIN_{number}"
        return name, raw["version"], raw["custom_code"] or ""

    def _operator(self, index: int, position: int, codes: list[tuple[str, int, str]]) -> Operator:
        raw = self._table("Operator", position, f"operator {index}")
        if raw["opcode_index"] >= len(codes):
            self.buffer.fail(f"operator {index} names code {raw['opcode_index']} of {len(codes)}")
        name, version, custom = codes[raw["opcode_index"]]
        options = {"custom_code": custom} if name == "CUSTOM" else self._options(index, name, raw)
        return Operator(index, name, version, raw["inputs"] or (), raw["outputs"] or (), options)

    def _options(self, index: int, name: str, raw: Mapping[str, Any]) -> dict[str, Any]:
        kind = self.schema.operator_options.get(name)
        if kind is None:
            return {}
        what = f"the options of operator {index} ({name})"
        fields = self.schema.options[kind]
        if raw["builtin_options_type"] not in (0, self.schema.option_ids[kind]):
            self.buffer.fail(f"{what} are not {kind}")
        if raw["builtin_options_type"] == 0 or raw["builtin_options"] is None:
            return {f.name: () if f.vector else f.names[f.default] if f.names else f.default for f in fields}
        values = self.buffer.read(raw["builtin_options"], fields, what)
        return {key: () if value is None else value for key, value in values.items()}

    def _check_indices(self, model: TfliteModel) -> None:
        count = len(model.tensors)
        for op in model.operators:
            if not all(-1 <= i < count for i in op.inputs) or not all(0 <= i < count for i in op.outputs):
                self.buffer.fail(f"operator {op.index} ({op.op}) reads or writes a tensor that is not there")
            self._check_arity(op)
        if not model.inputs or not model.outputs:
            self.buffer.fail("the graph has no input or no output")
        if not all(0 <= i < count for i in (*model.inputs, *model.outputs)):
            self.buffer.fail("an input or output of the graph is a tensor that is not there")
        if any(model.tensors[i].data for i in model.inputs):
            self.buffer.fail("an input of the graph is a constant")

    def _check_arity(self, op: Operator) -> None:
        """Holds an operator to its number of inputs and to one output, where the schema file tells."""
        fewest, most = self.schema.inputs.get(op.op, (0, len(op.inputs)))
        given = sum(index >= 0 for index in op.inputs[:fewest])
        if given < fewest or len(op.inputs) > most or (op.op in self.schema.inputs and len(op.outputs) != 1):
            self.buffer.fail(f"operator {op.index} ({op.op}) has the wrong number of inputs or outputs")

    def _check_order(self, model: TfliteModel) -> None:
        """Holds the graph to a sound order: what is read was written before, and nothing is written twice."""
        made = {index for op in model.operators for index in op.outputs}
        empty = {t.index for t in model.tensors if math.prod(t.shape) == 0 and t.index not in made}
        ready = {t.index for t in model.tensors if t.data} | set(model.inputs) | self._variables | empty
        for op in model.operators:
            for index in op.inputs:
                if index >= 0 and index not in ready:
                    self.buffer.fail(f"operator {op.index} ({op.op}) reads tensor {index} before it exists")
            for index in op.outputs:
                if index in ready:
                    self.buffer.fail(f"operator {op.index} ({op.op}) writes tensor {index}, which is taken")
                ready.add(index)
        for index in model.outputs:
            if index not in ready:
                self.buffer.fail(f"output tensor {index} is never written")


def _shown(name: str | None) -> str:
    """Gives a tensor's name cut to a length fit for one line."""
    text = name or "no name"
    return text if len(text) <= 80 else f"{text[:77]}..."
