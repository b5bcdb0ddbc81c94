"""What the application does before and beside predicting: the golden window, what records name, code of users."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.support.resources import firmware_dir
from tests.firmware.test_app import sound
from tests.support.bn1 import read_records, signed
from tests.support.tiny import HOP, LABELS, WINDOW, compile_host_app, expected_outputs, make_project
from tests.support.wav import wav


def run(app: Path, card: Path, recordings: Sequence[np.ndarray]) -> bytes:
    """Gives what the firmware prints for a card of these recordings."""
    card.mkdir()
    for number, samples in enumerate(recordings, 1):
        (card / f"{number:05}.WAV").write_bytes(wav(samples))
    done = subprocess.run([app], env={**os.environ, "BN_CARD": str(card)}, capture_output=True, timeout=60, check=True)
    return done.stdout


def golden_app(folder: Path, change: Callable[[str], str]) -> Path:
    """Gives the application with another golden window."""
    project = make_project(folder / "fw")
    source = project.path / "generated/golden_window.c"
    source.write_text(change(source.read_text()))
    return compile_host_app(project, firmware_dir() / "port/host", folder / "app", "-O0")


def one_step_up(text: str) -> str:
    first = re.search(r"golden_output\[APP_CLASSES\] = \{\s*(-?\d+)", text)
    assert first is not None
    return f"{text[: first.start(1)]}{int(first[1]) + 1}{text[first.end(1) :]}"


def refused_input(text: str) -> str:
    return re.sub(r"(golden_input\[APP_INPUT_SIZE\] = \{\s*)-?\d+", r"\g<1>-128", text)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (one_step_up, "the golden window is off by 1 steps, allowed are 0: no predictions"),
        (refused_input, "the golden window stopped the network: no predictions"),
    ],
)
def test_a_network_that_misses_the_golden_window_predicts_nothing(
    tmp_path: Path, change: Callable[[str], str], reason: str
) -> None:
    app = golden_app(tmp_path, change)
    records = read_records(run(app, tmp_path / "card", [sound(WINDOW)]))
    assert [record["t"] for record in records] == ["hello", "err", "bye"]
    assert records[1] == {"t": "err", "file": "golden", "code": -5, "reason": reason}
    assert records[2]["windows"] == 0


def test_records_name_only_what_was_chosen(tmp_path: Path) -> None:
    (tmp_path / "species.txt").write_text(f"{LABELS[2]}\n{LABELS[5]}\n", encoding="utf-8")
    project = make_project(tmp_path / "fw", species=tmp_path / "species.txt", threshold=0.5)
    app = compile_host_app(project, firmware_dir() / "port/host", tmp_path / "app", "-O0")
    pcm = [sound(WINDOW, seed) for seed in range(24)]
    printed = run(app, tmp_path / "card", pcm)
    hello, *windows, _ = read_records(printed)
    assert (hello["chosen"], hello["threshold"]) == (2, 0.5)
    assert [window["t"] for window in windows] == ["inf"] * len(pcm)
    named = set()
    for window, samples in zip(windows, pcm, strict=True):
        outputs = expected_outputs(samples)
        assert signed(window["out"]) == outputs  # all of them, whatever is chosen
        assert window["top"] == sorted((i for i in (2, 5) if outputs[i] >= hello["zp"]), key=lambda i: (-outputs[i], i))
        named.add(len(window["top"]))
    assert named == {0, 1, 2}
    assert b"none of the chosen" in printed


def test_what_a_user_adds_is_called_after_each_window(tmp_path: Path) -> None:
    project = make_project(tmp_path / "fw")
    (project.path / "user").mkdir()
    (project.path / "user/mine.c").write_text(
        '#include "user_hook.h"\n#include "labels.h"\n#include "log.h"\n'
        "void user_window(const struct report_inference *inference, const uint16_t *top, uint16_t named)\n"
        '{\n    log_line("user", named > 0 ? labels[top[0]] : inference->file);\n}\n'
    )
    flags = ("-DAPP_USER_HOOK", "user/mine.c")
    app = compile_host_app(project, firmware_dir() / "port/host", tmp_path / "app", *flags)
    printed = run(app, tmp_path / "card", [sound(2 * WINDOW)])
    windows = [record for record in read_records(printed) if record["t"] == "inf"]
    lines = [line for line in printed.decode(errors="replace").splitlines() if line.startswith("[user] ")]
    assert lines == [f"[user] {LABELS[window['top'][0]]}" for window in windows]
    assert len(lines) == 3


def microphone_app(folder: Path, *extra: str) -> Path:
    """Gives the application that listens to the host's microphone."""
    project = make_project(folder / "fw", audio_source="microphone")
    return compile_host_app(project, firmware_dir() / "port/host", folder / "app", *extra)


def hear(app: Path, folder: Path, pcm: np.ndarray) -> list[dict]:
    (folder / "heard.wav").write_bytes(wav(pcm))
    env = {**os.environ, "BN_CARD": str(folder), "BN_MICROPHONE": str(folder / "heard.wav")}
    done = subprocess.run([app], env=env, capture_output=True, timeout=60, check=True)
    return read_records(done.stdout)


