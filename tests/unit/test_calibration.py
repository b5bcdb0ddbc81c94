"""Which windows calibrate and which evaluate: split, silence, faults, limits, manifest."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from birdnet_deploy.audio.reading import read_pcm16
from birdnet_deploy.audio.windows import window_at
from birdnet_deploy.calibration import survey
from birdnet_deploy.calibration.collect import CalibrationSet, collect_windows, synthetic_windows
from birdnet_deploy.conversion import recordings_of
from birdnet_deploy.errors import AudioError, CalibrationError, SampleError, UsageError
from birdnet_deploy.model.config import ModelConfig
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.hashes import sha256_file

RATE = 8000
CONFIG = ModelConfig(RATE, 1.0, "hybrid", 32, fft_length=256)
N = CONFIG.window_samples


def recording(path: Path, seconds: float, *, seed: int | None = None, rate: int = RATE) -> Path:
    """Writes a recording of noise, or of silence where there is no seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = int(seconds * rate)
    sound = np.zeros(count) if seed is None else 0.1 * np.random.default_rng(seed).standard_normal(count)
    soundfile.write(path, sound, rate, subtype="PCM_16")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve recordings of 1 to 12 windows in three label folders."""
    root = tmp_path / "birds"
    for number in range(12):
        recording(root / f"label {number % 3}" / f"{number}.wav", 1 + number / 2, seed=number)
    return root


def files(collected: CalibrationSet, role: str) -> list[str]:
    return [entry["file"] for entry in collected.manifest["files"] if entry["role"] == role]


def in_lowest_share(name: str) -> bool:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) < 0.30 * 2**256


def test_the_split_is_by_file_and_by_the_hash_of_the_path(folder: Path) -> None:
    collected = collect_windows(folder, CONFIG)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.wav"))
    assert files(collected, "evaluation") == [name for name in names if in_lowest_share(name)]
    assert files(collected, "calibration") == [name for name in names if not in_lowest_share(name)]
    assert {ref.file for ref in collected.calibration.refs} == set(files(collected, "calibration"))
    assert {ref.file for ref in collected.evaluation.refs} == set(files(collected, "evaluation"))
    assert len(collected.calibration) + len(collected.evaluation) == sum(range(1, 13))
    assert not collected.warnings and not collected.synthetic


def test_windows_are_those_of_the_contract(folder: Path) -> None:
    collected = collect_windows(folder, CONFIG)
    assert collected.calibration.pcm.dtype == np.int16
    assert collected.calibration.pcm.shape == (len(collected.calibration.refs), N)
    for pcm, ref in zip(collected.calibration.pcm, collected.calibration.refs, strict=True):
        assert np.array_equal(pcm, window_at(read_pcm16(folder / ref.file, RATE), ref.start, N))


def test_a_recording_keeps_its_role_when_others_come(folder: Path) -> None:
    before = set(files(collect_windows(folder, CONFIG), "evaluation"))
    for number in range(20):
        recording(folder / "more" / f"{number}.wav", 1, seed=number)
    after = {name for name in files(collect_windows(folder, CONFIG), "evaluation") if not name.startswith("more/")}
    assert after == before


@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "c"), ("x1", "x2"), ("y1", "y2"), ("z1", "z2")])
def test_each_side_gets_at_least_one_of_two_or_more(tmp_path: Path, names: tuple[str, ...]) -> None:
    for seed, name in enumerate(names):
        recording(tmp_path / f"{name}.wav", 1, seed=seed)
    collected = collect_windows(tmp_path, CONFIG)
    assert len(collected.calibration) and len(collected.evaluation)


def test_one_recording_calibrates_and_nothing_evaluates(tmp_path: Path) -> None:
    path = recording(tmp_path / "only.wav", 2, seed=1)
    for root in (tmp_path, path):
        collected = collect_windows(root, CONFIG)
        assert (len(collected.calibration), len(collected.evaluation)) == (3, 0)
        assert collected.evaluation.pcm.shape == (0, N)
        assert any("only one usable recording" in warning for warning in collected.warnings)
        assert collected.calibration.refs[1].file == "only.wav"


def test_an_evaluation_folder_leaves_all_of_the_root_to_calibrate(folder: Path, tmp_path: Path) -> None:
    recording(tmp_path / "held out" / "0.wav", 2, seed=99)
    collected = collect_windows(folder, CONFIG, evaluation=tmp_path / "held out")
    assert len(files(collected, "calibration")) == 12 and files(collected, "evaluation") == ["0.wav"]
    assert len(collected.evaluation) == 3
    assert collected.manifest["split"] == "folder"


def test_what_evaluates_never_calibrates_even_when_folders_overlap(folder: Path) -> None:
    collected = collect_windows(folder, CONFIG, evaluation=folder / "label 1")
    assert not [name for name in files(collected, "calibration") if name.startswith("label 1/")]
    assert any("left out of calibration" in warning for warning in collected.warnings)
    with pytest.raises(CalibrationError, match="all its recordings also evaluate"):
        collect_windows(folder, CONFIG, evaluation=folder)


def test_a_copy_of_what_evaluates_never_calibrates(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(folder / "label 0" / "3.wav", other / "copy.wav")
    collected = collect_windows(folder, CONFIG, evaluation=other)
    assert "label 0/3.wav" not in files(collected, "calibration")
    assert collected.warnings == ("label 0/3.wav would also evaluate and was left out of calibration",)


def test_copies_in_one_folder_are_on_one_side(folder: Path) -> None:
    before = collect_windows(folder, CONFIG)
    evaluating, calibrating = files(before, "evaluation")[0], files(before, "calibration")[0]
    for number in range(6):  # whatever the hashes of their own names say
        shutil.copy(folder / evaluating, folder / f"z{number}.wav")
        shutil.copy(folder / calibrating, folder / f"y{number}.wav")
    after = collect_windows(folder, CONFIG)
    assert {f"z{number}.wav" for number in range(6)} < set(files(after, "evaluation"))
    assert {f"y{number}.wav" for number in range(6)} < set(files(after, "calibration"))
    assert not after.warnings


def test_copies_of_one_recording_leave_nothing_to_evaluate_on(tmp_path: Path) -> None:
    first = recording(tmp_path / "a.wav", 3, seed=1)
    shutil.copy(first, tmp_path / "b.wav")
    collected = collect_windows(tmp_path, CONFIG)
    assert files(collected, "calibration") == ["a.wav", "b.wav"] and not len(collected.evaluation)
    assert any("nothing is left to evaluate on" in warning for warning in collected.warnings)


@pytest.mark.parametrize("seed", range(6))
def test_few_recordings_and_a_copy_share_no_sound_between_the_sides(tmp_path: Path, seed: int) -> None:
    for number in range(3):
        recording(tmp_path / f"{seed}{number}.wav", 3, seed=number)
    shutil.copy(tmp_path / f"{seed}0.wav", tmp_path / "copy.wav")
    entries = collect_windows(tmp_path, CONFIG).manifest["files"]
    sides = [{entry["sha256"] for entry in entries if entry["role"] == role} for role in ("calibration", "evaluation")]
    assert all(sides) and not sides[0] & sides[1]


def test_copies_are_one_recording_to_the_folds(tmp_path: Path) -> None:
    recording(tmp_path / "a.wav", 3, seed=1)
    recording(tmp_path / "b.wav", 3, seed=2)
    held_out = recording(tmp_path / "other/c.wav", 3, seed=3)
    shutil.copy(tmp_path / "b.wav", tmp_path / "d.wav")
    collected = collect_windows(tmp_path, CONFIG, evaluation=held_out)
    assert {ref.file for ref in collected.calibration.refs} == {"a.wav", "b.wav", "d.wav"}
    assert set(recordings_of(collected)) == {"a.wav", "b.wav"}


def test_unreadable_and_silent_recordings_are_skipped_and_counted(folder: Path) -> None:
    (folder / "label 0" / "broken.wav").write_bytes(b"RIFF nothing")
    (folder / "empty.flac").touch()
    recording(folder / "silent.wav", 3)
    half = np.concatenate([np.zeros(3 * RATE), 0.1 * np.random.default_rng(0).standard_normal(RATE)])
    soundfile.write(folder / "half.wav", half, RATE)
    collected = collect_windows(folder, CONFIG)
    counts = collected.manifest["counts"]
    assert (counts["unreadable_files"], counts["silent_files"]) == (2, 1)
    assert counts["silent_windows"] == 5 + 5
    assert {
        ref.start for ref in (*collected.calibration.refs, *collected.evaluation.refs) if ref.file == "half.wav"
    } == {
        5 * N // 2,
        3 * N,
    }
    assert (
        "2 recordings skipped: empty.flac (cannot be decoded (it is empty)), label 0/broken.wav"
        in collected.warnings[0]
    )
    assert collected.warnings[1] == "10 silent windows skipped"
    with pytest.raises(AudioError, match=r"empty\.flac"):
        collect_windows(folder, CONFIG, strict=True)


def test_a_constant_window_that_is_not_zero_is_silent_too(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "dc.wav", np.full(3 * N // 4, 0.25), RATE)
    with pytest.raises(CalibrationError, match="1 are silent"):
        collect_windows(tmp_path, CONFIG)


@pytest.mark.parametrize("make", ["nothing", "silence", "junk"])
def test_nothing_to_calibrate_on_is_refused(tmp_path: Path, make: str) -> None:
    if make == "silence":
        recording(tmp_path / "a.wav", 2)
    if make == "junk":
        (tmp_path / "a.wav").write_bytes(b"junk")
    with pytest.raises(CalibrationError, match="to calibrate on") as caught:
        collect_windows(tmp_path, CONFIG)
    assert caught.value.exit_code == 3 and str(tmp_path) in caught.value.line


def test_nothing_to_evaluate_on_is_refused_where_a_folder_was_named(folder: Path, tmp_path: Path) -> None:
    recording(tmp_path / "silence" / "a.wav", 2)
    with pytest.raises(CalibrationError, match="nothing to evaluate on"):
        collect_windows(folder, CONFIG, evaluation=tmp_path / "silence")


def test_a_missing_folder_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        collect_windows(tmp_path / "nowhere", CONFIG)


@pytest.mark.parametrize(("sample", "window"), [(0, 0), (7999, 0), (8000, 1), (12000, 2), (19999, 3)])
def test_no_sound_is_refused_with_file_and_window(folder: Path, sample: int, window: int) -> None:
    samples = 0.1 * np.random.default_rng(0).standard_normal(20000)
    samples[sample] = np.nan
    soundfile.write(folder / "label 2" / "bad.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(SampleError, match=rf"window {window} \(from {window / 2:.3f} s\) holds nan") as caught:
        collect_windows(folder, CONFIG)
    assert "label 2/bad.wav" in caught.value.line and caught.value.exit_code == 3


def test_too_many_windows_are_thinned_evenly_over_labels_files_and_time(tmp_path: Path) -> None:
    recording(tmp_path / "a" / "long.wav", 60, seed=1)
    for number in range(4):
        recording(tmp_path / "b" / f"{number}.wav", 5, seed=2 + number)
    recording(tmp_path / "c" / "short.wav", 1, seed=9)
    recording(tmp_path / "held" / "out.wav", 1, seed=10)
    root = {"evaluation": tmp_path / "held", "max_windows": 21}
    collected = collect_windows(tmp_path, CONFIG, **root)
    used = {entry["file"]: entry["windows"] for entry in collected.manifest["files"] if entry["role"] == "calibration"}
    assert sum(used.values()) == len(collected.calibration) == 21
    assert used["c/short.wav"] == 1 and used["a/long.wav"] == 10
    assert sorted(used[f"b/{number}.wav"] for number in range(4)) == [2, 2, 3, 3]


def test_of_a_long_recording_the_loudest_and_ever_quieter_windows_are_taken(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    level = 0.001 * 1.5 ** random.permutation(16).astype(np.float64)  # one second each, no two alike
    sound = np.repeat(level, RATE) * random.uniform(-0.5, 0.5, 16 * RATE) + 0.3  # an offset is no sound
    soundfile.write(tmp_path / "long.wav", sound, RATE, subtype="PCM_16")
    collected = collect_windows(tmp_path / "long.wav", CONFIG, max_windows=4)
    pcm = read_pcm16(tmp_path / "long.wav", RATE).astype(np.float64)
    energies = {start: pcm[start : start + N].var() for start in range(0, 15 * RATE + 1, N // 2)}
    ranked = sorted(energies, key=lambda start: -energies[start])
    assert [ref.start for ref in collected.calibration.refs] == sorted(ranked[i * len(ranked) // 4] for i in range(4))
    assert ranked[0] in {ref.start for ref in collected.calibration.refs}


def test_energy_is_the_variance_exactly() -> None:
    samples = np.array([-32768, 32767, 5, 5, -7], np.int16)
    assert survey.energy(samples) == pytest.approx(samples.astype(np.float64).var(), rel=1e-14)
    assert survey.energy(np.full(66150, -32768, np.int16)) == 0.0


def test_dither_is_silence_however_the_model_compresses(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    sound = np.concatenate([random.integers(-1, 2, 2 * RATE), random.integers(-12, 13, 2 * RATE)]).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", sound, RATE, subtype="PCM_16")
    for compression in ("none", "sqrt", "log"):
        collected = collect_windows(tmp_path / "a.wav", CONFIG.with_(input_compression=compression))
        assert [ref.start for ref in collected.calibration.refs] == [3 * N // 2, 2 * N, 5 * N // 2, 3 * N]
        assert collected.manifest["counts"]["silent_windows"] == 3


def test_one_long_recording_does_not_outweigh_the_others_that_evaluate(folder: Path) -> None:
    evaluating = files(collect_windows(folder, CONFIG), "evaluation")
    recording(folder / evaluating[0], 60, seed=77)
    collected = collect_windows(folder, CONFIG)
    used = {entry["file"]: entry for entry in collected.manifest["files"] if entry["role"] == "evaluation"}
    assert sorted(used) == evaluating
    assert used[evaluating[0]]["windows"] == 12 and used[evaluating[0]]["usable_windows"] == 119
    named = collect_windows(folder, CONFIG, evaluation=folder / evaluating[0])
    assert len(named.evaluation) == 119  # recordings that are named are taken whole


def test_the_limit_of_one_and_a_limit_of_none(folder: Path) -> None:
    collected = collect_windows(folder, CONFIG, max_windows=1, max_evaluation=2)
    assert (len(collected.calibration), len(collected.evaluation)) == (1, 2)
    for limits in ({"max_windows": 0}, {"max_evaluation": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            collect_windows(folder, CONFIG, **limits)


def test_the_manifest_is_json_without_an_absolute_path(folder: Path) -> None:
    (folder / "broken.wav").write_bytes(b"junk")
    collected = collect_windows(folder, CONFIG)
    text = jsonfile.dumps(collected.manifest)
    assert str(folder) not in text and str(folder.parent) not in text
    manifest = json.loads(text)
    entry = next(entry for entry in manifest["files"] if entry["file"] == "label 0/3.wav")
    assert entry["sha256"] == sha256_file(folder / "label 0" / "3.wav")
    assert entry["windows"] == entry["usable_windows"] == 4 and entry["silent_windows"] == 0
    assert manifest["counts"]["unreadable_files"] == 1
    assert (manifest["window"], manifest["hop"], manifest["sample_rate"]) == (N, N // 2, RATE)
    assert manifest["synthetic"] is False
    assert entry["starts"] == "0 4000 8000 12000"
    digest = hashlib.sha256(collected.calibration.pcm.tobytes()).hexdigest()
    assert manifest["windows_sha256"]["calibration"] == digest


def test_same_recordings_elsewhere_give_the_same_windows_and_manifest(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "elsewhere" / "birds 2")
    one, two = (collect_windows(path, CONFIG, max_windows=20) for path in (folder, tmp_path / "elsewhere" / "birds 2"))
    assert jsonfile.dumps(one.manifest) == jsonfile.dumps(two.manifest)
    assert one.calibration.refs == two.calibration.refs
    assert np.array_equal(one.calibration.pcm, two.calibration.pcm)
    assert np.array_equal(one.evaluation.pcm, two.evaluation.pcm)


def test_recordings_beyond_the_memory_are_decoded_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = collect_windows(folder, CONFIG, max_windows=30)
    monkeypatch.setattr(survey, "_KEPT_BYTES", 100_000)
    again = collect_windows(folder, CONFIG, max_windows=30)
    assert np.array_equal(whole.calibration.pcm, again.calibration.pcm)
    assert jsonfile.dumps(whole.manifest) == jsonfile.dumps(again.manifest)


def test_resampled_and_short_recordings_make_windows(tmp_path: Path) -> None:
    recording(tmp_path / "a.wav", 0.3, seed=1, rate=22050)
    collected = collect_windows(tmp_path, CONFIG)
    assert [ref.start for ref in collected.calibration.refs] == [0]
    assert collected.calibration.pcm[0][:2399].any() and not collected.calibration.pcm[0][2402:].any()


def test_a_file_name_that_is_no_utf8_does_no_harm(folder: Path) -> None:
    source = folder / "label 0" / "3.wav"
    hostile = Path(str(folder) + "/bad\udcff\n name.wav")
    shutil.copy(source, hostile)
    manifest = collect_windows(folder, CONFIG).manifest
    assert "bad\\xff\n name.wav" in {entry["file"] for entry in json.loads(jsonfile.dumps(manifest))["files"]}


def test_synthetic_windows_are_seeded_marked_and_full_of_sound() -> None:
    one, two = synthetic_windows(CONFIG), synthetic_windows(CONFIG)
    assert one.synthetic and one.manifest["synthetic"] is True and "synthetic" in one.warnings[0]
    assert np.array_equal(one.calibration.pcm, two.calibration.pcm)
    assert one.calibration.pcm.shape == (64, N) and one.evaluation.pcm.shape == (32, N)
    peaks = np.abs(one.calibration.pcm.astype(int)).max(axis=1)
    assert peaks.min() >= 30 and peaks.max() > 16000
    assert not np.array_equal(one.calibration.pcm, synthetic_windows(CONFIG, seed=1).calibration.pcm)
    jsonfile.dumps(one.manifest)


@pytest.mark.shared
def test_the_shared_recordings_give_210_windows(shared: Path) -> None:
    collected = collect_windows(shared / "audio", ModelConfig(22050, 3, "hybrid", 256))
    entries = collected.manifest["files"]
    assert sum(entry["usable_windows"] for entry in entries) == 210
    assert not {ref.file for ref in collected.calibration.refs} & {ref.file for ref in collected.evaluation.refs}
    assert max(entry["windows"] for entry in entries if entry["role"] == "evaluation") == 12
    assert not collected.warnings
