"""What the stages are asked for: the command line makes these, ``pipeline`` carries them out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from birdnet_deploy.model.beside import ModelHints


@dataclass(frozen=True)
class ConvertRequest:
    """What ``convert`` is asked for; what is None comes from ``birdnet-deploy.toml`` or the model's folder.

    ``calibration`` is a folder, a file, or the word ``synthetic``.
    """

    model: Path | None = None
    calibration: str | None = None
    evaluation: Path | None = None
    hints: ModelHints = ModelHints()
    output: Path | None = None
    head: Literal["logits", "probabilities"] = "logits"
    io: Literal["int8", "float32"] = "int8"
    max_windows: int | None = None
    prologue: str | None = None  # none, auto, or the name of a cut
    ranges: str | None = None  # auto, or the method for all tensors
    simplify: bool = True
    fidelity: Literal["basic", "full"] | None = None
    folds: int | None = None
    max_cpu_macs: int | None = None
    min_cosine: float | None = None
    min_agreement: float | None = None
    sample_norm: bool | None = None  # does a hybrid frontend divide by the sample's maximum? None: as its file says
    strict: bool = False
    force: bool = False
    locked: bool = False  # fail where anything differs from the lock of the bundle that is there


@dataclass(frozen=True)
class DeployRequest:
    """What ``deploy`` is asked for: a conversion, recordings to run on, and the folder for everything.

    A model that is converted already is taken as it is. The folder gets ``bundle/``, ``project/`` and
    ``predictions.jsonl``; it is ``<stem>_deployed`` where None.
    """

    convert: ConvertRequest
    audio: Path
    output: Path | None = None
    target: str | None = None
