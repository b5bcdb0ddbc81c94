"""The readers of untrusted files that are fuzzed, each with valid inputs to start from."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from birdnet_deploy.artifacts import CONFIG_FILE, LABELS_FILE, LOCK_FILE, MODEL_FILE
from tests.fuzz.driver import Target
from tests.fuzz.evaluations import evaluation_targets
from tests.fuzz.mutate import change_value, changed, changed_json, changed_zip, dumped
from tests.fuzz.serial import changed_stream, read_stream, stream_seeds
from tests.fuzz.sounds import array_seeds, sound_seeds

_CONFIG, _MODEL, _USAGE, _BOARD = 2, 3, 2, 7


def all_targets(model: Path, bundle: Path) -> tuple[Target, ...]:
    """Gives every target; ``model`` is a folder with ``small.keras``, ``bundle`` its bundle."""
    texts, sounds = _text_targets(model, bundle), _sound_targets()
    return (*_model_targets(model, bundle), *texts, *sounds, *_board_targets(), *evaluation_targets())


def _codes(*codes: int) -> frozenset[int]:
    return frozenset(codes)


def _fixed(*seeds: bytes) -> Callable[[Path], list[bytes]]:
    return lambda folder: list(seeds)


def _model_targets(model: Path, bundle: Path) -> tuple[Target, ...]:
    keras, tflite = (model / "small.keras").read_bytes(), (bundle / MODEL_FILE).read_bytes()
    archives = changed_zip(_member)
    return (
        Target("keras", ".keras", _codes(3), _fixed(keras), _read_keras, 25, archives, slow_s=20),
        Target("keras_config", ".keras", _codes(3), _fixed(keras), _keras_config(keras), 1000, archives),
        Target("tflite", ".tflite", _codes(3), _fixed(tflite), _read_tflite, 250, _changed_flatbuffer),
        Target("tflite_run", ".tflite", _codes(3), _fixed(tflite), _run_tflite, 12, _changed_flatbuffer, slow_s=20),
        Target("prologue", ".npz", _codes(3), _prologue_seeds, _read_prologue, 400, changed_zip(_array_member)),
    )


def _member(rng: random.Random, name: str, data: bytes) -> bytes:
    if name.endswith(".json"):
        value = json.loads(data)
        for _ in range(rng.randrange(1, 4)):
            value = change_value(rng, value)
        return dumped(value)
    return changed(rng, [data])


def _array_member(rng: random.Random, name: str, data: bytes) -> bytes:
    """Gives a ``.npy`` with its bytes changed, or where it holds JSON, with that changed and the array whole."""
    start = data.find(b"{", 80)
    if rng.random() < 0.3 or start < 0 or not data.endswith(b"}"):
        return changed(rng, [data])
    try:
        value = change_value(rng, json.loads(data[start:]))
    except ValueError:
        return changed(rng, [data])
    stream = io.BytesIO()
    np.save(stream, np.frombuffer(dumped(value), dtype=np.uint8))
    return stream.getvalue()


def _changed_flatbuffer(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Gives a model with few bytes changed, most of them in the tables at its end, not in its weights."""
    data = bytearray(rng.choice(seeds))
    if rng.random() < 0.2:
        return changed(rng, seeds)
    for _ in range(rng.randrange(1, 6)):
        low = 0 if rng.random() < 0.2 else len(data) * 3 // 4
        at = rng.randrange(low, len(data) - 4) & ~3
        kind = rng.random()
        if kind < 0.5:
            data[at + rng.randrange(4)] ^= 1 << rng.randrange(8)
        elif kind < 0.8:
            word = rng.choice((0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, rng.randrange(1 << 32), rng.randrange(300)))
            data[at : at + 4] = word.to_bytes(4, "little")
        else:
            data[at] = rng.randrange(256)
    return bytes(data)


def _read_keras(path: Path, data: bytes) -> None:
    from birdnet_deploy.model.archive import inspect_archive

    inspect_archive(path).layers()


def _keras_config(keras: bytes) -> Callable[[Path, bytes], None]:
    """Gives the same without the child that reads the weights: those of the seed stand in, and many more are tried."""
    known: list[Any] = []

    def read(path: Path, data: bytes) -> None:
        from birdnet_deploy.model import archive

        if not known:
            whole = path.with_name("whole.keras")
            whole.write_bytes(keras)
            known.append(archive.read_weights(whole))
            whole.unlink()
        real, archive.read_weights = archive.read_weights, lambda _: known[0]
        try:
            archive.inspect_archive(path).layers()
        finally:
            archive.read_weights = real

    return read


def _read_tflite(path: Path, data: bytes) -> None:
    """What validate and generate do with a model, in this process: rules, estimate, plan and C."""
    from birdnet_deploy.codegen.network import generate_network
    from birdnet_deploy.npu.check import check_path
    from birdnet_deploy.tflite.reader import read_model

    model = read_model(path)
    json.dumps([asdict(finding) for finding in check_path(path).findings])
    generate_network(model)


