"""Archives of many short recordings that are made here: seeded, labelled by their folders, the same on every run."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import soundfile

from tests.support.make_small_model import LABELS, song

RATE = 8000  # of the small model


def make_archive(folder: Path, recordings: int, *, seconds: float = 1.6, distinct: int | None = None) -> Path:
    """Gives a folder a label of ``recordings`` songs; from ``distinct`` on they are links to those before."""
    made: list[Path] = []
    for number in range(recordings):
        kind = number % len(LABELS)
        path = folder / LABELS[kind] / f"take {number:05}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        if distinct is not None and number >= distinct:
            os.link(made[number % distinct], path)
            continue
        sound = song(kind, seconds + 0.1 * (number % 5), RATE, number)
        soundfile.write(path, sound, RATE, subtype="PCM_16")
        made.append(path)
    return folder


def make_odd_files(folder: Path) -> dict[str, str]:
    """Writes recordings as archives have them into ``folder``; gives the status that each must get, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(5).uniform(-0.4, 0.4, (48000, 6))
    soundfile.write(folder / "96 kHz.wav", noise[:, 0], 96000, subtype="PCM_24")
    soundfile.write(folder / "six channels.flac", noise, 16000)
    soundfile.write(folder / "one sample.wav", noise[:1, 0], RATE)
    soundfile.write(folder / "no samples.wav", noise[:0, 0], RATE)
    soundfile.write(folder / "Ünïcödé 鳥 \u202e.wav", noise[:9000, 0], RATE)
    soundfile.write(folder / "not a number.wav", np.full(9000, np.nan), RATE, subtype="FLOAT")
    soundfile.write(folder / "cut short.wav", noise[:9000, 0], RATE)
    whole = (folder / "cut short.wav").read_bytes()
    (folder / "cut short.wav").write_bytes(whole[:9000])
    (folder / "empty.wav").touch()
    (folder / "a text.mp3").write_text("this is no sound")
    (folder / "a text.txt").write_text("0.0\t1.0\tnobody\n")
    (folder / "a lie.wav").write_bytes(whole[:40] + struct.pack("<I", 0x7FFFFFFE) + b"\x01")
    os.mkfifo(folder / "a pipe.wav")
    (folder / "a link to nothing.wav").symlink_to("gone.wav")
    (folder / os.fsdecode(b"not utf-8 \xff.wav")).write_bytes(whole)
    return {
        "96 kHz.wav": "ok", "six channels.flac": "ok", "one sample.wav": "ok", "Ünïcödé 鳥 \u202e.wav": "ok",
        "not utf-8 \\xff.wav": "ok", "no samples.wav": "empty", "empty.wav": "empty",
        "not a number.wav": "unreadable", "cut short.wav": "unreadable", "a text.mp3": "unreadable",
        "a lie.wav": "empty", "a pipe.wav": "unreadable", "a link to nothing.wav": "unreadable",
    }  # fmt: skip


def hour_file(path: Path, *, seconds: float, rate: int, channels: int) -> Path:
    """Writes a long recording block by block: noise that repeats every second."""
    second = np.random.default_rng(9).uniform(-0.3, 0.3, (rate, channels)).astype(np.float32)
    with soundfile.SoundFile(path, "w", rate, channels, subtype="PCM_16") as file:
        for _ in range(int(seconds)):
            file.write(second)
    return path
