"""F23 where a run is too long to be killed at each write: conversions, files that grow, and a disk that fills up.

The number of kill points is stated: a write that is no longer looked at shows as a smaller number.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import sys
from itertools import groupby
from pathlib import Path

import pytest

from birdnet_deploy import pipeline
from birdnet_deploy.cli.monitor_view import PlainView
from birdnet_deploy.errors import OutputRefused
from birdnet_deploy.monitoring import MonitorRequest, monitor
from birdnet_deploy.report.outputs import Wanted
from tests.support.kill_points import count_writes, full_before, killed_before, states_before_writes, with_room_for
from tests.support.refusals import hashes

CLEAN = Path(__file__).parent / "streams/clean.bin"


def test_f23_convert_has_the_old_or_the_new_bundle_before_every_write(
    small_model: Path, small_bundle: Path, tmp_path: Path
) -> None:
    """At each write of the conversion and of its publishing the bundle is the old one or the new one, whole.

    It is looked at there, not killed: dozens of conversions take minutes. Publishing is killed in test_kill_points.
    """
    out = Path(shutil.copytree(small_bundle, tmp_path / "kept/out"))
    request = pipeline.ConvertRequest(
        model=small_model / "small.keras", calibration=str(small_model / "recordings"), output=out,
        fidelity="basic", ranges="minmax",
    )  # fmt: skip

    def state() -> bytes:
        return hashlib.sha256(repr(sorted(hashes(out).items())).encode()).hexdigest().encode()

    before = state()
    states = states_before_writes(lambda: pipeline.convert(request) and None, state)
    assert len(states) >= 60, len(states)
    seen = [found for found, _ in groupby(states)]
    assert seen[0] == before and seen[-1] == state() != before
    assert len(seen) == 2, "the bundle was neither the old nor the new one"
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def watch(folder: Path) -> None:
    """Saves a recorded readback in every form."""
    sys.stdout = sys.stderr = io.StringIO()
    wanted = Wanted(save=folder / "w.jsonl", csv=str(folder / "w.csv"))
    request = MonitorRequest(replay=(str(CLEAN),), wanted=wanted, raw=str(folder / "w.bin"))
    monitor(request, PlainView(taken=True, log_filter=None, stamped=False, saving=True))


@pytest.fixture
def saved(tmp_path: Path) -> dict[str, bytes]:
    """What a monitor that nothing happens to saves."""
    (tmp_path / "whole").mkdir()
    assert with_room_for(lambda: watch(tmp_path / "whole"), 1 << 30) == 0
    return {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}


def check_prefix(folder: Path, saved: dict[str, bytes]) -> None:
    """Every file holds whole lines only, the first of those of an undisturbed run; nothing else is there."""
    for path in folder.iterdir():
        data, whole = path.read_bytes(), saved[path.name]
        assert data == b"" or data.endswith(b"\n") or path.suffix == ".bin", path
        for line, other in zip(data.splitlines(), whole.splitlines(), strict=False):
            assert line.replace(b', "incomplete": true', b"") == other or path.suffix == ".bin", path


def test_f23_files_that_grow_while_the_disk_fills_up(saved: dict[str, bytes], tmp_path: Path) -> None:
    sizes = range(0, max(map(len, saved.values())), 17)
    assert len(sizes) >= 40
    for room in sizes:
        folder = tmp_path / f"room-{room}"
        folder.mkdir()

        def body(folder: Path = folder) -> None:
            with pytest.raises(OutputRefused, match="cannot be written"):
                watch(folder)

        assert with_room_for(body, room) == 0, f"no refusal with room for {room} bytes"
        check_prefix(folder, saved)


def test_f23_files_that_grow_killed_before_every_write(saved: dict[str, bytes], tmp_path: Path) -> None:
    folder = tmp_path / "killed"

    def again() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()

    again()
    kill_points = count_writes(lambda: watch(folder))
    assert kill_points >= 6, kill_points
    for number in range(kill_points):
        again()
        assert killed_before(lambda: watch(folder), number)
        check_prefix(folder, saved)
        again()
        full_before(lambda: watch(folder), number)
        check_prefix(folder, saved)