def _run_tflite(path: Path, data: bytes) -> None:
    from birdnet_deploy.tflite.trial import try_model

    try_model(path)


def _prologue_seeds(folder: Path) -> list[bytes]:
    from birdnet_deploy.prologue.file import prologue_bytes
    from tests.support import prologue_cases as cases
    from tests.support.prologue_bundles import smoothing

    steps = {
        "mel": cases.rows(4, 20, 9, 3, runs=2), "gate": cases.binary("mul", 3, 5, 1, constant=True),
        "stem": cases.conv(cases.window(9, 12, 3, 3, dilation=2), 2, 5), "log": cases.unary("log", 7),
        "each": cases.depthwise(cases.window(5, 4, 3, 3, 2, 2), 3), "turn": cases.transpose(5, 3),
    }  # fmt: skip
    return [prologue_bytes(found) for found in (*steps.values(), cases.combined(steps), smoothing((8, 4, 1)))]


def _read_prologue(path: Path, data: bytes) -> None:
    from birdnet_deploy.codegen.prologue import generate_prologue
    from birdnet_deploy.prologue.file import read_prologue

    generate_prologue(read_prologue(path), 0.1, 3)


def _text_targets(model: Path, bundle: Path) -> tuple[Target, ...]:
    labels = (bundle / LABELS_FILE).read_bytes()
    configs = [(bundle / CONFIG_FILE).read_bytes(), (model / "small_model_config.json").read_bytes()]
    lock, project = (bundle / LOCK_FILE).read_bytes(), _project_json()
    odd = b"\xef\xbb\xbfone\r\ntwo\r\n\xc3\xa9t\xc3\xa9\r\n"
    return (
        Target("labels", ".txt", _codes(3), _fixed(labels, odd, b"a\n"), _read_labels, 2000),
        Target("config", ".json", _codes(2), _fixed(*configs), _read_config, 1500, changed_json),
        Target("lock", ".json", _codes(3), _fixed(lock), _read_lock, 400, changed_json),
        Target("project_json", ".json", _codes(2, 3), _fixed(project), _open_project(bundle), 200, changed_json),
        Target("settings", ".toml", _codes(2), _fixed(*_settings_seeds()), _read_settings, 1500),
        Target("profile", ".toml", _codes(2), _fixed(*_profile_seeds()), _read_profile, 800),
        Target("stedgeai_json", "_c_info.json", _codes(3), _c_info_seeds, _read_stedgeai, 1200, changed_json),
        Target("stedgeai_report", "_report.txt", _codes(3), _report_seeds, _read_stedgeai, 600),
        Target("st_validate", ".txt", _codes(2, 3), _report_seeds, _read_st_validate, 600),
    )


def _project_json() -> bytes:
    return json.dumps({
        "schema": 1, "target": "qemu-an547", "model": "0" * 64, "lock": "1" * 64, "arena_bytes": 1, "macs": 1,
        "host_frontend": ["core/fft.c"],
    }).encode()  # fmt: skip


def _read_labels(path: Path, data: bytes) -> None:
    from birdnet_deploy.model.labels import format_labels, parse_labels, read_labels
    from birdnet_deploy.support.c_literals import c_string

    labels = read_labels(path)
    assert parse_labels(format_labels(labels).encode()) == labels, "labels do not round-trip"
    for label in labels:
        c_string(label)


def _read_config(path: Path, data: bytes) -> None:
    from birdnet_deploy.model.config import config_from_mapping, read_config
    from birdnet_deploy.support import jsonfile

    config = read_config(path)
    again = config_from_mapping(json.loads(jsonfile.dumps(config.to_json())))
    assert (again.shape, again.to_json()) == (config.shape, config.to_json()), "a config does not round-trip"


def _read_lock(path: Path, data: bytes) -> None:
    from birdnet_deploy.bundle import read_lock, stale_lines
    from birdnet_deploy.lock import versions_here
    from birdnet_deploy.project_locks import differences

    lock = read_lock(path)
    stale_lines(path.parent, lock)
    differences({"versions": lock.get("versions")}, {"versions": versions_here()}, "birdnet.lock")


def _open_project(bundle: Path) -> Callable[[Path, bytes], None]:
    def read(path: Path, data: bytes) -> None:
        from birdnet_deploy.npu.rendered import read_rendered
        from birdnet_deploy.project.open import open_project

        folder = path.parent / "project"
        folder.mkdir()
        try:
            (folder / "project.json").write_bytes(data)
            (folder / "bundle").symlink_to(bundle)
            read_rendered(folder)
            open_project(folder)
        finally:
            (folder / "project.json").unlink()
            (folder / "bundle").unlink()
            folder.rmdir()

    return read


def _settings_seeds() -> list[bytes]:
    from birdnet_deploy.settings import KEYS, settings_template

    lines: list[str] = []
    for table in dict.fromkeys(key.table for key in KEYS):
        lines += [f"[{table}]"] if table else []
        lines += [f"{key.name} = {key.example}" for key in KEYS if key.table == table]
    return ["\n".join(lines).encode(), settings_template().encode(), b'model = "a.keras"\n[gates]\nmin_cosine = 0.9\n']


