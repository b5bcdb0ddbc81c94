"""The reader against TFLite's own schema classes, on models from the converter and on edited ones."""

from __future__ import annotations

import hashlib
import json
import math
import time
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest

from birdnet_deploy.errors import ModelError, UsageError
from birdnet_deploy.tflite import reader
from birdnet_deploy.tflite.flatbuffer import Flatbuffer
from birdnet_deploy.tflite.model import Operator, Tensor
from birdnet_deploy.tflite.reader import read_model
from tests.support.schema import SOURCES, edited, names_of, pack, schema, snake, unpack
from tests.support.tflite_models import tflite_models

__all__ = ["tflite_models"]
SCHEMA = json.loads((Path(reader.__file__).with_name("schema.json")).read_text())
ENUM_FIELDS = {
    "padding": "Padding", "fused_activation_function": "ActivationFunctionType", "mode": "MirrorPadMode",
    "weights_format": "FullyConnectedOptionsWeightsFormat", "quantized_bias_type": "TensorType",
    "out_type": "TensorType", "in_data_type": "TensorType", "out_data_type": "TensorType",
    "output_type": "TensorType",
}  # fmt: skip
LATER_FIELDS = {"quant_spec"}  # in newer schemas; nothing here reads it


def listed(vector: Any) -> list[Any]:
    return [] if vector is None else list(vector)


def assert_same_tensor(tensor: Tensor, expected: Any, buffers: list[Any], module: Any) -> None:
    assert tensor.name == expected.name.decode()
    assert list(tensor.shape) == listed(expected.shape)
    signature = expected.shapeSignature
    assert tensor.shape_signature == (None if signature is None else tuple(signature))
    assert tensor.dtype == names_of(module.TensorType)[expected.type].lower()
    data = buffers[expected.buffer].data
    assert tensor.data == (b"" if data is None else bytes(bytearray(data)))
    scales = listed(expected.quantization.scale) if expected.quantization else []
    if not scales:
        assert tensor.quantization is None
        return
    assert tensor.quantization is not None
    assert np.array_equal(np.float32(tensor.quantization.scales), np.float32(scales))
    assert list(tensor.quantization.zero_points) == listed(expected.quantization.zeroPoint)
    assert tensor.quantization.axis == expected.quantization.quantizedDimension


def assert_same_operator(op: Operator, expected: Any, codes: list[Any], module: Any) -> None:
    code = codes[expected.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    assert op.op == names_of(module.BuiltinOperator)[number]
    assert op.version == code.version
    assert list(op.inputs) == listed(expected.inputs)
    assert list(op.outputs) == listed(expected.outputs)
    if expected.builtinOptions is None:
        return
    expected_options = {}
    for name, raw in vars(expected.builtinOptions).items():
        key = snake(name)
        value = names_of(getattr(module, ENUM_FIELDS[key]))[raw] if key in ENUM_FIELDS else raw
        expected_options[key] = value if np.isscalar(value) else tuple(listed(value))
    for later in LATER_FIELDS:
        expected_options.pop(later, None)
    assert dict(op.options) == expected_options


def assert_equal_to_schema(data: bytes, source: str) -> None:
    """Holds everything that the reader gives against the generated classes of one package."""
    module, model, expected = schema(source), read_model(data), unpack(data, source)
    graph = expected.subgraphs[0]
    assert len(model.tensors) == len(graph.tensors)
    for tensor, other in zip(model.tensors, graph.tensors, strict=True):
        assert_same_tensor(tensor, other, expected.buffers, module)
    for op, other in zip(model.operators, graph.operators, strict=True):
        assert_same_operator(op, other, expected.operatorCodes, module)
    assert list(model.inputs) == list(graph.inputs)
    assert list(model.outputs) == list(graph.outputs)
    assert model.size_bytes == len(data)


@pytest.mark.parametrize("source", SOURCES)
def test_everything_read_equals_the_public_schema(tflite_models: Path, source: str) -> None:
    paths = sorted(tflite_models.glob("*.tflite"))
    assert len(paths) > 20
    for path in paths:
        assert_equal_to_schema(path.read_bytes(), source)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["anchor_int8.tflite", "birdnet_stm32n6_100.tflite"])
