"""``build`` for an STM32N6 with scripted peers of stedgeai and make: no program and no source of ST's takes part."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from birdnet_deploy.npu.rendered import read_rendered
from birdnet_deploy.tflite.reader import read_model
from tests.support.command import birdnet_deploy, fail, succeed
from tests.support.once import made_once
from tests.support.refusals import refused
from tests.support.st_peers import calls, install
from tests.support.vendor_trees import core, network_c, tree

Build = Callable[..., str]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory, small_bundle: Path) -> Path:
    def make(folder: Path) -> None:
        succeed("generate", small_bundle, "--target", "stm32n6570-dk", "-o", folder)

    return made_once(tmp_path_factory, "n6_project", make)


@pytest.fixture
def project(rendered: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(rendered, tmp_path / "my project"))


@pytest.fixture
def here(tmp_path: Path) -> dict[str, str]:
    """The environment with peers and trees, one with a space in its path."""
    path = install(tmp_path / "bin", "stedgeai", "make")
    return {
        "PATH": f"{path}{os.pathsep}{os.environ['PATH']}", "ST_PEER_STATE": str(tmp_path / "state"),
        "STEDGEAI_CORE_DIR": str(core(tmp_path / "ST Edge AI/2.2")), "HOME": str(tmp_path),
        "STM32CUBE_N6_DIR": str(tree(tmp_path / "cube", "STM32CUBE_N6_DIR")),
        "FATFS_DIR": str(tree(tmp_path / "fatfs", "FATFS_DIR")),
    }  # fmt: skip


@pytest.fixture
def build(project: Path, here: dict[str, str], tmp_path: Path) -> Build:
    """Runs ``build``; with a code it must be refused with it and name things."""

    def run(*naming: str, code: int = 0, **environment: str) -> str:
        if code:
            return refused(code, "build", project, scratch=tmp_path, naming=naming, **{**here, **environment})
        return succeed("build", project.name, cwd=project.parent, **{**here, **environment})

    return run


def runs(tmp_path: Path) -> list[list[str]]:
    return [call for call in calls(tmp_path / "state", "stedgeai") if call[0] == "generate"]


def test_peer_stedgeai_gets_absolute_paths_and_its_report_is_shown(build: Build, project: Path, tmp_path: Path) -> None:
    out = build()
    (call,) = runs(tmp_path)
    options = dict(zip(call[1::2], call[2::2], strict=True))
    assert options["--st-neural-art"] == f"default@{project}/neuralart/user_neuralart_2.json"
    assert options["-m"] == str(project / "bundle/model.tflite") and options["--target"] == "stm32n6"
    assert options["--input-data-type"] == options["--output-data-type"] == "int8"
    for part in ("3 epochs, 1 of them in software", "245,760 B activations", "octoFlash at 0x70180000", "Softmax"):
        assert part in out


def test_the_rendered_port_burns_no_fuse_unless_the_build_says_so(project: Path) -> None:
    assert read_rendered(project).fuses == ()
    makefile = project / "Makefile"
    makefile.write_text(makefile.read_text().replace("DEFINES :=\n", "DEFINES := -DBN_BURN_HSLV_FUSES\n", 1))
    assert read_rendered(project).fuses == (("port/stm32n6/fuses.c", "HAL_BSEC_OTP_Program"),)


def test_peer_make_gets_every_part_of_the_trees_and_none_has_a_space(build: Build, tmp_path: Path) -> None:
    build()
    variables = dict(word.split("=", 1) for word in calls(tmp_path / "state", "make")[-1] if not word.startswith("-"))
    assert variables["NETWORK_DIR"] == "build/npu"
    assert variables["STEDGEAI_CORE_DIR"] == "build/trees/STEDGEAI_CORE_DIR"
    assert variables["LL_ATON_DIR"].startswith("build/trees/STEDGEAI_CORE_DIR/")
    assert variables["HAL_DIR"] == str(tmp_path / "cube/Drivers/STM32N6xx_HAL_Driver")
    assert not any(" " in value for name, value in variables.items() if name != "GCC")


def test_what_was_made_of_what_is_written_without_a_path(build: Build, project: Path, tmp_path: Path) -> None:
    build()
    text = (project / "build/build.json").read_text()
    told = json.loads(text)
    assert str(tmp_path) not in text
    assert told["network"]["stedgeai"] == "2.2.0" and told["network"]["ll_aton"] == "1.1.1-14"
    assert told["trees"]["STEDGEAI_CORE_DIR"] == {"LL_ATON": "1.1.1-14", "runtime": "1020"}
    assert set(told["files"]) == {"firmware.bin", "network_data.bin"}
    build()
    assert (project / "build/build.json").read_text() == text


def test_peer_stedgeai_runs_again_only_where_what_it_takes_has_changed(
    build: Build, project: Path, tmp_path: Path
) -> None:
    build()
    build()
    assert len(runs(tmp_path)) == 1
    profiles = project / "neuralart/user_neuralart_2.json"
    profiles.write_text(profiles.read_text().replace("--Os", ""))
    build()
    assert len(runs(tmp_path)) == 2


def test_a_network_that_was_supplied_needs_no_stedgeai(build: Build, project: Path, tmp_path: Path) -> None:
    network_c(project / "network/network.c")
    (project / "network/network_atonbuf.xSPI2.raw").write_bytes(b"weights")
    (tmp_path / "bin/stedgeai").unlink()
    assert "without a report" in build()
    assert (project / "build/network_data.bin").read_bytes() == b"weights"
    assert json.loads((project / "build/build.json").read_text())["network"]["stedgeai"] is None


def test_f25_tools_and_trees_that_are_missing_are_told_at_once(build: Build, project: Path, tmp_path: Path) -> None:
    (tmp_path / "bin/stedgeai").unlink()
    shutil.rmtree(tmp_path / "fatfs")
    build(
        "stedgeai: not found", "st.com/stedgeai-core", "STM32CUBE_N6_DIR: not found", "STM32CubeN6", "FATFS_DIR",
        code=6, STM32CUBE_N6_DIR="",
    )  # fmt: skip
    assert not (project / "build").exists()


def test_f25_a_core_without_profiles_for_it(build: Build) -> None:
    build("version 5.0.0 has no profiles", code=6, ST_PEER_CORE="5.0.0-1")


def test_f26_an_error_of_the_peer_make_leaves_nothing_to_flash(build: Build, project: Path) -> None:
    build()
    assert (project / "build/firmware.bin").is_file()
    build("unknown type name 'uint31_t'", "build.log", code=6, ST_PEER_FAULT="make:exit")
    left = {path.name for path in (project / "build").iterdir()}
    assert not left & {"firmware.elf", "firmware.bin", "firmware_sign.bin", "network_data.bin", "build.json"}
    build("left no firmware.bin", code=6, ST_PEER_FAULT="make:no-bin")


@pytest.mark.parametrize(
    ("fault", "naming"),
    [
        ("generate:exit", ("ended with 1", "E200")),
        ("generate:no-file", ("ended with 0 but left no network.c, network_atonbuf.xSPI2.raw",)),
        ("generate:partial", ("ended with 0 but left no network_atonbuf.xSPI2.raw",)),
    ],
)
def test_f28_a_stedgeai_peer_that_fails_or_leaves_a_file_out(
    build: Build, project: Path, tmp_path: Path, fault: str, naming: tuple[str, ...]
) -> None:
    build(*naming, code=6, ST_PEER_FAULT=fault)
    assert not (project / "build/npu").exists() and calls(tmp_path / "state", "make") == []


def test_a_network_for_another_runtime_ends_before_make(build: Build, tmp_path: Path) -> None:
    build("made for LL_ATON 1.1.3-275", "1.1.1-14", code=6, ST_PEER_LL_ATON="1.1.3-275")
    assert calls(tmp_path / "state", "make") == []


def test_a_project_for_the_npu_is_not_run_here(project: Path, tmp_path: Path) -> None:
    (tmp_path / "recordings").mkdir()
    for options in ((), ("--target", "host")):
        error = fail(2, "run", project, "--audio", tmp_path / "recordings", *options)
        assert "NPU" in error and "flash" in error


def stai_folder(folder: Path, bundle: Path, *, outputs: int) -> Path:
    """What stedgeai leaves, as its header tells it: the bundle's network, with ``outputs`` outputs."""
    model = read_model((bundle / "model.tflite").read_bytes())
    tensors = [model.tensors[model.inputs[0]], model.tensors[model.outputs[0]]]
    network_c(folder / "network.c")
    (folder / "network_atonbuf.xSPI2.raw").write_bytes(b"weights")
    (folder / "stai_network.h").write_text("".join(
        f"#define STAI_NETWORK_{end}_1_FORMAT (STAI_FORMAT_S8)\n#define STAI_NETWORK_{end}_1_SIZE_BYTES ({size})\n"
        for end, size in (("IN", math.prod(tensors[0].shape)), ("OUT", outputs))
    ))  # fmt: skip
    return folder


