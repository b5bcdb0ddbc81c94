"""From a Keras model to full int8: what comes out, what is refused, and what happens when the converter dies."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from birdnet_deploy.artifacts import SourceModel
from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.errors import CalibrationError, ModelError
from birdnet_deploy.model.source import open_source
from birdnet_deploy.quantization import convert
from birdnet_deploy.quantization.check import check_full_int8
from birdnet_deploy.quantization.convert import QuantizedModel, quantize_model
from birdnet_deploy.tflite.interpreter import Int8Interpreter, operator_counts
from birdnet_deploy.tflite.reader import read_model
from tests.support.small_models import run_here, save, settled, windows


@pytest.fixture(scope="module")
def model() -> Any:
    """A hybrid model with pwl whose branches are silent where the sample's maximum is not divided by."""
    built = settled(mag_scale="pwl")
    built.get_layer("audio_frontend").sample_norm = False
    return built


@pytest.fixture(scope="module")
def source(model: Any, tmp_path_factory: pytest.TempPathFactory) -> SourceModel:
    """Its file with config and labels."""
    return open_source(save(model, tmp_path_factory.mktemp("convert"), mag_scale="pwl"))


@pytest.fixture(scope="module")
def features(model: Any) -> tuple[Any, Any]:
    """Calibration and evaluation windows."""
    return windows(model, 24, seed=1), windows(model, 40, seed=2)


@pytest.fixture(scope="module")
def quantized(source: SourceModel, features: tuple[Any, Any]) -> QuantizedModel:
    """The model as the child converts it."""
    return quantize_model(source, *features)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the worker in this process, which has TensorFlow already."""
    monkeypatch.setattr(convert, "run_worker", run_here)


def int8_outputs(quantized: QuantizedModel, kernels: Any = "reference") -> tuple[Any, Any]:
    """Gives int8 outputs of the evaluation windows, and their real values."""
    interpreter = Int8Interpreter(quantized.tflite, kernels=kernels)
    given = interpreter.input_quantization
    outputs = interpreter.run(quantize_input(quantized.evaluation_features, given.scale, given.zero_point))
    return outputs, interpreter.output_quantization.dequantize(outputs)


def test_all_int8_with_static_shapes(quantized: QuantizedModel) -> None:
    read = read_model(quantized.tflite)
    assert [read.tensors[i].shape for i in (*read.inputs, *read.outputs)] == [(1, 129, 32, 1), (1, 6)]
    assert {tensor.dtype for tensor in read.tensors if not tensor.data} == {"int8"}
    for tensor in read.tensors:
        assert tensor.shape_signature in (None, tensor.shape), tensor.name
    dynamic = {"SHAPE", "PACK", "FILL", "QUANTIZE", "DEQUANTIZE"}
    assert not dynamic & operator_counts(read).keys()


def test_silent_branches_and_the_gain_are_folded_away(quantized: QuantizedModel) -> None:
    assert [step["step"] for step in quantized.simplifications] == [
        "drop silent magnitude branches", "fold the magnitude gain into the mel kernel",
        "fold BatchNormalization into the convolutions", "take time as rows behind the frontend",
    ]  # fmt: skip
    assert all(step["applied"] and step["max_logit_difference"] <= 1e-4 for step in quantized.simplifications)
    read = read_model(quantized.tflite)
    counts = operator_counts(read)
    assert (counts["CONV_2D"], counts["DEPTHWISE_CONV_2D"], counts["ADD"]) == (8, 6, 2)  # none of the frontend's
    smallest = min(min(t.quantization.scales) for t in read.tensors if not t.data and t.quantization)
    assert smallest > 1e-5  # a silent branch would have 7.8e-9


def test_float_outputs_are_the_logits_of_the_model_as_trained(model: Any, quantized: QuantizedModel) -> None:
    import keras

    pred = model.get_layer("pred")
    expected = keras.Model(model.inputs, pred.input)(quantized.evaluation_features, training=False)
    expected = np.asarray(expected) @ pred.kernel.numpy() + pred.bias.numpy()
    np.testing.assert_allclose(quantized.float_outputs, expected, atol=2e-4)
    assert quantized.output_activation == "softmax"
    assert quantized.sample_norm is False and quantized.layout == "2026"


def test_int8_hears_what_float_heard(quantized: QuantizedModel) -> None:
    outputs, values = int8_outputs(quantized)
    assert len(np.unique(outputs)) >= 20
    assert np.mean((outputs == -128) | (outputs == 127)) < 0.05
    wanted = quantized.float_outputs
    assert np.mean(values.argmax(axis=1) == wanted.argmax(axis=1)) > 0.8
    cosine = (values * wanted).sum(axis=1) / np.linalg.norm(values, axis=1) / np.linalg.norm(wanted, axis=1)
    assert cosine.mean() > 0.97
    fast, _ = int8_outputs(quantized, "optimized")
    assert np.abs(fast.astype(int) - outputs).max() <= 12


def test_the_same_inputs_give_the_same_bytes(
    quantized: QuantizedModel, source: SourceModel, features: tuple[Any, Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """In another process, folder, time zone and language; and no file stays behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    monkeypatch.setenv("LANG", "tr_TR.UTF-8")
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    again = quantize_model(source, *features)
    assert again.tflite == quantized.tflite
    assert again.simplifications == quantized.simplifications
    np.testing.assert_array_equal(again.float_outputs, quantized.float_outputs)
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.usefixtures("here")
def test_probabilities_and_float_ends(
    quantized: QuantizedModel, source: SourceModel, features: tuple[Any, Any]
) -> None:
    kept = quantize_model(source, *features, head="probabilities", io="float32")
    assert kept.output_activation == "none"
    np.testing.assert_allclose(kept.float_outputs.sum(axis=1), 1.0, atol=1e-5)
    read = read_model(kept.tflite)
    assert [read.tensors[i].dtype for i in (*read.inputs, *read.outputs)] == ["float32", "float32"]
    assert operator_counts(read)["SOFTMAX"] == 1
    outputs, values = int8_outputs(kept)
    assert np.abs(values - kept.float_outputs).max() < 0.3
    inside = quantize_model(source, *features, head="probabilities")
    np.testing.assert_array_equal(outputs, int8_outputs(inside)[0])  # float ends change nothing


