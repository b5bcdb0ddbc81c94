"""Which board is meant, who has it, and what is said where it cannot be had."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from birdnet_deploy.errors import BoardError
from birdnet_deploy.readback import ports
from birdnet_deploy.readback.portlock import PortLock
from birdnet_deploy.readback.ports import Port, choose_port, why_not_open
from tests.support.field import ENV

ONE = Port("/dev/ttyACM0", 0x0483, 0x374E, "004A", "STLINK-V3", "1-1:1.2")
TWO = Port("/dev/ttyACM1", 0x0483, 0x374B, "004B", "ST-Link VCP", "1-2:1.2")
OTHER = Port("/dev/ttyUSB0", 0x0403, 0x6001, "FT1", "FT232R", "1-3")
LEGACY = Port("/dev/ttyS0")


def chosen(wanted: str, *here: Port, **options: object) -> Port:
    return choose_port(wanted, find=lambda: here, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("auto", ONE), ("0483:*", ONE), ("0483:374e", ONE), ("usb:0483:374E:004A", ONE), ("004A", ONE), ("FT1", OTHER),
        ("0403:6001", OTHER), ("/dev/ttyS0", LEGACY), ("/dev/ttyACM0", ONE), ("COM7", Port("COM7")),
        ("socket://host:1", Port("socket://host:1")),
    ],
)  # fmt: skip
def test_a_port_is_found_by_what_a_person_knows(wanted: str, expected: Port) -> None:
    assert chosen(wanted, ONE, OTHER, LEGACY) == expected


def test_a_link_to_a_port_is_that_port(tmp_path: Path) -> None:
    device = tmp_path / "ttyACM0"
    device.touch()
    (tmp_path / "by-id").symlink_to(device)
    port = Port(str(device), 0x0483, 0x374E, "004A")
    assert chosen(str(tmp_path / "by-id"), port) == port


def test_f29_several_boards_are_listed_or_asked_for_but_never_guessed() -> None:
    with pytest.raises(BoardError, match="2 boards fit") as caught:
        chosen("auto", ONE, TWO, OTHER)
    assert caught.value.exit_code == 7
    assert all(word in caught.value.line for word in ("/dev/ttyACM0", "004A", "/dev/ttyACM1", "004B", "--port"))
    assert "ttyUSB0" not in caught.value.line
    assert chosen("auto", ONE, TWO, choose=lambda fitting: fitting[1]) == TWO


def test_no_board_lists_what_is_there() -> None:
    with pytest.raises(BoardError, match="/dev/ttyUSB0"):
        chosen("auto", OTHER)
    with pytest.raises(BoardError, match="none at all"):
        chosen("0483:*")


def test_the_same_board_is_known_under_another_name() -> None:
    assert ONE.is_same_device(Port("/dev/ttyACM7", 0x0483, 0x374E, "004A", "STLINK-V3", "2-4:1.2"))
    assert not ONE.is_same_device(Port("/dev/ttyACM7", 0x0483, 0x374E, "004A", "STLINK-V3", "1-1:1.4"))
    assert not ONE.is_same_device(TWO)
    assert not LEGACY.is_same_device(LEGACY)


def test_f29_a_refused_permission_names_group_and_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "group_of", lambda device: "dialout")
    device = tmp_path / "tty"
    device.touch()
    for error in (PermissionError(errno.EACCES, "Permission denied"), OSError("[Errno 13] Permission denied: 'x'")):
        line = why_not_open(str(device), error).line
        assert "permission denied" in line and "usermod -aG dialout" in line
        assert 'ATTRS{idVendor}=="0483"' in line and "uaccess" in line


def test_the_group_is_that_of_the_device(tmp_path: Path) -> None:
    import grp

    device = tmp_path / "tty"
    device.touch()
    name = grp.getgrgid(device.stat().st_gid).gr_name
    assert ports.group_of(str(device)) == (None if name == "root" else name)
    assert ports.group_of("/dev/ttyNOBODY") is None


def test_other_refusals_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.touch()
    cases = [
        ("/dev/ttyNOBODY", FileNotFoundError(2, "No such file"), "no such port"),
        (str(file), OSError(25, "Inappropriate ioctl"), "--replay"),
        ("/dev/null", OSError(16, "Device or resource busy"), "another program"),
        ("/dev/null", OSError("Could not exclusively lock port"), "another program"),
        ("/dev/null", OSError(5, "I/O error"), "cannot be opened"),
    ]
    for device, error, says in cases:
        refused = why_not_open(device, error, find=lambda: (OTHER,))
        assert says in refused.line and refused.exit_code == 7


@pytest.fixture
def lock_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield tmp_path


def test_a_lock_names_its_holder_until_it_is_released(lock_folder: Path) -> None:
    first = PortLock(ONE)
    moved = Port("/dev/ttyACM9", ONE.vid, ONE.pid, ONE.serial_number, ONE.product, "9-9:1.2")
    with pytest.raises(BoardError, match=f"process {os.getpid()}"):
        PortLock(moved)  # the same board
    PortLock(TWO).close()
    first.close()
    first.close()
    PortLock(moved).close()


def test_a_lock_dies_with_its_process(lock_folder: Path) -> None:
    code = (
        "import os, tempfile\ntempfile.tempdir = " + repr(str(lock_folder)) + "\n"
        "from birdnet_deploy.readback.portlock import PortLock\nfrom birdnet_deploy.readback.ports import Port\n"
        "lock = PortLock(Port('/dev/ttyX'))\nprint('held', flush=True)\ninput()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=ENV, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    with pytest.raises(BoardError, match=f"process {process.pid}"):
        PortLock(Port("/dev/ttyX"))
    process.kill()
    process.communicate()
    PortLock(Port("/dev/ttyX")).close()


def test_a_lock_does_not_follow_links(lock_folder: Path) -> None:
    target = lock_folder / "target"
    target.write_text("precious")
    (lock_folder / "birdnet-deploy-port-_dev_ttyY.lock").symlink_to(target)
    PortLock(Port("/dev/ttyY")).close()
    assert target.read_text() == "precious"


def test_nothing_of_unix_is_needed_to_import_the_readers() -> None:
    """Windows has no fcntl, termios, grp or pwd."""
    code = (
        "import sys, serial.tools.list_ports\n"  # pyserial has its own way on each system
        "for name in ('fcntl', 'termios', 'tty', 'grp', 'pwd'):\n    sys.modules[name] = None\n"
        "import birdnet_deploy.readback.portlock, birdnet_deploy.readback.sources, birdnet_deploy.monitoring\n"
        "import birdnet_deploy.cli.monitor, birdnet_deploy.report.outputs\n"
        "from birdnet_deploy.readback.ports import group_of\nassert group_of('COM1') is None\n"
    )
    subprocess.run([sys.executable, "-c", code], env=ENV, check=True)
