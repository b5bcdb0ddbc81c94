"""Where a report may be written: beside a bundle or project, never into one."""

from __future__ import annotations

from pathlib import Path

from birdnet_deploy.artifacts import PROJECT_FILE
from birdnet_deploy.bundle import is_bundle
from birdnet_deploy.errors import OutputRefused


def refuse_inside(output: Path) -> None:
    """Refuses to write a report into a bundle or a project, whose files are locked.

    Raises: OutputRefused (exit 5).
    """
    place = output.resolve()
    for folder in (place, *place.parents):
        if is_bundle(folder) or (folder / PROJECT_FILE).is_file():
            raise OutputRefused(
                f"lies in the bundle or project {folder.name}", where=output, fix="name a place beside it"
            )
