"""The host twin: the generated C as a program and a library of this machine, with the bits of board and reference."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.artifacts import Project
from birdnet_deploy.errors import ModelError, UsageError
from birdnet_deploy.project.open import open_project
from birdnet_deploy.toolchain.host_network import HostNetwork
from tests.support.command import fail, succeed
from tests.support.once import made_once
from tests.support.reference import reference_outputs


@pytest.fixture(scope="session")
def plain_project(tmp_path_factory: pytest.TempPathFactory, small_bundle: Path) -> Path:
    """The small model's project as it was rendered: nothing built for the board."""
    return made_once(tmp_path_factory, "plain_project", lambda folder: succeed("generate", small_bundle, "-o", folder))


@pytest.fixture
def project(plain_project: Path, tmp_path: Path) -> Project:
    shutil.copytree(plain_project, tmp_path / "fw")
    return open_project(tmp_path / "fw")


def test_the_network_equals_the_reference_on_noise_and_on_songs(project: Project) -> None:
    network = HostNetwork(project)
    golden = np.load(project.bundle.golden)
    shape = golden["input"].shape[1:]
    noise = np.random.default_rng(4).integers(-128, 128, (6, *shape)).astype(np.int8)
    for inputs in (noise, golden["input"][:8]):
        outputs = network.run(inputs)
        assert outputs.shape == (len(inputs), network.classes)
        assert np.array_equal(outputs, reference_outputs(project.bundle.model.read_bytes(), inputs))
        assert np.array_equal(network.run(inputs.reshape(len(inputs), -1)), outputs)
        assert np.array_equal(network.run(inputs[::-1]), outputs[::-1])
    assert network.run(noise[:0]).shape == (0, network.classes)


def test_what_is_no_input_is_refused(project: Project) -> None:
    network = HostNetwork(project)
    for wrong in (np.zeros((1, network.input_size), np.float32), np.zeros((1, 3), np.int8), np.zeros(5, np.int8)):
        with pytest.raises(ModelError, match="not int8"):
            network.run(wrong)


def test_a_network_that_stops_names_the_input(project: Project) -> None:
    source = project.path / "generated/network.c"
    begin = "int network_run(void)\n{\n"
    text = source.read_text(encoding="utf-8")
    assert text.count(begin) == 1
    source.write_text(text.replace(begin, f"{begin}    static int runs;\n    if (++runs == 3)\n        return -5;\n"))
    network = HostNetwork(project)
    with pytest.raises(ModelError, match="stops on input 2"):
        network.run(np.zeros((4, network.input_size), np.int8))


def test_a_project_of_an_older_version_is_named(project: Project) -> None:
    (project.path / "core/network_host.c").unlink()
    with pytest.raises(UsageError, match="older version"):
        HostNetwork(project)


def test_run_on_the_host_needs_no_emulator_and_no_cross_compiler(project: Project, small_model: Path) -> None:
    nothing = {"BIRDNET_ARM_NONE_EABI_GCC": "/nowhere", "BIRDNET_QEMU_SYSTEM_ARM": "/nowhere"}
    audio = small_model / "recordings"
    text = succeed("run", project.path, "--target", "host", "--audio", audio, **nothing)
    assert "windows bit-exact" in text
    assert "host twin" in text and "emulated" not in text
    result = json.loads(succeed("run", project.path, "--target", "host", "--audio", audio, "--output-format", "json"))
    assert result["target"] == "host"
    assert result["comparison"]["exact"] == result["comparison"]["expected"] > 5
    assert not (project.build_dir / "firmware.elf").exists()


@pytest.mark.parametrize("option", [("--icount",), ("--serial", "tcp")])
def test_what_only_the_emulator_has_is_refused_on_the_host(
    option: tuple[str, ...], project: Project, small_model: Path
) -> None:
    audio = small_model / "recordings"
    assert f"leave out {option[0]}" in fail(2, "run", project.path, "--target", "host", "--audio", audio, *option)


def test_a_bundle_runs_on_the_host_without_a_project(small_bundle: Path, small_model: Path) -> None:
    audio = next((small_model / "recordings").rglob("*.wav"))
    assert "windows bit-exact" in succeed("run", small_bundle, "--target", "host", "--audio", audio)


def test_a_twin_whose_network_differs_is_found_out(project: Project, small_model: Path) -> None:
    source = project.path / "generated/network.c"
    text = source.read_text(encoding="utf-8")
    end = "    return 0;\n}\n"
    assert text.endswith(end)
    # the golden window, the first, is right: else the firmware refuses to predict
    wrong = "    static int runs;\n    *(int8_t *)network_output() ^= runs++ > 0;\n"
    source.write_text(text.removesuffix(end) + wrong + end, encoding="utf-8")
    assert "windows differ" in fail(4, "run", project.path, "--target", "host", "--audio", small_model / "recordings")


@pytest.mark.emulator
def test_host_and_emulated_board_send_the_same_windows(small_project: Path, small_model: Path, tmp_path: Path) -> None:
    saved = []
    for name, options in (("board", ()), ("host", ("--target", "host"))):
        path = tmp_path / f"{name}.jsonl"
        succeed("run", small_project, "--audio", small_model / "recordings", "--save", path, *options)
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        saved.append([{key: line.get(key) for key in ("file", "win", "start", "outputs", "scores")} for line in lines])
    assert saved[0] == saved[1]
    assert len(saved[0]) > 5
    assert saved[0][0]["outputs"] or saved[0][0]["scores"]
