"""*_model_config.json: what is known is checked, what is misspelt is refused."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from birdnet_deploy.errors import ConfigError
from birdnet_deploy.model.config import KNOWN_KEYS, config_from_mapping, read_config, unknown_keys
from birdnet_deploy.model.family import build_dscnn_model

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
        ({"INPUT_COMPRESSION": "sqrt"}, "input_compression"),
        ({"n_fft": 1024}, "fft_length"),
        ({"chunk_duration": 10**400}, "chunk_duration"),
        ({"audio_frontend": "mfcc", "n_mfcc": 65}, "n_mfcc"),
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
        ({"hop_length": True}, "hop_length"),
        ({"sample_rate": 16000, "audio_frontend": "raw", "hop_length": 100}, "hop_length is 100 but"),
        ({"alpha": float("nan")}, "alpha is nan"),
        ({"alpha": 0}, "alpha"),
        ({"depth_multiplier": True}, "depth_multiplier is True"),
        ({"embeddings_size": -256}, "embeddings_size"),
        ({"expansion_factor": 2.5}, "expansion_factor"),
        ({"dropout_rate": 1.5}, "dropout_rate"),
        ({"weight_decay": float("inf")}, "weight_decay"),
        ({"use_se": 1}, "use_se is 1, not true or false"),
        ({"frontend_trainable": "yes"}, "frontend_trainable"),
        ({"class_activation": "sigmoidal"}, "did you mean 'sigmoid'"),
        ({"class_activation": "softmax", "output_activation": "sigmoid"}, "class_activation is 'softmax'"),
        ({"n_mels": 64}, "did you mean 'num_mels'"),
        ({"remark": float("nan")}, "the value of 'remark'"),
        ({"remark": "\ud800"}, "the value of 'remark'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_from_mapping({**GOOD, **change}, where="x.json")
    assert named in caught.value.line
    assert "x.json" in caught.value.line
    assert caught.value.exit_code == 2


def test_every_argument_of_the_builder_is_a_known_key() -> None:
    assert set(inspect.signature(build_dscnn_model).parameters) <= KNOWN_KEYS


def test_a_config_as_birdnet_stm32_writes_it_is_kept_whole() -> None:
    written = {
        **GOOD, "chunk_duration": 3.0, "embeddings_size": 256, "alpha": 1.0, "depth_multiplier": 1, "n_mfcc": 20,
        "use_se": True, "se_reduction": 8, "use_inverted_residual": True, "expansion_factor": 2,
        "use_attention_pooling": False, "dropout_rate": 0.5, "frontend_trainable": False, "weight_decay": None,
        "train_mel_scale": False, "class_names": [], "hop_length": 258.0,
    }  # fmt: skip
    config = config_from_mapping(written)
    assert (config.class_names, unknown_keys(written)) == (None, [])
    again = config.to_json()
    assert {key: again[key] for key in written if key not in ("class_names",)} == {
        key: value for key, value in written.items() if key != "class_names"
    }


@pytest.mark.parametrize(("seconds", "samples"), [(2.5, 55125), (0.1, 2205), (2.9999, 66147)])
def test_windows_of_fractional_seconds(seconds: float, samples: int) -> None:
    data = {**GOOD, "chunk_duration": seconds, "spec_width": 64, "hop_length": samples // 64}
    config = config_from_mapping(data)
    assert (config.window_samples, config.hop_length) == (samples, samples // 64)


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


def test_only_a_hybrid_model_may_leave_nyquist_out() -> None:
    hybrid = config_from_mapping(GOOD)
    assert [hybrid.computed_shape(rows)[0] for rows in (257, 256, 255)] == [257, 256, 257]
    librosa = config_from_mapping({**GOOD, "audio_frontend": "librosa"})
    assert librosa.computed_shape(63) == (64, 256, 1)
