"""Models as others publish them: found in folders, completed by what they tell, and held to what lies beside them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from birdnet_deploy.errors import ConfigError, LabelsError, ModelError, UsageError
from birdnet_deploy.model.beside import ModelFacts, ModelHints, config_of
from birdnet_deploy.model.published import find_keras, find_tflite, is_converted
from birdnet_deploy.model.source import open_tflite
from tests.support.bundles import CONFIG, LABELS
from tests.support.tflite_models import tflite_models

__all__ = ["tflite_models"]
THREE = ModelHints(sample_rate=8000, chunk_duration=1.0, frontend="librosa")
HYBRID = {
    "mode": "hybrid", "mel_bins": 32, "spec_width": 64, "sample_rate": 22050, "chunk_duration": 2.5,
    "fft_length": 512, "mag_scale": "pwl",
}  # fmt: skip


class Told:
    """A progress that remembers warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def step(self, text: str) -> None: ...

    def advance(self, done: int, total: int) -> None: ...

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def folder(tflite_models: Path, tmp_path: Path) -> Path:
    """A folder of the published layout around the tiny model that ends in logits."""
    return publish(tmp_path / "birds", (tflite_models / "good.tflite").read_bytes())


def publish(folder: Path, model: bytes, **config: Any) -> Path:
    folder.mkdir()
    (folder / "birds_INT8.tflite").write_bytes(model)
    told = {key: value for key, value in {**CONFIG, **config}.items() if value is not None}
    (folder / "birds_model_config.json").write_text(json.dumps(told))
    (folder / "birds_labels.txt").write_text("".join(f"{label}\n" for label in LABELS), encoding="utf-8")
    return folder


def facts(shape: tuple[int, ...], frontend: dict[str, Any] | None = None, head: str = "none") -> ModelFacts:
    return ModelFacts(Path("nowhere/model.keras"), shape, 6, head, frontend)


def test_a_published_folder_opens_with_what_lies_in_it(folder: Path) -> None:
    source = open_tflite(folder)
    assert source.path == folder / "birds_INT8.tflite"
    assert source.labels == LABELS
    assert (source.config.shape, source.config.num_classes) == ((16, 16, 1), 8)
    assert source.config.output_activation == "softmax"  # logits, and the config says what makes scores of them


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_what_the_graph_applies_is_not_left_to_the_host(tflite_models: Path, tmp_path: Path, head: str) -> None:
    data = (tflite_models / f"{head}.tflite").read_bytes()
    told = Told()
    source = open_tflite(publish(tmp_path / "birds", data, output_activation=head), progress=told)
    assert (source.config.output_activation, told.warnings) == ("none", [])
    other = "sigmoid" if head == "softmax" else "softmax"
    for number, key in enumerate(("output_activation", "class_activation")):
        wrong = {"output_activation": None, key: other}
        with pytest.raises(ConfigError, match=f"{key} is '{other}' but the model ends in '{head}'"):
            open_tflite(publish(tmp_path / f"wrong{number}", data, **wrong))


def test_logits_of_which_nothing_is_said_are_shown_as_they_are_with_a_warning(
    tflite_models: Path, tmp_path: Path
) -> None:
    told = Told()
    folder = publish(tmp_path / "birds", (tflite_models / "good.tflite").read_bytes(), output_activation=None)
    assert open_tflite(folder, progress=told).config.output_activation == "none"
    assert "output_activation" in told.warnings[0]
    trained = {**CONFIG, "output_activation": None, "class_activation": "sigmoid"}
    (folder / "birds_model_config.json").write_text(json.dumps(trained))
    assert open_tflite(folder).config.output_activation == "sigmoid"


def test_a_lone_tflite_needs_three_options_and_numbers_its_classes(tflite_models: Path) -> None:
    lone = tflite_models / "good.tflite"
    with pytest.raises(ConfigError, match="--sample-rate HZ --chunk-duration SECONDS --frontend NAME"):
        open_tflite(lone)
    with pytest.raises(ConfigError, match=r"add --frontend NAME$"):
        open_tflite(lone, hints=ModelHints(sample_rate=8000, chunk_duration=1))
    told = Told()
    source = open_tflite(lone, hints=THREE, progress=told)
    assert (source.config.num_mels, source.config.spec_width, source.config.shape) == (16, 16, (16, 16, 1))
    assert source.labels == tuple(f"class_00{index}" for index in range(8))
    assert any("8 classes are numbered" in line for line in told.warnings)
    assert any("fft_length 512, mag_scale none, input_compression none is assumed" in line for line in told.warnings)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uint8_io", "its input is uint8"),
        ("int16", "its input is int16"),
        ("two_outputs", "2 outputs"),
    ],
)
def test_what_is_not_full_int8_is_refused_before_anything_is_asked(tflite_models: Path, name: str, text: str) -> None:
    path = tflite_models / f"{name}.tflite"
    with pytest.raises(ModelError, match=text) as caught:
        open_tflite(path)
    assert caught.value.where == str(path)


def test_labels_that_do_not_match_are_refused(folder: Path) -> None:
    (folder / "birds_labels.txt").write_text("one\ntwo\n")
    with pytest.raises(LabelsError, match="2 labels but the model has 8 outputs"):
        open_tflite(folder)


def test_the_only_config_and_labels_of_a_folder_serve_under_any_name(folder: Path) -> None:
    (folder / "birds_INT8.tflite").rename(folder / "other.tflite")
    assert open_tflite(folder).labels == LABELS
    with pytest.raises(ConfigError, match="no config beside the model"):  # a file is not its folder
        open_tflite(folder / "other.tflite")