def _read_settings(path: Path, data: bytes) -> None:
    from birdnet_deploy.npu.request import profile_of
    from birdnet_deploy.settings import read_settings

    settings = read_settings(path)
    profile_of(replace(settings, values={k: v for k, v in settings.values.items() if k != "rules.profile"})).rules()


def _profile_seeds() -> list[bytes]:
    lower = '[[lower]]\nrule = "BD105"\nto = "warning"\nreason = "older"\nwhere = "op 3 *"\ntarget = "stm32n6570-dk"\n'
    return [f'select = ["BD1", "BD2"]\nignore = ["BD203"]\n{lower}{lower}'.encode(), b'ignore = ["BD1"]\n']


def _read_profile(path: Path, data: bytes) -> None:
    from birdnet_deploy.npu.profile import read_profile

    read_profile(path).rules()


def _c_info_seeds(folder: Path) -> list[bytes]:
    from tests.support.stedgeai_files import c_info

    return [json.dumps(c_info(version)).encode() for version in ("2.2.0-20266", "3.0.0-20426 123672867")]


def _report_seeds(folder: Path) -> list[bytes]:
    from tests.support.stedgeai_files import report

    return [
        report(version, validated=validated).encode() for version in ("2.2.0-20266", "3.0.0-20426")
        for validated in (False, True)
    ]  # fmt: skip


def _read_stedgeai(path: Path, data: bytes) -> None:
    from birdnet_deploy.npu.stedgeai import read_stedgeai

    named = path.with_name(path.name.replace("input_c_info", "network_c_info").replace("input_", "network_generate_"))
    path.rename(named)
    try:
        json.dumps(read_stedgeai(named).to_json(), allow_nan=False)
    finally:
        named.rename(path)


def _read_st_validate(path: Path, data: bytes) -> None:
    from birdnet_deploy.report.st_validate import read_report

    read_report(path)


def _sound_targets() -> tuple[Target, ...]:
    return (
        Target("audio", ".wav", _codes(3), sound_seeds, _read_sound, 1200, slow_s=10),
        Target("arrays", ".npz", _codes(3), array_seeds, _read_array, 1200, changed_zip(_array_member)),
        Target("card_manifest", ".json", _codes(2), _manifest_seeds, _read_manifest, 1000, changed_json),
    )


def _read_sound(path: Path, data: bytes) -> None:
    from birdnet_deploy.audio.reading import read_pcm16

    pcm = read_pcm16(path, 22050)
    assert pcm.dtype == np.int16 and pcm.ndim == 1 and len(pcm) > 0, "not mono int16"


def _read_array(path: Path, data: bytes) -> None:
    from birdnet_deploy.calibration.arrays import read_pcm_windows
    from birdnet_deploy.model.config import ModelConfig

    read_pcm_windows(path, ModelConfig(8000, 0.01, "raw", 80))


def _manifest_seeds(folder: Path) -> list[bytes]:
    entry = {"name": "00001.WAV", "original": "a/b_20240501_051000.wav", "sha256": "0" * 64, "wav_sha256": "1" * 64}
    entries = [{**entry, "samples": 8000}, {**entry, "name": "00002.WAV", "samples": 1}]
    return [json.dumps({"schema_version": 1, "sample_rate": 8000, "files": entries}).encode()]


def _read_manifest(path: Path, data: bytes) -> None:
    from birdnet_deploy.report.card_names import read_manifest

    read_manifest(path)


def _board_targets() -> tuple[Target, ...]:
    return (
        Target("serial", ".log", _codes(8), stream_seeds, read_stream, 1000, changed_stream, slow_s=10),
        Target("saved_log", ".log", _codes(2, 7, 8), stream_seeds, _read_saved, 500, changed_stream),
        Target("saved_lines", ".jsonl", _codes(2, 7, 8), _lines_seeds, _read_saved, 1000, changed_json),
    )


def _lines_seeds(folder: Path) -> list[bytes]:
    window = {"file": "a.wav", "win": 0, "start": 0, "start_s": 0.0, "outputs": [1, -128, 127, 0], "scores": [0.5] * 4}
    return [json.dumps(window).encode(), json.dumps({**window, "incomplete": True}).encode()]


def _read_saved(path: Path, data: bytes) -> None:
    from birdnet_deploy.boardtest.saved import read_saved
    from birdnet_deploy.readback.identity import Identity
    from tests.support.bn1_streams import CLASSES, LOCK, MODEL, SCALE, ZERO_POINT

    read_saved(path, Identity(MODEL, LOCK, CLASSES, SCALE, ZERO_POINT, "sigmoid"), 8000)


def target_named(targets: Sequence[Target], name: str) -> Target:
    """Gives a target by its name."""
    return next(target for target in targets if target.name == name)
