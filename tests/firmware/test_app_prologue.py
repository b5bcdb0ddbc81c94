"""The application with a prologue, and its stage records, on the host's port under AddressSanitizer and UBSan."""

from __future__ import annotations

import os
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.audio.frontend import features_of_pcm
from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.bundle import open_bundle
from birdnet_deploy.prologue.graph import Prologue
from birdnet_deploy.prologue.reference import run_stages
from birdnet_deploy.support.resources import firmware_dir
from tests.support import prologue_cases as cases
from tests.support.bn1 import read_records, signed
from tests.support.tiny import (
    CONFIG,
    HOP,
    INPUT_SCALE,
    LABELS,
    WINDOW,
    compile_host_app,
    make_project,
    make_prologue_project,
)
from tests.support.wav import wav

SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def prologue() -> Prologue:
    """A filter along the samples, then a bound; of the shape that the tiny network takes."""
    filtered = cases.conv(cases.window(1, WINDOW, 1, 5), 1, 1, seed=7, **cases.NONE)
    bounded = cases.unary("clamp", WINDOW)
    steps = (
        type(filtered.steps[0])("conv", "filtered", (0,), 1, filtered.steps[0].numbers, filtered.steps[0].arrays),
        type(bounded.steps[0])("unary", "bounded", (1,), 2, bounded.steps[0].numbers, {}),
    )
    return Prologue((WINDOW, 1), (WINDOW, 1), (WINDOW,) * 3, 0, 2, steps)


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, port = tmp_path_factory.mktemp("apps"), firmware_dir() / "port/host"
    return {
        "with": compile_host_app(
            make_prologue_project(folder / "fw", prologue()), port, folder / "with", *SANITIZERS
        ),
        "without": compile_host_app(make_project(folder / "plain"), port, folder / "without", *SANITIZERS),
    }  # fmt: skip


def run(app: Path, card: Path, *, stages: bool) -> list[dict]:
    """Gives the records of a run over a card of one recording of two windows."""
    (card / "00001.WAV").write_bytes(wav(sound()))
    if stages:
        (card / "STAGES.ON").touch()
    done = subprocess.run([app], env={**os.environ, "BN_CARD": str(card)}, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return read_records(done.stdout)


def sound() -> np.ndarray:
    pcm = np.random.default_rng(5).integers(-20000, 20000, WINDOW + HOP, dtype=np.int16)
    pcm[0] = pcm[HOP] = 1
    return pcm


def features(window: int) -> np.ndarray:
    return features_of_pcm(sound()[window * HOP : window * HOP + WINDOW], CONFIG)


def expected_outputs(inputs: np.ndarray) -> list[int]:
    """What the tiny network makes of an int8 input: see tests/support/tiny.py."""
    values = inputs.reshape(-1).astype(int)
    sums = [int(values[c :: len(LABELS)].sum()) for c in range(len(LABELS))]
    return [max(-128, min(127, total)) for total in sums]


def test_the_network_gets_what_the_prologue_makes_of_the_features(apps: dict[str, Path], tmp_path: Path) -> None:
    records = run(apps["with"], tmp_path, stages=False)
    assert [record["t"] for record in records] == ["hello", "inf", "inf", "bye"]
    for window, record in enumerate(records[1:3]):
        values = run_stages(prologue(), features(window)[None])["bounded"]
        assert signed(record["out"]) == expected_outputs(quantize_input(values, INPUT_SCALE, 0))
        assert set(record["us"]) == {"fe", "pro", "nn"}


def test_hello_names_the_prologue_and_the_network_behind_it(apps: dict[str, Path], tmp_path: Path) -> None:
    hello = run(apps["with"], tmp_path, stages=False)[0]
    bundle = open_bundle(apps["with"].parent / "fw_bundle")
    assert list(hello)[3:8] == ["model", "lock", "npu", "prologue", "weights"]
    assert (hello["npu"], hello["prologue"]) == (bundle.npu_sha256, bundle.prologue_sha256)
    assert hello["model"] == bundle.model_sha256
    (tmp_path / "plain").mkdir()
    assert not {"npu", "prologue"} & set(run(apps["without"], tmp_path / "plain", stages=False)[0])


def check_stage(record: dict, name: str, window: int, values: np.ndarray) -> None:
    assert list(record) == [
        "t", "file", "win", "name", "dtype", "count", "crc32", "min", "max", "sum", "first",
    ]  # fmt: skip
    assert (record["t"], record["file"], record["win"], record["name"]) == ("stage", "00001.WAV", window, name)
    flat = values.reshape(-1)
    form = ">f" if flat.dtype == np.float32 else ">b"
    assert (record["dtype"], record["count"]) == (flat.dtype.name, flat.size)
    assert int(record["crc32"], 16) == zlib.crc32(flat.tobytes())
    assert record["min"] == struct.pack(form, flat.min()).hex()
    assert record["max"] == struct.pack(form, flat.max()).hex()
    assert record["first"] == b"".join(struct.pack(form, value) for value in flat[:8]).hex()
    assert record["sum"] == struct.pack(">d", np.add.accumulate(flat.astype(np.float64))[-1]).hex()


def test_stages_are_told_on_request_in_the_order_of_the_data(apps: dict[str, Path], tmp_path: Path) -> None:
    records = run(apps["with"], tmp_path, stages=True)
    assert [record["t"] for record in records] == ["hello", *["stage"] * 4, "inf", *["stage"] * 4, "inf", "bye"]
    for window in (0, 1):
        told = records[1 + 5 * window : 6 + 5 * window]
        made = run_stages(prologue(), features(window)[None])
        check_stage(told[0], "input features", window, features(window))
        check_stage(told[1], "filtered", window, made["filtered"])
        check_stage(told[2], "bounded", window, made["bounded"])
        check_stage(told[3], "npu input", window, quantize_input(made["bounded"], INPUT_SCALE, 0))
        assert told[4]["us"] is None  # the records in between took time


def test_without_a_prologue_features_and_input_are_told(apps: dict[str, Path], tmp_path: Path) -> None:
    records = run(apps["without"], tmp_path, stages=True)
    assert [record["t"] for record in records] == ["hello", *["stage", "stage", "inf"] * 2, "bye"]
    for window in (0, 1):
        check_stage(records[1 + 3 * window], "input features", window, features(window))
        quantized = quantize_input(features(window), INPUT_SCALE, 0)
        check_stage(records[2 + 3 * window], "network input", window, quantized)
