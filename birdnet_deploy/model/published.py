"""Finding a model, its config and its labels: in a folder as models are published, or beside the model file.

The published layout is a folder with ``*.keras`` or ``*_INT8.tflite``, ``*_model_config.json`` and
``*_labels.txt``. What ``convert`` writes is a bundle, not such a folder.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from birdnet_deploy.artifacts import LOCK_FILE, MODEL_FILE, PROJECT_FILE
from birdnet_deploy.errors import UsageError

OLD_FORMAT = "an old HDF5 model, not a .keras archive"
OLD_FORMAT_FIX = "load it with the Keras that wrote it, then model.save('name.keras')"
CONFIG_SUFFIX = "_model_config.json"
LABELS_SUFFIX = "_labels.txt"
_INT8_ENDINGS = ("_INT8", "_int8", "_quantized")  # what converters add to the name of the trained model
_LISTED = 5


def config_beside(model: Path) -> Path:
    """Gives where the config of a model lies: ``<stem>_model_config.json``, ``_INT8`` not being part of the stem."""
    return _beside(model, CONFIG_SUFFIX)


def labels_beside(model: Path) -> Path:
    """Gives where the labels of a model lie: ``<stem>_labels.txt``, ``_INT8`` not being part of the stem."""
    return _beside(model, LABELS_SUFFIX)


def _beside(model: Path, suffix: str) -> Path:
    stems = [model.stem]
    if model.suffix == ".tflite":
        stems += [model.stem.removesuffix(ending) for ending in _INT8_ENDINGS if model.stem.endswith(ending)]
    places = [model.with_name(f"{stem}{suffix}") for stem in stems]
    return next((path for path in places if path.is_file()), places[0])


def find_in_folder(folder: Path, suffix: str) -> Path | None:
    """Gives the one model with ``suffix`` (``.keras``, ``.tflite``) in a folder of the published layout, or None.

    Of several, it is the one named ``*_INT8``, else the one that has a config of its own.

    Raises: UsageError (exit 2) that names them where it could be any.
    """
    models = _files(folder, suffix)
    for preferred in (
        [path for path in models if path.stem.endswith(_INT8_ENDINGS[0])],
        [path for path in models if config_beside(path).is_file()],
        models,
    ):
        if len(preferred) == 1:
            return preferred[0]
    if models:
        names = ", ".join(path.name for path in models[:_LISTED])
        raise UsageError(f"holds {len(models)} {suffix} files ({names})", where=folder, fix="name the one you mean")
    return None


def beside_in_folder(model: Path) -> tuple[Path | None, Path | None]:
    """Gives config and labels in the folder of a model: those of its name, else the only ones; None where absent."""
    return (
        _own_or_only(config_beside(model), CONFIG_SUFFIX),
        _own_or_only(labels_beside(model), LABELS_SUFFIX),
    )


def _own_or_only(own: Path, suffix: str) -> Path | None:
    if own.is_file():
        return own
    found = _files(own.parent, suffix)
    return found[0] if len(found) == 1 else None


def _files(folder: Path, ending: str) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(ending) and path.is_file())
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", where=folder, fix="mend its permissions") from error


def is_published(folder: Path) -> bool:
    """Says whether a folder may have the published layout: it is no bundle, no part of one, and no project."""
    return folder.is_dir() and not any((folder / name).exists() for name in (LOCK_FILE, MODEL_FILE, PROJECT_FILE))


def find_keras(path: Path) -> Path:
    """Gives the ``.keras`` of a folder of the published layout; a path of another kind as it is.

    Raises: UsageError (exit 2) where a folder holds several.
    """
    return (find_in_folder(path, ".keras") or path) if is_published(path) else path


def find_tflite(path: Path) -> Path | None:
    """Gives the ``.tflite`` that a path names: itself, or that of a folder of the published layout; else None.

    Raises: UsageError (exit 2) where a folder holds several.
    """
    if path.suffix == ".tflite" and path.is_file():
        return path
    return find_in_folder(path, ".tflite") if is_published(path) else None


def is_converted(path: Path) -> bool:
    """Says whether a path names a ``.tflite`` and no ``.keras``: itself, or as a folder of the published layout.

    Raises: UsageError (exit 2) where a folder holds several.
    """
    return find_tflite(path) is not None and (path.is_file() or find_keras(path) == path)


def refuse_unconverted(path: Path) -> None:
    """Refuses a Keras model where a converted one is asked for.

    Raises: UsageError (exit 2) with what to do.
    """
    if path.suffix in (".h5", ".hdf5"):
        raise UsageError(OLD_FORMAT, where=path, fix=OLD_FORMAT_FIX)
    if path.suffix == ".keras":
        raise UsageError("not converted yet", where=path, fix=f"birdnet-deploy convert {shlex.quote(str(path))}")
