"""What lies beside a model: labels, config and lock, kept as they are so that rules can report all that is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from birdnet_deploy.artifacts import CONFIG_FILE, LABELS_FILE, LOCK_FILE
from birdnet_deploy.bundle import read_lock, stale_lines
from birdnet_deploy.errors import DeployError, ModelError
from birdnet_deploy.model.config import FRONTEND_ALIASES, FRONTENDS, ModelConfig, config_from_mapping
from birdnet_deploy.model.labels import read_labels
from birdnet_deploy.model.published import beside_in_folder, config_beside, labels_beside
from birdnet_deploy.support.inputs import read_input_text

_OWN_RULES = frozenset({"hop_length"})  # keys that have a rule of their own


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
    lock: Mapping[str, Any]


def bundle_contract(folder: Path) -> Contract:
    """Gives labels, config and lock of a bundle folder."""
    contract = read_contract(folder, LABELS_FILE, CONFIG_FILE)
    try:
        lock = read_lock(folder / LOCK_FILE)
        return replace(contract, locked=True, lock=lock, stale=stale_lines(folder, lock))
    except DeployError as error:
        problem = _without_folder(error, folder)
    except OSError as error:  # one of the files that the lock names
        problem = f"{Path(str(error.filename)).name} cannot be read ({error.strerror})"
    return replace(contract, locked=True, problems={**contract.problems, "lock": problem})


def published_contract(model: Path, head: str) -> Contract | None:
    """Gives the labels and config of a published folder; None where there are neither.

    ``head`` is what the model applies last.
    """
    config, labels = beside_in_folder(model)
    if config is None and labels is None:
        return None
    names = [(found or beside(model)).name for found, beside in ((labels, labels_beside), (config, config_beside))]
    contract = read_contract(model.parent, *names)
    if contract.config is not None and contract.config.output_activation == head:
        # there the key says how the model ends; in a bundle, what is left to the host
        return replace(contract, config=contract.config.with_(output_activation="none"))
    return contract


def read_contract(folder: Path, labels_name: str, config_name: str) -> Contract:
    """Gives what two files of a folder say, or why they could not be read."""
    problems: dict[str, str] = {}
    labels = config = None
    raw: Mapping[str, Any] = {}
    try:
        labels = read_labels(folder / labels_name)
    except DeployError as error:
        problems["labels"] = _without_folder(error, folder)
    try:
        raw = read_object(folder / config_name)
        own = _OWN_RULES | ({"audio_frontend"} if is_foreign_frontend(raw) else set())
        if "audio_frontend" not in own:
            kept = {key: value for key, value in raw.items() if key not in own}
            config = config_from_mapping(kept, where=config_name)
    except DeployError as error:
        problems["config"] = _without_folder(error, folder)
    return Contract(folder, labels_name, config_name, False, labels, config, raw, problems, (), {})


def is_foreign_frontend(raw: Mapping[str, Any]) -> bool:
    """Says whether a config names a frontend that there is not here."""
    name = raw.get("audio_frontend")
    return isinstance(name, str) and name not in (*FRONTENDS, *FRONTEND_ALIASES)


def read_object(path: Path) -> Mapping[str, Any]:
    """Gives the object of a JSON file.

    Raises: ModelError (exit 3) where it is none.
    """
    try:
        data = json.loads(read_input_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"not readable JSON ({error})", where=path) from error
    if not isinstance(data, dict):
        raise ModelError("not a JSON object", where=path)
    return data


def _without_folder(error: DeployError, folder: Path) -> str:
    """Gives an error's text without the folder, which the finding names already."""
    text = error.what if error.where is None else f"{error.where}: {error.what}"
    return text.replace(f"{folder}/", "")
