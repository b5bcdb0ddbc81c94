"""From a bundle or a model to a job: models copied, frontend and twin compiled once, the float model converted once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from birdnet_deploy import bundle as bundles
from birdnet_deploy.artifacts import Bundle, SourceModel
from birdnet_deploy.audio.frontend import features_of_windows
from birdnet_deploy.errors import CheckFailed, ToolchainError, UsageError
from birdnet_deploy.evaluation.jobs import Job, Meaning, absolute
from birdnet_deploy.evaluation.results import DEVICE_TWIN, ENGINES, FLOAT, INT8
from birdnet_deploy.model.beside import ModelHints
from birdnet_deploy.model.config import ModelConfig
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.hashes import sha256_bytes, sha256_file
from birdnet_deploy.support.progress import Progress
from birdnet_deploy.tflite.interpreter import input_port, output_port
from birdnet_deploy.tflite.reader import read_model
from birdnet_deploy.toolchain.host import build_frontend_alone, build_host_frontend, build_host_network

PREPARED = "prepared"
ALL = "all"
_TARGET = "qemu-an547"  # frontend and network have the same sources for every target
_CALIBRATION = 16  # windows that the exact simplifications of the float graph are held to


@dataclass(frozen=True)
class Prepared:
    """A job with what a journal tells of it: the SHA-256 of what each engine runs, labels and config of the model.

    ``calibrated`` are the SHA-256 of the recordings that calibrated the bundle, None where its lock does not say.
    """

    job: Job
    models: Mapping[str, str]
    labels: tuple[str, ...]
    config: ModelConfig
    name: str
    calibrated: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Wanted:
    """What is to be prepared; ``engines`` may be ``all``, or empty for what the model has."""

    model: Path
    engines: tuple[str, ...] = ()
    float_model: Path | None = None
    overlap_s: float | None = None
    hints: ModelHints = ModelHints()
    tools: Mapping[str, Path] | None = None


@contextmanager
def prepared(wanted: Wanted, folder: Path, progress: Progress) -> Iterator[Prepared]:
    """Gives the job of a model while the body runs; what is made for it stays in ``folder`` for the next time.

    Raises: UsageError, ConfigError (2), ModelError, LabelsError (3), CheckFailed where the bundle differs from its
    lock (4), ToolchainError where the device twin needs a compiler (6).
    """
    from birdnet_deploy.imported import open_or_import

    folder.mkdir(parents=True, exist_ok=True)
    if wanted.model.suffix == ".keras" or _holds_keras(wanted.model):
        yield _of_keras(wanted, folder, progress)
        return
    with open_or_import(wanted.model, wanted.hints, progress) as opened:
        stale = bundles.stale_lines(opened.path, opened.lock)
        if stale:
            raise CheckFailed("; ".join(stale), where=opened.path, fix="run convert again")
        yield _of_bundle(opened, wanted, folder, progress)


def _holds_keras(path: Path) -> bool:
    from birdnet_deploy.model.published import find_keras, find_tflite

    return path.is_dir() and not bundles.is_bundle(path) and find_tflite(path) is None and find_keras(path) != path


def _of_keras(wanted: Wanted, folder: Path, progress: Progress) -> Prepared:
    from birdnet_deploy.model.source import open_source

    refused = [name for name in wanted.engines if name not in (FLOAT, ALL)]
    if refused or ALL in wanted.engines:
        what = " and ".join(refused) or "int8"
        raise UsageError(
            f"a .keras has no {what} engine", where=wanted.model, fix="birdnet-deploy convert, then evaluate its bundle"
        )
    source = open_source(wanted.model, hints=wanted.hints, progress=progress)
    path, told = _float_model(source, None, folder, progress)
    frontend = _frontend_alone(source.config, (1.0, 0), wanted, folder, progress)
    meaning = Meaning(len(source.labels), 1.0, 0, "none", told["output_activation"], "")
    job = Job(
        engines=(FLOAT,), config=source.config.to_json(), hop=_hop(source.config, wanted.overlap_s), meaning=meaning,
        float_model=absolute(path), frontend=absolute(frontend),
    )  # fmt: skip
    return Prepared(job, {FLOAT: sha256_file(path)}, source.labels, source.config, source.path.name)


def _of_bundle(opened: Bundle, wanted: Wanted, folder: Path, progress: Progress) -> Prepared:
    source = _float_source(opened, wanted, progress)
    engines = _engines(wanted.engines, source is not None, opened.path)
    network = folder / "network.tflite"
    network.write_bytes(opened.network.read_bytes())
    models = {INT8: sha256_file(network), DEVICE_TWIN: sha256_file(network)}
    prologue = None
    if opened.prologue is not None:
        prologue = folder / "prologue.npz"
        prologue.write_bytes(opened.prologue.read_bytes())
        models = {name: f"{digest}+{opened.prologue_sha256}" for name, digest in models.items()}
    read = read_model(network.read_bytes())
    float_path, float_activation = None, "none"
    if FLOAT in engines and source is not None:
        float_path, told = _float_model(source, opened, folder, progress)
        float_activation = told["output_activation"]
        models[FLOAT] = sha256_file(float_path)
    sink = output_port(read).quantization
    frontend, twin = _libraries(opened, engines, wanted, folder, progress)
    job = Job(
        engines=engines, config=opened.config.to_json(), hop=_hop(opened.config, wanted.overlap_s),
        meaning=Meaning(
            len(opened.labels), sink.scale, sink.zero_point, opened.config.output_activation, float_activation,
            opened.lock_sha256,
        ),
        network=absolute(network), prologue=absolute(prologue), float_model=absolute(float_path),
        frontend=absolute(frontend), twin=absolute(twin),
    )  # fmt: skip
    return Prepared(job, models, opened.labels, opened.config, opened.path.name, _calibrated(opened.lock))


def _calibrated(lock: Mapping[str, Any]) -> tuple[str, ...] | None:
    told = lock.get("calibration")
    if not isinstance(told, Mapping) or not isinstance(told.get("files"), list):
        return None  # others converted it
    return tuple(sorted({entry["sha256"] for entry in told["files"] if entry["role"] == "calibration"}))


def _engines(asked: Sequence[str], has_float: bool, where: Path) -> tuple[str, ...]:
    if ALL in asked:
        asked = ENGINES
    elif not asked:
        asked = (INT8,)
    if FLOAT in asked and not has_float:
        raise UsageError(
            "a bundle has no float model", where=where, fix="name the .keras that it was made of by --float"
        )
    return tuple(name for name in ENGINES if name in asked)


def _float_source(opened: Bundle, wanted: Wanted, progress: Progress) -> SourceModel | None:
    """Gives the ``.keras`` that a bundle was made of: the one that is named, or found beside the bundle by its hash."""
    from birdnet_deploy.model.source import open_source

    if not {FLOAT, ALL} & set(wanted.engines):
        return None
    told = opened.lock.get("source_model", {})
    path = wanted.float_model
    if path is None:
        beside = opened.path.resolve().parent / Path(str(told.get("name", ""))).name
        path = beside if beside.is_file() and beside.suffix == ".keras" else None
    if path is None:
        return None
    source = open_source(path, progress=progress)
    if source.sha256 != told.get("sha256"):
        raise UsageError("not the model that the bundle was made of", where=path, fix="name that one by --float")
    return source


def _hop(config: ModelConfig, overlap_s: float | None) -> int:
    if overlap_s is None:
        return max(1, config.window_samples // 2)
    hop = config.window_samples - round(overlap_s * config.sample_rate)
    if not 1 <= hop <= config.window_samples:
        raise UsageError(
            f"--overlap is {overlap_s:g} s",
            fix=f"give 0 or more, and less than the window of {config.chunk_duration:g} s",
        )
    return hop


def _float_model(
    source: SourceModel, opened: Bundle | None, folder: Path, progress: Progress
) -> tuple[Path, dict[str, Any]]:
    """Gives the float ``.tflite`` of a ``.keras``, and what its outputs are; made in a child once, then found here."""
    from birdnet_deploy.calibration.synthetic import synthetic_windows
    from birdnet_deploy.quantization.convert import start_conversion
    from birdnet_deploy.quantization.options import QuantizeOptions

    path = folder / f"float-{source.sha256[:16]}.tflite"
    beside = path.with_suffix(".json")
    if path.is_file() and beside.is_file():
        told: dict[str, Any] = json.loads(beside.read_text(encoding="utf-8"))
        if told["tflite"] == sha256_file(path):
            return path, told
    sample_norm = opened.lock.get("options", {}).get("sample_norm") if opened is not None else None
    pcm = synthetic_windows(source.config, windows=_CALIBRATION, evaluation_windows=1)
    features = features_of_windows(pcm.calibration.pcm, source.config)
    options = QuantizeOptions(ranges="minmax", sample_norm=sample_norm)
    with start_conversion(source, options, progress=progress) as conversion:
        converted = conversion.converted(features, features[:1])
    path.write_bytes(converted.floats)
    told = {
        "tflite": sha256_bytes(converted.floats),
        "output_activation": converted.result["output_activation"],
        "simplifications": converted.result["simplifications"],
    }
    jsonfile.write(beside, told)
    return path, told


def _libraries(
    opened: Bundle, engines: tuple[str, ...], wanted: Wanted, folder: Path, progress: Progress
) -> tuple[Path | None, Path | None]:
    """Gives the libraries of frontend and twin; where no compiler is found numpy does what the frontend would."""
    from birdnet_deploy import pipeline

    if DEVICE_TWIN not in engines and opened.prologue is None:
        port = input_port(read_model(opened.network.read_bytes())).quantization
        return _frontend_alone(opened.config, (port.scale, port.zero_point), wanted, folder, progress), None
    try:
        project = pipeline.generate(opened.path, target=_TARGET, output=folder / "twin", progress=progress)
        frontend = build_host_frontend(project, tools=wanted.tools, progress=progress)
        if DEVICE_TWIN not in engines:
            return frontend, None
        return frontend, build_host_network(project, tools=wanted.tools, progress=progress)
    except ToolchainError as error:
        if DEVICE_TWIN in engines:
            raise
        progress.warn(f"{error.what}: numpy computes the features, with the same bits and slower")
        return None, None


def _frontend_alone(
    config: ModelConfig, quantization: tuple[float, int], wanted: Wanted, folder: Path, progress: Progress
) -> Path | None:
    from birdnet_deploy.codegen.frontend_tables import frontend_files

    try:
        files = frontend_files(config, *quantization)
        return build_frontend_alone(files, folder / "frontend", tools=wanted.tools, progress=progress)
    except ToolchainError as error:
        progress.warn(f"{error.what}: numpy computes the features, with the same bits and slower")
        return None
