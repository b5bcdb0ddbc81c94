"""A board that misbehaves, on a pseudo terminal, in a process of its own that imports nothing of birdnet_deploy.

    python -m tests.support.fake_device SCENARIO

Prints the name of its terminal, sends when a line comes on stdin, and lives until stdin is closed.
"""

from __future__ import annotations

import os
import random
import sys
import time
import tty
from collections.abc import Callable, Iterator

from tests.support.bn1_streams import NEXT_BOOT, bye, flipped, hello, run, sent, window

Bytes = Iterator[bytes]
FLOOD_BYTES = int(os.environ.get("FAKE_DEVICE_FLOOD_BYTES", "4000000"))


def clean() -> Bytes:
    yield from run(20)


def dribble() -> Bytes:
    """Every record in pieces with pauses, as a slow line brings them."""
    for record in run(3):
        for start in range(0, len(record), 37):
            yield record[start : start + 37]
            time.sleep(0.01)


def noise() -> Bytes:
    """Random bytes, ANSI codes and half lines before every record."""
    source = random.Random(5)
    for record in run(20):
        yield source.randbytes(300).replace(b"@", b"") + b"\x1b[31mwarn\x1b[0m @BN1 3 half"
        yield record


def bit_flips() -> Bytes:
    records = run(20)
    for number, record in enumerate(records):
        yield flipped(record, 50) if number in (3, 7, 8) else record


def gap() -> Bytes:
    yield from (record for number, record in enumerate(run(20)) if number not in (4, 9, 10, 11))


def duplicates() -> Bytes:
    for number, record in enumerate(run(20)):
        yield record * (3 if number % 5 == 2 else 1)


def reset() -> Bytes:
    yield from run(20)[:6]
    yield sent(6, window(5))[:60]
    time.sleep(0.2)
    yield b"\xff\x00boot\r\n" + sent(0, hello(boot=NEXT_BOOT))
    yield from (sent(win + 1, window(win)) for win in range(20))
    yield sent(21, bye(20))


def silence() -> Bytes:
    yield from run(20)[:4]
    yield b"the last words"
    time.sleep(3600)


def mute() -> Bytes:
    time.sleep(3600)
    yield b""


def chatter() -> Bytes:
    """Text for ever, never a record."""
    yield from run(20)[:2]
    while True:
        yield b"waiting for the card ...\r\n"
        time.sleep(0.01)


def other_model() -> Bytes:
    yield sent(0, hello(model="ab" * 32))
    yield from run(20)[1:]


def other_protocol() -> Bytes:
    yield sent(0, hello(proto=7))
    yield from run(20)[1:]


def flood() -> Bytes:
    """Megabytes without a newline in the middle of a run."""
    records = run(20)
    yield from records[:5]
    block = bytes(range(11, 256)) * 256
    for _ in range(FLOOD_BYTES // len(block)):
        yield block
    yield from records[5:]


def unplugged() -> Bytes:
    yield from run(20)[:8]
    time.sleep(0.5)  # so that what was sent has been read: a terminal that closes drops the rest
    os._exit(0)


SCENARIOS: dict[str, Callable[[], Bytes]] = {
    scenario.__name__: scenario
    for scenario in (
        clean, dribble, noise, bit_flips, gap, duplicates, reset, silence, mute, chatter, other_model,
        other_protocol, flood, unplugged,
    )
}  # fmt: skip


def write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def main(scenario: str) -> None:
    """Plays one scenario."""
    assert "birdnet_deploy" not in sys.modules
    board, terminal = os.openpty()
    tty.setraw(terminal)
    print(os.ttyname(terminal), flush=True)
    sys.stdin.readline()
    for data in SCENARIOS[scenario]():
        write(board, data)
    sys.stdin.read()
    assert "birdnet_deploy" not in sys.modules


if __name__ == "__main__":
    main(sys.argv[1])
