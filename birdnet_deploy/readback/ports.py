"""Which board: serial ports by USB vendor, product and serial number, never by a guess."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports

from birdnet_deploy.errors import BoardError

AUTO = "auto"
ST_VENDOR = 0x0483  # the virtual COM port of every ST-LINK; source: ST TN1235
_USB_NAME = re.compile(r"(?:usb:)?([0-9a-fA-F]{4}):([0-9a-fA-F]{4}|\*)(?::(.+))?")
_RULE = 'SUBSYSTEM=="tty", ATTRS{idVendor}=="0483", MODE="0660", TAG+="uaccess"'


@dataclass(frozen=True)
class Port:
    """A serial port of this machine; the USB fields are None where it is no USB device."""

    device: str
    vid: int | None = None
    pid: int | None = None
    serial_number: str | None = None
    product: str | None = None
    location: str | None = None

    @property
    def text(self) -> str:
        """The port as people tell it from others."""
        if self.vid is None or self.pid is None:
            return self.device
        parts = [f"{self.vid:04x}:{self.pid:04x}", self.product or "", f"serial {self.serial_number or 'none'}"]
        return f"{self.device} ({', '.join(filter(None, parts))})"

    @property
    def _interface(self) -> str:
        """Which of a device's interfaces it is: a board may have several ports with one serial number."""
        return (self.location or "").partition(":")[2]

    def is_same_device(self, other: Port) -> bool:
        """Says whether another port is the same interface of the same board, under whatever name."""
        mine = (self.vid, self.pid, self.serial_number, self._interface)
        return self.serial_number is not None and mine == (
            other.vid, other.pid, other.serial_number, other._interface
        )  # fmt: skip


Finder = Callable[[], Sequence[Port]]


def ports_here() -> tuple[Port, ...]:
    """Gives the serial ports of this machine, in the order of their names."""
    found = (
        Port(info.device, info.vid, info.pid, info.serial_number, info.product or info.description, info.location)
        for info in list_ports.comports()
    )
    return tuple(sorted(found, key=lambda port: port.device))


def choose_port(
    wanted: str, *, find: Finder = ports_here, choose: Callable[[Sequence[Port]], Port] | None = None
) -> Port:
    """Gives the port that is meant by ``auto``, ``VID:PID``, ``VID:PID:SERIAL``, a serial number, or a name.

    ``choose`` asks a person where several boards fit. A name is taken as it is, also where no such port exists:
    opening it will say so.

    Raises: BoardError (exit 7) listing the candidates, where none or several fit.
    """
    ports = find()
    if wanted == AUTO:
        return _only([port for port in ports if port.vid == ST_VENDOR], "an ST-LINK (USB 0483:*)", ports, choose)
    if usb := _USB_NAME.fullmatch(wanted):
        vid, pid = int(usb[1], 16), None if usb[2] == "*" else int(usb[2], 16)
        fitting = [
            port for port in ports
            if port.vid == vid and pid in (None, port.pid) and usb[3] in (None, port.serial_number)
        ]  # fmt: skip
        return _only(fitting, wanted, ports, choose)
    named = [port for port in ports if port.serial_number == wanted]
    if named:
        return _only(named, wanted, ports, choose)
    real = os.path.realpath(wanted)
    return next((port for port in ports if os.path.realpath(port.device) == real), Port(wanted))


def _only(
    fitting: Sequence[Port], what: str, ports: Sequence[Port], choose: Callable[[Sequence[Port]], Port] | None
) -> Port:
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        others = "; ".join(port.text for port in ports) or "none at all"
        raise BoardError(
            f"no board found: nothing here is {what}; serial ports: {others}",
            where="--port", fix="plug it in (a cable that carries data), or name the port by --port",
        )  # fmt: skip
    if choose is not None:
        return choose(fitting)
    listed = "; ".join(port.text for port in fitting)
    raise BoardError(f"{len(fitting)} boards fit: {listed}", where="--port", fix="name one by --port SERIAL")


def why_not_open(device: str, error: BaseException, *, find: Finder = ports_here) -> BoardError:
    """Gives the error (exit 7) of a port that cannot be opened: what it means, and what to do about it."""
    number = getattr(error, "errno", None)
    text = str(error)
    if isinstance(error, PermissionError) or number == 13 or "ermission denied" in text or "Access is denied" in text:
        return BoardError("permission denied", where=device, fix=_permission_fix(device))
    if "exclusively lock" in text or number == 16 or "esource busy" in text:
        return BoardError("another program has it open", where=device, fix="close that program (see: lsof, fuser)")
    if "://" in device:
        return BoardError(f"cannot be reached ({_short(error)})", where=device, fix="start the other side first")
    if Path(device).is_file():
        return BoardError("is a file, not a port", where=device, fix="read it by --replay")
    if number == 2 or isinstance(error, FileNotFoundError) or not Path(device).exists():
        others = "; ".join(port.text for port in find()) or "none"
        return BoardError(f"no such port; serial ports here: {others}", where=device, fix="check the cable and name")
    return BoardError(f"cannot be opened ({_short(error)})", where=device, fix="check that it is a serial port")


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def _permission_fix(device: str) -> str:
    if os.name == "nt":
        return "close the program that has it open"
    group = group_of(device)
    join = f"sudo usermod -aG {group} {getpass.getuser()} and log in again, " if group else ""
    return f"{join or 'ask for access to it, '}or for all ST-LINKs a udev rule: {_RULE}"


def group_of(device: str) -> str | None:
    """Gives the group whose members may open a device, where it is not one that people should not join."""
    try:
        import grp

        name = grp.getgrgid(Path(device).stat().st_gid).gr_name
    except (ImportError, OSError, KeyError):
        return None
    return None if name in ("root", "wheel") else name
