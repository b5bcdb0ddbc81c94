"""Float ends around an int8 network are taken off exactly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.artifacts import MODEL_FILE
from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.tflite.ends import has_float_ends, strip_float_ends, without_float_ends
from birdnet_deploy.tflite.interpreter import Int8Interpreter, prepare
from birdnet_deploy.tflite.reader import read_model
from tests.support.bundles import CONFIG, LABELS
from tests.support.command import fail, succeed
from tests.support.tflite_models import tflite_models

__all__ = ["tflite_models"]


@pytest.fixture
def float_io(tflite_models: Path) -> Path:
    return tflite_models / "float_io.tflite"


def test_what_is_left_gives_the_same_int8_values_bit_by_bit(float_io: Path) -> None:
    whole = float_io.read_bytes()
    stripped = without_float_ends(whole)
    read, before = read_model(stripped), read_model(whole)
    assert {read.tensors[i].dtype for i in (*read.inputs, *read.outputs)} == {"int8"}
    assert len(read.operators) == len(before.operators) - 2
    assert [op.op for op in read.operators] == [op.op for op in before.operators[1:-1]]
    assert without_float_ends(whole) == stripped and not has_float_ends(read)
    assert without_float_ends(stripped) == stripped

    features = np.random.default_rng(3).uniform(-0.2, 1.3, (40, *before.tensors[before.inputs[0]].shape[1:]))
    inner = Int8Interpreter(stripped)
    source, sink = inner.input_quantization, inner.output_quantization
    inputs = quantize_input(features.astype(np.float32), source.scale, source.zero_point)
    outer = prepare(whole, "reference", 1)  # floats in, floats out: nothing of this project in between
    for window, output in zip(features.astype(np.float32), inner.run(inputs), strict=True):
        outer.set_tensor(outer.get_input_details()[0]["index"], window[None])
        outer.invoke()
        scores = outer.get_tensor(outer.get_output_details()[0]["index"])[0]
        np.testing.assert_array_equal(sink.dequantize(output), scores)
    assert len(np.unique(inner.run(inputs))) > 20


@pytest.mark.parametrize("name", ["good", "int16", "float"])
def test_other_ends_are_left_alone(tflite_models: Path, name: str) -> None:
    path = tflite_models / f"{name}.tflite"
    assert not has_float_ends(read_model(path))
    assert strip_float_ends(path) == path.read_bytes()


def test_a_child_takes_them_off_a_file(float_io: Path) -> None:
    assert strip_float_ends(float_io) == without_float_ends(float_io.read_bytes())


def test_generate_takes_a_model_with_float_ends(tflite_models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "birds"
    folder.mkdir()
    shutil.copy(tflite_models / "float_io.tflite", folder / "birds.tflite")
    (folder / "birds_model_config.json").write_text(json.dumps(CONFIG))
    (folder / "birds_labels.txt").write_text("".join(f"{label}\n" for label in LABELS))
    succeed("generate", folder, "-o", tmp_path / "fw")
    model = read_model(tmp_path / "fw/bundle" / MODEL_FILE)
    assert model.tensors[model.inputs[0]].dtype == model.tensors[model.outputs[0]].dtype == "int8"
    shutil.copy(tflite_models / "float.tflite", folder / "birds.tflite")
    assert "not full int8, its input is float32" in fail(3, "generate", folder, "-o", tmp_path / "fw2")
