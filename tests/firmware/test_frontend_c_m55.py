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
LINK = ("-nostartfiles", "-ffunction-sections", "-Wl,--gc-sections")
FORMS = {"helium": BOARD.machine_flags, "scalar": tuple(f.replace("m55", "m55+nomve") for f in BOARD.machine_flags)}
TICKS_TO_INSTRUCTIONS = 31.25 / 32  # -icount shift=5 is 31.25 MHz, SysTick of the an547 counts at 32 MHz
CHECKPOINT = hybrid(512, sample_rate=22050, seconds=3, width=256)


def on_m55(
    config: ModelConfig, windows: list[np.ndarray], folder: Path, optimize: str = "-O2", form: str = "helium"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gives the features, the int8 tensors and the instructions of each window, computed in QEMU."""
    elf = folder / "frontend.elf"
    sources = [*rendered(config, folder), str(HERE / "frontend_m55.c")]
    flags = [*C_FLAGS, *FORMS[form], *LINK, *optimize.split(), f"-T{HERE}/frontend_m55.ld"]
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
    ("config", "form"),
    [
        (CHECKPOINT, "scalar"),  # what the host's tests compile
        (mel("mfcc"), "scalar"),
        *(
            (config, "helium")
            for config in (
                hybrid(64, compression="log", width=7),
                hybrid(256, compression="log", nyquist=False),
                hybrid(512, compression="sqrt"),
                hybrid(1024, width=3),
                hybrid(4096, width=9),
                CHECKPOINT,
                ModelConfig(16000, 1.0, "raw"),
                *mel_configs(),
                mel("librosa", scale="pcen", fft_length=1024, sample_rate=24000, seconds=3, width=256),
                mel("librosa", compression="log", fft_length=256, sample_rate=44100, num_mels=127, width=31),
                mel("mfcc", fft_length=2048, num_mels=26, n_mfcc=25, width=1),
                mel("mfcc", num_mels=7, n_mfcc=1, width=2),
                mel("log_mel", num_mels=7, width=5),
            )
        ),
    ],
    ids=lambda value: name_of(value) if isinstance(value, ModelConfig) else value,
)
def test_the_emulated_m55_equals_host_and_numpy_bit_by_bit(config: ModelConfig, form: str, tmp_path: Path) -> None:
    """Here optimised as in a project, four frames at once with Helium or one by one, the host's as ever with -O2."""
    windows = hard_windows(config.window_samples, config.sample_rate)
    features, quantized, _ = on_m55(config, list(windows.values()), tmp_path, BOARD.optimize_kernels, form)
    host = host_frontend(config, tmp_path / "host")
    for index, (name, pcm) in enumerate(windows.items()):
        expected = features_of_pcm(pcm, config)
        assert np.array_equal(features[index].view(np.int32), expected.view(np.int32)), name
        assert np.array_equal(features[index].view(np.int32), host.features(pcm).view(np.int32)), name
        assert np.array_equal(quantized[index], quantize_input(expected, INPUT_SCALE, INPUT_ZERO_POINT)), name


@pytest.mark.emulator
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("config", "helium", "scalar"),
    [
        (CHECKPOINT, 2.17, 7.57),
        (hybrid(512, sample_rate=22050, seconds=3, width=256, compression="log"), 3.06, 10.47),
        (mel("librosa", sample_rate=24000, seconds=3, width=256), 2.24, 7.76),
        (mel("librosa", scale="pcen", sample_rate=24000, seconds=3, width=256), 8.81, 8.81),
        (mel("mfcc", sample_rate=24000, seconds=3, width=256), 3.26, 10.38),
    ],
    ids=lambda value: name_of(value) if isinstance(value, ModelConfig) else "",
)
def test_a_window_costs_no_more_instructions_than_written_here(
    config: ModelConfig, helium: float, scalar: float, form: str, tmp_path: Path
) -> None:
    """Millions with gcc 12, flags of a project; QEMU counts exactly. PCEN computes in double: Helium has no lanes."""
    windows = hard_windows(config.window_samples, config.sample_rate)
    both = [windows["noise"], windows["silence"]]
    _, _, instructions = on_m55(config, both, tmp_path, BOARD.optimize_kernels, form)
    assert 1e6 < instructions.max() < {"helium": helium, "scalar": scalar}[form] * 1e6
