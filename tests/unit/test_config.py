"""*_model_config.json: what is known is checked, what is misspelt is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from birdnet_deploy.errors import ConfigError
from birdnet_deploy.model.config import config_from_mapping, read_config, unknown_keys

GOOD: dict[str, Any] = {
    "sample_rate": 22050, "chunk_duration": 3, "audio_frontend": "hybrid", "spec_width": 256, "num_mels": 64,
    "fft_length": 512, "hop_length": 258, "mag_scale": "pwl",
}  # fmt: skip


def test_derived_numbers_follow_the_contract() -> None:
    config = config_from_mapping(GOOD)
    assert (config.window_samples, config.hop_length, config.shape) == (66150, 258, (257, 256, 1))


def test_a_config_written_and_read_back_is_equal() -> None:
    config = config_from_mapping({**GOOD, "class_names": ["a", "b"], "num_classes": 2, "alpha": 1.0, "mine": [1]})
    again = config_from_mapping(json.loads(json.dumps(config.to_json())))
    assert again == config.with_(input_shape=config.shape)


def test_unknown_keys_are_kept_and_told() -> None:
    data = {**GOOD, "trained_by": "me"}
    assert config_from_mapping(data).to_json()["trained_by"] == "me"
    assert unknown_keys(data) == ["trained_by"]


def test_fractional_durations_and_aliases() -> None:
    config = config_from_mapping({"sample_rate": 16000, "chunk_duration": 2.5, "audio_frontend": "tf"})
    assert (config.audio_frontend, config.window_samples, config.shape) == ("raw", 40000, (40000, 1))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sample_rte": 1}, "sample_rate"),
        ({"hop_lenght": 258}, "hop_length"),
        ({"hop_length": 256}, "hop_length"),
        ({"audio_frontend": "hybrd"}, "hybrid"),
        ({"mag_scale": "plw"}, "pwl"),
        ({"input_compression": "cube"}, "sqrt"),
        ({"output_activation": "relu"}, "sigmoid"),
        ({"sample_rate": True}, "sample_rate"),
        ({"sample_rate": -1}, "sample_rate"),
        ({"sample_rate": float("nan")}, "sample_rate"),
        ({"chunk_duration": float("inf")}, "chunk_duration"),
        ({"chunk_duration": 0}, "chunk_duration"),
        ({"num_mels": 6.5}, "num_mels"),
        ({"class_names": "abc"}, "class_names"),
        ({"class_names": ["a"], "num_classes": 2}, "num_classes"),
        ({"input_shape": [257, 256]+[0]}, "input_shape"),
        ({"audio_frontend": "raw"}, "sample_rate*chunk_duration=66150"),
        ({"sample_rate": None}, "sample_rate"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_from_mapping({**GOOD, **change}, where="x.json")
    assert named in caught.value.line
    assert "x.json" in caught.value.line
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["", "[]", "{", "\xff"])
def test_a_file_that_is_no_config(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match="x.json"):
        read_config(path)


@pytest.mark.shared
def test_the_real_config(shared: Path) -> None:
    config = read_config(shared / "models/birdnet_stm32n6_100_model_config.json")
    assert config.class_names is not None
    assert (config.shape, len(config.class_names)) == ((257, 256, 1), 100)
