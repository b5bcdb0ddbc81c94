"""Compiles the firmware's frontend for tests, with the flags that the generated projects use."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from birdnet_deploy.audio.host_frontend import HostFrontend
from birdnet_deploy.codegen.frontend_tables import frontend_files
from birdnet_deploy.model.config import ModelConfig
from birdnet_deploy.support.resources import firmware_dir

INPUT_SCALE, INPUT_ZERO_POINT = 1 / 255, -128
C_FLAGS = (
    "-std=c11", "-O2", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra", "-Werror", "-Wpedantic",
    "-Wconversion", "-Wshadow", "-Wdouble-promotion", "-Wmissing-prototypes",
)  # fmt: skip


def hybrid(
    fft_length: int = 512,
    *,
    compression: str = "none",
    nyquist: bool = True,
    sample_rate: int = 16000,
    seconds: float = 1.0,
    width: int = 64,
) -> ModelConfig:
    """Gives the config of a hybrid model."""
    return ModelConfig(
        sample_rate, seconds, "hybrid", width, fft_length=fft_length, input_compression=compression,
        input_shape=(fft_length // 2 + nyquist, width, 1),
    )  # fmt: skip


def mel(
    frontend: str,
    *,
    scale: str = "none",
    compression: str = "none",
    sample_rate: int = 16000,
    seconds: float = 1.0,
    width: int = 64,
    **sizes: int,
) -> ModelConfig:
    """Gives the config of a model with mel rows; ``sizes`` are ``num_mels``, ``n_mfcc`` and ``fft_length``."""
    return ModelConfig(
        sample_rate, seconds, frontend, width, mag_scale=scale, input_compression=compression, **sizes
    )  # fmt: skip


def mel_configs(sample_rate: int = 16000, seconds: float = 1.0, width: int = 64) -> list[ModelConfig]:
    """Gives every frontend with mel rows, in every scaling that differs."""
    common = {"sample_rate": sample_rate, "seconds": seconds, "width": width}
    return [
        *(mel("librosa", compression=compression, **common) for compression in ("none", "sqrt", "log")),
        *(mel("librosa", scale=scale, **common) for scale in ("pwl", "db", "pcen")),
        mel("log_mel", **common),
        mel("mfcc", **common),
    ]


def name_of(config: ModelConfig) -> str:
    """Gives a test id."""
    rows, width = config.shape[:2]
    parts = (config.audio_frontend, config.mag_scale, config.input_compression, config.fft_length, f"{rows}x{width}")
    return "-".join(str(part) for part in parts if part != "none")


def rendered(config: ModelConfig, folder: Path) -> list[str]:
    """Writes the rendered frontend files into a folder; gives compiler arguments: include paths and sources."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in frontend_files(config, INPUT_SCALE, INPUT_ZERO_POINT).items():
        (folder / name).write_text(text, encoding="utf-8")
    core = firmware_dir() / "core"
    sources = [*sorted(core.glob("frontend*.c")), core / "fft.c", folder / "frontend_tables.c"]
    return [f"-I{folder}", f"-I{core}", *map(str, sources)]


def host_frontend(config: ModelConfig, folder: Path, *flags: str) -> HostFrontend:
    """Gives the frontend compiled for this machine."""
    library = folder / "frontend.so"
    compiler = os.environ.get("CC", "cc")
    compile_c([compiler, *C_FLAGS, *flags, "-fPIC", "-shared", *rendered(config, folder), "-o", str(library)])
    return HostFrontend(library, config)


def compile_c(command: list[str]) -> None:
    """Runs a compiler; its messages become the test's."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
