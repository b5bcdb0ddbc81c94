"""A tiny project: the real application, frontend, templates and port around a network of a few lines.

The network sums its inputs in stripes: output c is the sum of input[i] with i % classes == c, saturated. It
refuses a window whose first input is -128.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from birdnet_deploy.artifacts import Project
from birdnet_deploy.audio.frontend import features_of_pcm
from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.bundle import open_bundle
from birdnet_deploy.codegen.frontend_tables import frontend_files
from birdnet_deploy.codegen.prologue import generate_prologue
from birdnet_deploy.model.config import ModelConfig
from birdnet_deploy.project.choices import Choices
from birdnet_deploy.project.generate import generate_project
from birdnet_deploy.project.open import open_project
from birdnet_deploy.prologue.file import write_prologue
from birdnet_deploy.prologue.graph import Prologue

RATE = 8000
WINDOW = 64
HOP = 32
LABELS = (
    'Great "Tit"',
    "??/ trigraph",
    "*/ comment end",
    "%s%n",
    "Été é",
    "@BN1 0 2 00000000 {}",
    "back\\slash",
)
INPUT_SCALE = 1 / 128
CONFIG = ModelConfig(
    sample_rate=RATE, chunk_duration=WINDOW / RATE, audio_frontend="raw", input_shape=(WINDOW, 1),
    output_activation="sigmoid", num_classes=len(LABELS),
)  # fmt: skip

NETWORK_C = """
#include "network.h"

#include "app_config.h"
#include "network_weights.h"
#include "port.h"

static int8_t input[APP_INPUT_SIZE];
static int8_t output[APP_CLASSES];

int8_t *network_input(void)
{
    return input;
}

const int8_t *network_output(void)
{
    return output;
}

int network_run(void)
{
    if (input[0] == -128) {
        return BN_ENETWORK;
    }
    for (int c = 0; c < APP_CLASSES; c++) {
        int32_t sum = 0;
        for (int i = c; i < APP_INPUT_SIZE; i += APP_CLASSES) {
            sum += input[i] * network_weights[i];
        }
        output[c] = (int8_t)(sum < -128 ? -128 : sum > 127 ? 127 : sum);
    }
    return 0;
}
"""
WEIGHTS_H = """
#include <stdint.h>

#include "app_config.h"

extern const int8_t network_weights[APP_INPUT_SIZE];
"""


@dataclass(frozen=True)
class Affine:
    scale: float
    zero_point: int


@dataclass(frozen=True)
class TinyNetwork:
    files: Mapping[str, str]
    kernel_sources: tuple[str, ...] = ()
    arena_bytes: int = WINDOW + len(LABELS)
    macs: int = WINDOW
    input_shape: tuple[int, ...] = (WINDOW, 1)
    output_shape: tuple[int, ...] = (len(LABELS),)
    input_quantization: Affine = Affine(INPUT_SCALE, 0)
    output_quantization: Affine = Affine(float(np.float32(0.128128543)), 3)


def tiny_network(labels: tuple[str, ...] = LABELS, **changes: object) -> TinyNetwork:
    weights = ", ".join(["1"] * WINDOW)
    source = f'#include "network_weights.h"\n\nconst int8_t network_weights[APP_INPUT_SIZE] = {{{weights}}};\n'
    files = {"network.c": NETWORK_C, "network_weights.c": source, "network_weights.h": WEIGHTS_H}
    return replace(TinyNetwork(files, output_shape=(len(labels),)), **changes)


def write_bundle(folder: Path, labels: tuple[str, ...] = LABELS) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.tflite").write_bytes(b"tiny")
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    config = CONFIG.with_(num_classes=len(labels))
    (folder / "model_config.json").write_text(json.dumps(config.to_json(), sort_keys=True), encoding="utf-8")
    inputs = np.arange(3 * WINDOW, dtype=np.int64).reshape(3, WINDOW, 1) % 7 - np.arange(3).reshape(3, 1, 1)
    sums = [[window[c :: len(labels)].sum() for c in range(len(labels))] for window in inputs]
    outputs = np.clip(sums, -128, 127).astype(np.int8)
    golden = {"input": inputs.astype(np.int8), "npu_input": inputs.astype(np.int8), "output": outputs}
    np.savez(folder / "golden.npz", **golden)
    (folder / "report.json").write_text("{}")
    (folder / "birdnet.lock").write_text('{"files": {}}')
    return folder


def make_project(folder: Path, labels: tuple[str, ...] = LABELS, **options: Any) -> Project:
    """Gives the tiny project, rendered into ``folder``; ``options`` are those of ``Choices``."""
    return _rendered(folder, labels, None, **options)


def make_prologue_project(folder: Path, prologue: Prologue) -> Project:
    """Gives the tiny project with float layers between frontend and network; the network's scale stays."""
    return _rendered(folder, LABELS, prologue)


def _rendered(folder: Path, labels: tuple[str, ...], prologue: Prologue | None, **options: Any) -> Project:
    path = write_bundle(folder.with_name(f"{folder.name}_bundle"), labels)
    if prologue is not None:
        (path / "model_npu.tflite").write_bytes(b"tiny too")
        write_prologue(path / "prologue.npz", prologue)
    bundle = open_bundle(path)
    folder.mkdir()
    frontend = frontend_files(bundle.config, INPUT_SCALE, 0)
    generated = None if prologue is None else generate_prologue(prologue, INPUT_SCALE, 0)
    generate_project(
        bundle, "qemu-an547", tiny_network(labels), frontend, folder, prologue=generated, choices=Choices(**options)
    )
    return open_project(folder)


def compile_host_app(project: Project, port: Path, app: Path, *flags: str) -> Path:
    """Gives the whole application of a project compiled natively with the host's port."""
    folder = project.path
    shutil.copytree(port, folder / "port/host", dirs_exist_ok=True)
    includes = [f"-I{name}" for name in ("app", "core", "core/nn", "port", "port/host", "generated")]
    patterns = ("app/*.c", "core/*.c", "core/nn/*.c", "core/prologue/*.c", "port/host/*.c", "generated/*.c")
    sources = [str(path.relative_to(folder)) for pattern in patterns for path in sorted(folder.glob(pattern))]
    command = [
        "cc", "-std=gnu11", "-O1", "-g", "-ffp-contract=off", "-fno-math-errno",
        "-Wall", "-Wextra", "-Werror", "-trigraphs", *flags, *includes, *sources, "-o", str(app),
    ]  # fmt: skip
    subprocess.run(command, cwd=folder, check=True, timeout=120)
    return app


def expected_outputs(pcm: np.ndarray, classes: int = len(LABELS)) -> list[int]:
    """What the network must give for a window of PCM, computed in numpy."""
    values = quantize_input(features_of_pcm(pcm, CONFIG), INPUT_SCALE, 0).reshape(-1).astype(int)
    sums = [int(values[c::classes].sum()) for c in range(classes)]
    return [max(-128, min(127, total)) for total in sums]
