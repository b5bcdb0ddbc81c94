"""Children that answer: what kills, hangs or fools one costs one answer, and the next is right."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from birdnet_deploy.audio.decoding import Decoders
from birdnet_deploy.audio.reading import read_pcm16
from birdnet_deploy.errors import AudioError, CheckFailed, ModelError, SampleError, told_error
from birdnet_deploy.support.helper import Helper
from birdnet_deploy.tflite.interpreter import Int8Interpreter
from birdnet_deploy.tflite.limited import LimitedInterpreter

RATE = 8000
CHILD = "tests.support.answering"  # crashes, hangs, floods and lies on request


@pytest.fixture
def helper() -> Iterator[Helper]:
    with Helper(CHILD, name="the child", failure=ModelError, fix="look at it") as found:
        yield found


def ask(helper: Helper, what: str, data: bytes = b"", timeout_s: float = 20, most: int = 1 << 20) -> bytes:
    return bytes(helper.ask({"do": what}, data, where="file", timeout_s=timeout_s, most_bytes=most)[1])


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("SIGSEGV", r"the child crashed \(SIGSEGV\) -> look at it"), ("exit", r"crashed \(exit 7\)"),
        ("raise", r"crashed \(exit 1\)"), ("hang", "still busy after 1 s"), ("flood", "more than 1048576 bytes"),
        ("memory", "takes more memory"), ("error", "told by the child"), ("lie", "nonsense"), ("half", "still busy"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_one_error_and_the_next_answer_is_right(helper: Helper, what: str, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        ask(helper, what, timeout_s=1 if what in ("hang", "half") else 20)
    assert ask(helper, "echo", b"abc") == b"abc"


def test_an_answer_has_the_bytes_of_its_question_and_what_is_printed_is_none(helper: Helper) -> None:
    data = os.urandom(3 << 20)
    assert ask(helper, "echo", data, most=len(data)) == data
    assert ask(helper, "print", b"x") == b"x"


def test_an_error_that_is_none_of_ours_is_not_made(helper: Helper) -> None:
    with pytest.raises(Exception, match="tells of 'SystemExit'"):
        ask(helper, "foreign")


@pytest.mark.parametrize(
    "error",
    [SampleError("holds nan", seconds=1.5, where="a.wav", fix="mend"), CheckFailed("y"), ModelError("x")],
)
def test_an_error_is_the_same_in_another_process(error: ModelError) -> None:
    again = told_error(json.loads(json.dumps(error.to_json())))
    assert (type(again), vars(again), again.line) == (type(error), vars(error), error.line)
    assert told_error(error.to_json(), where="elsewhere").where == (error.where or "elsewhere")


def test_a_child_ends_with_its_parent_also_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        helper = Helper(CHILD, name="the child", failure=ModelError, fix="")
        os.write(writer, ask(helper, "pid"))
        ask(helper, "flood slowly", timeout_s=60)
    child = int(os.read(reader, 20))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline, "the child lives on"
        time.sleep(0.05)


def sound(path: Path, seconds: float = 2, **options: object) -> Path:
    steps = np.random.default_rng(1).uniform(-0.5, 0.5, int(seconds * 11025)).astype(np.float32)
    soundfile.write(path, steps, 11025, **options)
    return path


def test_recordings_decoded_in_a_child_are_those_decoded_here(tmp_path: Path) -> None:
    with Decoders() as decoders:
        for name in ("a.wav", "a.flac", "a.ogg", "a.mp3"):
            path = sound(tmp_path / name)
            assert np.array_equal(decoders.read(path, RATE), read_pcm16(path, RATE))


def test_a_bad_recording_is_told_by_the_child_and_the_next_is_read(tmp_path: Path) -> None:
    good = sound(tmp_path / "good.wav")
    (tmp_path / "bad.wav").write_bytes(good.read_bytes()[:30])
    soundfile.write(tmp_path / "nan.wav", np.array([0, np.nan], np.float32), RATE, subtype="FLOAT")
    with Decoders() as decoders:
        with pytest.raises(AudioError, match=r"bad.wav: cannot be decoded"):
            decoders.read(tmp_path / "bad.wav", RATE)
        with pytest.raises(SampleError, match=r"nan.wav: holds nan at 0.000 s") as caught:
            decoders.read(tmp_path / "nan.wav", RATE)
        assert caught.value.seconds == 1 / RATE
        assert len(decoders.read(good, RATE)) == 2 * RATE


def test_a_decoder_that_is_killed_costs_one_recording(tmp_path: Path) -> None:
    path = sound(tmp_path / "long.flac", seconds=400)
    with Decoders() as decoders:
        timer = threading.Timer(0.3, decoders.stop)
        timer.start()
        with pytest.raises(AudioError, match=r"long.flac: the decoder crashed \(SIGKILL\)"):
            while True:
                decoders.read(path, RATE)
        timer.join()
        assert len(decoders.read(sound(tmp_path / "a.wav"), RATE)) == 2 * RATE


def test_the_limited_interpreter_gives_what_the_other_gives(small_bundle: Path) -> None:
    path = small_bundle / "model.tflite"
    here = Int8Interpreter(path.read_bytes())
    windows = np.random.default_rng(2).integers(-128, 128, (3, *here.input_shape), np.int8)
    with LimitedInterpreter(path) as limited:
        assert (limited.input_shape, limited.classes) == (here.input_shape, here.classes)
        assert limited.output_quantization == here.output_quantization
        assert np.array_equal(limited.run(windows), here.run(windows))
