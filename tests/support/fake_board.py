"""The board's side of commands, on a pseudo terminal: zlib and json alone, nothing of birdnet_deploy.

    python -m tests.support.fake_board FAULT

Prints the name of its terminal, answers commands until ``reset`` and then prints what it carried out, one JSON object
a line. FAULT: none, deaf (every third command is not heard), lost_acks (the first answer to each command is damaged),
lost_parts (the fourth part of an upload goes to nobody though it is answered), bad_upload (the first upload arrives
damaged), stale (another host's answers in between), chatty, no_commands, mute, refuses.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tty
import zlib
from typing import Any

from tests.support.bn1_streams import CLASSES, flipped, hello, sent, window

RX = 700
WINDOW = 1000  # samples
TENSOR = 500
_LINE = re.compile(rb"@BN1 (\d+) (\d+) ([0-9a-f]{8}) ([^\n]*)\n")


class Board:
    """What a firmware does with the lines that come."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.seq = self.heard = self.windows = self.answers = 0
        self.last: tuple[int, bytes] | None = None
        self.answer: dict[str, Any] = {}
        self.held = b""
        self.spoiled = False
        self.done: list[dict[str, Any]] = []
        self.terminal, self.far = os.openpty()
        tty.setraw(self.far)
        print(os.ttyname(self.far), flush=True)

    def send(self, body: dict[str, Any], damage: bool = False) -> None:
        record = sent(self.seq, body)
        self.seq += 1
        data = flipped(record, len(record) - 5) if damage else record
        while data:
            data = data[os.write(self.terminal, data) :]

    def ack(self, re_seq: int, body: dict[str, Any], first: bool) -> None:
        if self.fault == "stale":
            self.send({"t": "ack", "re": (re_seq + 77) % 2**32, "cmd": "ping", "code": -6})
        if self.fault == "chatty":
            os.write(self.terminal, b"info: heard you\r\n" * 5)
        self.send({"t": "ack", "re": re_seq, **body}, damage=first and self.fault == "lost_acks")

    def live(self) -> None:
        """Reads and answers until ``reset``."""
        sys.stdin.readline()
        rx = {} if self.fault == "no_commands" else {"rx": RX, "listen": 1000}
        self.send({**hello(), **rx})
        pending = b""
        while True:
            pending += os.read(self.terminal, 4096)
            while match := _LINE.search(pending):
                pending = pending[match.end() :]
                if self.command(match):
                    return

    def command(self, match: re.Match[bytes]) -> bool:
        seq, text = int(match[1]), match[4]
        assert zlib.crc32(b"%s %s %s" % (match[1], match[2], text)) == int(match[3], 16)
        assert len(text) == int(match[2]) and match.end() - match.start() - 1 <= RX
        self.heard += 1
        if self.fault == "mute" or (self.fault == "deaf" and self.heard % 3 == 1):
            return False
        body = json.loads(text)
        assert all(isinstance(value, (str, int)) for value in body.values()) and len(body) <= 12
        if self.last == (seq, match[3]) and body["t"] != "ping":
            self.ack(seq, self.answer, first=False)
            return False
        self.last = (seq, match[3])
        self.answer = {"cmd": body["t"], **self.carried_out(body)}
        repeated = body["t"] == "ping" and [done["t"] for done in self.done[-2:]] == ["ping", "ping"]
        self.ack(seq, self.answer, first=not repeated)
        return self.after(seq, body)

    def carried_out(self, body: dict[str, Any]) -> dict[str, Any]:
        self.done.append(body)
        kind = body["t"]
        if self.fault == "refuses" and kind != "ping":
            return {"code": -7, "reason": "busy with the card"}
        if kind == "info":
            return {
                "code": 0, "rx": RX, "listen": 1000, "rate": 8000, "window": WINDOW, "hop": WINDOW, "tensor": TENSOR,
                "stages": 1, "up_ms": 1234, "card": 1,
            }  # fmt: skip
        if kind == "run" and body.get("file", "00001.WAV") != "00001.WAV":
            return {"code": -2, "reason": "no such file"}
        return self.part(body) if kind == "window" else {"code": 0}

    def part(self, body: dict[str, Any]) -> dict[str, Any]:
        data, size = bytes.fromhex(body["data"]), 2 * WINDOW if body["kind"] == "pcm" else TENSOR
        if body["off"] == 0:
            self.held = b""
        if body["off"] != len(self.held) or len(self.held) + len(data) > size:
            return {"code": -4, "at": len(self.held), "reason": "another offset"}
        self.held += data
        if self.fault == "lost_parts" and not self.spoiled and len(self.held) > 4 * len(data):
            self.spoiled, self.held = True, self.held[: -len(data)]
        if "crc" not in body:
            return {"code": 0, "at": len(self.held)}
        if len(self.held) != size:
            return {"code": -4, "at": len(self.held), "reason": "not whole"}
        spoil = self.fault == "bad_upload" and not self.spoiled
        self.spoiled = self.spoiled or spoil
        if spoil or f"{zlib.crc32(self.held):08x}" != body["crc"]:
            return {"code": -3, "reason": "another CRC"}
        return {"code": 0, "at": len(self.held)}

    def after(self, seq: int, body: dict[str, Any]) -> bool:
        if self.answer["code"]:
            return False
        if body["t"] == "info":
            self.send({**hello(), "rx": RX, "listen": 1000})
        elif body["t"] == "run":
            for win in range(3):
                self.send({**window(win), "re": seq})
            self.windows += 3
            self.send({"t": "done", "re": seq, "windows": 3, "code": 0})
        elif body["t"] == "window" and "crc" in body:
            out = bytes(self.held[:CLASSES]).hex()
            named = {key: body[key] for key in ("file", "win", "start")}
            self.send({**window(0), **named, "out": out, "re": seq})
            self.windows += 1
            self.send({"t": "done", "re": seq, "windows": 1, "code": 0})
        elif body["t"] == "reset":
            self.send({"t": "bye", "windows": self.windows, "dropped": 0})
            return True
        return False


if __name__ == "__main__":
    assert "birdnet_deploy" not in sys.modules
    board = Board(sys.argv[1])
    board.live()
    for carried_out in board.done:
        print(json.dumps(carried_out), flush=True)
    sys.stdin.read()
