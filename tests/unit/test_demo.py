"""The demo: its songs vary, its model is good but not perfect, and the commands take it to the firmware."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from birdnet_deploy.cli.main import COMMANDS
from examples.demo import demo, songs
from tests.support.once import made_once

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "examples/demo"
TRILLER = songs.SPECIES[2]


def run_script(name: str, *arguments: object) -> str:
    command = [sys.executable, str(DEMO / name), *map(str, arguments)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's folder with songs/ and model/, made as the Makefile makes it."""

    def make(folder: Path) -> None:
        run_script("songs.py", folder / "songs")
        run_script("train.py", folder / "songs", folder / "model")

    return made_once(tmp_path_factory, "demo", make)


def test_a_recording_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    one, same, other = (
        songs.recording(np.random.default_rng([seed, 0]), songs.SPECIES[0], 32_000) for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert len(one) != len(other) or not np.array_equal(one, other)


@pytest.mark.parametrize("species", songs.SPECIES, ids=lambda species: species.label.split("_")[0])
def test_recordings_of_a_species_vary_in_length_onset_pitch_and_gain(species: songs.Species) -> None:
    rate = 32_000
    recordings = [songs.recording(np.random.default_rng([7, n]), species, rate) for n in range(12)]
    peaks = [float(np.abs(sound).max()) for sound in recordings]
    assert max(peaks) <= 10 ** (songs.GAIN_DB[1] / 20) + 1e-9
    assert max(peaks) / min(peaks) > 3
    assert len({len(sound) for sound in recordings}) > 6
    clean = [songs.sing(np.random.default_rng([7, n]), species, 4 * rate, rate) for n in range(12)]
    onsets = [int(np.flatnonzero(song)[0]) for song in clean]
    pitches = [int(np.abs(np.fft.rfft(song)).argmax()) / 4 for song in clean]
    assert np.std(onsets) / rate > 0.1
    assert max(pitches) / min(pitches) > 1.1


def test_noise_lies_between_0_and_20_db_below_the_song() -> None:
    rate = 32_000
    ratios_db = []
    for number in range(40):
        mixed = songs.recording(np.random.default_rng([3, number]), TRILLER, rate)
        hertz = np.fft.rfftfreq(len(mixed), 1 / rate)
        power = np.abs(np.fft.rfft(mixed)) ** 2
        noise = power[hertz > 9000].mean() * (hertz < 9000).sum()  # nobody sings above; at least as loud below
        ratios_db.append(10 * np.log10(power[hertz < 9000].sum() / noise))
    assert max(ratios_db) > 15
    assert min(ratios_db) < 8


def test_two_species_share_everything_but_the_rhythm() -> None:
    slow, quick = (s for s in songs.SPECIES if s.label.startswith("Tremulus"))
    assert replace(slow, label="", notes_per_s=0) == replace(quick, label="", notes_per_s=0)
    assert quick.notes_per_s > 1.5 * slow.notes_per_s


def test_the_recordings_need_resampling_and_come_in_two_formats(trained: Path) -> None:
    files = sorted((trained / "songs/test").rglob("*.*"))
    rates = {soundfile.info(path).samplerate for path in files}
    assert {path.suffix for path in files} == {".wav", ".flac"}
    assert rates == set(songs.RATES) and 16_000 not in rates
    assert {path.parent.name for path in files} == {species.label for species in songs.SPECIES}


def test_the_float_model_is_good_but_not_perfect(trained: Path) -> None:
    result = json.loads((trained / "model/demo_training.json").read_text())
    assert result["windows"] >= 100
    assert 0.75 <= result["top1"] <= 0.99


def test_no_two_recordings_are_alike_across_the_splits(trained: Path) -> None:
    files = [path for path in sorted((trained / "songs").rglob("*.*")) if path.suffix in (".wav", ".flac")]
    assert len(files) == len(songs.SPECIES) * sum(songs.SPLITS.values())
    assert len({path.read_bytes() for path in files}) == len(files)


def test_the_demo_types_only_commands_that_exist() -> None:
    assert [command[0] for command in demo.commands(Path("x"))] == ["convert", "validate", "generate", "build", "run"]
    assert {command[0] for command in demo.commands(Path("x"))} <= set(COMMANDS)


def test_top1_counts_windows_by_their_folder() -> None:
    windows = [
        {"file": "a/1.wav", "scores": [0.9, 0.1]},
        {"file": "b/1.wav", "scores": [0.8, 0.2]},
        {"file": "b/2.wav", "scores": [0.1, 0.3]},
        {"file": "a/2.wav", "scores": [0.5, 0.6]},
    ]
    assert demo.top1(windows, ["a", "b"]) == 0.5


@pytest.mark.emulator
def test_the_demo_ends_with_every_window_bit_exact(trained: Path) -> None:
    output = run_script("demo.py", trained)
    for command in demo.commands(trained):
        assert f"$ birdnet-deploy {command[0]} " in output
    table = output[output.index("true label") :]
    for species in songs.SPECIES:
        assert species.label in table
    counted = re.search(r"windows bit-exact (\d+)/(\d+)", table)
    assert counted and counted[1] == counted[2] and int(counted[2]) >= 100
    told = re.search(r"top-1 of (\d+) windows: ([\d.]+) float Keras, ([\d.]+) int8", table)
    assert told and told[1] == counted[2]
    assert float(told[3]) > float(told[2]) - 0.1
