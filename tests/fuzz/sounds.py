"""Recordings and arrays to start from: every container and sample format that libsndfile writes here."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import soundfile

_KINDS = (
    ("WAV", "PCM_U8"), ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("WAV", "FLOAT"), ("WAV", "DOUBLE"),
    ("WAV", "IMA_ADPCM"), ("WAV", "MS_ADPCM"), ("WAV", "ULAW"), ("WAV", "ALAW"), ("WAVEX", "PCM_16"),
    ("RF64", "PCM_16"), ("W64", "PCM_16"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_16"),
)  # fmt: skip


def sound_seeds(folder: Path) -> list[bytes]:
    """Gives a tenth of a second of each kind, mono and stereo."""
    time = np.arange(2400) / 24000
    mono = 0.5 * np.sin(2 * np.pi * 440 * time)
    seeds = []
    for container, subtype in _KINDS:
        for sound in (mono, np.stack([mono, -mono / 2], axis=1)):
            stream = io.BytesIO()
            soundfile.write(stream, sound, 24000, format=container, subtype=subtype)
            seeds.append(stream.getvalue())
    listed = b"LIST" + struct.pack("<I", 4) + b"INFO"
    plain = seeds[2]
    return [*seeds, plain[:36] + listed + plain[36:]]


def array_seeds(folder: Path) -> list[bytes]:
    """Gives windows of 80 samples in every form that is taken, and some that are not."""
    pcm = (np.arange(240).reshape(3, 80) * 90).astype(np.int16)
    seeds = []
    for arrays in (
        {"pcm": pcm}, {"pcm": pcm, "sample_rate": np.array(8000)}, {"pcm": pcm, "sample_rate": np.array([8000.0])},
        {"pcm": pcm.astype(np.float32)}, {"pcm": np.asfortranarray(pcm)}, {"x": pcm},
    ):  # fmt: skip
        for save in (np.savez, np.savez_compressed):
            stream = io.BytesIO()
            save(stream, **arrays)
            seeds.append(stream.getvalue())
    return seeds
