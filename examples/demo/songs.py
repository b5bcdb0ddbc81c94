"""Synthesises the songs of six invented species, so that the demo needs no recordings of anybody.

Each recording draws its own pitch, tempo, sweep, onset, gain and 0 to 20 dB of signal to noise, so that no
two are alike and neighbouring species overlap a little: a model that was trained on them is good but not
perfect. The two trillers share a band and a note; only their rhythm tells them apart. Same seed, same bytes.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

Signal = npt.NDArray[np.float64]

SPLITS = {"train": 48, "calibration": 8, "test": 12}  # recordings of each species
RATES = (32_000, 44_100)  # Hz; the model takes 16 kHz, so every recording has to be resampled
SECONDS = (3.0, 6.0)
SNR_DB = (0.0, 20.0)
GAIN_DB = (-18.0, -1.0)  # of the peak, against full scale


@dataclass(frozen=True)
class Species:
    """What is typical of one species; ``sing`` varies all of it from recording to recording."""

    label: str
    pitch_hz: float
    notes_per_s: float
    sweep_octaves: float = 0.0  # from the start of a note to its end
    step_octaves: float = 0.0  # between odd and even notes
    overtones: tuple[float, ...] = ()  # amplitudes of the 2nd, 3rd, ... harmonic
    sounding: float = 0.7  # the part of a beat that is not silence


SPECIES = (
    Species("Cantor ascendens_Rising Whistler", 2700.0, 2.5, sweep_octaves=0.30),
    Species("Cantor descendens_Falling Whistler", 2500.0, 2.5, sweep_octaves=-0.30),
    Species("Tremulus lentus_Slow Triller", 4600.0, 7.0),
    Species("Tremulus rapidus_Quick Triller", 4600.0, 15.0),
    Species("Bitonus alternans_Two-note Caller", 3300.0, 4.0, step_octaves=0.22),
    Species("Raucus gravis_Low Croaker", 900.0, 3.5, sweep_octaves=-0.15, overtones=(0.7, 0.5, 0.35, 0.2)),
)


def _note(cycles_per_sample: float, sweep: float, overtones: tuple[float, ...], length: int) -> Signal:
    """Gives one note of ``length`` samples: a smooth sweep (octaves) with a smooth rise and fall."""
    place = np.linspace(-0.5, 0.5, length)
    phase = 2.0 * np.pi * np.cumsum(cycles_per_sample * 2.0 ** (sweep * place))
    note = np.sin(phase)
    for order, amplitude in enumerate(overtones, 2):
        note += amplitude * np.sin(order * phase)
    return np.asarray(note * np.sin(np.pi * (place + 0.5)) ** 2)


def sing(rng: np.random.Generator, species: Species, samples: int, rate: int) -> Signal:
    """Gives one bout of song, float64 of ``samples`` values, without noise."""
    pitch_hz = species.pitch_hz * 2.0 ** rng.normal(0.0, 0.14)
    beat_s = 1.0 / (species.notes_per_s * 2.0 ** rng.normal(0.0, 0.25))
    sweep = species.sweep_octaves + rng.normal(0.0, 0.13)
    step = species.step_octaves * rng.uniform(0.5, 1.5)
    song = np.zeros(samples)
    at_s = rng.uniform(0.0, 1.2)
    end_s = samples / rate - rng.uniform(0.0, 0.8)
    count = 0
    while at_s < end_s:
        length = int(beat_s * species.sounding * rng.uniform(0.85, 1.15) * rate)
        start = int(at_s * rate)
        note_hz = pitch_hz * 2.0 ** (step * (count % 2 - 0.5) + rng.normal(0.0, 0.01))
        note = rng.uniform(0.7, 1.0) * _note(note_hz / rate, sweep, species.overtones, length)
        song[start : start + length] += note[: samples - start]
        at_s += beat_s * rng.uniform(0.94, 1.06)
        count += 1
    return song


def noise(rng: np.random.Generator, samples: int) -> Signal:
    """Gives noise of unit power, between white and pink."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1.0) ** rng.uniform(0.0, 0.5)
    coloured = np.fft.irfft(spectrum, samples)
    return np.asarray(coloured / np.sqrt(np.mean(coloured**2)))


def recording(rng: np.random.Generator, species: Species, rate: int) -> Signal:
    """Gives one recording: a bout of song in noise, at some gain, values within -1 to 1."""
    samples = rate // 100 * round(100 * rng.uniform(*SECONDS))  # hundredths: an FFT of a prime length takes long
    song = sing(rng, species, samples, rate)
    loudness = np.sqrt(np.mean(song**2))
    mixed = song + noise(rng, samples) * loudness / 10.0 ** (rng.uniform(*SNR_DB) / 20.0)
    return np.asarray(mixed / np.abs(mixed).max() * 10.0 ** (rng.uniform(*GAIN_DB) / 20.0))


def write_songs(root: Path, seed: int) -> int:
    """Writes ``<root>/<split>/<label>/NNN.wav`` (or ``.flac``) for all splits; gives the number of files."""
    written = 0
    for split_number, (split, count) in enumerate(SPLITS.items()):
        for species_number, species in enumerate(SPECIES):
            folder = root / split / species.label
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                rng = np.random.default_rng([seed, split_number, species_number, number])
                rate = RATES[number % len(RATES)]
                name = f"{number:03d}.{'flac' if number % 4 == 3 else 'wav'}"
                soundfile.write(folder / name, recording(rng, species, rate), rate, subtype="PCM_16")
                written += 1
    return written


def main() -> None:
    """Writes the songs that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="where to write train/, calibration/ and test/")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    written = write_songs(options.folder, options.seed)
    print(f"{written} recordings of {len(SPECIES)} species in {options.folder}")


if __name__ == "__main__":
    main()
