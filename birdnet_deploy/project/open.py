"""Opening a project folder that ``generate`` rendered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from birdnet_deploy.artifacts import BUNDLE_FOLDER, PROJECT_FILE, Project
from birdnet_deploy.bundle import open_bundle
from birdnet_deploy.errors import UsageError
from birdnet_deploy.support.inputs import read_input_text


def open_project(path: Path) -> Project:
    """Gives the project in a folder; its hashes are those of the bundle copy inside it.

    Raises: UsageError (exit 2) where the folder is none; ModelError (exit 3) where its bundle is damaged.
    """
    if not path.is_dir():
        raise UsageError("no such project folder", where=path, fix="make one with: birdnet-deploy generate BUNDLE")
    target, _ = _described(path, "target", "host_frontend")
    return Project(path=path, target=str(target), bundle=open_bundle(path / BUNDLE_FOLDER))


def target_of(path: Path) -> str:
    """Gives the board that a project was rendered for; its bundle is not looked at.

    Raises: UsageError (exit 2) where the folder is no project.
    """
    return str(_described(path, "target")[0])


def _described(path: Path, *keys: str) -> list[Any]:
    try:
        data = json.loads(read_input_text(path / PROJECT_FILE))
        return [data[key] for key in keys]
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise UsageError(
            "not a project of this tool", where=path, fix="make one with: birdnet-deploy generate BUNDLE"
        ) from error
