"""Loading a ``.keras`` file of this family into Keras, after ``archive`` has found it safe.

Importing this module is cheap; calling ``load_model`` imports TensorFlow.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import ModelError, UsageError
from birdnet_deploy.model.archive import FRONTEND_CLASS, KerasArchive, inspect_archive
from birdnet_deploy.model.safety import OWN_CLASSES


def load_model(path: Path | str, *, sample_norm: bool | None = None) -> Any:
    """Gives the uncompiled Keras model of a local ``.keras`` file, in the variant that its weights belong to.

    ``sample_norm`` says whether a hybrid frontend divides each sample by its maximum; None follows the file's
    layout (2026: yes, 2025: no). The wrong choice destroys the scores without any error.

    Raises: UsageError (exit 2) for a missing path, folder or URL; ModelError (exit 3) for a file that is
    damaged, unsafe, of another family, or holds NaN or infinite weights.
    """
    return load_archive(inspect_archive(Path(path)), sample_norm=sample_norm)


def load_archive(archive: KerasArchive, *, sample_norm: bool | None = None) -> Any:
    """Gives the Keras model of an inspected archive.

    Raises: ModelError (exit 3) where Keras cannot rebuild it, or weights are missing or left over.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        backend = keras.backend.backend()
        raise UsageError(f"Keras runs on {backend}", where="KERAS_BACKEND", fix="unset it or set it to tensorflow")
    try:
        # after the allow-list of `archive`: no code of the file runs, no module that it names is imported
        model = keras.saving.deserialize_keras_object(
            _normalised(archive, sample_norm), custom_objects=_own_classes(), safe_mode=True
        )
        model.load_weights(archive.path)
    except Exception as error:  # Keras raises what it likes on damaged files
        text = " ".join(str(error).split())[:300]
        raise ModelError(f"Keras cannot load it ({text})", where=archive.path, fix="save the model again") from error
    if model.count_params() != archive.parameters:
        raise ModelError(
            f"the file holds {archive.parameters} weights but its layers take {model.count_params()}",
            where=archive.path, fix="it is of a version of this family that is not known here",
        )  # fmt: skip
    return model


def _own_classes() -> dict[str, Any]:
    from birdnet_deploy.model import layers, magnitude

    own = {**vars(layers), **vars(magnitude)}
    return {name: own[name] for name in OWN_CLASSES}


def _normalised(archive: KerasArchive, sample_norm: bool | None) -> dict[str, Any]:
    """The file's config with our classes under their plain names, the frontend told what the weights tell."""
    model = copy.deepcopy(dict(archive.model))
    for layer in model["config"]["layers"]:
        if layer["class_name"] in OWN_CLASSES:
            layer["module"], layer["registered_name"] = None, layer["class_name"]
        if layer["class_name"] == FRONTEND_CLASS:
            layer["config"]["layout"] = archive.layout
            if sample_norm is not None:
                layer["config"]["sample_norm"] = sample_norm
    return model
