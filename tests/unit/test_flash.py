"""``flash`` with scripted peers of ST's programs (tests/support/st_peers): no program of ST's, no board."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import birdnet_deploy, fail, succeed
from tests.support.n6_projects import built, elf
from tests.support.signed_images import app, signed
from tests.support.st_peers import LOADER, calls, install

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(small_bundle: Path, tmp_path: Path) -> Path:
    return built(tmp_path / "my project", small_bundle)


@pytest.fixture
def fsbl(tmp_path: Path) -> Path:
    path = tmp_path / "fsbl.bin"
    path.write_bytes(signed(app(3000, reset=0x34180401), kind=0x10))
    return path


@pytest.fixture
def peers(tmp_path: Path) -> dict[str, str]:
    """The environment in which scripted peers are found, with a folder for what they do."""
    path = install(tmp_path / "ST tools/bin")
    return {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}", "ST_PEER_STATE": str(tmp_path / "state")}


@pytest.fixture
def flash(project: Path, fsbl: Path, peers: dict[str, str], tmp_path: Path) -> Callable[..., str]:
    """Runs ``flash PROJECT --fsbl FSBL ...`` with peers; gives its output, or the error of a code."""

    def run(*options: object, code: int = 0, **environment: str) -> str:
        asked = ("flash", project, "--fsbl", fsbl, *options)
        if code:
            return fail(code, *asked, cwd=tmp_path, **{**peers, **environment})
        return succeed(*asked, cwd=tmp_path, **{**peers, **environment})

    return run


def flashed(tmp_path: Path) -> dict[str, bytes]:
    path = tmp_path / "state/flash.json"
    return {name: base64.b64decode(data) for name, data in json.loads(path.read_text()).items()}


def test_peers_weights_loader_and_application_are_written_in_this_order(
    flash: Callable[..., str], project: Path, fsbl: Path, tmp_path: Path
) -> None:
    out = flash()
    assert out.count("programmed") == 3
    written = [call for call in calls(tmp_path / "state", "STM32_Programmer_CLI") if "-w" in call]
    assert [call[call.index("-w") + 2] for call in written] == ["0x70180000", "0x70000000", "0x70100000"]
    for call in written:
        assert call[:6] == ["-c", "port=SWD", "mode=HOTPLUG", "ap=1", "sn=0042", "-el"] and call[-1] == "-v"
        assert call[6].endswith(LOADER) and "-g" not in call and "-hardRst" not in call
    there = flashed(tmp_path)
    assert there["0x70180000"] == (project / "build/network_data.bin").read_bytes()
    assert there["0x70000000"] == fsbl.read_bytes()
    assert there["0x70100000"] == (project / "build/firmware_sign.bin").read_bytes()
    assert calls(tmp_path / "state", "STM32_Programmer_CLI")[-1][-1] == "-hardRst"


def test_peers_what_is_there_already_is_not_written_again(
    flash: Callable[..., str], project: Path, tmp_path: Path
) -> None:
    flash()
    (project / "build/network_data.bin").write_bytes(b"other weights")
    before = len(calls(tmp_path / "state"))
    out = flash()
    assert out.count("there already") == 2 and out.count("programmed") == 1
    later = calls(tmp_path / "state")[before:]
    assert [call[call.index("-w") + 2] for call in later if "-w" in call] == ["0x70180000"]
    assert not any("-bin" in call for call in later)  # the signed form still fits
    assert flash("--again").count("programmed") == 3
    assert list((project / "build/flash").glob("*.bin")) == []


def test_peers_only_the_parts_that_are_asked_for(flash: Callable[..., str], tmp_path: Path) -> None:
    assert flash("--only", "weights", "--no-reset").splitlines()[0].startswith("weights")
    assert set(flashed(tmp_path)) == {"0x70180000"}
    assert not any("-bin" in call or "-hardRst" in call for call in calls(tmp_path / "state"))
    flash("--only", "app", "--only", "weights")
    assert set(flashed(tmp_path)) == {"0x70180000", "0x70100000"}


@pytest.mark.parametrize(("version", "aligns"), [("2.20.0", False), ("2.21.0", True)])
def test_peers_signing_asks_for_align_where_the_tool_knows_it(
    flash: Callable[..., str], project: Path, tmp_path: Path, version: str, aligns: bool
) -> None:
    out = flash("--sign-only", ST_PEER_VERSION=version)
    image, output = project / "build/firmware.bin", project / "build/firmware_sign.bin"
    wanted = ["-s", "-bin", str(image), "-nk", "-t", "ssbl", "-hv", "2.3", *["-align"] * aligns, "-o", str(output)]
    assert calls(tmp_path / "state", "STM32_SigningTool_CLI")[-1] == wanted
    assert hashlib.sha256(output.read_bytes()).hexdigest() in out
    assert calls(tmp_path / "state", "STM32_Programmer_CLI") == []


def test_peers_a_project_named_relative_to_the_current_folder(project: Path, fsbl: Path, peers: dict[str, str]) -> None:
    out = succeed("flash", project.name, "--fsbl", fsbl, cwd=project.parent, **peers)
    assert out.count("programmed") == 3


def test_a_dry_run_shows_all_of_it_and_starts_nothing(
    flash: Callable[..., str], project: Path, fsbl: Path, tmp_path: Path
) -> None:
    before = sorted(path for path in project.rglob("*"))
    out = flash("--dry-run")
    assert calls(tmp_path / "state") == [] and sorted(project.rglob("*")) == before
    for part in (
        "0x70180000", "0x70000000", "0x70100000", "20,000 B of 66,060,288", "10,024 B of 524,288", "-l st-link-only",
        "-t ssbl -hv 2.3 -align", "sn=SERIAL", "-hardRst", hashlib.sha256(fsbl.read_bytes()).hexdigest(),
        hashlib.sha256((project / "build/firmware.bin").read_bytes()).hexdigest(), LOADER,
    ):  # fmt: skip
        assert part in out, part
    flash()
    assert hashlib.sha256((project / "build/firmware_sign.bin").read_bytes()).hexdigest() in flash("--dry-run")


def test_the_commands_of_a_dry_run_are_those_that_run(flash: Callable[..., str], tmp_path: Path) -> None:
    shown = [
        shlex.split(line, comments=True)[1:]
        for line in flash("--dry-run", "--probe", "0042").splitlines() if not line.startswith("#")
    ]  # fmt: skip
    flash()
    ran = [call for call in calls(tmp_path / "state") if call[0] not in ("--version", "--help", "-l")]
    assert sorted(shown) == sorted(ran)


def test_a_dry_run_needs_no_tool(flash: Callable[..., str], tmp_path: Path) -> None:
    out = flash("--dry-run", "--only", "app", PATH="/usr/bin:/bin", HOME=str(tmp_path))
    assert "\nSTM32_SigningTool_CLI -s -bin " in out and f"ExternalLoader/{LOADER}" in out


def test_there_is_nothing_to_flash_on_the_emulated_board(small_bundle: Path, tmp_path: Path) -> None:
    error = fail(2, "flash", built(tmp_path / "p", small_bundle, target="qemu-an547"))
    assert "nothing to flash" in error and "birdnet-deploy run" in error


def test_a_project_that_is_not_built_is_told_the_command(flash: Callable[..., str], project: Path) -> None:
    (project / "build/firmware.bin").unlink()
    assert "birdnet-deploy build" in flash(code=2)
    assert "birdnet-deploy build" in flash("--dry-run", code=2)


def test_no_first_stage_loader_is_never_left_out_in_silence(
    project: Path, peers: dict[str, str], tmp_path: Path
) -> None:
    error = fail(2, "flash", project, **peers, HOME=str(tmp_path), STM32CUBE_N6_DIR="", STEDGEAI_CORE_DIR="")
    assert "no first-stage loader" in error and "--fsbl" in error
    tree = tmp_path / "cube"
    (tree / "Binaries").mkdir(parents=True)
    (tree / "Binaries/fsbl_fw_lrun_v1.2.0.bin").write_bytes(signed(app(3000), kind=0x10))
    out = succeed("flash", project, "--dry-run", **peers, HOME=str(tmp_path), STM32CUBE_N6_DIR=str(tree))
    assert "fsbl_fw_lrun_v1.2.0.bin" in out


def test_an_application_over_its_slot_is_refused_before_it_is_signed(
    small_bundle: Path, peers: dict[str, str], fsbl: Path, tmp_path: Path
) -> None:
    large = built(tmp_path / "large", small_bundle, size=524_288)
    error = fail(7, "flash", large, "--fsbl", fsbl, "--dry-run", **peers)
    assert "525312 bytes" in error and "524288" in error
    assert "525312 bytes do not fit" in fail(7, "flash", large, "--fsbl", fsbl, **peers)
    assert not (large / "build/firmware_sign.bin").exists()


def test_weights_that_the_network_reads_elsewhere_are_refused(
    flash: Callable[..., str], project: Path, tmp_path: Path
) -> None:
    (project / "network").mkdir()
    (project / "network/network.c").write_text("x = (0x71000000UL + 4096); y = 0x71002000UL; z = 0x34200000UL;\n")
    error = flash(code=7)
    assert "0x71000000" in error and "0x70180000" in error
    assert not (tmp_path / "state/flash.json").exists()
    (project / "network/network.c").write_text("x = (0x70180000UL + 4096);\n")
    flash()


def test_another_lock_than_the_projects_is_refused(flash: Callable[..., str], project: Path, tmp_path: Path) -> None:
    image = project / "build/firmware.bin"
    image.write_bytes(app(9000))
    assert "carries another model" in flash(code=7)
    labels = project / "bundle/labels.txt"
    labels.write_text(labels.read_text().replace("a", "b"))
    assert "labels.txt has changed" in flash(code=7)
    assert calls(tmp_path / "state", "STM32_Programmer_CLI") in ([], [["--version"]] * 2)


def test_fuses_need_their_own_option_and_the_typed_words(
    flash: Callable[..., str], project: Path, peers: dict[str, str], tmp_path: Path
) -> None:
    burning = "int HAL_BSEC_OTP_Program(void) { return 1; } void Reset_Handler(void) { HAL_BSEC_OTP_Program(); }"
    (project / "build/firmware.elf").write_bytes(elf(burning))
    error = flash(code=2)
    assert "HAL_BSEC_OTP_Program" in error and "--allow-otp" in error
    assert "one-time fuses" in flash("--dry-run", code=2)
    assert "one-time fuses" in flash("--allow-otp", code=2)  # stdin is empty: nothing typed
    command = [
        sys.executable,
        "-m",
        "birdnet_deploy",
        "flash",
        str(project),
        "--dry-run",
        "--only",
        "app",
        "--allow-otp",
    ]
    for typed, status in (("yes", 2), ("burn the fuse", 0)):
        env = {**os.environ, **peers, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, input=f"{typed}\n", env=env, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
    assert calls(tmp_path / "state", "STM32_Programmer_CLI") in ([], [["--version"]] * 2)


def test_no_command_of_the_programmer_touches_fuses_or_option_bytes(flash: Callable[..., str], tmp_path: Path) -> None:
    flash()
    words = {word for call in calls(tmp_path / "state") for word in call}
    assert not words & {"-otp", "-ob", "-e", "--erase", "-rdu"}


def test_openocd_peer_loads_compares_and_starts_in_one_session(
    project: Path, peers: dict[str, str], tmp_path: Path
) -> None:
    assert "runs in RAM" in succeed("flash", project, "--programmer", "openocd", "--probe", "0042", **peers)
    session = calls(tmp_path / "state", "openocd")[-1]
    steps = [word for option, word in zip(session[::2], session[1::2], strict=True) if option == "-c"]
    assert steps[0] == "adapter serial 0042" and steps[-2:] == ["resume", "shutdown"]
    assert steps.index(next(s for s in steps if s.startswith("verify_image"))) < steps.index("resume")
    assert "0x34000400" in succeed("flash", project, "--programmer", "openocd", "--dry-run", **peers)


def test_every_flag_that_a_peer_does_not_know_is_refused(peers: dict[str, str]) -> None:
    for name in ("STM32_SigningTool_CLI", "STM32_Programmer_CLI", "stedgeai", "openocd"):
        done = subprocess.run([name, "--bogus"], env={**os.environ, **peers}, capture_output=True, check=False)
        assert done.returncode != 0, name


def test_plan_results_and_image_as_json(flash: Callable[..., str], project: Path, tmp_path: Path) -> None:
    asked = ("--output-format", "json")
    plan = json.loads(flash("--dry-run", "--probe", "0042", *asked))["dry_run"]
    assert [step["part"] for step in plan if "part" in step] == ["weights", "fsbl", "app"]
    assert next(step["unsigned_sha256"] for step in plan if step.get("part") == "app")
    assert calls(tmp_path / "state") == []
    done = json.loads(flash("--probe", "0042", *asked))["parts"]
    assert [(part["part"], part["address"], part["outcome"]) for part in done] == [
        ("weights", 0x70180000, "programmed"), ("fsbl", 0x70000000, "programmed"), ("app", 0x70100000, "programmed"),
    ]  # fmt: skip
    shown = [step["command"][1:] for step in plan if "command" in step]
    asked_of = [call for call in calls(tmp_path / "state", "STM32_Programmer_CLI") if "-w" in call]
    assert [command for command in shown if "-w" in command] == asked_of
    image = json.loads(flash("--sign-only", *asked))
    assert image["kind"] == "app" and image["entry"] == image["reset"] and image["problems"] == []
    assert image == json.loads(succeed("flash", "--check-image", project / "build/firmware_sign.bin", *asked))


def test_json_help_names_every_option() -> None:
    out = birdnet_deploy("flash", "--help").stdout
    for option in ("--only", "--fsbl", "--probe", "--sign-only", "--dry-run", "--check-image", "--allow-otp"):
        assert option in out
