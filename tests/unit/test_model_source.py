"""A model with what lies beside it: found, checked against each other, refused where they disagree."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from birdnet_deploy.errors import ConfigError, LabelsError
from birdnet_deploy.model.source import open_source
from birdnet_deploy.support.hashes import sha256_file
from tests.support.small_models import LABELS, build, edit_config, layer_config, save


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small hybrid model with config and labels beside it."""
    return save(build(mag_scale="pwl"), tmp_path_factory.mktemp("source"), mag_scale="pwl")


@pytest.fixture
def model(saved: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    shutil.copytree(saved.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / saved.name


def change(model: Path, **values: Any) -> None:
    """Changes keys of the config beside a model; None removes one."""
    path = model.with_name("small_model_config.json")
    told = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps({key: value for key, value in told.items() if value is not None}))


class Told:
    """A progress that remembers warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def step(self, text: str) -> None: ...

    def advance(self, done: int, total: int) -> None: ...

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def test_finds_config_and_labels_beside_the_model(model: Path) -> None:
    source = open_source(model)
    assert source.labels == LABELS
    assert source.sha256 == sha256_file(model)
    assert source.config.shape == (129, 32, 1)
    assert (source.config.num_classes, source.config.output_activation) == (6, "softmax")
    assert source.config.audio_frontend == "hybrid"


def test_named_files_come_before_those_beside(model: Path, tmp_path: Path) -> None:
    config = shutil.move(model.with_name("small_model_config.json"), tmp_path / "config.json")
    labels = shutil.move(model.with_name("small_labels.txt"), tmp_path / "names.txt")
    assert open_source(model, config=Path(config), labels=Path(labels)).labels == LABELS


def test_class_names_of_the_config_serve_without_a_label_file(model: Path) -> None:
    model.with_name("small_labels.txt").unlink()
    with pytest.raises(LabelsError, match="no labels beside the model.*--labels"):
        open_source(model)
    change(model, class_names=list(LABELS))
    assert open_source(model).labels == LABELS


def test_labels_and_class_names_must_agree(model: Path) -> None:
    change(model, class_names=[*LABELS[:4], LABELS[5], LABELS[4]])
    with pytest.raises(LabelsError, match=r"line 5 \('Species e'\) differs from the entry \('Species f'\)"):
        open_source(model)


@pytest.mark.parametrize("where", ["file", "class_names"])
def test_the_number_of_labels_is_that_of_the_outputs(model: Path, where: str) -> None:
    """F08."""
    if where == "file":
        model.with_name("small_labels.txt").write_text("one\ntwo\n")
    else:
        model.with_name("small_labels.txt").unlink()
        change(model, class_names=["one", "two"], num_classes=None)
    with pytest.raises(LabelsError, match="2 labels but the model has 6 outputs"):
        open_source(model)


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("sample_rate", 16000, "8000"), ("chunk_duration", 2, "1"), ("num_classes", 5, "6"),
        ("fft_length", 512, "256"), ("num_mels", 64, "32"), ("mag_scale", "none", "'pwl'"),
        ("spec_width", 64, "32"),
    ],
)  # fmt: skip
def test_a_config_of_another_model_is_refused(model: Path, key: str, value: Any, found: str) -> None:
    change(model, **{key: value}, hop_length=None)
    with pytest.raises(ConfigError, match=f"{key} is {value!r} but the model has {found}"):
        open_source(model)


def test_another_frontend_is_refused_by_its_own_name(model: Path) -> None:
    change(model, audio_frontend="librosa")
    with pytest.raises(ConfigError, match="audio_frontend is 'librosa' but the model has 'hybrid'"):
        open_source(model)


def test_old_names_of_frontends_are_made_new(tmp_path: Path) -> None:
    path = save(build(audio_frontend="librosa"), tmp_path, audio_frontend="librosa")
    change(path, audio_frontend="precomputed")
    assert open_source(path).config.audio_frontend == "librosa"


def test_the_model_says_whether_the_nyquist_row_is_there(tmp_path: Path) -> None:
    import keras

    from birdnet_deploy.model import AudioFrontendLayer

    inputs = keras.Input((128, 32, 1), name="linear_spectrogram_input")
    x = AudioFrontendLayer("hybrid", 32, 32, 8000, 1, fft_length=256, mag_scale="none")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    path = save(keras.Model(inputs, keras.layers.Dense(6, name="pred")(x)), tmp_path)
    source = open_source(path)
    assert source.config.shape == (128, 32, 1)
    assert source.config.output_activation == "none"
    change(path, input_shape=[129, 32, 1])
    with pytest.raises(ConfigError, match="input_shape"):
        open_source(path)


@pytest.mark.parametrize(
    ("head", "told", "expected"),
    [("linear", None, "none"), ("linear", "sigmoid", "sigmoid"), ("sigmoid", "sigmoid", "sigmoid")],
)
def test_the_activation_is_the_models_or_what_the_config_adds(
    model: Path, head: str, told: str | None, expected: str
) -> None:
    edit_config(model, lambda config: layer_config(config, "Dense")["config"].update(activation=head))
    change(model, output_activation=told)
    assert open_source(model).config.output_activation == expected


def test_two_activations_that_differ_are_refused(model: Path) -> None:
    change(model, output_activation="sigmoid")
    with pytest.raises(ConfigError, match="'sigmoid' but the model ends in 'softmax'"):
        open_source(model)


def test_unknown_keys_are_kept_with_one_warning(model: Path) -> None:
    change(model, trained_by="somebody", alpha=0.25)
    told = Told()
    source = open_source(model, progress=told)
    assert source.config.extra["trained_by"] == "somebody"
    assert len(told.warnings) == 1
    assert "trained_by" in told.warnings[0] and "alpha" not in told.warnings[0]


def missing(model: Path) -> dict[str, Path]:
    model.with_name("small_model_config.json").unlink()
    return {}


@pytest.mark.parametrize("prepare", [missing, lambda model: {"config": model.with_name("none.json")}])
def test_a_missing_config_is_named_with_the_option(model: Path, prepare: Callable[[Path], dict[str, Path]]) -> None:
    with pytest.raises(ConfigError, match=r"\.json: no .*config.*--config"):
        open_source(model, **prepare(model))
