"""The variant of a hybrid frontend, chosen by the file's layout and checked on what the model remembers of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from birdnet_deploy.errors import ModelError
from birdnet_deploy.model.source import open_source
from birdnet_deploy.quantization import convert
from birdnet_deploy.quantization.convert import QuantizedModel, quantize_model
from birdnet_deploy.quantization.report import model_rows
from birdnet_deploy.quantization.variant import check_variant
from tests.support.small_models import (
    build,
    edit_config,
    edit_weights,
    layer_config,
    run_here,
    save,
    settle,
    settled,
    to_2025,
    windows,
)

PWL = {"mag_scale": "pwl"}


class Told:
    """A progress that remembers warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def step(self, text: str) -> None: ...

    def advance(self, done: int, total: int) -> None: ...

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the worker in this process, which has TensorFlow already."""
    monkeypatch.setattr(convert, "run_worker", run_here)


@pytest.fixture(scope="module")
def divided() -> Any:
    """A model trained with the division."""
    return settled(**PWL)


@pytest.fixture(scope="module")
def undivided() -> Any:
    """A model trained without it."""
    model = build(**PWL)
    model.get_layer("audio_frontend").sample_norm = False
    settle(model)
    return model


def quantized(path: Path, model: Any, told: Told, sample_norm: bool | None = None) -> QuantizedModel:
    calibration, evaluation = windows(model, 12, seed=1), windows(model, 2, seed=2)
    return quantize_model(open_source(path), calibration, evaluation, sample_norm=sample_norm, progress=told)


def test_a_2025_file_trained_without_the_division_is_converted_without(undivided: Any, tmp_path: Path) -> None:
    told = Told()
    path = save(undivided, tmp_path, **PWL)
    edit_weights(path, to_2025)
    edit_config(path, lambda config: layer_config(config, "AudioFrontendLayer")["config"].pop("sample_norm"))
    made = quantized(path, undivided, told)
    assert (made.layout, made.sample_norm) == ("2025", False)
    assert made.variant is not None and made.variant["layer"] == "stem_bn"
    assert made.variant["off_by"] < 2
    assert made.variant["other_way_off_by"] > 10
    assert told.warnings == []


def test_a_2026_file_is_converted_with_it(divided: Any, tmp_path: Path) -> None:
    told = Told()
    made = quantized(save(divided, tmp_path, **PWL), divided, told)
    assert (made.layout, made.sample_norm, told.warnings) == ("2026", True, [])
    assert made.variant is not None and made.variant["off_by"] < 2
    assert made.variant["other_way_off_by"] > 10


def test_weights_that_contradict_the_layout_are_not_converted_by_guessing(divided: Any, tmp_path: Path) -> None:
    path = edit_weights(save(divided, tmp_path, **PWL), to_2025)
    with pytest.raises(ModelError, match="does not divide.*stem_bn is off by a factor of.*--sample-norm on") as caught:
        quantized(path, divided, Told())
    assert caught.value.where == str(path)
    told = Told()
    assert quantized(path, divided, told, sample_norm=True).sample_norm is True
    assert told.warnings == []


def test_who_insists_on_the_other_choice_gets_it_with_a_warning(divided: Any, tmp_path: Path) -> None:
    told = Told()
    made = quantized(save(divided, tmp_path, **PWL), divided, told, sample_norm=False)
    assert made.sample_norm is False
    assert len([line for line in told.warnings if "--sample-norm does not fit the model: stem_bn" in line]) == 1


def test_files_of_april_2026_had_the_layout_but_not_yet_the_division(undivided: Any, tmp_path: Path) -> None:
    path = save(undivided, tmp_path, **PWL)
    edit_config(path, lambda config: layer_config(config, "AudioFrontendLayer")["config"].pop("sample_norm"))
    with pytest.raises(ModelError, match="by its layout the frontend divides.*--sample-norm off"):
        quantized(path, undivided, Told())


def test_a_file_of_our_own_states_its_variant_and_is_believed(undivided: Any, tmp_path: Path) -> None:
    told = Told()
    made = quantized(save(undivided, tmp_path, **PWL), undivided, told)
    assert (made.layout, made.sample_norm, told.warnings) == ("2026", False, [])


def test_there_is_nothing_to_compare_in_an_untrained_model_or_another_frontend() -> None:
    def never(function: Any) -> Any:
        raise AssertionError("nothing is to be run")

    untrained = build(**PWL)
    assert check_variant(untrained, untrained.get_layer("audio_frontend"), never) is None
    librosa = settled(audio_frontend="librosa")
    assert check_variant(librosa, librosa.get_layer("audio_frontend"), never) is None


def test_the_choice_and_how_well_it_fits_are_shown() -> None:
    port = {"shape": [1], "scale": 0.5, "zero_point": 0}
    report = {
        "model": {"bytes": 1, "macs": 1, "operator_count": 1, "sha256": "x", "io": "int8", "input": port,
                  "output": port, "output_activation": "none"},
        "frontend": {"name": "hybrid", "weights_layout": "2025", "divides_by_sample_maximum": False,
                     "statistics": {"layer": "stem_bn", "off_by": 1.86, "other_way_off_by": 76.76}},
        "calibration": "unknown", "simplifications": [],
    }  # fmt: skip
    rows = dict(model_rows(report))
    assert rows["frontend"] == (
        "hybrid, 2025 layout, does not divide by the sample's maximum (stem_bn off by 1.86, the other way by 76.76)"
    )
    assert rows["calibration"] == "unknown"
