"""The numpy frontends against the input contract, with librosa as the oracle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.audio import model_input
from birdnet_deploy.audio.elementary import exponential, natural_log, natural_log1p
from birdnet_deploy.audio.fft import complex_fft, fft_plan
from birdnet_deploy.audio.frontend import features_of_pcm, features_of_windows, output_shape
from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.audio.reading import find_recordings, read_pcm16
from birdnet_deploy.audio.windows import window_at, window_starts
from birdnet_deploy.errors import AudioError, ConfigError
from birdnet_deploy.model.config import ModelConfig
from tests.support.frontend_builds import hybrid, mel, mel_configs, name_of
from tests.support.librosa_oracle import oracle_features
from tests.support.sounds import hard_windows

RATE = 16000
MELS = [
    *mel_configs(),
    mel("log_mel", num_mels=40, fft_length=1024),
    mel("mfcc", sample_rate=22050, seconds=1.5, width=100, num_mels=128, n_mfcc=128, fft_length=2048),
    mel("librosa", scale="pcen", sample_rate=24000, seconds=3, width=256, fft_length=1024),
]
RAW = ModelConfig(RATE, 1.0, "raw")
HYBRIDS = [
    hybrid(fft, compression=compression, nyquist=nyquist)
    for fft in (256, 512, 1024)
    for compression in ("none", "sqrt", "log")
    for nyquist in (True, False)
]


def bound(config: ModelConfig) -> float:
    """Gives the error that is allowed, about twice what is reached; docs/input-contract.md allows 1e-3.

    Roots and logarithms lift the rounding residue of a float32 FFT, which is all that a pure tone leaves in
    most bins.
    """
    scale = config.mag_scale if config.mag_scale == "db" else config.input_compression
    return {"sqrt": 4e-4, "log": 1.5e-4, "db": 1e-4}.get(scale, 1e-5)


@pytest.mark.parametrize("config", [*HYBRIDS, *MELS, RAW], ids=name_of)
def test_equals_librosa_on_hard_windows(config: ModelConfig) -> None:
    for name, pcm in hard_windows(config.window_samples, config.sample_rate).items():
        error = np.abs(features_of_pcm(pcm, config) - oracle_features(pcm, config)).max()
        assert error <= bound(config), f"{name}: {error}"


@pytest.mark.parametrize("fft", [64, 128, 2048, 4096])
def test_other_fft_lengths_equal_librosa(fft: int) -> None:
    config = hybrid(fft)
    pcm = hard_windows(config.window_samples, RATE)["chirp"]
    assert np.abs(features_of_pcm(pcm, config) - oracle_features(pcm, config)).max() <= bound(config)


@pytest.mark.parametrize(("width", "fft"), [(64, 512), (512, 512), (512, 4096)])
def test_pcen_of_ten_seconds_of_dc_equals_librosa(width: int, fft: int) -> None:
    """PCEN's smoother has run dry by then and lifts the residue of the FFT: float32 would be 8e-2 away or more."""
    config = mel("librosa", scale="pcen", seconds=10, width=width, fft_length=fft)
    pcm = hard_windows(config.window_samples, RATE)["dc"]
    assert np.abs(features_of_pcm(pcm, config) - oracle_features(pcm, config)).max() <= 1e-3


def real_windows(shared: Path, config: ModelConfig) -> Iterator[np.ndarray]:
    """Yields every window at half-window hop of the shared recordings."""
    for path in find_recordings(shared / "audio"):
        pcm = read_pcm16(path, config.sample_rate)
        for start in window_starts(len(pcm), config.window_samples):
            yield window_at(pcm, start, config.window_samples)


@pytest.mark.shared
def test_the_checkpoints_input_equals_librosa_on_every_real_window(shared: Path) -> None:
    """Measured on 210 windows: at most 3.6e-7; 10 of 13,816,320 int8 values, on a rounding edge, differ by a step."""
    config = ModelConfig(22050, 3, "hybrid", 256)
    worst, different, values = 0.0, 0, 0
    for pcm in real_windows(shared, config):
        ours, theirs = features_of_pcm(pcm, config), oracle_features(pcm, config)
        worst = max(worst, float(np.abs(ours - theirs).max()))
        steps = quantize_input(ours, 1 / 255, -128).astype(int) - quantize_input(theirs, 1 / 255, -128)
        assert np.abs(steps).max() <= 1
        different, values = different + np.count_nonzero(steps), values + steps.size
    assert values >= 200 * 257 * 256
    assert worst <= 1e-6
    assert different <= 5e-6 * values


