"""What a command works on where it is not named, and what it cannot work on."""

from __future__ import annotations

from pathlib import Path

from birdnet_deploy import bundle
from birdnet_deploy.errors import UsageError
from birdnet_deploy.settings import Settings


def project_name(path: Path, target: str) -> Path:
    """Gives the folder of a project that nobody named, after its bundle or model and its board."""
    return Path(f"{path.stem if path.is_file() else path.resolve().name.removesuffix('_bundle')}_{target}")


def find_bundle(path: Path | None, settings: Settings) -> Path:
    """Gives the bundle that is named, else the settings' one, else the current folder's, else the settings' .tflite.

    Raises: UsageError (exit 2) with the command to type.
    """
    if path is not None:
        return path
    if settings.bundle is not None:
        return settings.bundle
    here = Path()
    if bundle.is_bundle(here):
        return here
    if settings.model is not None and settings.model.suffix == ".tflite":
        return settings.model
    raise UsageError("no bundle named, and none in the current folder", fix="birdnet-deploy generate BUNDLE")


def find_project(path: Path | None, settings: Settings) -> Path:
    """Gives the project that is named, else the settings' one, else the current folder."""
    return path or settings.project or Path()


def refuse_npu(target: str, where: object) -> None:
    """Refuses to run what only a board can: no emulator here has the NPU."""
    from birdnet_deploy.npu.data import read_target

    if read_target(target).is_npu:
        fix = "birdnet-deploy flash it, then board-test; or generate --target qemu-an547 to run it here"
        raise UsageError(f"{target} has an NPU, which nothing here emulates", where=where, fix=fix)
