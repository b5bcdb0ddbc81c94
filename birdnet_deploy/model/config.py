"""``*_model_config.json``: what the model was trained on, read once, checked once.

Everything that depends on the input contract (host frontend, firmware tables, validator, readback) takes a
``ModelConfig``; nobody else reads the JSON.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import ConfigError
from birdnet_deploy.support.inputs import read_input_text

FRONTENDS = ("librosa", "hybrid", "raw", "mfcc", "log_mel")
FRONTEND_ALIASES = {"precomputed": "librosa", "tf": "raw"}
MAG_SCALES = ("none", "pwl", "pcen", "db")
INPUT_COMPRESSIONS = ("none", "sqrt", "log")
ACTIVATIONS = ("none", "softmax", "sigmoid")

HEADS = ("softmax", "sigmoid")
MAX_SAMPLES = 65536  # ST: every axis of every tensor < 65536 (facts of the STM32N6)


@dataclass(frozen=True)
class ModelConfig:
    """The input contract's parameters of one model.

    ``sample_rate`` in Hz, ``chunk_duration`` in s, ``fft_length`` and ``hop_length`` in samples,
    ``input_shape`` without batch. ``output_activation`` is what the host still has to apply to the outputs.
    """

    sample_rate: int
    chunk_duration: float
    audio_frontend: str
    spec_width: int = 256
    num_mels: int = 64
    fft_length: int = 512
    n_mfcc: int = 20
    mag_scale: str = "none"
    input_compression: str = "none"
    output_activation: str = "none"
    num_classes: int | None = None
    class_names: tuple[str, ...] | None = None
    input_shape: tuple[int, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def window_samples(self) -> int:
        """Samples in one window, ``int(sample_rate * chunk_duration)``."""
        return int(self.sample_rate * self.chunk_duration)

    @property
    def hop_length(self) -> int:
        """Samples between spectrogram frames, ``window_samples // spec_width``."""
        return self.window_samples // self.spec_width

    @property
    def shape(self) -> tuple[int, ...]:
        """The model's input shape without batch; rows of a spectrogram follow ``input_shape`` where it is known."""
        if self.input_shape is not None:
            return self.input_shape
        rows = {"hybrid": self.fft_length // 2 + 1, "mfcc": self.n_mfcc}.get(self.audio_frontend, self.num_mels)
        return (self.window_samples, 1) if self.audio_frontend == "raw" else (rows, self.spec_width, 1)

    def computed_shape(self, rows: int) -> tuple[int, ...]:
        """Gives the shape that the frontend computes for a model whose input has ``rows`` rows.

        A hybrid model may leave the Nyquist bin out; only its own input says whether it does.
        """
        shape = self.with_(input_shape=None).shape
        return (rows, *shape[1:]) if self.audio_frontend == "hybrid" and rows == shape[0] - 1 else shape

    def with_(self, **changes: Any) -> ModelConfig:
        """Gives a copy with some fields replaced."""
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Gives the mapping that ``model_config.json`` of a bundle holds; reading it back gives an equal config."""
        known: dict[str, Any] = {
            "sample_rate": self.sample_rate,
            "chunk_duration": self.chunk_duration,
            "audio_frontend": self.audio_frontend,
            "spec_width": self.spec_width,
            "num_mels": self.num_mels,
            "fft_length": self.fft_length,
            "n_mfcc": self.n_mfcc,
            "hop_length": self.hop_length,
            "mag_scale": self.mag_scale,
            "input_compression": self.input_compression,
            "output_activation": self.output_activation,
            "input_shape": list(self.shape),
        }
        if self.num_classes is not None:
            known["num_classes"] = self.num_classes
        if self.class_names is not None:
            known["class_names"] = list(self.class_names)
        return {**dict(self.extra), **known}


_INTEGERS = {
    "sample_rate": (1000, 384_000),
    "spec_width": (1, MAX_SAMPLES - 1),
    "num_mels": (1, 4096),
    "fft_length": (16, 16384),
    "n_mfcc": (1, 4096),
    "num_classes": (1, 16000),
}
_CHOICES = {
    "mag_scale": MAG_SCALES,
    "input_compression": INPUT_COMPRESSIONS,
    "output_activation": ACTIVATIONS,
}
_OTHER_KEYS = ("chunk_duration", "audio_frontend", "hop_length", "class_names", "input_shape")

# The other arguments of `build_dscnn_model`, as files carry them: checked and kept, not interpreted here.
_KEPT_INTEGERS = {"embeddings_size": (1, 65536), "se_reduction": (1, 65536), "expansion_factor": (1, 1024)}
_KEPT_NUMBERS = {"alpha": 64.0, "depth_multiplier": 64.0, "dropout_rate": 1.0, "weight_decay": 1.0}  # at most
_KEPT_FLAGS = frozenset({
    "frontend_trainable", "use_se", "use_inverted_residual", "use_attention_pooling", "train_mel_scale",
})  # fmt: skip
KEPT_KEYS = frozenset({*_KEPT_INTEGERS, *_KEPT_NUMBERS, *_KEPT_FLAGS, "class_activation"})
KNOWN_KEYS = frozenset({*_INTEGERS, *_CHOICES, *_OTHER_KEYS, *KEPT_KEYS})


def _integer(key: str, value: Any, where: object, bounds: tuple[int, int]) -> int:
    low, high = bounds
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value % 1 != 0:
        raise ConfigError(f"{key} is {value!r}, not a whole number", where=where, fix=f"give {low} to {high}")
    if not low <= value <= high:
        raise ConfigError(f"{key} is {value!r}, out of range", where=where, fix=f"give {low} to {high}")
    return int(value)


def _duration(value: Any, where: object) -> float:
    fix = "give the seconds of one window, above 0 and up to 60"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"chunk_duration is {value!r}, not a number", where=where, fix=fix)
    if not 0 < value <= 60:
        raise ConfigError(f"chunk_duration is {value!r}, out of range", where=where, fix=fix)
    return value


def _choice(key: str, value: Any, valid: tuple[str, ...], where: object) -> str:
    if isinstance(value, str) and value in valid:
        return value
    near = difflib.get_close_matches(str(value), valid, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(f"{key} is {value!r}", where=where, fix=f"{hint}valid: {', '.join(valid)}")


def _frontend(value: Any, where: object) -> str:
    return _choice("audio_frontend", _canonical(value), FRONTENDS, where)


def _check_kept(key: str, value: Any, where: object) -> None:
    """Refuses a value that the argument of the builder cannot have had."""
    if key in _KEPT_INTEGERS:
        _integer(key, value, where, _KEPT_INTEGERS[key])
    elif key in _KEPT_FLAGS:
        if not isinstance(value, bool):
            raise ConfigError(f"{key} is {value!r}, not true or false", where=where, fix="give true or false")
    elif key in _KEPT_NUMBERS:
        most = _KEPT_NUMBERS[key]
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value <= most or (value == 0 and most > 1):
            raise ConfigError(f"{key} is {value!r}, no number in its range", where=where, fix=f"give up to {most:g}")
    else:
        _choice(key, value, HEADS, where)


def _class_names(value: Any, where: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) for name in value):
        raise ConfigError("class_names is not a list of names", where=where, fix="give a list of strings")
    return tuple(value)


def _input_shape(value: Any, where: object) -> tuple[int, ...]:
    good = isinstance(value, (list, tuple)) and all(type(n) is int and n > 0 for n in value)
    if not good or len(value) not in (2, 3):
        raise ConfigError(f"input_shape is {value!r}", where=where, fix="give the input's shape without batch")
    return tuple(value)


# what others call a key that counts: kept as unknown it would leave the default in force without a word
_OTHER_NAMES = {
    "n_fft": "fft_length", "fft_size": "fft_length", "nfft": "fft_length", "hop": "hop_length",
    "frontend": "audio_frontend", "compression": "input_compression", "activation": "output_activation",
    "sr": "sample_rate", "duration": "chunk_duration", "labels": "class_names", "mag_scaling": "mag_scale",
}  # fmt: skip


def _check_keys(data: Mapping[str, Any], where: object) -> dict[str, Any]:
    """Gives the unknown keys, to be kept; a near miss of a known key is an error (F20)."""
    unknown = {}
    for key in sorted(set(data) - KNOWN_KEYS):
        name = str(key).casefold()
        known = _OTHER_NAMES.get(name)
        near = [known] if known else difflib.get_close_matches(name, KNOWN_KEYS, n=1, cutoff=0.84)
        if near:
            raise ConfigError(f"unknown key {key!r}", where=where, fix=f"did you mean {near[0]!r}?")
        _check_keepable(key, data[key], where)
        unknown[key] = data[key]
    return unknown


def _check_keepable(key: str, value: Any, where: object) -> None:
    try:
        json.dumps({key: value}, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the value of {key!r} is no JSON ({error})", where=where, fix="mend or remove it") from error


def _check_consistency(config: ModelConfig, data: Mapping[str, Any], where: object) -> None:
    hop = data.get("hop_length")
    if hop is not None and (isinstance(hop, bool) or hop != config.hop_length):
        raise ConfigError(
            f"hop_length is {hop!r} but int(sample_rate*chunk_duration)//spec_width is {config.hop_length}",
            where=where, fix="remove hop_length or mend sample_rate, chunk_duration or spec_width",
        )  # fmt: skip
    if config.audio_frontend == "raw" and config.window_samples >= MAX_SAMPLES:
        raise ConfigError(
            f"raw input of sample_rate*chunk_duration={config.window_samples} samples is not below {MAX_SAMPLES}",
            where=where, fix="use 16000 Hz, 2 s windows, or the hybrid or librosa frontend",
        )  # fmt: skip
    if config.audio_frontend != "raw" and config.hop_length < 1:
        raise ConfigError("spec_width has more frames than the window has samples", where=where, fix="lower spec_width")
    activations = {config.output_activation, data.get("class_activation")}
    if activations == set(HEADS):
        raise ConfigError(
            f"output_activation is {config.output_activation!r} but class_activation is {data['class_activation']!r}",
            where=where, fix="keep the one that the model was trained with",
        )  # fmt: skip
    if config.audio_frontend == "mfcc" and config.n_mfcc > config.num_mels:
        what = f"n_mfcc is {config.n_mfcc} but num_mels only {config.num_mels}"
        raise ConfigError(what, where=where, fix="lower n_mfcc or raise num_mels")
    names, count = config.class_names, config.num_classes
    if names is not None and count is not None and len(names) != count:
        raise ConfigError(f"num_classes is {count} but class_names has {len(names)}", where=where, fix="mend one")


def config_from_mapping(data: Mapping[str, Any], *, where: object = "model config") -> ModelConfig:
    """Gives the checked config of a mapping with the keys of ``*_model_config.json``.

    ``sample_rate``, ``chunk_duration`` and ``audio_frontend`` are required. Keys that no one here knows are kept
    in ``extra``.

    Raises: ConfigError (exit 2) for a missing key, a near miss of a key, or a value that is not valid.
    """
    unknown = _check_keys(data, where)
    for key in ("sample_rate", "chunk_duration", "audio_frontend"):
        if data.get(key) is None:
            raise ConfigError(f"{key} is missing", where=where, fix=f"add {key!r} to the config")
    values: dict[str, Any] = {
        key: _integer(key, data[key], where, bounds) for key, bounds in _INTEGERS.items() if data.get(key) is not None
    }
    for key, valid in _CHOICES.items():
        if data.get(key) is not None:
            values[key] = _choice(key, data[key], valid, where)
    values["chunk_duration"] = _duration(data["chunk_duration"], where)
    values["audio_frontend"] = _frontend(data["audio_frontend"], where)
    if data.get("class_names") not in (None, []):
        values["class_names"] = _class_names(data["class_names"], where)
    if data.get("input_shape") is not None:
        values["input_shape"] = _input_shape(data["input_shape"], where)
    kept = {key: data[key] for key in sorted(KEPT_KEYS & set(data))}
    for key, value in kept.items():
        if value is not None:
            _check_kept(key, value, where)
    config = ModelConfig(**values, extra={**kept, **unknown})
    _check_consistency(config, data, where)
    return config


def unknown_keys(data: Mapping[str, Any]) -> list[str]:
    """Gives the keys that are kept but mean nothing here, for one warning."""
    return sorted(set(data) - KNOWN_KEYS)


def read_config(path: Path, told: Mapping[str, Any] | None = None) -> ModelConfig:
    """Gives the config of a ``*_model_config.json`` file; ``told`` are keys that were said elsewhere.

    Raises: ConfigError (exit 2) where it cannot be read, is not a JSON object, is not valid, or contradicts what
    was told.
    """
    try:
        data = json.loads(read_input_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"not a readable JSON config ({error})", where=path, fix="name it with --config") from error
    if not isinstance(data, dict):
        raise ConfigError("not a JSON object", where=path, fix="name the model's config with --config")
    for key, value in (told or {}).items():
        if data.get(key) is not None and _canonical(data[key]) != _canonical(value):
            raise ConfigError(f"{key} is {data[key]!r} but {value!r} was asked for", where=path, fix="mend one of them")
    return config_from_mapping({**data, **(told or {})}, where=path)


def _canonical(value: Any) -> Any:
    return FRONTEND_ALIASES.get(value, value) if isinstance(value, str) else value