def test_generating_again_keeps_what_was_built_supplied_and_written_by_the_user(
    build: Build, project: Path, here: dict[str, str], small_bundle: Path, tmp_path: Path
) -> None:
    def again(*options: object) -> str:
        done = birdnet_deploy("generate", small_bundle, "--target", "stm32n6570-dk", "-o", project, *options)
        assert done.returncode == 0, done.stderr
        return done.stderr

    build()
    (project / "user").mkdir(exist_ok=True)
    (project / "user/mine.c").write_text("/* mine */\n")
    again("--threshold", 0.5)
    assert (project / "user/mine.c").read_text() == "/* mine */\n" and (project / "build/npu/network.c").is_file()
    build()
    assert len(runs(tmp_path)) == 1  # the network is that of this model
    again("--network-dir", stai_folder(tmp_path / "made", small_bundle, outputs=4))
    again("--threshold", 0.25)
    assert (project / "network/network_atonbuf.xSPI2.raw").read_bytes() == b"weights"
    other = stai_folder(tmp_path / "other", small_bundle, outputs=9)
    refused(
        4, "generate", small_bundle, "--target", "stm32n6570-dk", "-o", project, "--network-dir", other,
        naming=("output is 9", "model's is 4"), scratch=tmp_path,
    )  # fmt: skip
    assert (project / "network/network.c").is_file()