def test_of_several_models_the_int8_one_or_the_one_with_a_config_is_meant(folder: Path) -> None:
    for name in ("birds.tflite", "zoo.tflite"):
        (folder / name).write_bytes(b"x")
    assert find_tflite(folder) == folder / "birds_INT8.tflite"
    (folder / "birds_INT8.tflite").unlink()
    assert find_tflite(folder) == folder / "birds.tflite"
    (folder / "birds_model_config.json").unlink()
    with pytest.raises(UsageError, match=r"holds 2 \.tflite files \(birds\.tflite, zoo\.tflite\)"):
        find_tflite(folder)


def test_a_bundle_or_project_is_no_published_folder(folder: Path) -> None:
    (folder / "birds.keras").write_bytes(b"x")
    assert find_keras(folder) == folder / "birds.keras"
    assert is_converted(folder) is False and is_converted(folder / "birds_INT8.tflite") is True
    (folder / "birds.keras").unlink()
    assert is_converted(folder) is True
    (folder / "birdnet.lock").touch()
    assert find_tflite(folder) is None


def test_nothing_but_regular_files_is_a_model(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tflite")
    (tmp_path / "folder.keras").mkdir()
    assert find_tflite(tmp_path) is None
    assert find_tflite(tmp_path / "pipe.tflite") is None
    assert find_keras(tmp_path) == tmp_path


def inferred(facts: ModelFacts, **hints: Any) -> tuple[Any, list[str]]:
    told = Told()
    return config_of(facts, ModelHints(**hints), told), told.warnings


def test_the_frontend_layer_completes_what_is_said() -> None:
    config, warnings = inferred(
        facts((257, 64, 1), HYBRID, "sigmoid"), sample_rate=22050, chunk_duration=2.5, frontend="hybrid"
    )
    assert (config.num_mels, config.fft_length, config.mag_scale, config.spec_width) == (32, 512, "pwl", 64)
    assert (config.window_samples, config.output_activation, config.num_classes) == (55125, "sigmoid", 6)
    assert len(warnings) == 1 and "input_compression none is assumed" in warnings[0]


def test_what_is_asked_for_is_answered_with_what_the_layer_says() -> None:
    with pytest.raises(ConfigError, match="--sample-rate 22050 --chunk-duration 2.5 --frontend hybrid") as caught:
        inferred(facts((257, 64, 1), HYBRID))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("hints", "text"),
    [
        ({"sample_rate": 24000}, "sample_rate is 24000 but the model has 22050"),
        ({"chunk_duration": 3.0}, "chunk_duration is 3 but the model has 2.5"),
        ({"frontend": "librosa"}, "audio_frontend is 'librosa' but the model has 'hybrid'"),
        ({"frontend": "raw"}, "audio_frontend is 'raw' but the model has 'hybrid'"),
        ({"chunk_duration": float("nan")}, "chunk_duration is nan"),
        ({"sample_rate": -1}, "sample_rate is -1"),
    ],
)
def test_what_is_said_must_be_true(hints: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        inferred(
            facts((257, 64, 1), HYBRID), **{"sample_rate": 22050, "chunk_duration": 2.5, "frontend": "hybrid", **hints}
        )


@pytest.mark.parametrize(
    ("shape", "frontend", "expected"),
    [
        ((129, 64, 1), "hybrid", {"fft_length": 256, "spec_width": 64}),
        ((128, 64, 1), "hybrid", {"fft_length": 256, "spec_width": 64}),
        ((48, 64, 1), "librosa", {"num_mels": 48, "spec_width": 64}),
        ((48, 64, 1), "precomputed", {"num_mels": 48, "audio_frontend": "librosa"}),
        ((48, 64, 1), "log_mel", {"num_mels": 48}),
        ((13, 64, 1), "mfcc", {"n_mfcc": 13, "num_mels": 64}),
        ((8000, 1), "raw", {"window_samples": 8000}),
    ],
)  # fmt: skip
def test_rows_and_width_are_read_from_the_input(shape: tuple[int, ...], frontend: str, expected: dict) -> None:
    config, _ = inferred(facts(shape), sample_rate=8000, chunk_duration=1.0, frontend=frontend)
    assert {key: getattr(config, key) for key in expected} == expected
    assert config.shape == shape


@pytest.mark.parametrize(("shape", "frontend"), [((8000, 1), "hybrid"), ((7999, 1), "raw"), ((64, 32, 1), "raw")])
def test_a_frontend_that_does_not_fit_the_input_is_refused(shape: tuple[int, ...], frontend: str) -> None:
    with pytest.raises(ConfigError, match="the model"):
        inferred(facts(shape), sample_rate=8000, chunk_duration=1.0, frontend=frontend)


def test_a_config_file_and_options_must_agree(folder: Path) -> None:
    assert open_tflite(folder, hints=THREE).config.sample_rate == 8000
    with pytest.raises(ConfigError, match="sample_rate is 8000 but 16000 was asked for"):
        open_tflite(folder, hints=ModelHints(sample_rate=16000))
    path = folder / "birds_model_config.json"
    path.write_text(json.dumps({key: value for key, value in CONFIG.items() if key != "sample_rate"}))
    assert open_tflite(folder, hints=THREE).config.sample_rate == 8000  # an option completes a config
