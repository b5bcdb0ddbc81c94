"""The whole way of one member of the family, by the functions that the commands call, and its line in the table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from birdnet_deploy import pipeline
from birdnet_deploy.artifacts import PROJECT_FILE, Bundle, Project
from birdnet_deploy.audio.frontend import features_of_pcm
from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.audio.reading import read_pcm16
from birdnet_deploy.audio.windows import window_at
from birdnet_deploy.device_run import RunRequest, RunResult
from birdnet_deploy.model import load_model
from birdnet_deploy.npu.check import check_path
from birdnet_deploy.npu.finding import ValidationResult
from birdnet_deploy.quantization import convert
from birdnet_deploy.tflite.interpreter import Int8Interpreter
from birdnet_deploy.tflite.reader import read_model
from tests.support import family_models
from tests.support.family_cells import Cell
from tests.support.small_models import run_here

IGNORED_WARNINGS = (  # of Keras while saving, and of every conversion
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",
    "ignore:Statistics for quantized inputs were expected:UserWarning",
)
TARGETS = ("stm32n6570-dk", "qemu-an547")


@dataclass(frozen=True)
class Member:
    """A converted cell: its number of parameters, its bundle, and what ``validate`` finds for each target."""

    cell: Cell
    parameters: int
    bundle: Bundle
    checked: Mapping[str, ValidationResult]


def make_member(cell: Cell, folder: Path) -> Member:
    """Builds, saves, loads and converts a cell in ``folder``; recordings for the board are in ``folder / "audio"``."""
    import keras

    few, many = (1.4, 3.0) if cell.full_size else (2.7, 6.0)
    calibration = family_models.write_recordings(folder / "calibration", cell, seed=1, windows=many)
    audio = family_models.write_recordings(folder / "audio", cell, seed=2, windows=few, hard=True)
    model = family_models.build(cell)
    path = family_models.save(model, cell, folder)
    assert_loads_again(model, path)
    request = pipeline.ConvertRequest(
        model=path, calibration=str(calibration), evaluation=audio, output=folder / "bundle", head=cell.head
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert, "run_worker", run_here)  # this process has TensorFlow
        patch.chdir(folder)  # away from anybody's settings
        bundle = pipeline.convert(request)
    keras.backend.clear_session()
    return Member(cell, model.count_params(), bundle, {name: check_path(bundle.path, target=name) for name in TARGETS})


def assert_loads_again(model: Any, path: Path) -> None:
    """Holds the file to the model: loaded by ``load_model`` it predicts the same, bit by bit."""
    windows = np.random.default_rng(3).random((2, *model.input_shape[1:]), dtype=np.float32)
    loaded = load_model(path)
    predicted = (member(windows, training=False).numpy() for member in (loaded, model))
    np.testing.assert_array_equal(*predicted)


def assert_deployable(member: Member) -> None:
    """Holds a member to full int8 with static shapes and to no error of any rule, for each target."""
    model = read_model(member.bundle.model)
    assert {tensor.dtype for tensor in model.tensors if not tensor.data} == {"int8"}
    assert {tensor.dtype for tensor in model.tensors} <= {"int8", "int32"}
    assert not any(-1 in (tensor.shape_signature or ()) for tensor in model.tensors)
    for name, checked in member.checked.items():
        errors = [finding for finding in checked.findings if finding.severity == "error"]
        assert not errors, f"{name}: {errors}"


def run_member(member: Member, folder: Path) -> tuple[Project, RunResult]:
    """Generates, builds and runs a member on the emulated board over ``folder / "audio"``."""
    project = pipeline.generate(member.bundle.path, target="qemu-an547", output=folder / "project")
    pipeline.build(project.path)
    return project, pipeline.run(RunRequest(audio=folder / "audio", project=project.path))


def outputs_of(result: RunResult) -> NDArray[np.int8]:
    """Gives what the board sent for songs: int8 ``[windows, classes]``; silence and clicks lie outside the ranges."""
    songs = [sent for sent in result.predictions if Path(sent.file).stem not in family_models.HARD]
    return np.asarray([sent.outputs for sent in songs], np.int8)


def assert_exact_and_telling(result: RunResult) -> None:
    """Holds a run to bit-exact windows whose outputs tell something: varied, and hardly ever at an end of int8."""
    assert result.failure is None, result.failure
    assert result.comparison.exact == result.comparison.expected == len(result.predictions) > 0
    outputs = outputs_of(result)
    assert len(np.unique(outputs)) >= 20
    assert at_ends(outputs) < 0.05
    assert len(np.unique(outputs, axis=0)) > len(outputs) // 2


def assert_follows_numpy(member: Member, folder: Path, result: RunResult) -> None:
    """Holds the board to the frontend in numpy too, which calibrated the model and shares no code with the C."""
    config, interpreter = member.bundle.config, Int8Interpreter(member.bundle.model.read_bytes())
    scale, zero_point = interpreter.input_quantization.scale, interpreter.input_quantization.zero_point
    recordings = {path.name: read_pcm16(path, config.sample_rate) for path in (folder / "audio").iterdir()}
    for sent in result.predictions:
        pcm = window_at(recordings[sent.file], sent.start, config.window_samples)
        inputs = quantize_input(features_of_pcm(pcm, config), scale, zero_point)
        np.testing.assert_array_equal(sent.outputs, interpreter.run(inputs[np.newaxis])[0])


def at_ends(outputs: NDArray[np.int8]) -> float:
    """Gives the share of values at -128 or 127."""
    return float(((outputs == -128) | (outputs == 127)).mean())


def row_of(member: Member, project: Project | None = None, result: RunResult | None = None) -> list[str]:
    """Gives the member's line in the table of ``family_table``; what did not run has a dash."""
    checked = member.checked[TARGETS[0]].summary
    row = [
        member.cell.name, f"{member.parameters:,}", str(sum(checked["operators"].values())), f"{checked['macs']:,}",
        "-", "-", f"{checked['counts']['error']} / {checked['counts']['warning']}", "-", "-",
    ]  # fmt: skip
    if project is not None:
        row[4] = f"{json.loads((project.path / PROJECT_FILE).read_text())['arena_bytes']:,}"
    if result is not None:
        outputs = outputs_of(result)
        row[5] = f"{result.comparison.exact}/{result.comparison.expected}"
        row[7:] = [str(len(np.unique(outputs))), f"{at_ends(outputs):.1%}"]
    return row