@pytest.mark.usefixtures("here")
def test_branches_that_fire_stay(source: SourceModel, features: tuple[Any, Any]) -> None:
    """Divided by the sample's maximum, magnitudes reach 1 and every branch fires."""
    result = quantize_model(source, *features, sample_norm=True)
    assert result.simplifications[0]["step"] == "keep the divisor of silent windows off zero"
    assert result.sample_norm is True
    counts = operator_counts(read_model(result.tflite))
    assert counts["REDUCE_MAX"] == counts["DIV"] == 1
    assert counts["DEPTHWISE_CONV_2D"] > 6  # and those of the frontend


def test_a_step_that_changes_the_logits_is_taken_back(
    model: Any, features: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from birdnet_deploy.quantization import simplify, worker

    monkeypatch.setattr(simplify, "MAX_LOGIT_DIFFERENCE", -1.0)

    def on_windows(function: Callable[[Any], Any]) -> Any:
        return worker.forward(worker.trace(function, features[0].shape[1:]), features[0])

    def outputs(batch: Any) -> Any:
        return model(batch, training=False)

    before = on_windows(outputs)
    (step,) = simplify.simplify(model, outputs, before, on_windows)
    assert not step["applied"]
    assert not model.get_layer("audio_frontend").magnitude().dead_branches
    np.testing.assert_array_equal(on_windows(outputs), before)


def test_a_negative_gain_is_not_folded(model: Any) -> None:
    from birdnet_deploy.quantization.simplify import _foldable

    frontend = model.get_layer("audio_frontend")
    gain = frontend.magnitude().linear_gain()
    (kept,) = gain.get_weights()
    assert _foldable(frontend, frontend.magnitude(), [0, 1, 2])
    assert not _foldable(frontend, frontend.magnitude(), [0, 2])
    gain.set_weights([np.where(np.arange(32).reshape(1, 1, 32, 1) == 3, -kept, kept)])
    assert not _foldable(frontend, frontend.magnitude(), [0, 1, 2])
    gain.set_weights([kept])


@pytest.mark.parametrize("options", [
    {"audio_frontend": "raw", "mag_scale": "pcen"},
    {"audio_frontend": "librosa", "use_se": True, "se_reduction": 1, "use_attention_pooling": True},
    {"audio_frontend": "mfcc", "use_inverted_residual": True, "class_activation": "sigmoid"},
])  # fmt: skip
@pytest.mark.usefixtures("here")
def test_other_members_of_the_family_become_full_int8(options: dict[str, Any], tmp_path: Path) -> None:
    model = settled(**options)
    told = {key: options[key] for key in ("audio_frontend", "mag_scale") if key in options}
    source = open_source(save(model, tmp_path, **told))
    result = quantize_model(source, windows(model, 16, seed=1), windows(model, 16, seed=2))
    outputs, values = int8_outputs(result)
    assert max(len(tensor.shape) for tensor in read_model(result.tflite).tensors) <= 4
    assert len(np.unique(outputs)) >= 20
    assert np.corrcoef(values.ravel(), result.float_outputs.ravel())[0, 1] > 0.9


def test_float_and_dynamic_models_are_refused(model: Any) -> None:
    import tensorflow as tf

    plain = tf.lite.TFLiteConverter.from_keras_model(model)
    with pytest.raises(ModelError, match="is float32, not int8"):
        check_full_int8(read_model(plain.convert()), io="int8", where="m.keras")
    hybrid = tf.lite.TFLiteConverter.from_keras_model(model)
    hybrid.optimizations = [tf.lite.Optimize.DEFAULT]
    hybrid.representative_dataset = lambda: ([window[None]] for window in windows(model, 2))
    with pytest.raises(ModelError, match="stayed float32|stayed int32|dynamic shape"):
        check_full_int8(read_model(hybrid.convert()), io="float32", where="m.keras")


def test_an_activation_without_a_range_is_refused(features: tuple[Any, Any]) -> None:
    """As the branches of a checkpoint that were not folded away: kernels disagree there."""
    import tensorflow as tf

    def silent(x: Any) -> Any:
        return tf.nn.relu(x[:, :, :, :1] * 0.5 - 2.0) + x

    from birdnet_deploy.quantization import worker

    converter = worker._converter(silent, features[0].shape[1:])
    read = read_model(worker._quantized(converter, features[0], "int8"))
    with pytest.raises(ModelError, match=r"hardly moves on the calibration windows \(scale"):
        check_full_int8(read, io="int8", where="m.keras")


def with_one(x: Any, window: int, value: float) -> Any:
    """Gives the windows with one value of one window replaced."""
    spoiled = x.copy()
    spoiled[window, 7, 9, 0] = value
    return spoiled


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda x: x[:0], "no calibration windows"),
        (lambda x: x[:, :-1], r"float32 \[128, 32, 1\], expected float32 \[129, 32, 1\]"),
        (lambda x: x.astype(np.float64), "features are float64"),
        (lambda x: with_one(x, 3, np.nan), "window 3 reaches nan"),
        (lambda x: with_one(x, 5, np.inf), "window 5 reaches inf"),
        (lambda x: x * np.float32(1e30), "reaches 1e"),
    ],
)  # fmt: skip
def test_features_that_would_break_the_converter_never_reach_it(
    source: SourceModel, features: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Any], Any], text: str,
) -> None:  # fmt: skip
    """F10 to F12: it would write a float model, scales of 1e27, or die of SIGSEGV."""
    monkeypatch.setattr(convert, "run_worker", lambda *args, **options: pytest.fail("the converter was started"))
    with pytest.raises(CalibrationError, match=text):
        quantize_model(source, spoil(features[0]), features[1])


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})", r"the converter crashed \(SIGSEGV\)"),
        ("import time; time.sleep(60)", "the converter was still busy after 2 s"),
        ("import os; os._exit(0)", "the converter wrote no result.json, float.tflite, float_outputs.npy"),
    ],
)
def test_f13_a_converter_that_dies_or_hangs(
    source: SourceModel, features: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    code: str, text: str,
) -> None:  # fmt: skip
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "sitecustomize.py").write_text(code)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "python"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    with pytest.raises(ModelError, match=f"small.keras: {text}"):
        quantize_model(source, *features, timeout_s=2)
    assert list((tmp_path / "scratch").iterdir()) == []
