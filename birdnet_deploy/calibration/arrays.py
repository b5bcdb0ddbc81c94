"""Windows of sound that are given as an array instead of recordings."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.calibration.survey import Survey, sounding
from birdnet_deploy.errors import CalibrationError
from birdnet_deploy.model.config import ModelConfig
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.support.npz import DAMAGED

ARRAY_SUFFIXES = frozenset({".npz", ".npy"})

_MEMBER = "pcm.npy"
_RATE_MEMBER = "sample_rate.npy"
_MAX_RATE_BYTES = 1024
_MAX_BYTES = 2**30


def read_pcm_windows(path: Path, config: ModelConfig) -> Survey:
    """Gives int16 ``[n, window_samples]`` windows of a ``.npy``, or of ``pcm`` in a ``.npz``, as one
    recording.

    A window's start is its row times the window. A scalar ``sample_rate`` in the ``.npz`` must be the
    model's. Sound is taken, not features: the manifest and the firmware start from sound.

    Raises: CalibrationError (exit 3) naming what is expected and what was found (F12), or where it cannot be
    read.
    """
    window = config.window_samples
    try:
        pcm = _checked_member(path, config)
    except DAMAGED as error:
        raise CalibrationError(
            f"not a readable array ({error})", where=path, fix="write it with numpy.savez"
        ) from error
    starts = [row * window for row in range(len(pcm))]
    heard, energies = sounding(pcm.reshape(-1), starts, window)
    digest = sha256_file(path)
    return Survey(path, path.name, digest, heard, energies, len(pcm) - len(heard), pcm=pcm.reshape(-1))


def _checked_member(path: Path, config: ModelConfig) -> NDArray[np.int16]:
    """Reads headers first, so that a foreign or huge array is refused before it takes memory."""
    if path.suffix.lower() == ".npy":
        with path.open("rb") as file:
            return _checked_array(file, path, config)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if _MEMBER not in names:
            raise _unlike(path, config, ", ".join(sorted(names)[:8]) or "an empty archive")
        if _RATE_MEMBER in names:
            with archive.open(_RATE_MEMBER) as file:
                rate = np.load(io.BytesIO(file.read(_MAX_RATE_BYTES)), allow_pickle=False)
            if rate.size != 1 or rate.ravel()[0] != config.sample_rate:
                raise _unlike(path, config, f"sample_rate {rate.ravel().tolist()}")
        with archive.open(_MEMBER) as file:
            return _checked_array(file, path, config)


def _checked_array(file: IO[bytes], path: Path, config: ModelConfig) -> NDArray[np.int16]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype != np.int16 or len(shape) != 2 or shape[0] < 0 or shape[1] != config.window_samples or fortran:
        raise _unlike(path, config, f"{dtype} {list(shape)}")
    size = shape[0] * shape[1] * dtype.itemsize
    if size > _MAX_BYTES:
        raise _unlike(path, config, f"{size} bytes")
    data = file.read(size)
    if len(data) != size:
        raise ValueError(f"cut short, {len(data)} of {size} bytes")
    return np.frombuffer(data, dtype=dtype).reshape(shape)


def _unlike(path: Path, config: ModelConfig, found: str) -> CalibrationError:
    return CalibrationError(
        f"expected pcm int16 [n, {config.window_samples}] at {config.sample_rate} Hz, found {found}",
        where=path, fix="give windows of PCM16 sound (features are computed here), or a folder of recordings",
    )  # fmt: skip
