"""``--report`` of other commands: the page of ``report`` over what they have just done, written where they are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from birdnet_deploy.artifacts import PROJECT_FILE, Bundle
from birdnet_deploy.bundle import is_bundle
from birdnet_deploy.errors import GatesNotMet
from birdnet_deploy.npu.data import DEFAULT_TARGET, target_names
from birdnet_deploy.npu.finding import ValidationResult
from birdnet_deploy.pipeline import DEFAULT_TARGET as RENDERED_FOR
from birdnet_deploy.places import find_project
from birdnet_deploy.settings import Settings, find_settings
from birdnet_deploy.showing.device import of_board_test as board_test_facts
from birdnet_deploy.showing.device import of_run as run_facts
from birdnet_deploy.showing.sources import Sources, open_sources
from birdnet_deploy.showing.write import write_page

if TYPE_CHECKING:
    from birdnet_deploy.boardtest.run import BoardTestResult
    from birdnet_deploy.device_run import RunResult


def of_bundle(page: Path, bundle: Bundle, called: str | None = None) -> None:
    """Writes the page of a bundle that ``convert`` has just made; ``called`` names one that is about to vanish.

    Raises: OutputRefused (exit 5).
    """
    write_page(page, replace(_sources(bundle.path, find_settings(), None), called=called))


def of_unmet_gates(page: Path, model: Path, error: GatesNotMet, options: Mapping[str, Any]) -> None:
    """Writes the page of a model of which no cut met the gates of ``options``: what each cut keeps and costs.

    Raises: OutputRefused (exit 5).
    """
    unmet = {"told": error.what, "frontier": list(error.frontier), "options": options}
    write_page(page, _sources(model, find_settings(), None), unmet=unmet)


def of_validation(page: Path, result: ValidationResult) -> None:
    """Writes the page of what ``validate`` has just checked, which may be a model without a bundle.

    Raises: OutputRefused (exit 5).
    """
    sources = _sources(Path(result.summary["path"]), find_settings(), str(result.summary["target"]))
    write_page(page, sources, checked=result)


def of_run(page: Path, result: RunResult) -> None:
    """Writes the page of what ``run`` has just done, also where windows differ or are missing.

    Raises: OutputRefused (exit 5).
    """
    settings = find_settings()
    path = find_project(result.request.project, settings)
    # a model in a project's place was made one for this board, which is gone by now
    target = None if (path / PROJECT_FILE).is_file() else RENDERED_FOR
    write_page(page, _sources(path, settings, target), [run_facts(result)])


def of_board_test(page: Path, result: BoardTestResult, path: Path | None) -> None:
    """Writes the page of what ``board-test`` has just done.

    Raises: OutputRefused (exit 5).
    """
    settings = find_settings()
    target = result.target if result.target in target_names() else None
    write_page(page, _sources(path or settings.project or settings.bundle or Path(), settings, target),
               [board_test_facts(result)])  # fmt: skip


def _sources(path: Path, settings: Settings, target: str | None) -> Sources:
    if is_bundle(path) or (path / PROJECT_FILE).is_file():
        return open_sources([path], settings, target=target)
    return Sources(path, target or settings.target or DEFAULT_TARGET)
