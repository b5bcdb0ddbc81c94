"""What stages hand to each other: frozen records that carry a path and its SHA-256, never loose dicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from birdnet_deploy.model.config import ModelConfig

MODEL_FILE = "model.tflite"
LABELS_FILE = "labels.txt"
CONFIG_FILE = "model_config.json"
GOLDEN_FILE = "golden.npz"
REPORT_FILE = "report.json"
LOCK_FILE = "birdnet.lock"
PROJECT_FILE = "project.json"
GENERATE_LOCK = "generate.lock"
BUILD_LOCK = "build.lock"  # in a project's build folder
BUNDLE_FOLDER = "bundle"  # of a project: the copy of what it was made of
NETWORK_FOLDER = "network"  # of a project for an NPU: what stedgeai made of the model elsewhere
NPU_MODEL_FILE = "model_npu.tflite"
PROLOGUE_FILE = "prologue.npz"
MEMORY_PLAN_FILE = "memory_plan.json"
MEMORY_PICTURE_FILE = "memory_plan.svg"
BUNDLE_FILES = (MODEL_FILE, LABELS_FILE, CONFIG_FILE, GOLDEN_FILE, REPORT_FILE, LOCK_FILE)
PROLOGUE_FILES = (NPU_MODEL_FILE, PROLOGUE_FILE)  # both or none


@dataclass(frozen=True)
class SourceModel:
    """A trained ``.keras`` file with its labels and config, inspected but not loaded."""

    path: Path
    sha256: str
    labels: tuple[str, ...]
    config: ModelConfig


@dataclass(frozen=True)
class Bundle:
    """What ``convert`` writes: the int8 model and everything that is needed to deploy and to check it.

    With a prologue two files more say what runs: the layers before the cut in float32, and the int8 network behind it.
    """

    path: Path
    model_sha256: str
    lock_sha256: str
    labels: tuple[str, ...]
    config: ModelConfig
    lock: Mapping[str, Any]
    npu_sha256: str | None = None
    prologue_sha256: str | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """The names of its files."""
        return BUNDLE_FILES if self.prologue is None else (*BUNDLE_FILES, *PROLOGUE_FILES)

    @property
    def prologue(self) -> Path | None:
        """The ``prologue.npz``, None where the network takes the features themselves."""
        return None if self.prologue_sha256 is None else self.path / PROLOGUE_FILE

    @property
    def network(self) -> Path:
        """The int8 network that runs: ``model_npu.tflite`` behind a prologue, else ``model.tflite``."""
        return self.model if self.prologue is None else self.path / NPU_MODEL_FILE

    @property
    def model(self) -> Path:
        """The ``model.tflite``."""
        return self.path / MODEL_FILE

    @property
    def golden(self) -> Path:
        """The ``golden.npz``: ``pcm`` int16, ``features`` float32, ``input`` int8, ``npu_input`` int8 with a prologue,
        ``output`` int8 of the network that runs; ``worst_pcm``, ``worst_features`` of the worst windows measured.
        """
        return self.path / GOLDEN_FILE

    @property
    def report(self) -> Path:
        """The ``report.json`` of ``convert``."""
        return self.path / REPORT_FILE


@dataclass(frozen=True)
class Project:
    """What ``generate`` renders: a self-contained firmware project; ``bundle`` is the copy inside it."""

    path: Path
    target: str
    bundle: Bundle

    @property
    def build_dir(self) -> Path:
        """Where ``build`` puts objects, the ELF and the host twin; never part of what was rendered."""
        return self.path / "build"


@dataclass(frozen=True)
class Firmware:
    """The ELF of a project and its identity."""

    project: Project
    elf: Path
    sha256: str


@dataclass(frozen=True)
class BuiltFirmware(Firmware):
    """Firmware fresh from the linker: what it takes of the memories."""

    text_bytes: int
    data_bytes: int
    bss_bytes: int
