"""A child that answers as it is told to: rightly, never, too much, or by dying."""

from __future__ import annotations

import os
import signal
import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from birdnet_deploy.errors import ModelError
from birdnet_deploy.support.helper import serve


def _flood(pause_s: float = 0) -> Iterator[bytes]:
    while True:
        yield bytes(100_000)
        time.sleep(pause_s)


def _answer(question: Mapping[str, Any], data: bytes) -> tuple[Mapping[str, Any], Iterable[bytes]]:
    what = question["do"]
    if what == "SIGSEGV":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif what == "exit":
        os._exit(7)
    elif what == "raise":
        raise RuntimeError("a mistake")
    elif what == "hang":
        time.sleep(60)
    elif what == "memory":
        bytearray(8 << 30)
    elif what == "error":
        raise ModelError("told by the child")
    elif what == "lie":
        os.write(4, b"not a frame at all")
        os._exit(0)
    elif what == "half":
        os.write(4, struct.pack("<cI", b"B", 100) + b"half")
        time.sleep(60)
    elif what == "print":
        print("what a library prints", flush=True)
    elif what == "pid":
        data = str(os.getpid()).encode()
    elif what == "foreign":
        return {"kind": "SystemExit", "what": "x"}, ()
    blocks = {"flood": _flood(), "flood slowly": _flood(0.05)}
    return {}, blocks.get(what, (data,))


if __name__ == "__main__":
    serve(_answer, memory_bytes=2 << 30)
