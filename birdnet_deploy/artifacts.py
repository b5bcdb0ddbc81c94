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
MEMORY_PLAN_FILE = "memory_plan.json"
MEMORY_PICTURE_FILE = "memory_plan.svg"
BUNDLE_FILES = (MODEL_FILE, LABELS_FILE, CONFIG_FILE, GOLDEN_FILE, REPORT_FILE, LOCK_FILE)


@dataclass(frozen=True)
class SourceModel:
    """A trained ``.keras`` file with its labels and config, inspected but not loaded."""

    path: Path
    sha256: str
    labels: tuple[str, ...]
    config: ModelConfig


@dataclass(frozen=True)
class Bundle:
    """What ``convert`` writes: the int8 model and everything that is needed to deploy and to check it."""

    path: Path
    model_sha256: str
    lock_sha256: str
    labels: tuple[str, ...]
    config: ModelConfig
    lock: Mapping[str, Any]

    @property
    def model(self) -> Path:
        """The ``model.tflite``."""
        return self.path / MODEL_FILE

    @property
    def golden(self) -> Path:
        """The ``golden.npz``: ``pcm`` int16, ``features`` float32, ``input`` int8, ``output`` int8."""
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