@pytest.mark.parametrize("source", SOURCES)
def test_everything_read_from_real_models_equals_the_public_schema(shared: Path, name: str, source: str) -> None:
    assert_equal_to_schema((shared / "models" / name).read_bytes(), source)


@pytest.mark.parametrize("source", SOURCES)
def test_enums_of_the_schema_file_are_the_public_ones(source: str) -> None:
    module = schema(source)
    for name, values in SCHEMA["enums"].items():
        public = names_of(getattr(module, name))  # packages differ in how new their schema is
        common = range(min(len(values), len(public)))
        assert [values[i] for i in common] == [public[i] for i in common]
        assert len(common) >= len(values) - 2
    for name, number in SCHEMA["option_ids"].items():
        assert names_of(module.BuiltinOptions)[number] == name
    operators = set(SCHEMA["enums"]["BuiltinOperator"])
    assert set(SCHEMA["operator_options"]) <= operators
    assert set(SCHEMA["inputs"]) <= operators


@pytest.mark.parametrize("name", sorted(SCHEMA["options"]))
def test_every_option_is_read_from_its_own_slot(name: str) -> None:
    """Packs the public class with another value in each field, and reads the table."""
    module = schema()
    options = getattr(module, f"{name}T")()
    expected: dict[str, Any] = {}
    for number, attribute in enumerate(vars(options), 1):
        key, value = snake(attribute), getattr(options, attribute)
        if key in LATER_FIELDS:
            continue
        if key in ENUM_FIELDS:
            value = 1
            expected[key] = names_of(getattr(module, ENUM_FIELDS[key]))[1]
        elif isinstance(value, bool):
            value = expected[key] = not value
        elif value is None or isinstance(value, list):
            value = [number, -number]
            expected[key] = tuple(value)
        else:
            value = expected[key] = type(value)(number + 5)
        setattr(options, attribute, value)
    builder = flatbuffers.Builder(64)
    builder.Finish(options.Pack(builder), b"TEST")
    buffer = Flatbuffer(bytes(builder.Output()), "options")
    fields = reader._schema().options[name]
    read = buffer.read(buffer.root(b"TEST"), fields, "options")
    assert read == {field.name: expected[field.name] for field in fields}
    assert set(expected) - set(read) <= {"new_height", "new_width"}  # deprecated


def test_absent_options_have_the_schemas_defaults(tflite_models: Path) -> None:
    def without_options(model: Any) -> None:
        for op in model.subgraphs[0].operators:
            op.builtinOptionsType, op.builtinOptions = 0, None

    model = read_model(edited((tflite_models / "good.tflite").read_bytes(), without_options))
    options = {op.op: op.options for op in model.operators}
    assert options["CONV_2D"] == {
        "padding": "SAME", "stride_w": 0, "stride_h": 0, "fused_activation_function": "NONE",
        "dilation_w_factor": 1, "dilation_h_factor": 1, "quantized_bias_type": "FLOAT32",
    }  # fmt: skip
    assert options["ADD"] == {"fused_activation_function": "NONE", "pot_scale_int16": True}


def test_a_custom_operator_keeps_its_name(tflite_models: Path) -> None:
    def custom(model: Any) -> None:
        code = model.operatorCodes[-1]
        code.builtinCode = code.deprecatedBuiltinCode = schema().BuiltinOperator.CUSTOM
        code.customCode = "Mystery"

    model = read_model(edited((tflite_models / "good.tflite").read_bytes(), custom))
    assert [op.options for op in model.operators if op.op == "CUSTOM"] == [{"custom_code": "Mystery"}]


def test_an_operator_that_the_schema_does_not_know_is_named_by_its_number(tflite_models: Path) -> None:
    def unknown(model: Any) -> None:
        model.operatorCodes[-1].builtinCode = 4000

    model = read_model(edited((tflite_models / "good.tflite").read_bytes(), unknown))
    assert "BUILTIN_4000" in {op.op for op in model.operators}


