"""F01 to F13 at the command line: models, labels and recordings that are not what they should be.

Every case runs ``convert -o`` onto a bundle that is there already: it must stay as it was.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import soundfile

from tests.support.command import birdnet_deploy
from tests.support.refusals import hashes, refused
from tests.support.small_models import edit_config, edit_weights, layer_config, members, write_members

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--ranges", "minmax", "--fidelity", "basic")  # where it is not the figures that matter


@pytest.fixture
def kept(small_bundle: Path, tmp_path: Path) -> Path:
    """A bundle that was there before."""
    return Path(shutil.copytree(small_bundle, tmp_path / "kept/out"))


@pytest.fixture
def model(small_model: Path, tmp_path: Path) -> Path:
    """The small model with what belongs to it, to be damaged."""
    (tmp_path / "model").mkdir()
    for name in ("small.keras", "small_labels.txt", "small_model_config.json"):
        shutil.copy(small_model / name, tmp_path / "model" / name)
    return tmp_path / "model/small.keras"


@pytest.fixture
def recordings(small_model: Path, tmp_path: Path) -> Path:
    """Its recordings, to be damaged."""
    return Path(shutil.copytree(small_model / "recordings", tmp_path / "recordings"))


@pytest.fixture
def convert(kept: Path, recordings: Path, tmp_path: Path) -> Callable[..., str]:
    """Runs a conversion of a model that must end with a code and name things."""

    def run(code: int, model: object, *naming: str, options: tuple[object, ...] = ()) -> str:
        source = () if "--calibration" in options else ("--calibration", recordings)
        return refused(
            code, "convert", model, *source, *options, "-o", kept, scratch=tmp_path, naming=naming, keeping=kept
        )

    return run


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"no archive"], ids=["empty", "cut", "text"])
def test_f01_no_archive(convert: Callable[..., str], model: Path, content: bytes) -> None:
    model.write_bytes(content)
    line = convert(3, model, "small.keras", "not a readable .keras archive")
    assert "not found" not in line.lower()


def test_f01_truncated(convert: Callable[..., str], model: Path) -> None:
    model.write_bytes(model.read_bytes()[:-2000])
    convert(3, model, "small.keras", "not a readable .keras archive")


@pytest.mark.parametrize("name", ["missing.keras", "hf://org/model.keras", "gs://bucket/model.keras"])
def test_f02_not_there(convert: Callable[..., str], name: str) -> None:
    convert(2, name, name.split("/", maxsplit=1)[0])


def test_f02_folders(convert: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved/saved_model.pb").write_bytes(b"x")
    convert(2, tmp_path / "saved", "saved")


def _layer(name: str, module: str) -> Callable[[dict[str, Any]], None]:
    return lambda config: layer_config(config, "ReLU").update(class_name=name, module=module, registered_name=name)


@pytest.mark.parametrize(
    ("name", "module"), [("Lambda", "keras.layers"), ("TFSMLayer", "keras.layers"), ("Popen", "subprocess")]
)
def test_f03_code_in_the_config(convert: Callable[..., str], model: Path, name: str, module: str) -> None:
    convert(3, edit_config(model, _layer(name, module)), "small.keras", name if name != "Popen" else "subprocess")


@pytest.mark.parametrize("member", ["../outside.txt", "/etc/cron.d/x", "link", "config.json"])
def test_f04_members(convert: Callable[..., str], model: Path, tmp_path: Path, member: str) -> None:
    with zipfile.ZipFile(model, "a") as archive:
        entry = zipfile.ZipInfo(member)
        if member == "link":
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        if member == "config.json":
            with pytest.warns(UserWarning, match="Duplicate"):
                archive.writestr(entry, "{}")
        else:
            archive.writestr(entry, "/etc/passwd")
    convert(3, model, "small.keras", member)
    assert not (tmp_path / "outside.txt").exists()


@pytest.mark.parametrize("kind", ["zip", "hdf5"])
def test_f05_bombs(convert: Callable[..., str], model: Path, kind: str) -> None:
    if kind == "zip":
        content = {**members(model), "config.json": bytes(64 << 20)}
        with zipfile.ZipFile(model, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in content.items():
                archive.writestr(name, data)
    else:
        edit_weights(model, lambda file: file.create_dataset("bomb", (1 << 20, 1 << 20), "f4", chunks=(1024, 1024)))
    started = time.monotonic()
    convert(3, model, "small.keras", "bytes")
    assert time.monotonic() - started < 5


def test_f06_corrupt_json(convert: Callable[..., str], model: Path) -> None:
    convert(3, write_members(model, {**members(model), "config.json": b"{"}), "config.json")


def test_f06_an_unknown_class(convert: Callable[..., str], model: Path) -> None:
    convert(3, edit_config(model, _layer("LeakyBirdLayer", "keras.layers")), "LeakyBirdLayer")


def test_f06_missing_weights(convert: Callable[..., str], model: Path) -> None:
    def drop(file: Any) -> None:
        del file["layers/dense"]

    convert(3, edit_weights(model, drop), "weights of layer 'pred' are missing")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_f07_weights_that_are_not_finite(convert: Callable[..., str], model: Path, value: float) -> None:
    def spoil(file: Any) -> None:
        file["layers/dense/vars/0"][0, 0] = value

    convert(3, edit_weights(model, spoil), "layer 'pred'", "NaN or infinite")


def test_f08_labels_and_outputs_differ(convert: Callable[..., str], model: Path) -> None:
    model.with_name("small_labels.txt").write_text("one\ntwo\nthree\n")
    convert(3, model, "3", "4", "small_labels.txt")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a\n\nb\nc\n", "2"), (b"a\nb\nb\nc\n", "3"), (b"a\nb\0b\nc\nd\n", "2"),
        (b"a\nb\nc\xff\nd\n", "3"), (b"a\n" + b"b" * 5000 + b"\nc\nd\n", "2"),
    ],
    ids=["blank", "duplicate", "NUL", "not UTF-8", "very long"],
)  # fmt: skip
def test_f09_labels_that_are_refused_name_the_line(
    convert: Callable[..., str], model: Path, content: bytes, line: str
) -> None:
    model.with_name("small_labels.txt").write_bytes(content)
    convert(3, model, f"small_labels.txt:{line}")


def test_f09_a_mark_and_windows_line_ends_are_taken(model: Path, recordings: Path, tmp_path: Path) -> None:
    text = model.with_name("small_labels.txt").read_text(encoding="utf-8")
    model.with_name("small_labels.txt").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    done = birdnet_deploy("convert", model, "--calibration", recordings, *QUICK, "-o", tmp_path / "o")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "o/labels.txt").read_bytes() == text.encode()


def _sounds(folder: Path, sound: Callable[[int], np.ndarray]) -> None:
    for path in (p for p in folder.rglob("*") if p.is_file()):
        info = soundfile.info(path)
        soundfile.write(path, sound(info.frames), info.samplerate)


def test_f10_nothing_to_calibrate_on(convert: Callable[..., str], model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    convert(3, model, "empty", options=("--calibration", tmp_path / "empty"))


def test_f10_silence(convert: Callable[..., str], model: Path, recordings: Path) -> None:
    _sounds(recordings, np.zeros)
    convert(3, model, "recordings")


def test_f10_nothing_is_made_up(model: Path, kept: Path, tmp_path: Path) -> None:
    naming = ("small.keras", "--calibration")
    refused(3, "convert", model, "-o", kept, scratch=tmp_path, naming=naming, keeping=kept)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_f11_samples_that_are_no_sound(
    convert: Callable[..., str], model: Path, recordings: Path, value: float
) -> None:
    victim = sorted(recordings.rglob("*.wav"))[1]
    samples, rate = soundfile.read(victim, dtype="float32")
    samples[len(samples) // 2] = value
    soundfile.write(victim, samples, rate, subtype="FLOAT")
    convert(3, model, victim.name)


def test_f11_an_unreadable_file_is_counted_and_stops_only_when_strict(
    convert: Callable[..., str], model: Path, recordings: Path, tmp_path: Path
) -> None:
    victim = sorted(recordings.rglob("*.wav"))[1]
    victim.write_bytes(victim.read_bytes()[:20])
    convert(3, model, victim.name, options=("--strict",))
    done = birdnet_deploy("convert", model, "--calibration", recordings, *QUICK, "-o", tmp_path / "o")
    assert done.returncode == 0, done.stderr
    assert victim.name in done.stderr


@pytest.mark.parametrize(
    ("shape", "named"), [((4, 3, 7), "3"), ((0, 129, 32, 1), "0")], ids=["another shape", "no windows"]
)
def test_f12_feature_arrays(
    convert: Callable[..., str], model: Path, tmp_path: Path, shape: tuple[int, ...], named: str
) -> None:
    np.save(tmp_path / "features.npy", np.zeros(shape, np.float32))
    convert(3, model, "features.npy", named, options=("--calibration", tmp_path / "features.npy"))


def test_f12_an_array_of_objects_is_not_unpickled(convert: Callable[..., str], model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{"x": 1}], dtype=object))
    convert(3, model, "objects.npy", options=("--calibration", tmp_path / "objects.npy"))


def _descendants(process: int) -> list[int]:
    found = []
    for stat_file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat_file.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == process and fields[0] != "Z":
            child = int(stat_file.parent.name)
            found += [child, *_descendants(child)]
    return found


def _runs(process: int) -> bool:
    """Says whether a process still does something: one that has ended may wait to be collected."""
    try:
        return (Path("/proc") / str(process) / "stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def _converting(model: Path, recordings: Path, out: Path, temporary: Path) -> tuple[subprocess.Popen[str], int]:
    """Gives a running conversion and its worker, once that has something mapped of TensorFlow."""
    temporary.mkdir()
    command = [sys.executable, "-m", "birdnet_deploy", "convert", model, "--calibration", recordings, "-o", out]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    running = subprocess.Popen(
        list(map(str, command)), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and running.poll() is None:
        for child in _descendants(running.pid):
            try:
                maps = (Path("/proc") / str(child) / "maps").read_text()
            except OSError:
                continue
            if "tensorflow" in maps:
                return running, child
        time.sleep(0.05)
    raise AssertionError(f"no worker with TensorFlow: {running.communicate()}")


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL], ids=["SIGSEGV", "SIGKILL"])
def test_f13_the_converter_dies(
    model: Path, recordings: Path, kept: Path, tmp_path: Path, number: signal.Signals
) -> None:
    before = hashes(kept.parent)
    running, worker = _converting(model, recordings, kept, tmp_path / "tmp")
    os.kill(worker, number)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 3, errors
    assert f"the converter crashed ({number.name})" in errors
    assert "Traceback" not in errors
    assert list((tmp_path / "tmp").iterdir()) == []
    assert hashes(kept.parent) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_f40_interrupted_while_converting(
    model: Path, recordings: Path, kept: Path, tmp_path: Path, number: signal.Signals
) -> None:
    before = hashes(kept.parent)
    running, worker = _converting(model, recordings, kept, tmp_path / "tmp")
    running.send_signal(number)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130, errors
    assert "Traceback" not in errors
    assert not _runs(worker)
    assert list((tmp_path / "tmp").iterdir()) == []
    assert hashes(kept.parent) == before


def test_f17_a_gate_that_is_not_met(kept: Path, model: Path, recordings: Path, tmp_path: Path) -> None:
    (tmp_path / "birdnet-deploy.toml").write_text("[gates]\nmin_cosine = 0.9999999\n")
    naming = ("cosine", "0.9999999", "worst window")
    command = ("convert", model, "--calibration", recordings, "-o", kept)
    refused(4, *command, scratch=tmp_path, naming=naming, keeping=kept)


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [("sample_rte", 8000, "sample_rate"), ("audio_frontend", "hybird", "hybrid"), ("num_mels", -16, "num_mels"),
     ("chunk_duration", float("nan"), "chunk_duration"), ("sample_rate", True, "sample_rate")],
    ids=["a typo in a key", "a typo in a frontend", "negative", "NaN", "a boolean"],
)  # fmt: skip
def test_f20_the_models_config(convert: Callable[..., str], model: Path, key: str, value: object, named: str) -> None:
    path = model.with_name("small_model_config.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    convert(2, model, "small_model_config.json", named)


def test_the_archive_helpers_write_what_keras_reads(model: Path, recordings: Path, tmp_path: Path) -> None:
    """The damaged archives above differ from a good one by the damage alone."""
    data = io.BytesIO(
        members(edit_weights(write_members(model, members(model)), lambda file: None))["model.weights.h5"]
    )
    with h5py.File(data) as file:
        assert "layers" in file
    done = birdnet_deploy("convert", model, "--calibration", recordings, *QUICK, "-o", tmp_path / "o")
    assert done.returncode == 0, done.stderr
