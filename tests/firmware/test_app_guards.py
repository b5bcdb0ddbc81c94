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
from tests.support.tiny import LABELS, WINDOW, compile_host_app, expected_outputs, make_project
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