def graph_of(model: Any) -> Any:
    return model.subgraphs[0]


def set_shape(model: Any) -> None:
    next(t for t in graph_of(model).tensors if model.buffers[t.buffer].data is not None).shape = [3, 3]


def set_scale(value: float) -> Any:
    def edit(model: Any) -> None:
        graph_of(model).tensors[0].quantization.scale = [value]

    return edit


def use_later(model: Any) -> None:
    graph = graph_of(model)
    first = graph.operators[0]
    first.inputs = [graph.operators[-1].outputs[0], *first.inputs[1:]]


def write_twice(model: Any) -> None:
    graph = graph_of(model)
    graph.operators[-1].outputs = list(graph.operators[0].outputs)


def variable_cycle(model: Any) -> None:
    """A variable that an operator writes could make a walk along the graph endless."""
    graph = graph_of(model)
    graph.tensors[graph.operators[-1].outputs[0]].isVariable = True
    use_later(model)


def empty_cycle(model: Any) -> None:
    graph = graph_of(model)
    graph.tensors[graph.operators[-1].outputs[0]].shape = [0]
    use_later(model)


def constant_input(model: Any) -> None:
    graph = graph_of(model)
    graph.inputs = [graph.operators[0].inputs[1]]


SEMANTIC_FAULTS = {
    "version 4": (lambda m: setattr(m, "version", 4), "schema version 4"),
    "no subgraph": (lambda m: setattr(m, "subgraphs", []), "0 subgraphs"),
    "two subgraphs": (lambda m: m.subgraphs.append(m.subgraphs[0]), "2 subgraphs"),
    "negative axis": (lambda m: setattr(graph_of(m).tensors[0], "shape", [1, -2]), "the shape [1, -2]"),
    "data size": (set_shape, "bytes of data for shape [3, 3]"),
    "buffer index": (lambda m: setattr(graph_of(m).tensors[0], "buffer", 999), "names buffer 999"),
    "outside data": (lambda m: setattr(m.buffers[1], "offset", 4096), "outside the flatbuffer"),
    "negative scale": (set_scale(-1.0), "negative or no number"),
    "infinite scale": (set_scale(math.inf), "negative or no number"),
    "two scales": (
        lambda m: setattr(graph_of(m).tensors[0].quantization, "scale", [1.0, 2.0, 3.0]),
        "3 scales along axis 0",
    ),
    "zero point": (
        lambda m: setattr(graph_of(m).tensors[0].quantization, "zeroPoint", [300]),
        "out of the range of int8",
    ),
    "operator code": (lambda m: setattr(graph_of(m).operators[0], "opcodeIndex", 99), "names code 99"),
    "tensor index": (lambda m: setattr(graph_of(m).operators[0], "inputs", [999, 1, 2]), "not there"),
    "negative output": (lambda m: setattr(graph_of(m).operators[0], "outputs", [-1]), "not there"),
    "graph output": (lambda m: setattr(graph_of(m), "outputs", [999]), "not there"),
    "no output": (lambda m: setattr(graph_of(m), "outputs", []), "no input or no output"),
    "one input": (lambda m: setattr(graph_of(m).operators[0], "inputs", [0]), "wrong number of inputs"),
    "order": (use_later, "before it exists"),
    "variable cycle": (variable_cycle, "which is taken"),
    "empty cycle": (empty_cycle, "before it exists"),
    "constant input": (constant_input, "is a constant"),
    "written twice": (write_twice, "which is taken"),
    "other options": (
        lambda m: setattr(graph_of(m).operators[0], "builtinOptionsType", 9), "are not Conv2DOptions"
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", SEMANTIC_FAULTS)
def test_a_model_that_does_not_hang_together_is_refused(tflite_models: Path, fault: str) -> None:
    edit, message = SEMANTIC_FAULTS[fault]
    data = edited((tflite_models / "good.tflite").read_bytes(), edit)
    with pytest.raises(ModelError, match="convert the model again") as caught:
        read_model(data)
    assert message in caught.value.line
    assert caught.value.exit_code == 3


def test_a_sparse_tensor_is_refused(tflite_models: Path) -> None:
    def sparse(model: Any) -> None:
        graph_of(model).tensors[1].sparsity = schema().SparsityParametersT()

    with pytest.raises(ModelError, match="is sparse"):
        read_model(edited((tflite_models / "good.tflite").read_bytes(), sparse))


def test_a_name_of_many_bytes_is_cut_in_messages(tflite_models: Path) -> None:
    def named(model: Any) -> None:
        graph_of(model).tensors[0].name = "x" * 5000
        graph_of(model).tensors[0].buffer = 999

    with pytest.raises(ModelError) as caught:
        read_model(edited((tflite_models / "good.tflite").read_bytes(), named))
    assert len(caught.value.line) < 300


def test_shared_vectors_cannot_multiply_what_is_read() -> None:
    """Thousands of buffers that all point to one vector cost memory only until the budget is spent."""
    module, builder = schema(), flatbuffers.Builder(1024)
    size, count = 1_000_000, 3_000
    payload = builder.CreateByteVector(bytes(size))
    module.BufferStart(builder)
    module.BufferAddData(builder, payload)
    buffer = module.BufferEnd(builder)
    module.ModelStartBuffersVector(builder, count)
    for _ in range(count):
        builder.PrependUOffsetTRelative(buffer)
    buffers = builder.EndVector()
    tensors = []
    for index in range(count):
        module.TensorStart(builder)
        module.TensorAddType(builder, module.TensorType.STRING)
        module.TensorAddBuffer(builder, index)
        tensors.append(module.TensorEnd(builder))
    module.SubGraphStartTensorsVector(builder, count)
    for tensor in tensors:
        builder.PrependUOffsetTRelative(tensor)
    vector = builder.EndVector()
    module.SubGraphStart(builder)
    module.SubGraphAddTensors(builder, vector)
    graph = module.SubGraphEnd(builder)
    module.ModelStartSubgraphsVector(builder, 1)
    builder.PrependUOffsetTRelative(graph)
    graphs = builder.EndVector()
    module.ModelStart(builder)
    module.ModelAddVersion(builder, 3)
    module.ModelAddSubgraphs(builder, graphs)
    module.ModelAddBuffers(builder, buffers)
    builder.Finish(module.ModelEnd(builder), b"TFL3")
    started = time.monotonic()
    with pytest.raises(ModelError, match="unfold"):
        read_model(bytes(builder.Output()))
    assert time.monotonic() - started < 5


def test_a_packed_model_reads_like_the_original(tflite_models: Path) -> None:
    data = (tflite_models / "attention.tflite").read_bytes()
    first, second = read_model(data), read_model(pack(unpack(data)))
    assert (first.tensors, first.operators) == (second.tensors, second.operators)
    assert first.sha256 == hashlib.sha256(data).hexdigest()


def test_paths(tflite_models: Path, tmp_path: Path) -> None:
    path = tflite_models / "good.tflite"
    assert read_model(path) == read_model(path.read_bytes())
    with pytest.raises(UsageError, match="no such"):
        read_model(tmp_path / "absent.tflite")
    with pytest.raises(UsageError, match="a folder"):
        read_model(tmp_path)
    with pytest.raises(ModelError, match="larger than"):
        read_model(bytes(reader.MAX_FILE_BYTES + 1))


@pytest.mark.shared
def test_reading_the_real_checkpoint_takes_milliseconds(shared: Path) -> None:
    path = shared / "models" / "anchor_int8.tflite"
    read_model(path)
    best = math.inf
    for _ in range(5):
        started = time.perf_counter()
        read_model(path)
        best = min(best, time.perf_counter() - started)
    assert best < 0.05, f"{best * 1000:.1f} ms; 4 ms where it was written"
