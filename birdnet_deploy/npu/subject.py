"""What is checked: a model, and where it came in a bundle, project or published folder, what lies beside it.

Only an unreadable model stops a check. Everything else that is wrong with a bundle is kept here as it is, for
rules to report all at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from birdnet_deploy.artifacts import CONFIG_FILE, LABELS_FILE, LOCK_FILE, MODEL_FILE
from birdnet_deploy.bundle import read_lock, stale_lines
from birdnet_deploy.errors import DeployError, ModelError, UsageError
from birdnet_deploy.model.config import ModelConfig, config_from_mapping
from birdnet_deploy.model.labels import read_labels
from birdnet_deploy.model.published import (
    beside_in_folder,
    config_beside,
    find_keras,
    find_tflite,
    labels_beside,
    refuse_unconverted,
)
from birdnet_deploy.npu.data import Target
from birdnet_deploy.npu.graph import Graph
from birdnet_deploy.npu.roles import roles
from birdnet_deploy.tflite.head import head_activation
from birdnet_deploy.tflite.reader import TfliteModel, read_model

PROJECT_BUNDLE = "bundle"


@dataclass(frozen=True)
class Contract:
    """What lies beside a model in a bundle; a part that could not be read is None and told in ``problems``.

    ``problems`` maps ``labels``, ``config`` and ``lock`` to a line; ``stale`` has a line for each file that
    is not what the lock says. A folder of the published layout has no lock, and is not ``locked``.
    """

    folder: Path
    labels_name: str
    config_name: str
    locked: bool
    labels: tuple[str, ...] | None
    config: ModelConfig | None
    raw_config: Mapping[str, Any]
    problems: Mapping[str, str]
    stale: tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    """One model to check for one target."""

    path: Path
    model: TfliteModel
    target: Target
    contract: Contract | None

    @cached_property
    def graph(self) -> Graph:
        """The model's connections."""
        return Graph(self.model)

    @cached_property
    def roles(self) -> Mapping[int, str]:
        """The role of every convolution and dense layer by operator index."""
        return roles(self.graph)


def open_subject(path: Path, target: Target) -> Subject:
    """Gives what lies at ``path``: a ``.tflite``, a bundle folder, a rendered project's copy of one, or a folder of
    the published layout.

    Raises: UsageError (exit 2) where there is nothing of the kind; ModelError (exit 3) where the model is
    unreadable.
    """
    if path.is_file():
        refuse_unconverted(path)
        return Subject(path, read_model(path), target, None)
    if not path.is_dir():
        raise UsageError("no such file or folder", where=path, fix="name a bundle, a project or a .tflite file")
    published = find_tflite(path)
    if published is not None:
        read = read_model(published)
        return Subject(published, read, target, _published_contract(published, read))
    folder = path
    if not (path / MODEL_FILE).is_file() and (path / PROJECT_BUNDLE).is_dir():
        folder = path / PROJECT_BUNDLE
    model = folder / MODEL_FILE
    if not model.is_file():
        if (folder / LOCK_FILE).is_file():
            raise ModelError(f"the bundle has no {MODEL_FILE}", where=folder, fix="run convert again")
        refuse_unconverted(find_keras(path))
        raise UsageError(f"no bundle: {MODEL_FILE} is not there", where=path, fix="birdnet-deploy validate BUNDLE")
    return Subject(model, read_model(model), target, _contract(folder))


def _contract(folder: Path) -> Contract:
    contract = _unlocked_contract(folder, LABELS_FILE, CONFIG_FILE)
    try:
        return replace(contract, locked=True, stale=stale_lines(folder, read_lock(folder / LOCK_FILE)))
    except DeployError as error:
        problems = {**contract.problems, "lock": _without_folder(error, folder)}
        return replace(contract, locked=True, problems=problems)


def _published_contract(model: Path, read: TfliteModel) -> Contract | None:
    """Gives the labels and config of a published folder; None where there are neither."""
    config, labels = beside_in_folder(model)
    if config is None and labels is None:
        return None
    names = [(found or beside(model)).name for found, beside in ((labels, labels_beside), (config, config_beside))]
    contract = _unlocked_contract(model.parent, *names)
    if contract.config is not None and contract.config.output_activation == head_activation(read):
        # there the key says how the model ends; in a bundle, what is left to the host
        return replace(contract, config=contract.config.with_(output_activation="none"))
    return contract


def _unlocked_contract(folder: Path, labels_name: str, config_name: str) -> Contract:
    problems: dict[str, str] = {}
    labels = config = None
    raw: Mapping[str, Any] = {}
    try:
        labels = read_labels(folder / labels_name)
    except DeployError as error:
        problems["labels"] = _without_folder(error, folder)
    try:
        raw = _read_object(folder / config_name)
        # the frame step has a rule of its own
        config = config_from_mapping({k: v for k, v in raw.items() if k != "hop_length"}, where=config_name)
    except DeployError as error:
        problems["config"] = _without_folder(error, folder)
    return Contract(folder, labels_name, config_name, False, labels, config, raw, problems, ())


def _read_object(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"not readable JSON ({error})", where=path) from error
    if not isinstance(data, dict):
        raise ModelError("not a JSON object", where=path)
    return data


def _without_folder(error: DeployError, folder: Path) -> str:
    """Gives an error's text without the folder, which the finding names already."""
    text = error.what if error.where is None else f"{error.where}: {error.what}"
    return text.replace(f"{folder}/", "")
