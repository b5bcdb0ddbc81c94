"""What ``monitor`` reads without losing a record: records and megabytes a second, by way and by size of the model.

    python benchmarks/readback/throughput.py [--seconds 3]

The sender is a process of its own that writes as fast as it is read (tests/support/bn1_streams.py, zlib alone). A run
counts only if every record arrived: exit 0, nothing missing, corrupt or double. ``parser`` is framing and ledger alone,
in this process; the other rows are the whole command with ``--save``, from its first byte to its last.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from birdnet_deploy.readback.framing import FrameParser  # noqa: E402
from birdnet_deploy.readback.identity import Identity  # noqa: E402
from birdnet_deploy.readback.ledger import Ledger  # noqa: E402
from tests.support.bn1_streams import LOCK, MODEL, SCALE, ZERO_POINT, bye, hello, sent, window  # noqa: E402

CLASSES = (10, 100, 1000, 6000)
UART_BYTES_S = 92_160  # 921,600 bits a second, 8N1
CHUNK = 4096
Row = tuple[float, int]


def stream(classes: int, windows: int) -> bytes:
    """A whole run, a log line after each window as the firmware has them."""
    parts = [sent(0, hello(classes=classes))]
    for win in range(windows):
        parts.append(sent(win + 1, window(win, out="7f" * classes, us={"fe": 1200, "nn": 34000})))
        parts.append(b"info: 00001.WAV at 500 ms: output 127 for Turdus merula\r\n")
    return b"".join([*parts, sent(windows + 1, bye(windows))])


def parser(data: bytes, classes: int) -> float:
    """Seconds of framing and ledger, in chunks as a port gives them."""
    ledger = Ledger(Identity(MODEL, LOCK, classes, float(np.float32(SCALE)), ZERO_POINT, "sigmoid"), keep=False)
    frames, started = FrameParser(), time.perf_counter()
    for start in range(0, len(data), CHUNK):
        for event in frames.feed(data[start : start + CHUNK]):
            ledger.take(event)
    seconds = time.perf_counter() - started
    assert ledger.boot.bye is not None and ledger.counts.missing == 0 and not ledger.problems()
    return seconds


def monitored(arguments: list[str], data: bytes, send: Callable[[], None]) -> float:
    """Seconds from the first byte sent to the end of the command; asserts that nothing was lost."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "birdnet_deploy", "monitor", *arguments, "--until", "bye", "--for", "600s"]
        command += [
            "--save",
            f"{folder}/f.jsonl",
            "--output-format",
            "json",
            "--log-filter",
            "nothing",
            "--threshold",
            "2",
        ]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        assert "reading" in process.stderr.readline()
        started = time.perf_counter()
        thread = threading.Thread(target=send)
        thread.start()
        out, err = process.communicate()
        seconds = time.perf_counter() - started
        thread.join()
        told = json.loads(out)
        assert process.returncode == 0 and told["complete"], err
        assert told["windows"] == Path(folder, "f.jsonl").read_bytes().count(b"\n") == told["bye"]["windows"]
    return seconds


def over_pty(data: bytes) -> float:
    master, terminal = os.openpty()
    tty.setraw(terminal)

    def send() -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(master, view[:CHUNK]) :]

    try:
        return monitored(["--port", os.ttyname(terminal)], data, send)
    finally:
        os.close(master)
        os.close(terminal)


def over_tcp(data: bytes) -> float:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def send() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(data)

        return monitored(["--port", f"socket://127.0.0.1:{server.getsockname()[1]}"], data, send)


def over_file(data: bytes) -> float:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return monitored(["--replay", file.name], data, lambda: None)


def main() -> None:
    """Prints the table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=3.0, help="about how long a row takes")
    seconds = arguments.parse_args().seconds
    print("| classes | bytes a record | way | records/s | MB/s | times a UART of 921,600 baud |")
    print("|---|---|---|---|---|---|")
    for classes in CLASSES:
        trial = stream(classes, 200)
        rate = 200 / over_file(trial)
        windows = int(max(1000.0, rate * seconds))
        data = stream(classes, windows)
        ways = {"parser": lambda d=data, c=classes: parser(d, c), "file": lambda d=data: over_file(d)}
        ways |= {"pty": lambda d=data: over_pty(d), "tcp": lambda d=data: over_tcp(d)}
        for way, measure in ways.items():
            took = measure()
            print(
                f"| {classes} | {len(data) / (windows + 2):.0f} | {way} | {(windows + 2) / took:,.0f} "
                f"| {len(data) / took / 1e6:.1f} | {len(data) / took / UART_BYTES_S:,.0f} |", flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
