"""F25, F26, F28 and F31 at the command line, for the STM32N6: tools that are missing, old, hang, lie, or fail midway.

ST's programs are scripted peers (tests/support/st_peers): executables of the tests' own, labelled so in each name.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import birdnet_deploy.flashing.run as flashing
import birdnet_deploy.toolchain.sign as signing
from birdnet_deploy.cli.main import entry
from tests.support.n6_projects import built
from tests.support.refusals import refused
from tests.support.signed_images import app, signed
from tests.support.st_peers import calls, install

WEIGHTS, FSBL, APP = "0x70180000", "0x70000000", "0x70100000"
Refuse = Callable[..., str]


@pytest.fixture
def project(small_bundle: Path, tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    return built(tmp_path / "place/project", small_bundle)


@pytest.fixture
def peers(tmp_path: Path) -> dict[str, str]:
    path = install(tmp_path / "bin")
    return {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}", "ST_PEER_STATE": str(tmp_path / "state")}


@pytest.fixture
def loader(tmp_path: Path) -> Path:
    path = tmp_path / "fsbl.bin"
    path.write_bytes(signed(app(3000), kind=0x10))
    return path


@pytest.fixture
def refuse(project: Path, loader: Path, peers: dict[str, str], tmp_path: Path) -> Refuse:
    """Runs ``flash`` where a peer fails as told; it must end with a code and name things."""

    def run(code: int, fault: str, *naming: str, options: tuple[str, ...] = (), **environment: str) -> str:
        asked = ("flash", project, "--fsbl", loader, *options)
        told = {**peers, "ST_PEER_FAULT": fault, **environment}
        return refused(code, *asked, scratch=tmp_path, naming=naming, **told)

    return run


def ended_soon(number: str) -> bool:
    """Says whether a process has ended, or does so within some seconds."""
    for _ in range(100):
        try:
            if Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def started(tmp_path: Path) -> bool:
    """Says whether anything was told to start: a reset, or a run from an address."""
    return any({"-hardRst", "-rst", "-g"} & set(call) for call in calls(tmp_path / "state", "STM32_Programmer_CLI"))


def programmed(tmp_path: Path) -> list[str]:
    written = (call for call in calls(tmp_path / "state", "STM32_Programmer_CLI") if "-w" in call)
    return [call[call.index("-w") + 2] for call in written]


def test_f25_programs_that_are_missing_are_told_all_at_once_before_any_work(
    refuse: Refuse, project: Path, tmp_path: Path
) -> None:
    refuse(
        6, "", "STM32_Programmer_CLI", "STM32_SigningTool_CLI", "PATH", "STM32CubeProgrammer/bin",
        "st.com/stm32cubeprog", PATH="/usr/bin:/bin", HOME=str(tmp_path),
    )  # fmt: skip
    assert not (project / "build/flash").exists()


def test_f25_a_peer_that_is_too_old_is_told_with_both_versions(refuse: Refuse) -> None:
    refuse(6, "", "2.16.0", "2.18", ST_PEER_VERSION="2.16.0")


def test_f25_a_programmer_without_its_loader(refuse: Refuse, tmp_path: Path) -> None:
    for loader in (tmp_path / "bin/ExternalLoader").iterdir():
        loader.unlink()
    refuse(6, "", "MX66UW1G45G_STM32N6570-DK.stldr", "ExternalLoader")


@pytest.mark.parametrize(
    ("fault", "naming"),
    [
        ("sign:exit", ("STM32_SigningTool_CLI", "ended with 1", "Signing failed")),
        ("sign:no-file", ("ended with 0 but left no whole firmware_sign.bin",)),
        ("sign:partial", ("ended with 0 but left no whole firmware_sign.bin",)),
    ],
)
def test_f28_a_signing_peer_that_fails_leaves_nothing_to_flash(
    refuse: Refuse, project: Path, tmp_path: Path, fault: str, naming: tuple[str, ...]
) -> None:
    (project / "build/firmware_sign.bin").write_bytes(b"an older one")
    refuse(6, fault, *naming)
    assert not (project / "build/firmware_sign.bin").exists()
    assert programmed(tmp_path) == []


def test_f28_an_image_that_the_peer_signed_misaligned_is_refused_before_the_board(
    refuse: Refuse, project: Path, tmp_path: Path
) -> None:
    refuse(7, "sign:misaligned", "0x240", "-align", options=("--sign-only",))
    assert not (project / "build/firmware_sign.bin").exists()


@pytest.mark.parametrize(
    ("fault", "naming"),
    [
        ("write:exit", ("writing weights failed", WEIGHTS)),
        ("write:silent", ("never said 'Download verified successfully'",)),
        ("write:partial", ("never said 'File download complete'",)),
        ("write:error", ("Failed to download data",)),
        ("write:drop", ("DEV_USB_COMM_ERR",)),
        ("read:exit", ("reading weights failed",)),
        ("read:silent", ("never said 'Data read successfully'",)),
        ("read:partial", ("left no 20000 bytes",)),
        ("read:no-file", ("left no 20000 bytes",)),
        ("read:drop", ("DEV_USB_COMM_ERR",)),
        ("list:exit", ("list of probes failed",)),
        ("list:none", ("no probe is connected",)),
    ],
)
def test_f28_a_programmer_peer_that_fails_or_lies_starts_nothing(
    refuse: Refuse, tmp_path: Path, fault: str, naming: tuple[str, ...]
) -> None:
    refuse(7, fault, *naming)
    assert not started(tmp_path)
    assert set(programmed(tmp_path)) <= {WEIGHTS}


def test_f28_a_reset_peer_that_says_nothing_is_no_success(refuse: Refuse, tmp_path: Path) -> None:
    refuse(7, "reset:silent", "reset failed")
    assert programmed(tmp_path) == [WEIGHTS, FSBL, APP]


@pytest.mark.parametrize(("fault", "limit", "code"), [("write", "_LEAST_S", 7), ("sign", "_TIMEOUT_S", 6)])
def test_f28_a_peer_that_hangs_is_ended_with_its_children(
    project: Path, loader: Path, peers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], fault: str, limit: str, code: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(flashing if fault == "write" else signing, limit, 5.0)
    for name, value in {**peers, "ST_PEER_FAULT": f"{fault}:hang"}.items():
        monkeypatch.setenv(name, value)
    begun = time.monotonic()
    with pytest.raises(SystemExit) as ended:
        entry(["flash", str(project), "--fsbl", str(loader), "--again"])
    assert ended.value.code == code and time.monotonic() - begun < 30
    assert "still busy after" in capsys.readouterr().err
    for number in (tmp_path / "state/pids").read_text().split():
        assert ended_soon(number)
    assert not started(tmp_path)


@pytest.mark.parametrize("status", ["0", "1"])
def test_f31_a_verify_mismatch_of_the_peer_names_the_address_and_starts_nothing(
    refuse: Refuse, tmp_path: Path, status: str
) -> None:
    """Users' logs show the program going on to start the firmware after a mismatch, in one command."""
    line = refuse(7, f"write-{APP}:mismatch", "0x70100100", "verify mismatch in app", ST_PEER_MISMATCH_STATUS=status)
    assert "the firmware was not started" in line
    assert programmed(tmp_path) == [WEIGHTS, FSBL, APP] and not started(tmp_path)


