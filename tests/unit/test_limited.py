"""Work on untrusted files ends: by its result, its error, its signal, its time or its memory; the caller lives on.

Each case runs in a fresh interpreter: the test's own has threads, beside which no fork is safe.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from birdnet_deploy.support.limited import can_fork, run_limited

ROOT = Path(__file__).resolve().parents[2]
HEAD = """
import os, signal, time
from birdnet_deploy.errors import DeployError, LabelsError
from birdnet_deploy.support.limited import can_fork, run_limited

def run(work, timeout_s=5.0, memory_bytes=1 << 28):
    try:
        return run_limited(work, name="reading", where="m.tflite", timeout_s=timeout_s, memory_bytes=memory_bytes)
    except DeployError as error:
        return f"{type(error).__name__}: {error.line}"
    except RuntimeError as error:
        return f"RuntimeError: {error}"

def raised():
    raise LabelsError("2 labels", where="labels.txt", fix="write 3")

def busy():
    while True:
        pass

def deaf():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)

def die(number):
    os.kill(os.getpid(), number)

assert can_fork()
"""


def fresh(expression: str) -> str:
    """Gives what an expression prints in an interpreter of its own."""
    code = f"{HEAD}\n{textwrap.dedent(expression)}" if "\n" in expression else f"{HEAD}\nprint({expression})"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_result_comes_back_from_another_process() -> None:
    assert fresh("run(os.getpid) != os.getpid()") == "True"
    assert fresh("run(lambda: [1.5, None, 'Großer Brachvogel'])") == "[1.5, None, 'Großer Brachvogel']"
    assert fresh("len(run(lambda: 'x' * 3_000_000))") == "3000000"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("run(raised)", "LabelsError: labels.txt: 2 labels -> write 3"),
        ("run(lambda: 1 // 0)", "RuntimeError: ZeroDivisionError: integer division or modulo by zero"),
        ("run(lambda: die(signal.SIGSEGV))", "ModelError: m.tflite: reading crashed (SIGSEGV) -> check the file"),
        ("run(lambda: die(signal.SIGKILL))", "ModelError: m.tflite: reading crashed (SIGKILL) -> check the file"),
        ("run(lambda: os._exit(3))", "ModelError: m.tflite: reading crashed (no answer) -> check the file"),
        ("run(busy, 0.3)", "ModelError: m.tflite: reading was still busy after 0 s -> check the file"),
        ("run(deaf, 0.3)", "ModelError: m.tflite: reading was still busy after 0 s -> check the file"),
        ("run(lambda: len(bytes(1 << 29)))", "ModelError: m.tflite: takes more memory than any model"),
    ],
)
def test_what_ends_badly_is_one_error(expression: str, expected: str) -> None:
    assert fresh(expression) == expected


def test_nothing_is_left_behind() -> None:
    told = fresh("""
        before = sorted(os.listdir("/proc/self/fd"))
        for work in (lambda: 1, lambda: die(signal.SIGSEGV), busy):
            run(work, 0.2)
        print(sorted(os.listdir("/proc/self/fd")) == before)
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            print("no child")
    """)
    assert told.split("\n") == ["True", "no child"]


def test_beside_other_threads_it_works_in_place() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        assert not can_fork()
        answer = run_limited(lambda: (os.getpid(),), name="x", where="y", timeout_s=1, memory_bytes=1 << 28)
        assert answer == [os.getpid()]
    finally:
        stop.set()
        thread.join()
