"""Looking into a .keras file without TensorFlow."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from birdnet_deploy.errors import ModelError
from birdnet_deploy.model.archive import inspect_archive
from tests.support.small_models import build, edit_config, edit_weights, layer_config, save


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small hybrid model with pwl, softmax head."""
    return save(build(mag_scale="pwl"), tmp_path_factory.mktemp("archive"))


@pytest.fixture
def model(saved: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copy(saved, tmp_path / "model.keras"))


def test_says_what_goes_in_and_out(saved: Path) -> None:
    archive = inspect_archive(saved)
    assert archive.input_shape == (129, 32, 1)
    assert archive.outputs == 6
    assert (archive.head_activation, archive.head_layer) == ("softmax", "pred")
    assert (archive.frontend_mode, archive.layout) == ("hybrid", "2026")
    assert archive.frontend is not None and archive.frontend["sample_rate"] == 8000
    assert "compile_config" not in archive.model


def test_summary_adds_up_to_what_keras_counts(saved: Path) -> None:
    import keras

    archive = inspect_archive(saved)
    model = build(mag_scale="pwl")
    keras.backend.clear_session()
    assert archive.parameters == model.count_params() == sum(row.parameters for row in archive.layers())
    rows = {row.name: row for row in archive.layers()}
    for layer in model.layers:
        assert rows[layer.name].parameters == layer.count_params()
        assert rows[layer.name].output_shape == layer.output.shape[1:]


def test_the_tree_of_weights_is_the_one_that_files_have(saved: Path) -> None:
    """Any other path and birdnet-stm32 or an older file would not be read."""
    prefix = "layers/audio_frontend_layer/"
    arrays = {a.path.removeprefix(prefix): a.shape for a in inspect_archive(saved).weights if a.path.startswith(prefix)}
    expected: dict[str, tuple[int, ...]] = {"mel_mixer/vars/0": (1, 1, 136, 32)}
    expected["mag_layer/_pwl_k0_dw/vars/0"] = (1, 1, 32, 1)
    for name in ("depthwise_conv2d", "depthwise_conv2d_1", "depthwise_conv2d_2"):
        expected[f"mag_layer/_pwl_k_dws/{name}/vars/0"] = (1, 1, 32, 1)
        expected[f"mag_layer/_pwl_shift_dws/{name}/vars/0"] = (1, 1, 32, 1)
        expected[f"mag_layer/_pwl_shift_dws/{name}/vars/1"] = (32,)
    assert arrays == expected


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"audio_frontend": "raw", "mag_scale": "none"}, {"fb2d/vars/0", *(f"fb_bn/vars/{i}" for i in range(4))}),
        (
            {"audio_frontend": "librosa", "mag_scale": "pcen"},
            {
                "mag_layer/_pcen_agc_dw/vars/0", "mag_layer/_pcen_k1_dw/vars/0", "mag_layer/_pcen_k2mk1_dw/vars/0",
                "mag_layer/_pcen_shift_dw/vars/0", "mag_layer/_pcen_shift_dw/vars/1",
            },
        ),
    ],
)  # fmt: skip
def test_the_trees_of_raw_and_pcen(options: dict[str, Any], names: set[str], tmp_path: Path) -> None:
    prefix = "layers/audio_frontend_layer/"
    archive = inspect_archive(save(build(**options), tmp_path))
    assert {a.path.removeprefix(prefix) for a in archive.weights if a.path.startswith(prefix)} == names


def test_the_attention_score_is_where_files_keep_it(tmp_path: Path) -> None:
    archive = inspect_archive(save(build(use_attention_pooling=True), tmp_path))
    shapes = {array.path: array.shape for array in archive.weights}
    assert shapes["layers/attention_pooling/_score_dense/vars/0"] == (64, 1)


@pytest.mark.parametrize("written", ["softmax", "sigmoid", "linear"])
def test_the_head_is_read_and_not_assumed(model: Path, written: str) -> None:
    edit_config(model, lambda config: layer_config(config, "Dense")["config"].update(activation=written))
    assert inspect_archive(model).head_activation == ("none" if written == "linear" else written)


def test_another_head_is_refused(model: Path) -> None:
    edit_config(model, lambda config: layer_config(config, "Dense")["config"].update(activation="tanh"))
    with pytest.raises(ModelError, match="'tanh'.*none, softmax, sigmoid"):
        inspect_archive(model)


@pytest.mark.parametrize("layer", ["Softmax", "Activation"])
def test_an_activation_in_a_layer_of_its_own_is_the_head(layer: str, tmp_path: Path) -> None:
    import keras

    base = build()
    base.get_layer("pred").activation = keras.activations.linear
    last = keras.layers.Softmax(name="last") if layer == "Softmax" else keras.layers.Activation("sigmoid", name="last")
    archive = inspect_archive(save(keras.Model(base.inputs, last(base.outputs[0])), tmp_path))
    assert archive.head_activation == ("softmax" if layer == "Softmax" else "sigmoid")
    assert (archive.head_layer, archive.outputs) == ("last", 6)


def test_a_2025_file_is_known_by_where_its_weights_are(model: Path) -> None:
    def move(file: Any) -> None:
        frontend = file["layers/audio_frontend_layer"]
        for name in [name for name in frontend["mag_layer"] if name.startswith("_pwl")]:
            frontend.move(f"mag_layer/{name}", name)
        del frontend["mag_layer"]

    assert inspect_archive(edit_weights(model, move)).layout == "2025"


def test_a_model_without_magnitude_weights_has_its_layout_too(tmp_path: Path) -> None:
    assert inspect_archive(save(build(mag_scale="none"), tmp_path)).layout == "2026"


def test_a_file_without_names_of_layers_is_read_too(model: Path) -> None:
    """Early versions of Keras 3 wrote none."""

    def unname(file: Any) -> None:
        groups: list[Any] = []
        file.visititems(lambda path, item: groups.append(item))
        for group in groups:
            if "name" in group.attrs:
                del group.attrs["name"]

    before = inspect_archive(model)
    after = inspect_archive(edit_weights(model, unname))
    assert {array.layer for array in after.weights} == {""}
    assert (after.parameters, after.layout) == (before.parameters, before.layout)


def test_two_inputs_or_no_graph_are_refused(model: Path) -> None:
    def widen(config: dict[str, Any]) -> None:
        config["config"]["input_layers"] = [["linear_spectrogram_input", 0, 0], ["stem_conv", 0, 0]]

    with pytest.raises(ModelError, match="2 inputs"):
        inspect_archive(edit_config(model, widen))
    with pytest.raises(ModelError, match="no whole functional model"):
        inspect_archive(edit_config(model, lambda config: config["config"].pop("output_layers")))


@pytest.mark.shared
def test_the_real_checkpoint(shared: Path) -> None:
    archive = inspect_archive(shared / "models/birdnet_stm32n6_100.keras")
    assert archive.parameters == 229_508
    assert (archive.layout, archive.frontend_mode) == ("2025", "hybrid")
    assert (archive.input_shape, archive.outputs) == ((257, 256, 1), 100)
    assert archive.head_activation == "sigmoid"
