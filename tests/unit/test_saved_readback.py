"""A saved readback: what is read as windows, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from birdnet_deploy.boardtest.saved import read_saved
from birdnet_deploy.errors import BoardError, ProtocolError, UsageError
from birdnet_deploy.readback.ledger import Identity
from tests.support.bn1_streams import CLASSES, hello, run

IDENTITY = Identity("8" * 64, "9" * 64, 3, 0.5, 0, "none")
GOOD = {"file": "a.wav", "win": 1, "start": 400, "start_s": 0.05, "outputs": [1, -128, 127], "scores": [0, 0, 0]}


def saved(path: Path, *lines: Any) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def test_windows_of_a_jsonl_with_and_without_samples(tmp_path: Path) -> None:
    without = {key: value for key, value in GOOD.items() if key != "start"}
    readback = read_saved(saved(tmp_path / "r.jsonl", GOOD, "", without), IDENTITY, 8000)
    assert [(found.file, found.win, found.start, found.outputs.tolist()) for found in readback.windows] == [
        ("a.wav", 1, 400, [1, -128, 127])
    ] * 2
    assert readback.problems == () and readback.stages == ()


def test_a_partial_file_is_told(tmp_path: Path) -> None:
    path = saved(tmp_path / "r.jsonl", GOOD, {**GOOD, "incomplete": True})
    assert read_saved(path, IDENTITY, 8000).problems == ("1 windows are marked incomplete",)


@pytest.mark.parametrize(
    "line",
    [
        "{}", "[]", "nothing", "NaN", '{"file": "a"', {**GOOD, "outputs": [1, 2, 128]},
        {**GOOD, "outputs": [1, 2, 3.0]}, {**GOOD, "outputs": 3},
        {**GOOD, "win": True}, {**GOOD, "win": "1"}, {**GOOD, "file": None}, "[" * 100_000,
        {**GOOD, "outputs": [1, 2]},
    ],
)  # fmt: skip
def test_what_is_no_window_is_refused_by_its_line(tmp_path: Path, line: Any) -> None:
    with pytest.raises(ProtocolError, match="line 2"):
        read_saved(saved(tmp_path / "r.jsonl", GOOD, line), IDENTITY, 8000)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        read_saved(tmp_path / "none.jsonl", IDENTITY, 8000)
    with pytest.raises(UsageError):
        read_saved(tmp_path, IDENTITY, 8000)


def test_a_raw_log_is_read_with_its_gaps_and_held_to_its_model(tmp_path: Path) -> None:
    records = list(run(5))
    whole, gap = b"".join(records), b"".join(records[:2] + records[3:])
    (tmp_path / "raw.log").write_bytes(b"{boot noise}\r\n" + whole)
    told = hello()
    identity = Identity(told["model"], told["lock"], CLASSES, float(np.float32(told["scale"])), told["zp"], told["act"])
    readback = read_saved(tmp_path / "raw.log", identity, 8000)
    assert len(readback.windows) == 5 and readback.problems == () and readback.fw == told["fw"]
    (tmp_path / "raw.log").write_bytes(gap)
    readback = read_saved(tmp_path / "raw.log", identity, 8000)
    assert len(readback.windows) == 4 and any("missing" in problem for problem in readback.problems)
    with pytest.raises(BoardError, match="another model"):
        read_saved(tmp_path / "raw.log", IDENTITY, 8000)
