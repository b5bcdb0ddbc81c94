"""The card that the firmware reads: NNNNN.WAV files at the model's rate, and a manifest on the host."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.audio.decoding import WAV_HEADER_BYTES, Decoders
from birdnet_deploy.audio.reading import find_recordings
from birdnet_deploy.errors import AudioError, SampleError, UsageError
from birdnet_deploy.model.config import ModelConfig
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.support.progress import Progress, counted

MANIFEST_FILE = "manifest.json"
MAX_FILES = 99_999  # NNNNN.WAV
_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class CardFile:
    """One recording on the card: ``original`` is its POSIX path relative to the audio folder.

    ``sha256`` is the recording's, ``wav_sha256`` that of the file on the card.
    """

    name: str
    original: str
    source: Path
    sha256: str
    samples: int
    wav_sha256: str


@dataclass(frozen=True)
class CardSound:
    """The samples of a file on the card: what is asked for is read, so that hours of sound take no memory."""

    path: Path
    samples: int

    def __len__(self) -> int:
        return self.samples

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Gives all of them, where numpy asks for an array."""
        return self[0:].astype(dtype or np.int16)

    def __getitem__(self, part: slice, /) -> NDArray[np.int16]:
        start, stop, _ = part.indices(self.samples)
        count = max(0, stop - start)
        return np.fromfile(self.path, dtype="<i2", count=count, offset=WAV_HEADER_BYTES + 2 * start).astype(np.int16)


@dataclass(frozen=True)
class Card:
    """A folder of WAVs only, its manifest beside it, and what could not be read (original, why)."""

    folder: Path
    manifest: Path
    sample_rate: int
    files: tuple[CardFile, ...]
    skipped: tuple[tuple[str, str], ...]

    def pcm(self, file: CardFile) -> CardSound:
        """Gives the samples of a file as the firmware finds them on the card."""
        return CardSound(self.folder / file.name, file.samples)


def prepare_card(audio: Path, config: ModelConfig, folder: Path, *, strict: bool, progress: Progress) -> Card:
    """Gives the card of all recordings below ``audio`` (or of the one file), in the order of their paths.

    ``folder`` is made; the manifest (card name, original path, SHA-256 of the original and of the file, samples) lies
    beside it.
    Recordings that cannot be read are skipped and counted, unless ``strict``.

    Raises: UsageError (exit 2) where ``audio`` does not exist or holds too many files; AudioError (exit 3)
    where nothing is left, or, with ``strict``, for the first that cannot be read; OutputRefused (exit 5)
    where the folder takes no more.
    """
    recordings = find_recordings(audio)
    if len(recordings) > MAX_FILES:
        what = f"{len(recordings)} recordings, a card takes {MAX_FILES}"
        raise UsageError(what, where=audio, fix="run it in parts")
    root = audio if audio.is_dir() else audio.parent
    folder.mkdir(parents=True)
    files: list[CardFile] = []
    skipped: list[tuple[str, str]] = []
    progress.step("preparing the card")
    with Decoders() as decoders:
        for source in counted(recordings, len(recordings), progress):
            original = _portable(source.relative_to(root))
            wav = folder / f"{len(files) + 1:05d}.WAV"
            try:
                samples = decoders.write_wav(source, config.sample_rate, wav)
            except AudioError as error:
                wav.unlink(missing_ok=True)
                if strict or isinstance(error, SampleError):  # what is read but is no sound is never skipped (F11)
                    raise
                skipped.append((original, error.what))
                progress.warn(f"skipped {error.line}")
                continue
            files.append(CardFile(wav.name, original, source, sha256_file(source), samples, sha256_file(wav)))
    if not files:
        what = f"none of {len(skipped)} recordings can be read" if skipped else "no recording found"
        raise AudioError(what, where=audio, fix="name a folder with recordings by --audio")
    manifest = folder.with_name(MANIFEST_FILE)
    _write_manifest(manifest, files, config.sample_rate)
    return Card(folder, manifest, config.sample_rate, tuple(files), tuple(skipped))


def _portable(path: Path) -> str:
    """Gives a path as text that any file can hold; bytes that are not UTF-8 are written as escapes."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _write_manifest(path: Path, files: list[CardFile], sample_rate: int) -> None:
    entries = [
        {
            "name": file.name, "original": file.original, "sha256": file.sha256, "wav_sha256": file.wav_sha256,
            "samples": file.samples,
        }
        for file in files
    ]  # fmt: skip
    jsonfile.write(path, {"schema_version": _SCHEMA_VERSION, "sample_rate": sample_rate, "files": entries})
