"""Features to int8, as TFLite's QUANTIZE."""

import numpy as np
import pytest

from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.errors import AudioError


def test_halves_go_away_from_zero() -> None:
    features = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999997, -0.49999997], dtype=np.float32)
    assert quantize_input(features, 1.0, 0).tolist() == [1, 2, 3, -1, -2, -3, 0, 0]


def test_clamps_to_int8_whatever_the_zero_point() -> None:
    features = np.array([-1e30, -300, 300, 1e30], dtype=np.float32)
    assert quantize_input(features, 1.0, 127).tolist() == [-128, -128, 127, 127]
    assert quantize_input(features, 1.0, -128).tolist() == [-128, -128, 127, 127]


def test_divides_in_float32() -> None:
    """A product with the reciprocal rounds to the other side for this value."""
    scale = np.float32(1 / 255)
    values = np.arange(2**20, dtype=np.float32) / np.float32(2**20)
    product = np.rint(values * (np.float32(1) / scale))
    expected = np.floor((values / scale).astype(np.float64) + 0.5).astype(int) - 128
    assert np.array_equal(quantize_input(values, float(scale), -128), expected)
    assert not np.array_equal(product - 128, expected)


def test_keeps_the_shape_and_refuses_nan() -> None:
    assert quantize_input(np.zeros((3, 4, 1), dtype=np.float32), 0.1, 5).shape == (3, 4, 1)
    with pytest.raises(AudioError, match="not finite"):
        quantize_input(np.array([np.nan], dtype=np.float32), 0.1, 0)


@pytest.mark.parametrize(("scale", "zero_point"), [(1 / 255, -128), (0.0039215689, -128), (0.0173, 3), (0.25, 127)])
def test_equals_the_reference_kernel_of_litert(scale: float, zero_point: int) -> None:
    """A model of one QUANTIZE op, run by the interpreter."""
    random = np.random.default_rng(3)
    edges = np.arange(-300, 300)
    features = np.concatenate([
        random.uniform(-2, 2, 4000), (edges + 0.5) * scale, edges * scale, [0, 1, 50, -50],
    ]).astype(np.float32)  # fmt: skip
    expected = litert_quantize(features, scale, zero_point)
    assert np.array_equal(quantize_input(features, scale, zero_point), expected)


def litert_quantize(features: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Gives what ``BUILTIN_REF`` makes of ``features``."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=_quantize_model(len(features), scale, zero_point),
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], features)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def _quantize_model(length: int, scale: float, zero_point: int) -> bytes:
    """Gives a ``.tflite`` of float32 ``[length]`` -> QUANTIZE -> int8."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    source, target = schema.TensorT(), schema.TensorT()
    source.shape, source.type, source.buffer, source.name = [length], schema.TensorType.FLOAT32, 0, b"x"
    target.shape, target.type, target.buffer, target.name = [length], schema.TensorType.INT8, 0, b"q"
    target.quantization = schema.QuantizationParametersT()
    target.quantization.scale, target.quantization.zeroPoint = [scale], [zero_point]
    operator, code = schema.OperatorT(), schema.OperatorCodeT()
    operator.inputs, operator.outputs = [0], [1]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.QUANTIZE
    graph, model = schema.SubGraphT(), schema.ModelT()
    graph.tensors, graph.operators, graph.inputs, graph.outputs = [source, target], [operator], [0], [1]
    model.version, model.subgraphs, model.operatorCodes, model.buffers = 3, [graph], [code], [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
