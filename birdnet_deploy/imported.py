"""A bundle of a ``.tflite`` that others converted: what is unknown of it is said to be unknown.

Its golden windows are seeded synthetic sound, run on the reference kernels; nothing calibrates.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from birdnet_deploy import artifacts, bundle, lock
from birdnet_deploy.artifacts import Bundle
from birdnet_deploy.errors import ModelError, UsageError
from birdnet_deploy.model.beside import ModelHints
from birdnet_deploy.model.published import find_keras, find_tflite, refuse_unconverted
from birdnet_deploy.model.source import open_tflite
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.process import scratch_folder
from birdnet_deploy.support.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from birdnet_deploy.quantization.convert import QuantizedModel

UNKNOWN = "unknown"
WARNING = "converted elsewhere: what calibrated it, and what int8 changed, is unknown"


@contextmanager
def open_or_import(path: Path, hints: ModelHints, progress: Progress) -> Iterator[Bundle]:
    """Gives the bundle at ``path``, or one made of the ``.tflite`` there that lives as long as the body.

    ``path`` is a bundle, a full-int8 ``.tflite``, or a folder of the published layout.

    Raises: UsageError, ConfigError (exit 2), ModelError, LabelsError (exit 3).
    """
    home = path.parent if path.name == artifacts.MODEL_FILE and path.is_file() else path
    if bundle.is_bundle(home):
        if hints != ModelHints():
            raise UsageError("a bundle has its own labels and config", where=path, fix="leave the options away")
        yield bundle.open_bundle(home)
        return
    model = find_tflite(path)
    if model is None:
        refuse_unconverted(find_keras(path))
        yield bundle.open_bundle(path)
        return
    with scratch_folder() as folder:
        write_imported(path, folder, hints, progress)
        try:
            yield bundle.open_bundle(folder)
        except ModelError as error:
            where = model if error.where == artifacts.MODEL_FILE else error.where
            raise ModelError(error.what, where=where, fix=error.fix) from error


def write_imported(model: Path, folder: Path, hints: ModelHints, progress: Progress) -> None:
    """Writes the bundle of a ``.tflite`` (or of a folder that holds one) into ``folder``; float ends are taken off.

    Raises: UsageError, ConfigError (exit 2), ModelError, LabelsError (exit 3).
    """
    import numpy as np

    from birdnet_deploy.audio.frontend import features_of_windows
    from birdnet_deploy.calibration.collect import synthetic_windows
    from birdnet_deploy.model.labels import format_labels
    from birdnet_deploy.quantization.fidelity import measure_fidelity
    from birdnet_deploy.quantization.golden import GOLDEN_WINDOWS, make_golden
    from birdnet_deploy.tflite.ends import strip_float_ends
    from birdnet_deploy.tflite.trial import try_model

    source = open_tflite(model, hints=hints, progress=progress)
    progress.step("importing the .tflite")
    try_model(source.path)
    config = source.config.with_(class_names=source.labels)
    data = strip_float_ends(source.path)
    windows = synthetic_windows(config, windows=GOLDEN_WINDOWS, evaluation_windows=0)
    windows = replace(windows, warnings=(WARNING,))
    quantized = _as_quantized(data, config.output_activation, features_of_windows(windows.calibration.pcm, config))
    (folder / artifacts.MODEL_FILE).write_bytes(data)
    (folder / artifacts.LABELS_FILE).write_text(format_labels(source.labels), encoding="utf-8", newline="\n")
    jsonfile.write(folder / artifacts.CONFIG_FILE, config.to_json())
    golden: dict[str, Any] = make_golden(quantized, windows)
    np.savez(folder / artifacts.GOLDEN_FILE, **golden)
    report = {**measure_fidelity(quantized, windows, config, golden, full=False), "calibration": UNKNOWN}
    jsonfile.write(folder / artifacts.REPORT_FILE, report)
    lock.write_lock(folder, source, UNKNOWN, {}, kind="tflite")


def _as_quantized(tflite: bytes, activation: str, features: NDArray[np.float32]) -> QuantizedModel:
    """Gives a foreign model as what ``convert`` would have made; without a float model there is nothing to compare."""
    import numpy as np

    from birdnet_deploy.quantization.convert import QuantizedModel
    from birdnet_deploy.tflite.head import head_activation
    from birdnet_deploy.tflite.reader import read_model

    head = "logits" if head_activation(read_model(tflite)) == "none" else "probabilities"
    return QuantizedModel(
        tflite=tflite, output_activation=activation, float_outputs=np.empty((0, 0), np.float32),
        calibration_features=features, evaluation_features=features[:0], simplifications=(), layout=UNKNOWN,
        sample_norm=None, head=head, io="int8", log="",
    )  # fmt: skip
