"""The firmware's frontend, compiled for this machine, equals its numpy twin bit by bit."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.audio.frontend import features_of_pcm
from birdnet_deploy.audio.host_frontend import HostFrontend
from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.audio.reading import find_recordings, read_pcm16
from birdnet_deploy.audio.windows import window_at, window_starts
from birdnet_deploy.errors import AudioError, BuildError
from birdnet_deploy.model.config import ModelConfig
from tests.support.frontend_builds import (
    C_FLAGS,
    INPUT_SCALE,
    INPUT_ZERO_POINT,
    compile_c,
    host_frontend,
    hybrid,
    mel,
    mel_configs,
    name_of,
    rendered,
)
from tests.support.sounds import hard_windows

HERE = Path(__file__).parent
RAW = ModelConfig(16000, 1.0, "raw")
CONFIGS = [
    *(
        hybrid(fft, compression=compression, nyquist=nyquist)
        for fft in (256, 512, 1024)
        for compression in ("none", "sqrt", "log")
        for nyquist in (True, False)
    ),
    *(hybrid(fft, compression="log") for fft in (64, 128, 2048, 4096)),
    hybrid(512, sample_rate=22050, seconds=3, width=256),
    RAW,
    *mel_configs(),
    mel("librosa", scale="pcen", fft_length=64, num_mels=20),
    mel("librosa", scale="pcen", fft_length=4096, sample_rate=48000, width=31),
    mel("librosa", scale="pcen", fft_length=256, sample_rate=4000, seconds=20, num_mels=20),  # the smoother runs dry
    mel("librosa", compression="log", fft_length=256, sample_rate=44100, num_mels=128),  # some filters hold no bin
    mel("log_mel", fft_length=1024, sample_rate=22050, seconds=1.5, width=100, num_mels=40),
    mel("mfcc", fft_length=2048, num_mels=26, n_mfcc=26, width=1),
    mel("mfcc", num_mels=7, n_mfcc=1),
]


@pytest.mark.parametrize("config", CONFIGS, ids=name_of)
def test_c_equals_numpy_bit_by_bit(config: ModelConfig, tmp_path: Path) -> None:
    frontend = host_frontend(config, tmp_path)
    for name, pcm in hard_windows(config.window_samples, config.sample_rate).items():
        assert_same_bits(frontend, pcm, config, name)


@pytest.mark.parametrize("config", [*CONFIGS[:3], RAW, *mel_configs(), *CONFIGS[-5:]], ids=name_of)
def test_four_lanes_of_a_host_equal_numpy_bit_by_bit(config: ModelConfig, tmp_path: Path) -> None:
    frontend = host_frontend(config, tmp_path, "-DFRONTEND_HOST_LANES")
    for name, pcm in hard_windows(config.window_samples, config.sample_rate).items():
        assert_same_bits(frontend, pcm, config, name)


@pytest.fixture(scope="module")
def recordings(shared: Path) -> dict[str, np.ndarray]:
    """The shared recordings at 22,050 Hz."""
    return {path.name: read_pcm16(path, 22050) for path in find_recordings(shared / "audio")}


@pytest.mark.shared
@pytest.mark.parametrize(
    "config",
    [
        hybrid(512, sample_rate=22050, seconds=3, width=256),
        hybrid(512, sample_rate=22050, seconds=3, width=256, compression="log"),
        *mel_configs(22050, 3, 256),
    ],
    ids=name_of,
)
def test_c_equals_numpy_bit_by_bit_on_real_sound(
    config: ModelConfig, recordings: dict[str, np.ndarray], tmp_path: Path
) -> None:
    frontend = host_frontend(config, tmp_path)
    windows = 0
    for name, pcm in recordings.items():
        for start in window_starts(len(pcm), config.window_samples):
            assert_same_bits(frontend, window_at(pcm, start, config.window_samples), config, f"{name} {start}")
            windows += 1
    assert windows >= 200


def assert_same_bits(frontend: HostFrontend, pcm: np.ndarray, config: ModelConfig, name: str) -> None:
    """Compares features as integers, so that -0 and 0 or two NaNs are told apart, and the int8 tensors."""
    ours, theirs = features_of_pcm(pcm, config), frontend.features(pcm)
    assert np.array_equal(ours.view(np.int32), theirs.view(np.int32)), name
    assert np.array_equal(quantize_input(ours, INPUT_SCALE, INPUT_ZERO_POINT), frontend.quantized(pcm)), name


def test_contraction_would_be_noticed(tmp_path: Path) -> None:
    """The same C with fused multiply-adds gives other bits: the flag is no decoration, and the comparison is sharp."""
    config = hybrid(512)
    if os.uname().machine == "x86_64" and "fma" not in Path("/proc/cpuinfo").read_text(encoding="utf-8"):
        pytest.skip("this machine has no fused multiply-add")
    library = tmp_path / "fused.so"
    flags = [flag for flag in C_FLAGS if flag != "-ffp-contract=off"]
    machine = ["-mfma"] if os.uname().machine == "x86_64" else []
    compile_c(
        [
            "cc",
            *flags,
            *machine,
            "-ffp-contract=fast",
            "-fPIC",
            "-shared",
            *rendered(config, tmp_path),
            "-o",
            str(library),
        ]
    )
    pcm = hard_windows(config.window_samples, config.sample_rate)["noise"]
    assert not np.array_equal(HostFrontend(library, config).features(pcm), features_of_pcm(pcm, config))


@pytest.mark.parametrize(
    "config", [hybrid(256, compression="log"), hybrid(512, nyquist=False), RAW, *mel_configs()], ids=name_of
)
def test_sanitizers_find_nothing(config: ModelConfig, tmp_path: Path) -> None:
    arguments = rendered(config, tmp_path)
    program = tmp_path / "sanitized"
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"]
    compile_c(["cc", *C_FLAGS, *flags, *arguments, str(HERE / "frontend_stdio.c"), "-o", str(program)])
    windows = list(hard_windows(config.window_samples, config.sample_rate).values())
    result = subprocess.run([program], input=np.stack(windows).tobytes(), capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()
    size = int(np.prod(config.shape))
    records = np.frombuffer(result.stdout, dtype=[("features", np.float32, size), ("input", np.int8, size)])
    expected = np.stack([features_of_pcm(pcm, config).ravel() for pcm in windows])
    assert np.array_equal(records["features"].view(np.int32), expected.view(np.int32))


def test_the_library_refuses_another_models_config(tmp_path: Path) -> None:
    host_frontend(hybrid(256), tmp_path)
    with pytest.raises(BuildError, match="built for 16000 samples and 8256 features") as caught:
        HostFrontend(tmp_path / "frontend.so", hybrid(512))
    assert caught.value.exit_code == 6
    with pytest.raises(BuildError, match="not a loadable frontend library"):
        HostFrontend(tmp_path / "frontend_tables.c", hybrid(256))


def test_the_library_takes_whole_windows_only(tmp_path: Path) -> None:
    frontend = host_frontend(hybrid(256), tmp_path)
    with pytest.raises(AudioError, match="not int16"):
        frontend.features(np.zeros(15999, dtype=np.int16))
    with pytest.raises(AudioError, match="not int16"):
        frontend.features(np.zeros(16000, dtype=np.float32))


def test_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    """The C has one static workspace, and ctypes lets go of the interpreter lock."""
    config = hybrid(512)
    frontend = host_frontend(config, tmp_path)
    windows = list(hard_windows(config.window_samples, config.sample_rate).values()) * 20
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(frontend.features, windows))
    assert all(np.array_equal(a, frontend.features(b)) for a, b in zip(together, windows, strict=True))


def test_the_callers_float_mode_comes_back(tmp_path: Path) -> None:
    frontend = host_frontend(hybrid(256), tmp_path)
    frontend.features(np.ones(16000, dtype=np.int16))
    assert np.float32(1e-40) * np.float32(1) != 0
