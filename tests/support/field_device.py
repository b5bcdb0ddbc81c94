"""A board in the field, on pseudo terminals, in a process of its own that imports nothing of birdnet_deploy.

    python -m tests.support.field_device SCENARIO LINK [HELLO]

LINK becomes a link to its terminal, as udev makes them for boards; HELLO is a JSON object that changes its hello.
Sends when a line comes on stdin, and lives until stdin is closed. ``EXPECTED`` says what a reader must count.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.support.bn1_streams import NEXT_BOOT, bye, flipped, hello, sent, window

FLOOD_BYTES = 4_000_000
REPLUG = b"<replug>"
WINDOWS = 20
ANSI = b"\x1b[31mwarn\x1b[0m: card is slow"
HALF = b"@BN1 3 half"
Bytes = Iterator[bytes]
_hello: dict[str, Any] = {}


def run(**changes: Any) -> list[bytes]:
    """A whole run, one record an entry."""
    said = {**hello(), **_hello, **changes}
    windows = (window(win, out=f"{win:02x}" + "7f" * (said["classes"] - 1)) for win in range(WINDOWS))
    return [sent(seq, body) for seq, body in enumerate([said, *windows, bye(WINDOWS)])]


def clean() -> Bytes:
    yield from run()


def noise() -> Bytes:
    """Random bytes before every record."""
    source = random.Random(5)
    for record in run():
        yield bytes(byte if byte not in b"@\r\n" else 0x2E for byte in source.randbytes(300)) + record


def ansi() -> Bytes:
    for record in run():
        yield ANSI + record


def half_lines() -> Bytes:
    for record in run():
        yield HALF + record


def bit_flips() -> Bytes:
    for number, record in enumerate(run()):
        yield flipped(record, 50) if number in (3, 7, 8) else record


def flips_repeated() -> Bytes:
    for number, record in enumerate(run()):
        yield flipped(record, 50) + record if number in (3, 7) else record


def drops() -> Bytes:
    yield from (record for number, record in enumerate(run()) if number not in (4, 9, 10, 11))


def duplicates() -> Bytes:
    for number, record in enumerate(run()):
        yield record * (3 if number % 5 == 2 else 1)


def reset() -> Bytes:
    yield from run()[:6]
    yield run()[6][:60]
    yield b"\xff\x00boot\r\n"
    yield from run(boot=NEXT_BOOT)


def boot_loop() -> Bytes:
    """Forty starts that get no further, then a run."""
    for number in range(40):
        yield from run(boot=f"{number:08x}")[:3]
    yield from run(boot=NEXT_BOOT)


def flood() -> Bytes:
    """Megabytes without a newline."""
    records = run()
    yield from records[:5]
    block = bytes(byte for byte in range(256) if byte not in b"@\r\n") * 100
    for _ in range(FLOOD_BYTES // len(block)):
        yield block
    yield from records[5:]


def replug() -> Bytes:
    """Away for a moment; nothing was sent meanwhile."""
    records = run()
    yield from records[:8]
    yield REPLUG
    yield from records[8:]


def replug_with_loss() -> Bytes:
    records = run()
    yield from records[:8]
    yield records[8][:40]
    yield REPLUG
    yield from records[11:]


def replug_with_reset() -> Bytes:
    yield from run()[:8]
    yield REPLUG
    yield from run(boot=NEXT_BOOT)


def unplugged() -> Bytes:
    yield from run()[:8]
    time.sleep(0.8)  # so that what was sent has been read: a terminal that closes drops the rest
    os._exit(0)


def silence() -> Bytes:
    yield from run()[:4]
    yield b"the last words"
    time.sleep(3600)


def slow() -> Bytes:
    """For ever, a window now and then."""
    yield from run()[:3]
    for seq in range(3, 10_000):
        time.sleep(0.02)
        yield sent(seq, window(seq, out="00" * hello(**_hello)["classes"]))


SCENARIOS: dict[str, Callable[[], Bytes]] = {
    scenario.__name__: scenario
    for scenario in (
        clean, noise, ansi, half_lines, bit_flips, flips_repeated, drops, duplicates, reset, boot_loop, flood, replug,
        replug_with_loss, replug_with_reset, unplugged, silence, slow,
    )
}  # fmt: skip
_CLEAN = {
    "intact": 22, "corrupt": 0, "missing": 0, "duplicate": 0, "rejected": 0, "reboots": 0, "noise_bytes": 0,
    "windows": 20, "exit": 0,
}  # fmt: skip
_FLOOD = FLOOD_BYTES // 25_300 * 25_300
EXPECTED: dict[str, dict[str, int]] = {
    "clean": _CLEAN,
    "noise": {**_CLEAN, "noise_bytes": 22 * 300},
    "ansi": {**_CLEAN, "noise_bytes": 22 * len(ANSI)},
    "half_lines": {**_CLEAN, "noise_bytes": 22 * len(HALF)},
    "bit_flips": {**_CLEAN, "intact": 19, "corrupt": 3, "missing": 3, "windows": 17, "exit": 8},
    "flips_repeated": {**_CLEAN, "corrupt": 2},
    "drops": {**_CLEAN, "intact": 18, "missing": 4, "windows": 16, "exit": 8},
    "duplicates": {**_CLEAN, "duplicate": 8},
    "reset": {**_CLEAN, "intact": 28, "corrupt": 1, "reboots": 1, "noise_bytes": 0, "windows": 25, "exit": 8},
    "boot_loop": {**_CLEAN, "intact": 142, "reboots": 40, "windows": 100, "exit": 8},
    "flood": {**_CLEAN, "noise_bytes": _FLOOD},
    "replug": _CLEAN,
    "replug_with_loss": {**_CLEAN, "intact": 19, "corrupt": 1, "missing": 3, "windows": 17, "exit": 8},
    "replug_with_reset": {**_CLEAN, "intact": 30, "reboots": 1, "windows": 27, "exit": 8},
    "unplugged": {**_CLEAN, "intact": 8, "windows": 7, "exit": 8},
    "silence": {**_CLEAN, "intact": 4, "windows": 3, "noise_bytes": 14, "exit": 8},
}


class Board:
    """The board's end of a terminal, which a link names."""

    def __init__(self, link: Path) -> None:
        self._link = link
        self._open()

    def _open(self) -> None:
        self._board, terminal = os.openpty()
        tty.setraw(terminal)
        self._terminal = terminal
        beside = self._link.with_suffix(".new")
        beside.symlink_to(os.ttyname(terminal))
        beside.replace(self._link)

    def send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._board, data) :]

    def replug(self) -> None:
        time.sleep(0.8)  # so that what was sent has been read
        self._link.unlink()
        os.close(self._terminal)
        os.close(self._board)
        time.sleep(0.5)
        self._open()  # it keeps what is sent until the reader has found it


def main(scenario: str, link: str, changes: str = "{}") -> None:
    """Plays one scenario."""
    assert "birdnet_deploy" not in sys.modules
    _hello.update(json.loads(changes))
    board = Board(Path(link))
    print("ready", flush=True)
    sys.stdin.readline()
    for data in SCENARIOS[scenario]():
        if data == REPLUG:
            board.replug()
        else:
            board.send(data)
    sys.stdin.read()
    assert "birdnet_deploy" not in sys.modules


if __name__ == "__main__":
    main(*sys.argv[1:])
