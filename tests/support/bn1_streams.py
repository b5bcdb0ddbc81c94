"""What a board sends, written with zlib and json alone: it shares nothing with the reader that it tests.

    python -m tests.support.bn1_streams FOLDER

writes every stream as <name>.bin, with what a reader must make of it as <name>.json beside it.
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path
from typing import Any

MODEL, LOCK = "11" * 32, "22" * 32
SCALE, ZERO_POINT, CLASSES = 0.128128543, 3, 4
BOOT, NEXT_BOOT = "0000b001", "0000b002"


def line(seq: int, body: dict[str, Any] | str) -> bytes:
    """A record from marker to JSON."""
    text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))
    counted = f"{seq} {len(text)} "
    return f"@BN1 {counted}{zlib.crc32((counted + text).encode()):08x} {text}".encode()


def sent(seq: int, body: dict[str, Any] | str, end: bytes = b"\n") -> bytes:
    """A record as the firmware sends it: a line end before and after."""
    return end + line(seq, body) + end


def hello(**changes: Any) -> dict[str, Any]:
    return {
        "t": "hello", "proto": 1, "fw": "birdnet-deploy 0.1.0 test", "model": MODEL, "lock": LOCK, "boot": BOOT,
        "classes": CLASSES, "scale": SCALE, "zp": ZERO_POINT, "act": "sigmoid", **changes,
    }  # fmt: skip


def window(win: int, **changes: Any) -> dict[str, Any]:
    return {
        "t": "inf", "file": "00001.WAV", "win": win, "start": 4000 * win, "start_ms": 500 * win,
        "out": f"{win:02x}7f80ff", "top": [1, 0], "us": None, **changes,
    }  # fmt: skip


def bye(windows: int, dropped: int = 0) -> dict[str, Any]:
    return {"t": "bye", "windows": windows, "dropped": dropped}


def run(windows: int = 3, end: bytes = b"\n") -> list[bytes]:
    """A whole run without mishap, one record an entry."""
    bodies = [hello(), *(window(win) for win in range(windows)), bye(windows)]
    return [sent(seq, body, end) for seq, body in enumerate(bodies)]


def flipped(data: bytes, position: int, bit: int = 0) -> bytes:
    return data[:position] + bytes([data[position] ^ 1 << bit]) + data[position + 1 :]


def expected(
    wins: list[int], exit_code: int = 0, says: str = "", *, intact: int = 5, corrupt: int = 0, missing: int = 0,
    duplicate: int = 0, rejected: int = 0, reboots: int = 0, noise_bytes: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """What a reader must make of a stream: the windows in order, the exit code, a word of the message, the counts."""
    counts = {
        "intact": intact, "corrupt": corrupt, "missing": missing, "duplicate": duplicate, "rejected": rejected,
        "reboots": reboots, "noise_bytes": noise_bytes,
    }  # fmt: skip
    return {"wins": wins, "exit": exit_code, "says": says, "counts": counts}


def streams() -> dict[str, tuple[bytes, dict[str, Any]]]:
    """Gives every stream with what must be made of it."""
    first, *windows, last = run()
    second = [sent(0, hello(boot=NEXT_BOOT)), *(sent(seq + 1, window(seq)) for seq in range(3)), sent(4, bye(3))]
    garbage = b"\xff\xff\x00\x00\x1b[2J\x1b[31mboot\x1b[0m @BN1 half @BN1 0 99"
    log = [b"info: 00001.WAV: 3 windows\r\n", b"info: output 127 for Aves\r\n"]
    everything = b"".join(run())
    return {
        "clean": (everything, expected([0, 1, 2])),
        "crlf_and_log_lines": (
            log[0] + b"".join(run(end=b"\r\n")) + log[1],
            expected([0, 1, 2], noise_bytes=len(log[0]) - 1),  # nothing is read after the bye
        ),
        "boot_noise_and_half_lines": (garbage + everything, expected([0, 1, 2], noise_bytes=len(garbage))),
        "newlines_lost": (everything.replace(b"\n", b"") + b"\n", expected([0, 1, 2])),
        "bit_flip": (
            first + windows[0] + flipped(windows[1], 60) + windows[2] + last,
            expected([0, 2], 8, "records 2 are missing", intact=4, corrupt=1, missing=1),
        ),
        "bit_flip_then_repeated": (
            first + windows[0] + flipped(windows[1], 60) + windows[1] + windows[2] + last,
            expected([0, 1, 2], corrupt=1),
        ),
        "marker_flipped": (
            first + windows[0] + flipped(windows[1], 2) + windows[2] + last,
            expected([0, 2], 8, "missing", intact=4, missing=1, noise_bytes=len(windows[1]) - 2),
        ),
        "cut_by_the_next_record": (
            first + windows[0][:50] + windows[1] + windows[2] + last,
            expected([1, 2], 8, "records 1 are missing", intact=4, corrupt=1, missing=1),
        ),
        "gap": (first + windows[2] + last, expected([2], 8, "records 1-2 are missing", intact=3, missing=2)),
        "duplicate": (
            first + windows[0] + windows[0] + windows[1] + windows[0] + windows[2] + last,
            expected([0, 1, 2], duplicate=2),
        ),
        "reset": (
            first + windows[0] + windows[1][:40] + b"".join(second),
            expected([0, 0, 1, 2], 8, "restarted once", intact=7, corrupt=1, reboots=1),
        ),
        "reset_whose_hello_was_lost": (
            first + windows[0] + sent(1, window(0, out="01020304")) + windows[1] + windows[2] + last,
            expected([0, 1, 2], 8, "restart without a hello"),
        ),
        "no_hello": (b"".join([*windows, last]), expected([], 8, "no hello", intact=4, missing=1)),
        "other_model": (sent(0, hello(model="33" * 32)) + windows[0], expected([], 7, "another model", intact=0)),
        "other_lock": (sent(0, hello(lock="33" * 32)) + windows[0], expected([], 7, "another lock", intact=0)),
        "other_protocol": (
            sent(0, {"t": "hello", "proto": 2, "words": []}) + windows[0],
            expected([], 8, "protocol 2", intact=0),
        ),
        "flood": (
            first + b"\x55" * 40_000 + b"".join([*windows, last]), expected([0, 1, 2], noise_bytes=40_000)
        ),
        "longer_than_a_line": (
            first + sent(1, {"t": "log", "text": "x" * 40_000}) + sent(2, window(0)) + sent(3, bye(1)),
            expected([0], 8, "missing", intact=3, corrupt=1, missing=1,
                     noise_bytes=len(line(1, {"t": "log", "text": "x" * 40_000})) - 32_768),
        ),
        "class_out_of_range": (
            first + sent(1, window(0, top=[4])) + sent(2, window(1)) + sent(3, bye(2)),
            expected([1], 8, "top is [4]", intact=4, rejected=1),
        ),
        "outputs_too_short": (
            first + sent(1, window(0, out="007f80")) + sent(2, window(1)) + sent(3, bye(2)),
            expected([1], 8, "out is", intact=4, rejected=1),
        ),
        "a_key_twice": (
            first + sent(1, '{"t":"inf","t":"bye"}') + sent(2, window(0)) + sent(3, bye(1)),
            expected([0], 8, "missing", intact=3, corrupt=1, missing=1),
        ),
        "unknown_types_and_fields": (
            sent(0, hello(nickname="robin")) + sent(1, {"t": "weather", "wind": 3}) + sent(2, window(0, rssi=-7))
            + sent(3, bye(1)),
            expected([0], intact=4),
        ),
        "windows_miscounted": (first + windows[0] + sent(2, bye(3)), expected([0], 8, "counted 3", intact=3)),
        "records_dropped": (
            first + windows[0] + windows[2] + sent(4, bye(2, dropped=1)),
            expected([0, 2], 8, "dropped 1", intact=4, missing=1),
        ),
        "fault": (
            first + windows[0] + sent(2, {"t": "fault", "kind": "hardfault", "pc": "00001234", "cfsr": "02000000"}),
            expected([0], 8, "division by zero", intact=3),
        ),
        "no_bye": (b"".join([first, *windows]), expected([0, 1, 2], 8, "no bye", intact=4)),
        "bye_without_a_newline": (b"".join([first, *windows]) + b"\n" + line(4, bye(3)), expected([0, 1, 2])),
        "nothing": (b"", expected([], 8, "nothing was ever received", intact=0)),
    }  # fmt: skip


def main(folder: Path) -> None:
    """Writes all streams and their expectations."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (data, wanted) in streams().items():
        (folder / f"{name}.bin").write_bytes(data)
        (folder / f"{name}.json").write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
