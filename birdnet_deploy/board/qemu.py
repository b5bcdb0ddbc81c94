"""The emulated board: QEMU's mps3-an547 with a serial line for pyserial and a folder as its SD card."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import serial

from birdnet_deploy.board.lines import Line, make_line
from birdnet_deploy.board.qmp import Qmp, QmpClosed
from birdnet_deploy.errors import ToolchainError
from birdnet_deploy.support.process import end_group

QEMU = "qemu-system-arm"
MACHINE = "mps3-an547"
_SHOWN_BYTES = 300
_PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Emulation:
    """A board that runs: its open pyserial port, and how QEMU ended (None while it lives)."""

    port: Any
    ended: Callable[[], str | None]


@contextmanager
def emulated(
    elf: Path, card: Path, *, qemu: Path, line: str, icount: bool = False, listen_ms: int = 0
) -> Iterator[Emulation]:
    """Gives the board as it boots ``elf`` with the folder ``card`` as its storage; ends it whatever happens.

    ``line`` is ``pty`` or ``tcp``. With ``icount`` QEMU counts instructions, so that the board's clock means
    something (32 MHz, one instruction 31.25 ns) and runs repeat exactly. The port is open before the first
    instruction, so that no boot line is lost. With ``listen_ms`` the firmware takes commands, and waits so long for a
    first one before it runs over the card.

    Raises: ToolchainError (exit 6) where QEMU does not start; UsageError (exit 2) for a line of another kind.
    """
    with closing(make_line(line)) as wire, tempfile.TemporaryFile() as complaints:
        command = _command(qemu, elf, wire, icount, listen_ms)
        with _started(command, card, wire, complaints) as (process, qmp):
            try:
                qmp.greet()
                port = wire.connect(qmp)
                _let_run(process, qmp)
            except (QmpClosed, serial.SerialException) as error:
                reason = _last_line(complaints) or str(error)
                fix = f"install a {QEMU} that has the machine {MACHINE}"
                raise ToolchainError(f"did not start ({reason})", where=qemu, fix=fix) from error
            yield Emulation(port, lambda: _ending(process, complaints))


def _let_run(process: subprocess.Popen[bytes], qmp: Qmp) -> None:
    """Starts the paused guest. A short run is over, and QEMU with it, before QEMU has answered."""
    try:
        qmp.execute("cont")
    except QmpClosed:
        if process.poll() is None:
            raise


def _command(qemu: Path, elf: Path, wire: Line, icount: bool, listen_ms: int) -> list[str]:
    words = [*(["icount"] if icount else []), *([f"listen={listen_ms}"] if listen_ms else [])]
    semihosting = "enable=on,target=native" + "".join(f",arg={word}" for word in words)
    return [
        str(qemu), "-M", MACHINE, "-display", "none", "-monitor", "none", "-S", "-qmp", "stdio",
        *wire.arguments,
        "-semihosting-config", semihosting,
        *(["-icount", "shift=5,sleep=off"] if icount else []),
        "-kernel", str(elf.resolve()),
    ]  # fmt: skip


@contextmanager
def _started(
    command: list[str], cwd: Path, wire: Line, complaints: IO[bytes]
) -> Iterator[tuple[subprocess.Popen[bytes], Qmp]]:
    try:
        process = subprocess.Popen(
            command, cwd=cwd, pass_fds=wire.inherited, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints,
            preexec_fn=_end_with_parent if _LIBC else None,  # noqa: PLW1509 - one system call, no lock is taken
        )  # fmt: skip
    except OSError as error:
        raise ToolchainError(
            f"cannot be started ({error.strerror})", where=command[0], fix=f"install {QEMU}"
        ) from error
    qmp = Qmp(process)
    try:
        yield process, qmp
    finally:
        end_group(process)
        qmp.close()


def _end_with_parent() -> None:
    """Has the kernel end this process with its parent: firmware that hangs would outlive a parent that is killed."""
    assert _LIBC is not None
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _ending(process: subprocess.Popen[bytes], complaints: IO[bytes]) -> str | None:
    status = process.poll()
    if status is None:
        return None
    how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
    said = _last_line(complaints)
    return f"QEMU ended {how}" + (f" ({said})" if said else "")


def _last_line(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    lines = complaints.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:_SHOWN_BYTES] if lines else ""
