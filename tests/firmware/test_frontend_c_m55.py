"""The same frontend sources on an emulated Cortex-M55 give the bits of the host and of numpy."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.audio.frontend import features_of_pcm
from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.model.config import ModelConfig
from birdnet_deploy.npu.targets import read_board
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
BOARD = read_board("qemu-an547")
MACHINE = (*BOARD.machine_flags, "-nostartfiles", "-ffunction-sections", "-Wl,--gc-sections")
TICKS_TO_INSTRUCTIONS = 31.25 / 32  # -icount shift=5 is 31.25 MHz, SysTick of the an547 counts at 32 MHz
CHECKPOINT = hybrid(512, sample_rate=22050, seconds=3, width=256)


def on_m55(
    config: ModelConfig, windows: list[np.ndarray], folder: Path, optimize: str = "-O2"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gives the features, the int8 tensors and the instructions of each window, computed in QEMU."""
    elf = folder / "frontend.elf"
    sources = [*rendered(config, folder), str(HERE / "frontend_m55.c")]
    flags = [*C_FLAGS, *MACHINE, *optimize.split(), f"-T{HERE}/frontend_m55.ld"]
    compile_c(["arm-none-eabi-gcc", *flags, *sources, "-o", str(elf)])
    (folder / "pcm.bin").write_bytes(np.stack(windows).tobytes())
    command = [
        "qemu-system-arm", "-M", "mps3-an547", "-nographic", "-monitor", "none", "-serial", "none",
        "-semihosting-config", "enable=on,target=native", "-icount", "shift=5,sleep=off", "-kernel", elf.name,
    ]  # fmt: skip
    result = subprocess.run(command, cwd=folder, timeout=60, capture_output=True, text=True, check=False)
    assert result.returncode == 0, (result.returncode, result.stderr)
    features = np.fromfile(folder / "features.bin", dtype=np.float32).reshape(len(windows), *config.shape)
    quantized = np.fromfile(folder / "input.bin", dtype=np.int8).reshape(features.shape)
    ticks = np.fromfile(folder / "ticks.bin", dtype=np.uint32)
    return features, quantized, ticks * TICKS_TO_INSTRUCTIONS


@pytest.mark.emulator
@pytest.mark.parametrize(
    "config",
    [
        hybrid(256, compression="log", nyquist=False),
        hybrid(512, compression="sqrt"),
        hybrid(1024),
        CHECKPOINT,
        ModelConfig(16000, 1.0, "raw"),
        *mel_configs(),
        mel("librosa", scale="pcen", fft_length=1024, sample_rate=24000, seconds=3, width=256),
    ],
    ids=name_of,
)
def test_the_emulated_m55_equals_host_and_numpy_bit_by_bit(config: ModelConfig, tmp_path: Path) -> None:
    """Here optimised as in a project (-O3: gcc uses Helium where it keeps the order), the host's as ever with -O2."""
    windows = hard_windows(config.window_samples, config.sample_rate)
    features, quantized, _ = on_m55(config, list(windows.values()), tmp_path, BOARD.optimize_kernels)
    host = host_frontend(config, tmp_path / "host")
    for index, (name, pcm) in enumerate(windows.items()):
        expected = features_of_pcm(pcm, config)
        assert np.array_equal(features[index].view(np.int32), expected.view(np.int32)), name
        assert np.array_equal(features[index].view(np.int32), host.features(pcm).view(np.int32)), name
        assert np.array_equal(quantized[index], quantize_input(expected, INPUT_SCALE, INPUT_ZERO_POINT)), name


@pytest.mark.emulator
@pytest.mark.parametrize(
    ("config", "millions"),
    [
        (mel("librosa", sample_rate=24000, seconds=3, width=256), 8.5),
        (mel("librosa", scale="pcen", sample_rate=24000, seconds=3, width=256), 9.7),
        (mel("mfcc", sample_rate=24000, seconds=3, width=256), 11),
    ],
    ids=lambda value: name_of(value) if isinstance(value, ModelConfig) else "",
)
def test_mel_rows_cost_little_more_than_the_spectrogram(config: ModelConfig, millions: float, tmp_path: Path) -> None:
    """7.7, 8.8 (in double precision, for which the FPU has registers) and 10.0 M with gcc 12 at -O2."""
    windows = hard_windows(config.window_samples, config.sample_rate)
    _, _, instructions = on_m55(config, [windows["noise"], windows["silence"]], tmp_path)
    assert 1e6 < instructions.max() < millions * 1e6


@pytest.mark.emulator
def test_a_window_of_the_checkpoint_costs_less_than_nine_million_instructions(tmp_path: Path) -> None:
    """7.6 M with gcc 12 at -O2; the facts of the input contract speak of about 12 M."""
    windows = hard_windows(CHECKPOINT.window_samples, CHECKPOINT.sample_rate)
    _, _, instructions = on_m55(CHECKPOINT, [windows["noise"], windows["silence"]], tmp_path)
    assert 1e6 < instructions.max() < 9e6