@pytest.mark.shared
@pytest.mark.parametrize(
    "config",
    [
        hybrid(compression="log", nyquist=False, sample_rate=22050, seconds=3, width=256),
        *mel_configs(24000, 3, 256),
        ModelConfig(16000, 2, "raw"),
    ],
    ids=name_of,
)
def test_every_frontend_equals_librosa_on_real_sound(shared: Path, config: ModelConfig) -> None:
    for path in find_recordings(shared / "audio" / "labelled")[:12]:
        pcm = window_at(read_pcm16(path, config.sample_rate), 0, config.window_samples)
        assert np.abs(features_of_pcm(pcm, config) - oracle_features(pcm, config)).max() <= bound(config), path.name


def test_the_parts_of_the_contract_matter() -> None:
    """A symmetric Hann window, or frames that are not centred, are far beyond the tolerance."""
    config = hybrid(512)
    pcm = hard_windows(config.window_samples, RATE)["noise"]
    shifted = np.concatenate([pcm[256:], np.zeros(256, dtype=np.int16)])
    assert np.abs(features_of_pcm(shifted, config) - features_of_pcm(pcm, config)).max() > 0.1


@pytest.mark.parametrize("length", [64, 128, 256, 512, 1024, 2048, 4096])
def test_the_complex_fft_is_the_discrete_fourier_transform(length: int) -> None:
    plan = fft_plan(length)
    random = np.random.default_rng(1)
    re, im = random.standard_normal((2, plan.points, 3)).astype(np.float32)
    out_re, out_im = complex_fft(re, im, plan)
    exact = np.fft.fft(re.astype(np.float64) + 1j * im, axis=0)
    assert np.abs((out_re + 1j * out_im) - exact).max() <= 2e-6 * np.abs(exact).max()


def test_tables_are_exact_where_mathematics_is() -> None:
    plan = fft_plan(512)
    assert plan.hann[0] == 0 and plan.hann[256] == 1 and plan.hann[128] == 0.5
    assert np.array_equal(plan.hann[1:], plan.hann[:0:-1])
    assert plan.split_cos[0] == 1 and plan.split_sin[0] == 0
    assert plan.split_cos[-1] == 0 and plan.split_sin[-1] == -1
    for stage in plan.stages:
        assert np.abs(stage.cos**2 + stage.sin**2 - 1).max() < 3e-7
        assert not np.signbit(stage.sin[stage.sin == 0]).any()


@pytest.mark.parametrize(
    ("function", "exact", "low", "high", "ulps"),
    [
        (natural_log, np.log, -80, 80, 1.0),
        (natural_log1p, np.log1p, -30, 60, 2.0),
    ],
)
def test_own_logarithms_are_accurate(function, exact, low, high, ulps) -> None:
    random = np.random.default_rng(2)
    x = np.concatenate([np.exp(random.uniform(low, high, 200_000)), random.uniform(0.5, 2, 200_000)]).astype(np.float32)
    truth = exact(x.astype(np.float64))
    assert (np.abs(function(x) - truth) / np.spacing(np.abs(truth).astype(np.float32))).max() <= ulps


def test_own_exponential_is_accurate() -> None:
    x = np.random.default_rng(2).uniform(-80, 80, 400_000).astype(np.float32)
    truth = np.exp(x.astype(np.float64))
    assert (np.abs(exponential(x) - truth) / np.spacing(truth.astype(np.float32))).max() <= 2.0
    assert exponential(np.zeros(1, dtype=np.float32))[0] == 1


