"""Parts of a float .tflite, its multiply-accumulates, and rewrites that change nothing: what is exact must be exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from birdnet_deploy.errors import InternalError
from birdnet_deploy.quantization import rewrite
from birdnet_deploy.quantization.layer_map import layer_tensors
from birdnet_deploy.tflite.cut import articulation_tensors, cut_model
from birdnet_deploy.tflite.floats import run_float
from birdnet_deploy.tflite.interpreter import operator_counts
from birdnet_deploy.tflite.macs import count_macs
from birdnet_deploy.tflite.reader import read_model
from tests.support.small_models import settled, windows


def converted(model: Any) -> bytes:
    """Gives the float .tflite of a Keras model, as the worker converts it."""
    from birdnet_deploy.quantization import worker

    converter = worker._converter(lambda batch: model(batch, training=False), model.input_shape[1:])
    return worker._converted(converter)


@pytest.fixture(scope="module")
def model() -> Any:
    """A hybrid model that does not divide by the sample's maximum."""
    built = settled(mag_scale="none")
    built.get_layer("audio_frontend").sample_norm = False
    return built


@pytest.fixture(scope="module")
def floats(model: Any) -> bytes:
    """Its float .tflite."""
    return converted(model)


@pytest.fixture(scope="module")
def sound(model: Any) -> Any:
    """Windows for it."""
    return windows(model, 12, seed=4)


def test_two_parts_compute_what_the_whole_computes_bit_by_bit(floats: bytes, sound: Any) -> None:
    read, whole = read_model(floats), run_float(floats, sound)
    places = articulation_tensors(read)
    assert len(places) > 10
    for index in places[:: len(places) // 5]:
        before, behind = cut_model(floats, read.inputs, (index,)), cut_model(floats, (index,), read.outputs)
        np.testing.assert_array_equal(run_float(behind, run_float(before, sound)), whole)
        assert len(before) + len(behind) < len(floats) + 8192  # neither keeps what it does not need
        assert before == cut_model(floats, read.inputs, (index,))


def test_a_part_that_lacks_an_input_is_refused(floats: bytes) -> None:
    read = read_model(floats)
    inside = next(op for op in read.operators if op.op == "ADD")
    with pytest.raises(InternalError, match="without a value"):
        cut_model(floats, (inside.inputs[1],), (inside.outputs[0],))  # what passes by the branch is missing


def test_an_addition_is_no_place_to_cut_beside(floats: bytes) -> None:
    read = read_model(floats)
    (first, *_) = [op for op in read.operators if op.op == "ADD"]
    bypassed = [index for index in first.inputs if read.operators[first.index - 1].outputs[0] == index]
    assert bypassed and not set(bypassed) & set(articulation_tensors(read))


def test_macs_are_those_counted_by_hand(floats: bytes, model: Any) -> None:
    """stem: 3x3x1 at 32 x 16 positions to 8; depthwise 3x3 at 16 x 8 of 8; pointwise 8 to 8 there; pred: 64 x 6."""
    read, count = read_model(floats), count_macs(floats)
    mel, stem, depthwise, pointwise = [
        count.by_operator[op.index] for op in read.operators if count.by_operator[op.index]
    ][:4]
    mixer = model.get_layer("audio_frontend").mel_mixer.get_weights()[0]
    assert mel == 136 * 32 * 32  # 129 rows, padded to a multiple of 8
    assert stem == 32 * 16 * 9 * 8
    assert depthwise == 16 * 8 * 9 * 8
    assert pointwise == 16 * 8 * 8 * 8
    assert [count.by_operator[op.index] for op in read.operators if op.op == "FULLY_CONNECTED"] == [64 * 6]
    assert count.total == sum(count.by_operator)
    sparse = count_macs(read, sparse=True)
    assert sparse.by_operator[2] == int(np.count_nonzero(mixer)) * 32
    assert sparse.by_operator[3:] == count.by_operator[3:]


def test_layers_are_found_by_value(floats: bytes, model: Any, sound: Any) -> None:
    found = layer_tensors(model, floats, sound[0])
    read = read_model(floats)
    shapes = {tensor.name: tensor.shape for tensor in read.tensors}
    assert shapes[found["frontend"]] == (1, 32, 32, 1)
    assert shapes[found["stem_relu"]] == (1, 32, 16, 8)
    assert found["linear_spectrogram_input"] == read.tensors[read.inputs[0]].name
    assert "stem_conv" not in found  # folded with its normalisation


def test_time_as_rows_needs_no_transpose_behind_the_frontend(floats: bytes, sound: Any) -> None:
    swapped = rewrite.swap_layout(floats)
    assert swapped is not None
    assert np.abs(run_float(swapped, sound) - run_float(floats, sound)).max() < 1e-5
    before, after = operator_counts(read_model(floats)), operator_counts(read_model(swapped))
    assert after["TRANSPOSE"] == before["TRANSPOSE"] - 1
    assert rewrite.swap_layout(swapped) is None  # nothing left to do
    assert swapped == rewrite.swap_layout(floats)


def test_attention_and_gates_also_take_time_as_rows() -> None:
    other = settled(audio_frontend="hybrid", use_se=True, se_reduction=1, use_attention_pooling=True)
    floats, sound = converted(other), windows(other, 6, seed=4)
    swapped = rewrite.swap_layout(floats)
    assert swapped is not None
    assert np.abs(run_float(swapped, sound) - run_float(floats, sound)).max() < 1e-5


def test_planes_add_up_to_the_tensor_that_they_split(floats: bytes, sound: Any) -> None:
    swapped = rewrite.swap_layout(floats) or b""
    (index,) = rewrite.splittable(swapped)
    read = read_model(swapped)
    peak = float(run_float(cut_model(swapped, read.inputs, (index,)), sound).max())
    whole = run_float(swapped, sound)
    split = rewrite.split_planes(swapped, index, [peak * part for part in (0.1, 0.3, 0.9)])
    assert np.abs(run_float(split, sound) - whole).max() < 1e-4
    cut_off = rewrite.split_planes(swapped, index, [peak * part for part in (0.1, 0.3)])
    assert np.abs(run_float(cut_off, sound) - whole).max() > 1e-2  # what lies beyond the planes is lost
    assert count_macs(split).by_operator[2] == 3 * count_macs(swapped).by_operator[2]


def test_channels_are_scaled_and_scaled_back(floats: bytes, sound: Any) -> None:
    read, whole = read_model(floats), run_float(floats, sound)
    scaled = 0
    for index in articulation_tensors(read):
        if not rewrite.scalable(floats, index):
            continue
        channels = read.tensors[index].shape[-1]
        gains = np.geomspace(0.02, 0.2, channels)  # no cap is met on the way down
        values = run_float(cut_model(floats, read.inputs, (index,)), sound)
        if values.max() < 6:
            found = run_float(rewrite.scale_channels(floats, index, gains), sound)
            assert np.abs(found - whole).max() < 1e-4
            scaled += 1
    assert scaled > 3