def test_f31_a_probe_peer_that_drops_in_the_second_part(refuse: Refuse, tmp_path: Path) -> None:
    refuse(7, f"write-{FSBL}:drop", "writing fsbl failed", FSBL)
    assert programmed(tmp_path) == [WEIGHTS, FSBL] and not started(tmp_path)


def test_f31_what_went_wrong_once_is_programmed_the_next_time(
    refuse: Refuse, project: Path, loader: Path, peers: dict[str, str], tmp_path: Path
) -> None:
    from tests.support.command import succeed

    refuse(7, f"write-{APP}:partial", "never said")
    out = succeed("flash", project, "--fsbl", loader, **peers)
    assert out.count("there already") == 2 and out.count("programmed") == 1 and "app" in out


def test_f29_several_probe_peers_are_listed_and_none_is_guessed(refuse: Refuse, tmp_path: Path) -> None:
    two = "0042:STM32N6570-DK,0043:STM32N6570-DK"
    refuse(7, "", "2 probes", "0042 (STM32N6570-DK)", "0043", "--probe SN", ST_PEER_PROBES=two)
    refuse(7, "", "no probe 0044", "0042", "0043", options=("--probe", "0044"), ST_PEER_PROBES=two)
    assert programmed(tmp_path) == []


def test_f29_a_probe_peer_on_another_board_or_chip(refuse: Refuse, tmp_path: Path) -> None:
    refuse(7, "", "NUCLEO-F091RC", "STM32N6570-DK", ST_PEER_PROBES="0042:NUCLEO-F091RC")
    refuse(7, "", "0x442", "0x486", ST_PEER_PROBES="0042:--", ST_PEER_DEVICE="0x442")
    assert programmed(tmp_path) == []


@pytest.mark.parametrize(
    ("fault", "naming"),
    [
        ("verify:mismatch", ("verify mismatch at 0x34000410", "not started")),
        ("verify:silent", ("never said 'verified 9000 bytes'",)),
        ("load:exit", ("unable to connect",)),
    ],
)
def test_f31_an_openocd_peer_that_fails(
    project: Path, peers: dict[str, str], tmp_path: Path, fault: str, naming: tuple[str, ...]
) -> None:
    told = {**peers, "ST_PEER_FAULT": fault}
    refused(7, "flash", project, "--programmer", "openocd", scratch=tmp_path, naming=naming, **told)