def test_model_input_takes_a_mapping_with_only_the_keys_of_its_frontend() -> None:
    samples = np.sin(np.arange(16000) / 7).astype(np.float32)
    config = {"sample_rate": 16000, "chunk_duration": 1, "audio_frontend": "hybrid", "spec_width": 64}
    assert model_input(samples, config).shape == (257, 64, 1)
    assert model_input(samples, {**config, "input_shape": [256, 64, 1]}).shape == (256, 64, 1)
    raw = model_input(samples, {"sample_rate": 16000, "chunk_duration": 1, "audio_frontend": "tf"})
    assert raw.shape == (16000, 1) and raw.dtype == np.float32 and np.abs(raw).max() > 0.99999
    assert model_input(samples, {**config, "audio_frontend": "mfcc", "n_mfcc": 13}).shape == (13, 64, 1)
    assert model_input(samples, {**config, "audio_frontend": "precomputed", "num_mels": 48}).shape == (48, 64, 1)


def test_pcm_and_its_floats_give_the_same_bits() -> None:
    config = hybrid(256)
    pcm = hard_windows(config.window_samples, RATE)["noise"]
    assert np.array_equal(features_of_pcm(pcm, config), model_input(pcm / np.float32(32768), config))


def test_a_short_window_is_padded_at_its_end() -> None:
    config = hybrid(256)
    samples = hard_windows(config.window_samples, RATE)["noise"][:5000]
    padded = np.concatenate([samples, np.zeros(11000, dtype=np.int16)])
    assert np.array_equal(features_of_pcm(samples, config), features_of_pcm(padded, config))


def test_windows_together_equal_windows_one_by_one() -> None:
    config = hybrid(256)
    pcm = np.stack(list(hard_windows(config.window_samples, RATE).values()))
    together = features_of_windows(pcm, config)
    assert together.shape == (len(pcm), *config.shape)
    assert all(
        np.array_equal(features, features_of_pcm(window, config))
        for features, window in zip(together, pcm, strict=True)
    )


def test_silence_is_all_zero() -> None:
    for config in (hybrid(256), hybrid(256, compression="log"), *MELS, RAW):
        assert not features_of_pcm(np.zeros(config.window_samples, dtype=np.int16), config).any(), config


@pytest.mark.parametrize(
    ("samples", "what"),
    [
        (np.zeros(16001, dtype=np.float32), "shape"),
        (np.zeros(0, dtype=np.float32), "shape"),
        (np.zeros((16000, 1), dtype=np.float32), "shape"),
        (np.full(16000, np.nan, dtype=np.float32), "not finite"),
        (np.full(16000, np.inf, dtype=np.float32), "not finite"),
        (np.full(16000, 1001, dtype=np.float32), "beyond 1000"),
    ],
)
def test_what_is_no_window_of_sound_is_refused(samples: np.ndarray, what: str) -> None:
    with pytest.raises(AudioError, match=what) as caught:
        model_input(samples, hybrid(256))
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("config", "what"),
    [
        (ModelConfig(RATE, 1, "hybrid", 64, fft_length=500), "fft_length is 500"),
        (ModelConfig(RATE, 1, "hybrid", 64, fft_length=32), "fft_length is 32"),
        (ModelConfig(RATE, 1, "hybrid", 64, fft_length=8192), "fft_length is 8192"),
        (ModelConfig(RATE, 1, "hybrid", 64, input_shape=(255, 64, 1)), r"gives \(257, 64, 1\) or \(256, 64, 1\)"),
        (ModelConfig(RATE, 1, "hybrid", 64, input_shape=(257, 65, 1)), "input_shape is"),
        (ModelConfig(RATE, 1, "raw", 64, input_shape=(15999, 1)), "input_shape is"),
        (ModelConfig(RATE, 1, "mfcc", 64, n_mfcc=65), r"gives \(64, 64, 1\)"),
    ],
)
def test_a_config_that_the_frontend_cannot_serve_is_named(config: ModelConfig, what: str) -> None:
    with pytest.raises(ConfigError, match=what) as caught:
        features_of_pcm(np.ones(config.window_samples, dtype=np.int16), config)
    assert caught.value.exit_code == 2


def test_output_shape_follows_the_models_own() -> None:
    assert output_shape(hybrid(512, nyquist=True)) == (257, 64, 1)
    assert output_shape(hybrid(512, nyquist=False)) == (256, 64, 1)
    assert output_shape(ModelConfig(RATE, 1, "raw")) == (16000, 1, 1)
