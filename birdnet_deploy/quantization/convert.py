"""From a trained model and calibration windows to a full-int8 ``.tflite``; TensorFlow runs in a child.

The child gives a float ``.tflite``; everything after that (`prepare`, `frontier`, `integer`) needs no TensorFlow and
happens here. The parent checks what goes in and what comes out, so that a converter that crashes, hangs, or "succeeds"
with float tensors ends as one error with nothing left behind.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.artifacts import SourceModel
from birdnet_deploy.errors import CalibrationError, InternalError, ModelError
from birdnet_deploy.quantization.assemble import Converted, QuantizedModel, assemble
from birdnet_deploy.quantization.check import check_full_int8
from birdnet_deploy.quantization.options import METHODS, NONE, QuantizeOptions
from birdnet_deploy.quantization.simplify import MAX_LOGIT_DIFFERENCE
from birdnet_deploy.quantization.variant import contradicts, misfit
from birdnet_deploy.quantization.worker import CANCELLED_FILE, FEATURES_FILE
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.process import (
    JOB_FILE,
    LOG_FILE,
    RESULT_FILE,
    STEPS_FILE,
    run_worker,
    scratch_folder,
)
from birdnet_deploy.support.progress import Progress, Silent

__all__ = ["QuantizeOptions", "QuantizedModel", "check_full_int8", "quantize_model", "start_conversion"]

Floats = NDArray[np.float32]
_MAX_FEATURE = 1e3


def quantize_model(
    source: SourceModel,
    calibration: Floats,
    evaluation: Floats,
    *,
    files: Sequence[str] | None = None,
    options: QuantizeOptions | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> QuantizedModel:
    """Gives the full-int8 model of ``source``; features are float32 ``[n, *input_shape]``.

    ``files`` names the recording of each calibration window, so that folds are disjoint by file; without it every
    window is a recording of its own. ``changes`` are fields of ``QuantizeOptions``.

    Raises: CalibrationError (exit 3) for features that are missing, of another shape or not finite; ModelError (exit 3)
    where the model cannot be loaded, the converter fails, crashes or hangs, or a float tensor remains; UsageError (2)
    where the named cut does not exist; GatesNotMet (4) where no cut is good enough.
    """
    chosen = replace(options or QuantizeOptions(), **changes)
    _check_features(source, calibration, evaluation)
    with start_conversion(source, chosen, progress=progress) as conversion:
        return conversion.finish(calibration, evaluation, files=files)


@contextmanager
def start_conversion(
    source: SourceModel, options: QuantizeOptions, *, progress: Progress | None = None
) -> Iterator[Conversion]:
    """Starts the child, which imports TensorFlow and loads the model while the body computes features.

    Raises: InternalError for options that are not known.
    """
    known = options.head in ("logits", "probabilities") and options.io in ("int8", "float32")
    if not known or options.ranges not in ("auto", *METHODS):
        raise InternalError(f"{options} is not known", where="start_conversion")
    with scratch_folder() as folder:
        job: Mapping[str, Any] = {
            "model": str(source.path.resolve()), "shown": str(source.path), "head": options.head, "io": options.io,
            "sample_norm": options.sample_norm, "simplify": options.simplify, "judged": options.judged,
            "cuts": options.prologue != NONE or options.frontier,
            "output_activation": source.config.output_activation,
        }  # fmt: skip
        jsonfile.write(folder / JOB_FILE, job)
        conversion = Conversion(source, options, folder, progress or Silent())
        try:
            yield conversion
        finally:
            conversion.cancel()


class Conversion:
    """A conversion under way in a child, which waits for features."""

    def __init__(self, source: SourceModel, options: QuantizeOptions, folder: Path, progress: Progress) -> None:
        self._source, self._options, self._folder, self._progress = source, options, folder, progress
        self._failure: BaseException | None = None
        self._cancelled = self._awaited = False
        self._tell = _teller(folder / STEPS_FILE, progress)
        self._thread = threading.Thread(target=self._run, daemon=True)
        progress.step("starting TensorFlow")
        self._thread.start()

    def _run(self) -> None:
        try:
            run_worker(
                "birdnet_deploy.quantization.worker", self._folder, name="the converter", where=self._source.path,
                timeout_s=self._options.timeout_s, on_tick=self._tick,
            )  # fmt: skip
        except BaseException as error:
            self._failure = error

    def _tick(self) -> None:
        if self._cancelled:
            raise _CancelledError
        if self._awaited:  # until then the parent tells its own steps
            self._tell()

    def cancel(self) -> None:
        """Ends the child where it still runs."""
        self._cancelled = True
        (self._folder / CANCELLED_FILE).touch()
        self._thread.join()

    def hold(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """Gives an array as a map of a file, so that it need not be in memory while it is not read.

        Under the names ``calibration`` and ``evaluation`` it is the features that the child reads.
        """
        path = self._folder / f"{name}.npy"
        np.save(path, values)
        mapped: NDArray[Any] = np.load(path, mmap_mode="r")
        return mapped

    def converted(self, calibration: Floats, evaluation: Floats) -> Converted:
        """Gives what the child made, the float ``.tflite`` among it, once the features are there.

        Raises: as ``quantize_model``.
        """
        _check_features(self._source, calibration, evaluation)
        for name, features in (("calibration", calibration), ("evaluation", evaluation)):
            if not (self._folder / f"{name}.npy").exists():
                np.save(self._folder / f"{name}.npy", features)
        (self._folder / FEATURES_FILE).touch()
        self._awaited = True
        while self._thread.is_alive():
            self._thread.join(0.1)
        if self._failure is not None:
            raise self._failure
        return _collect(self._folder, self._source)

    def finish(self, calibration: Floats, evaluation: Floats, files: Sequence[str] | None = None) -> QuantizedModel:
        """Gives the quantized model once the features are there.

        Raises: as ``quantize_model``.
        """
        converted = self.converted(calibration, evaluation)
        names = [str(number) for number in range(len(calibration))] if files is None else list(files)
        quantized = assemble(converted, self._options, self._source, calibration, evaluation, names, self._progress)
        if contradicts(quantized.variant):
            self._progress.warn(f"the choice of --sample-norm does not fit the model: {misfit(quantized.variant)}")
        for step in quantized.simplifications:
            if not step["applied"]:
                self._progress.warn(f"{step['step']}: not applied, changes logits by {step['max_logit_difference']:g}")
            elif step["max_logit_difference"] > MAX_LOGIT_DIFFERENCE:
                self._progress.warn(f"{step['step']}: changes logits by {step['max_logit_difference']:g}")
        return quantized


class _CancelledError(Exception):
    """Nobody waits for the child any more."""


def _collect(folder: Path, source: SourceModel) -> Converted:
    names = (RESULT_FILE, "float.tflite", "float_outputs.npy")
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"the converter wrote no {', '.join(missing)}", where=source.path, fix="report this")
    int8 = folder / "model.tflite"
    return Converted(
        floats=(folder / "float.tflite").read_bytes(),
        int8=int8.read_bytes() if int8.is_file() else None,
        float_outputs=np.load(folder / "float_outputs.npy"),
        calibration_outputs=np.load(folder / "calibration_outputs.npy"),
        result=json.loads((folder / RESULT_FILE).read_text(encoding="utf-8")),
        log=(folder / LOG_FILE).read_text(encoding="utf-8", errors="replace"),
    )


def _check_features(source: SourceModel, calibration: Floats, evaluation: Floats) -> None:
    """Refuses what would make the converter write a float model, a scale of 1e27, or crash (F10 to F12)."""
    for name, features in (("calibration", calibration), ("evaluation", evaluation)):
        _check_set(name, features, source)
    if not len(calibration):
        raise CalibrationError("no calibration windows", where=source.path, fix="name recordings with --calibration")


def _check_set(name: str, features: Floats, source: SourceModel) -> None:
    expected = source.config.shape
    if features.dtype != np.float32 or features.shape[1:] != expected:
        found = f"{features.dtype} {list(features.shape[1:])}"
        raise CalibrationError(
            f"{name} features are {found}, expected float32 {list(expected)}",
            where=source.path, fix="compute them with this model's config",
        )  # fmt: skip
    for index, window in enumerate(features):
        peak = float(np.abs(window).max())
        if not peak <= _MAX_FEATURE:  # NaN compares false
            raise CalibrationError(
                f"{name} window {index} reaches {peak:g}",
                where=source.path,
                fix="mend or remove its recording",
            )


def _teller(steps: Path, progress: Progress) -> Callable[[], None]:
    told = 0

    def tell() -> None:
        nonlocal told
        if steps.is_file():
            lines = steps.read_text(encoding="utf-8").splitlines(keepends=True)
            for line in lines[told:]:
                if line.endswith("\n"):
                    progress.step(line.rstrip())
                    told += 1

    return tell