def test_the_microphone_gives_windows_without_a_gap(tmp_path: Path) -> None:
    app = microphone_app(tmp_path)
    pcm = sound(WINDOW + 5 * HOP + 7)
    hello, *windows, end, bye = hear(app, tmp_path, pcm)
    assert hello["t"] == "hello"
    assert [window["start"] for window in windows] == [n * HOP for n in range(6)]
    for number, window in enumerate(windows):
        assert (window["t"], window["file"], window["win"]) == ("inf", "MICROPHONE", number)
        assert signed(window["out"]) == expected_outputs(pcm[number * HOP : number * HOP + WINDOW])
    assert end == {"t": "err", "file": "MICROPHONE", "code": -1, "reason": "the microphone gives no more"}
    assert bye == {"t": "bye", "windows": 6, "dropped": 0}
    (tmp_path / "heard.wav").unlink()
    done = subprocess.run([app], env={**os.environ, "BN_CARD": str(tmp_path)}, capture_output=True, check=True)
    assert read_records(done.stdout)[1]["reason"] == "the microphone does not start"


def test_lost_samples_are_counted_and_no_window_has_a_gap(tmp_path: Path) -> None:
    """The third window that is filled lost 10 samples: it is dropped, and the next begins behind it."""
    (tmp_path / "lost.c").write_text(
        '#include "port.h"\nuint32_t __wrap_port_microphone_lost(void);\n'
        "uint32_t __wrap_port_microphone_lost(void)\n"
        "{\n    static int calls;\n    return ++calls >= 3 ? 10 : 0;\n}\n"
    )
    app = microphone_app(tmp_path, "-Wl,--wrap=port_microphone_lost", str(tmp_path / "lost.c"))
    pcm = sound(3 * WINDOW + 2 * HOP)
    _, *records, _, bye = hear(app, tmp_path, pcm)
    assert [record["t"] for record in records] == ["inf", "inf", "err", "inf", "inf", "inf"]
    assert records[2] == {"t": "err", "file": "MICROPHONE", "code": -8, "reason": "10 samples were lost"}
    heard = [record for record in records if record["t"] == "inf"]
    begins = [0, HOP, 2 * HOP + WINDOW, 3 * HOP + WINDOW, 4 * HOP + WINDOW]  # in the file, which lost nothing
    assert [record["start"] for record in heard] == [begin + (10 if begin > HOP else 0) for begin in begins]
    for record, begin in zip(heard, begins, strict=True):
        assert signed(record["out"]) == expected_outputs(pcm[begin : begin + WINDOW])
    assert bye["windows"] == 5


def test_a_microphone_that_stands_still_ends_the_run_instead_of_waiting_for_ever(tmp_path: Path) -> None:
    (tmp_path / "still.c").write_text(
        '#include "port.h"\nint __wrap_port_microphone_read(int16_t *pcm, size_t samples);\n'
        "int __wrap_port_microphone_read(int16_t *pcm, size_t samples)\n"
        "{\n    (void)pcm;\n    (void)samples;\n    return 0;\n}\n"
    )
    app = microphone_app(tmp_path, "-Wl,--wrap=port_microphone_read", str(tmp_path / "still.c"))
    (tmp_path / "heard.wav").write_bytes(wav(sound(WINDOW)))
    env = {**os.environ, "BN_CARD": str(tmp_path), "BN_MICROPHONE": str(tmp_path / "heard.wav")}
    done = subprocess.run([app], env=env, capture_output=True, timeout=30, check=False)
    assert done.returncode not in (0, 71)  # no good end; a board's watchdog restarts it
    _, told, bye = read_records(done.stdout)
    assert told == {"t": "err", "file": "MICROPHONE", "code": -8, "reason": "the microphone stands still"}
    assert bye["windows"] == 0


def test_a_gap_of_the_n6_microphone_lies_before_the_next_sample(tmp_path: Path) -> None:
    """Samples count up; halves of 4 go into a ring of 16 and are taken now and then."""
    (tmp_path / "main.c").write_text(SOUND_MAIN)
    stub = firmware_dir()
    command = ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-o", tmp_path / "a"]
    sources = [tmp_path / "main.c", stub / "port/stm32n6/sound.c", stub / "core/ring.c"]
    subprocess.run([*command, "-I", stub / "core", "-I", stub / "port/stm32n6", *sources], check=True)
    subprocess.run([tmp_path / "a"], check=True, timeout=20)


SOUND_MAIN = r"""
#include "sound.h"
#include <assert.h>
static uint8_t bytes[32];
static struct sound sound = {.ring = {.data = bytes, .size = sizeof bytes}};
static int16_t next;
static void half(void)
{
    const int16_t pcm[4] = {next, (int16_t)(next + 1), (int16_t)(next + 2), (int16_t)(next + 3)};
    sound_put(&sound, pcm, 4);
    next = (int16_t)(next + 4);
}
int main(void)
{
    int16_t got[16];
    uint32_t expected = 0; /* the number of the next sample, losses counted */
    uint32_t lost = 0;
    unsigned seed = 1;
    sound_begin(&sound);
    for (int step = 0; step < 5000; step++) {
        seed = seed * 1103515245u + 12345u;
        if ((seed >> 16) % 50 == 0) {
            sound_spoil(&sound);
        }
        for (unsigned n = (seed >> 20) % 4; n > 0; n--) {
            half();
        }
        const size_t count = sound_take(&sound, got, (seed >> 24) % 13);
        expected += sound_lost(&sound) - lost; /* what was lost lies before what was taken */
        lost = sound_lost(&sound);
        for (size_t i = 0; i < count; i++) {
            assert(got[i] == (int16_t)expected++);
        }
    }
    assert(lost > 100 && expected > lost + 1000 && expected <= 60000u);
    return 0;
}
"""
