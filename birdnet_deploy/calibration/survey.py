"""Reading every recording once: its hash, its windows, which are silent, whether it can be used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.audio.decoding import Decoders, Sound
from birdnet_deploy.audio.windows import energy, window_starts
from birdnet_deploy.errors import AudioError, SampleError
from birdnet_deploy.model.config import ModelConfig
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.support.progress import Progress, counted

_THREADS = 2
_FEW = 16  # recordings that one child reads as fast as two start
_SILENCE_RMS = 2.0  # steps of PCM16 around the mean (-84 dB of full scale): dither, not sound
_KEPT_BYTES = 256 * 2**20  # decoded sound that is kept for the choice of windows; what is beyond is decoded again

Reader = Callable[[Path, int, int], Sound]


@dataclass(frozen=True, eq=False)
class Survey:
    """One recording: ``starts`` of its usable windows, ``silent`` counts the others, ``fault`` stops all.

    ``energies`` are the mean squares of the usable windows around their mean, in steps of PCM16: of the sound itself,
    before any compression, which would lift silence to the level of song.
    """

    path: Path
    name: str
    sha256: str
    starts: tuple[int, ...] = ()
    energies: tuple[float, ...] = ()
    silent: int = 0
    fault: str | None = None
    pcm: NDArray[np.int16] | None = None

    @property
    def label(self) -> str:
        """The recording's folder, relative to the root: a species, where folders are labels."""
        return self.name.rpartition("/")[0]


def relative_name(path: Path, root: Path) -> str:
    """Gives the POSIX path relative to ``root``, or the name of a lone file; what is no UTF-8 is escaped."""
    name = path.name if path == root else path.relative_to(root).as_posix()
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def survey_recordings(
    paths: Sequence[Path], root: Path, config: ModelConfig, *, strict: bool, progress: Progress
) -> list[Survey]:
    """Gives one survey a recording, in the order of ``paths``; what cannot be decoded is kept with its
    ``fault``.

    Raises: SampleError (exit 3) naming file and window where a value is no sound; AudioError (exit 3) where a
    recording cannot be decoded and ``strict`` is set.
    """

    threads = _THREADS if len(paths) > _FEW else 1

    def one(path: Path) -> Survey:
        return _survey(path, relative_name(path, root), config, decoders.hear, strict)

    with Decoders(threads) as decoders, ThreadPoolExecutor(threads) as pool:
        try:
            return _within_memory(counted(pool.map(one, paths), len(paths), progress))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            decoders.stop()
            raise


def _within_memory(surveys: Iterable[Survey]) -> list[Survey]:
    kept = 0
    result = []
    for survey in surveys:
        kept += 0 if survey.pcm is None else survey.pcm.nbytes
        result.append(survey if kept <= _KEPT_BYTES else replace(survey, pcm=None))
    return result


def _survey(path: Path, name: str, config: ModelConfig, read: Reader, strict: bool) -> Survey:
    try:
        digest = sha256_file(path)
        sound = read(path, config.sample_rate, config.window_samples)
    except SampleError as error:
        raise _with_window(error, config) from error
    except OSError as error:
        if strict:
            raise AudioError(f"cannot be read ({error.strerror})", where=path, fix="allow reading it") from error
        return Survey(path, name, "", fault=f"cannot be read ({error.strerror})")
    except AudioError as error:
        if strict:
            raise
        return Survey(path, name, digest, fault=error.what)
    starts = window_starts(sound.samples, config.window_samples)
    heard, energies = _loud(starts, sound.energies)
    return Survey(path, name, digest, heard, energies, len(starts) - len(heard), pcm=sound.pcm)


def sounding(pcm: NDArray[np.int16], starts: Sequence[int], window: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Gives the starts of the windows that hold more than dither, and their energies."""
    return _loud(starts, [energy(pcm[start : start + window]) for start in starts])


def _loud(starts: Sequence[int], energies: Sequence[float]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    heard = [(start, found) for start, found in zip(starts, energies, strict=True) if found > _SILENCE_RMS**2]
    return tuple(start for start, _ in heard), tuple(found for _, found in heard)


def _with_window(error: SampleError, config: ModelConfig) -> SampleError:
    """Gives the error with the number and start of the first window that the bad value falls into (F11)."""
    hop = max(1, config.window_samples // 2)
    sample = int(error.seconds * config.sample_rate)
    number = max(0, -((config.window_samples - 1 - sample) // hop))
    return SampleError(
        f"window {number} (from {number * hop / config.sample_rate:.3f} s) {error.what}",
        seconds=error.seconds, where=error.where, fix=error.fix,
    )  # fmt: skip
