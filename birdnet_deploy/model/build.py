"""Building a model file of the family with its config and labels beside it; TensorFlow runs in a child."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import ConfigError, OutputRefused, UsageError
from birdnet_deploy.model.archive import KerasArchive, inspect_archive
from birdnet_deploy.model.config import FRONTEND_ALIASES, ModelConfig, config_from_mapping
from birdnet_deploy.model.labels import format_labels
from birdnet_deploy.model.published import config_beside, labels_beside
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.files import replaced_text
from birdnet_deploy.support.process import JOB_FILE, reporting, run_worker, scratch_folder, worker_limits

_MODEL = "model.keras"
_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class BuiltModel:
    """The three files of a new model, and what its archive says."""

    archive: KerasArchive
    config: Path
    labels: Path


def build_files(
    output: Path, parameters: Mapping[str, Any], labels: tuple[str, ...], *, seed: int = 0, force: bool = False
) -> BuiltModel:
    """Writes an untrained ``build_dscnn_model(**parameters)`` with ``<stem>_model_config.json`` and labels beside.

    Raises: ConfigError, UsageError (exit 2) for parameters that are not valid, OutputRefused (exit 5) where a file
    is there and ``force`` is not given.
    """
    if output.suffix != ".keras":
        raise UsageError("not the name of a .keras file", where=output, fix="end it in .keras")
    config = _config(parameters, labels)
    targets = (output, config_beside(output), labels_beside(output))
    there = [path.name for path in targets if path.exists()]
    if there and not force:
        raise OutputRefused(f"is there already ({', '.join(there)})", where=output, fix="name another -o, or --force")
    with scratch_folder() as folder:
        jsonfile.write(folder / JOB_FILE, {"parameters": dict(parameters), "seed": seed})
        run_worker("birdnet_deploy.model.build", folder, name="the model builder", where=output, timeout_s=_TIMEOUT_S)
        _publish(folder / _MODEL, output)
    with replaced_text(targets[1]) as file:
        file.write(jsonfile.dumps(config.to_json()))
    with replaced_text(targets[2]) as file:
        file.write(format_labels(labels))
    return BuiltModel(inspect_archive(output), config=targets[1], labels=targets[2])


def _config(parameters: Mapping[str, Any], labels: tuple[str, ...]) -> ModelConfig:
    name = parameters["audio_frontend"]
    told = {
        **parameters,
        "audio_frontend": FRONTEND_ALIASES.get(name, name),
        "output_activation": parameters["class_activation"],
        "class_names": labels,
    }
    return config_from_mapping(told, where="model build")


def _publish(built: Path, output: Path) -> None:
    beside = output.with_name(f".{output.name}.staging-{os.getpid()}")
    try:
        shutil.copyfile(built, beside)
        beside.replace(output)
    except OSError as error:
        raise OutputRefused(f"cannot be written ({error.strerror})", where=output, fix="name another -o") from error
    finally:
        beside.unlink(missing_ok=True)


def _work(folder: Path) -> None:
    import keras

    from birdnet_deploy.model.family import build_dscnn_model

    job = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
    keras.utils.set_random_seed(job["seed"])
    try:
        model = build_dscnn_model(**job["parameters"])
    except (ValueError, TypeError) as error:
        text = " ".join(str(error).split())[:300]
        raise ConfigError(text, where="model build", fix="mend that parameter") from error
    model.save(folder / _MODEL)


if __name__ == "__main__":
    worker_limits(memory_bytes=16 << 30, cpu_s=600, file_bytes=2 << 30)
    with reporting(Path(sys.argv[1])):
        _work(Path(sys.argv[1]))
