"""STM32_Programmer_CLI: its commands as argument lists, and what its words mean.

Sources: ST UM2237 (options), ST's own scripts for the STM32N6570-DK (connection, loader) and logs that users published
(texts). Not tried on hardware.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from birdnet_deploy.errors import BoardError

PROGRAMMER = "STM32_Programmer_CLI"
DEVICE_ID = 0x486  # of every STM32N6
_READ_DONE = ("Data read successfully",)
_WRITE_DONE = ("File download complete", "Download verified successfully")
_RESET_DONE = ("Hard reset is performed", "Start operation achieved successfully")  # either: versions differ
_MISMATCH = re.compile(r"Data mismatch found at address (0x[0-9A-Fa-f]+)([^\r\n]*)")
_ERROR = re.compile(r"^\s*Error\s*:\s*(.+?)\s*$", re.MULTILINE | re.IGNORECASE)
_DEVICE = re.compile(r"^Device ID\s*:\s*(0x[0-9A-Fa-f]+)", re.MULTILINE)
_FIELD = re.compile(r"^\s*(ST-LINK SN|Board Name)\s*:\s*(.*?)\s*$", re.MULTILINE)
_NAMELESS = ("", "--", "-")


@dataclass(frozen=True)
class Probe:
    """A debug probe; ``board`` is the board that it is soldered to, empty for one with a cable."""

    serial: str
    board: str

    @property
    def text(self) -> str:
        """The probe as people tell it from others."""
        return f"{self.serial} ({self.board})" if self.board else self.serial


@dataclass(frozen=True)
class Commands:
    """The argument lists for one board: the program, the loader of its flash and the probe's serial number."""

    program: str
    loader: str
    serial: str

    def list_probes(self) -> list[str]:
        """Gives the list of probes; no board is connected to."""
        return [self.program, "-l", "st-link-only"]

    def read(self, address: int, size: int, file: Path) -> list[str]:
        """Gives a read of the flash into a file."""
        return [*self._connect(), "-el", self.loader, "-u", f"0x{address:08X}", f"0x{size:X}", str(file)]

    def write(self, file: Path, address: int) -> list[str]:
        """Gives a write that is read back and compared; nothing is started by it."""
        return [*self._connect(), "-el", self.loader, "-w", str(file), f"0x{address:08X}", "-v"]

    def reset(self) -> list[str]:
        """Gives a reset by the board's reset line, which starts what the boot switches say."""
        return [*self._connect(), "-hardRst"]

    def _connect(self) -> list[str]:
        return [self.program, "-c", "port=SWD", "mode=HOTPLUG", "ap=1", f"sn={self.serial}"]


def read_probes(text: str) -> tuple[Probe, ...]:
    """Gives the probes of the list that the program printed, each once."""
    found: dict[str, str] = {}
    serial = ""
    for name, value in _FIELD.findall(text):
        if name == "ST-LINK SN":
            serial = value
            found.setdefault(serial, "")
        elif serial and value not in _NAMELESS:
            found[serial] = value
    return tuple(Probe(serial, board) for serial, board in found.items() if serial)


def choose_probe(probes: Sequence[Probe], wanted: str | None, board: str) -> Probe:
    """Gives the probe that was named, or the only one there is; never one of several.

    Raises: BoardError (exit 7) with the candidates, or where the probe says that it is on another board.
    """
    listed = "; ".join(probe.text for probe in probes)
    fitting = [probe for probe in probes if wanted in (None, probe.serial)]
    if not fitting:
        what = f"no probe {wanted}; probes: {listed or 'none'}" if wanted else "no probe is connected"
        fix = "connect the board's ST-LINK by a cable that carries data, close other programs that use it"
        raise BoardError(what, where="--probe", fix=fix)
    if len(fitting) > 1:
        raise BoardError(f"{len(fitting)} probes are connected: {listed}", where="--probe", fix="name one: --probe SN")
    probe = fitting[0]
    if probe.board and probe.board.casefold() != board.casefold():
        raise BoardError(
            f"the probe is on a {probe.board}, the project is for a {board}", where=probe.serial,
            fix="name the right probe by --probe, or generate for that board",
        )  # fmt: skip
    return probe


def check_list(status: int, text: str) -> None:
    """Refuses a list of probes that could not be made; that there are none is told by ``choose_probe``."""
    if status != 0 and not read_probes(text) and "No debug probe detected" not in text:
        raise _failed("list of probes", status, text, PROGRAMMER)


def check_read(status: int, text: str, *, name: str, address: int) -> None:
    """Refuses a read that did not say that it is whole.

    Raises: BoardError (exit 7).
    """
    _check_device(text, name)
    _check(status, text, f"reading {name}", f"0x{address:08X}", _READ_DONE)


def check_write(status: int, text: str, *, name: str, address: int) -> None:
    """Refuses a write that did not say that it is whole and verified, whatever its exit status.

    Raises: BoardError (exit 7) with the address of a mismatch.
    """
    _check_device(text, name)
    if found := _MISMATCH.search(text):
        raise BoardError(
            f"verify mismatch in {name} at {found[1]}{found[2]}; the firmware was not started", where=found[1],
            fix="check supply and cable, then flash again: what is there already is skipped",
        )  # fmt: skip
    _check(status, text, f"writing {name}", f"0x{address:08X}", _WRITE_DONE)


def check_reset(status: int, text: str) -> None:
    """Refuses a reset that did not say that it was done.

    Raises: BoardError (exit 7).
    """
    if status != 0 or _ERROR.search(text) or not any(done in text for done in _RESET_DONE):
        raise _failed("reset", status, text, PROGRAMMER)


def _check(status: int, text: str, what: str, where: str, done: Sequence[str]) -> None:
    if status != 0 or _ERROR.search(text):  # the program was seen to end with 0, and in success, after an error
        raise _failed(what, status, text, where)
    if lacking := [part for part in done if part not in text]:
        raise BoardError(
            f"{what}: {PROGRAMMER} ended with 0 but never said {lacking[0]!r}; the firmware was not started",
            where=where, fix="see its output in the log, check probe and supply, flash again",
        )  # fmt: skip


def _check_device(text: str, name: str) -> None:
    found = _DEVICE.search(text)
    if found and int(found[1], 16) != DEVICE_ID:
        raise BoardError(
            f"the probe is on a device {found[1]}, not on an STM32N6 (0x{DEVICE_ID:X}); {name} was not started",
            where="--probe", fix="name the right probe by --probe",
        )  # fmt: skip


def _failed(what: str, status: int, text: str, where: str) -> BoardError:
    told = _ERROR.search(text)
    why = told[1] if told else f"it ended with {status} and gave no reason"
    return BoardError(
        f"{what} failed: {why}; the firmware was not started", where=where,
        fix="BOOT1 to the right (development boot), power cycle, close other debuggers, flash again",
    )  # fmt: skip
