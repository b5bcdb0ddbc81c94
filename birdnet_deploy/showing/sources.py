"""What a report is of: the bundle, the project and the readbacks that a user names, opened and held together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from birdnet_deploy.artifacts import PROJECT_FILE, Bundle, Project
from birdnet_deploy.bundle import is_bundle, open_bundle
from birdnet_deploy.errors import UsageError
from birdnet_deploy.npu.data import DEFAULT_TARGET, read_target
from birdnet_deploy.project.open import open_project
from birdnet_deploy.settings import Settings


@dataclass(frozen=True)
class Sources:
    """``path`` is what the rules are asked of; bundle and project are None where only a model is known.

    ``readbacks`` are what boards gave; ``audio`` the recordings that they are of, None where nobody named them.
    ``said`` is the target where the user named it, ``called`` the name of what lies elsewhere for now.
    """

    path: Path
    target: str
    bundle: Bundle | None = None
    project: Project | None = None
    readbacks: tuple[Path, ...] = ()
    audio: Path | None = None
    said: str | None = None
    called: str | None = None

    @property
    def name(self) -> str:
        """What the report is called after, without a folder."""
        return (self.called or self.path.resolve().name).removesuffix("_bundle")


def open_sources(
    paths: Sequence[Path], settings: Settings, *, target: str | None = None, readbacks: Sequence[Path] = (),
    audio: Path | None = None,
) -> Sources:  # fmt: skip
    """Gives what the paths hold: a bundle, a project, or both, of the same lock.

    Raises: UsageError (exit 2) for a path that is neither, two of a kind, or a project of another bundle; ModelError
    (exit 3) where one is damaged.
    """
    bundles, projects = [], []
    for path in paths or [_default(settings)]:
        if is_bundle(path):
            bundles.append(open_bundle(path))
        elif (path / PROJECT_FILE).is_file():
            projects.append(open_project(path))
        else:
            raise UsageError("neither a bundle nor a project", where=path, fix="birdnet-deploy report BUNDLE [PROJECT]")
    for kind, found in (("bundles", bundles), ("projects", projects)):
        if len(found) > 1:
            raise UsageError(f"a report is of one model, {len(found)} {kind} are named", fix="name one")
    project = projects[0] if projects else None
    bundle = bundles[0] if bundles else projects[0].bundle
    if project is not None and project.bundle.lock_sha256 != bundle.lock_sha256:
        raise UsageError(
            f"the project is of another bundle than {bundle.path}", where=project.path, fix="generate it again"
        )
    chosen = target or (project.target if project else None) or settings.target or DEFAULT_TARGET
    read_target(chosen)
    path = project.path if project else bundle.path
    return Sources(path, chosen, bundle, project, tuple(readbacks), audio, target)


def _default(settings: Settings) -> Path:
    here = Path()
    for path in (settings.bundle, settings.project, here):
        if path is not None and (is_bundle(path) or (path / PROJECT_FILE).is_file()):
            return path
    raise UsageError("no bundle or project named, and none in the current folder", fix="birdnet-deploy report BUNDLE")
