"""Killed at any moment, resumed, parted into shards and merged: the bytes of one uninterrupted run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from birdnet_deploy.errors import INTERRUPTED_EXIT_CODE
from tests.support.archives import make_archive
from tests.support.command import birdnet_deploy, succeed

ROOT = Path(__file__).resolve().parents[2]
TABLES = ("results.parquet", "files.csv", "summary.json")


def told(text: str) -> None:
    """Says how far the long form is (pytest -s)."""
    print(f"{time.strftime('%T')} {text}", flush=True)


def tables(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in TABLES}


def records(folder: Path) -> int:
    """Gives how many recordings a journal has, as a reader of it sees it now."""
    from birdnet_deploy.evaluation.journal import open_journal

    if not (folder / "journal.bin").exists():
        return 0
    with open_journal(folder / "journal.bin") as journal:
        return sum(1 for _ in journal.records())


def kill_at(folder: Path, count: int, *arguments: object, by: signal.Signals = signal.SIGKILL) -> int:
    """Kills a run once its journal has ``count`` recordings; gives how many it then had."""
    command = [sys.executable, "-m", "birdnet_deploy", "evaluate", *map(str, arguments), "-o", str(folder)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while process.poll() is None and records(folder) < count:
            time.sleep(0.002)
        process.send_signal(by)
        told = process.communicate()[1].decode()
    wanted = INTERRUPTED_EXIT_CODE if by == signal.SIGINT else -by
    assert process.returncode == wanted, f"it was done before it was killed, or failed: {told}"
    assert "Traceback" not in told
    return records(folder)


def workers_below(folder: Path) -> list[str]:
    """Gives the worker processes of runs whose temporary files are in ``folder``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().decode(errors="replace").split("\0")
            if "birdnet_deploy.evaluation.worker" in words and str(folder) in words[-2]:
                found.append(path.parent.name)
    return found


def disagreements(folder: Path) -> int:
    """Gives the windows in which two engines name another best class."""
    logits = pq.read_table(folder / "results.parquet", columns=["logits"]).column(0).to_pylist()
    best = [max(range(len(values)), key=values.__getitem__) for values in logits]
    return sum(first != second for first, second in zip(best[::2], best[1::2], strict=True))


@pytest.mark.parametrize(
    ("recordings", "kills", "engines", "parts"),
    [
        (160, (40,), ("int8",), 2),
        pytest.param(10_000, (900, 4200, 8800), ("float", "int8"), 4, marks=pytest.mark.soak),
    ],
)
def test_killed_resumed_sharded_and_merged_to_the_same_bytes(
    small_model: Path,
    small_bundle: Path,
    tmp_path: Path,
    recordings: int,
    kills: tuple[int, ...],
    engines: tuple[str, ...],
    parts: int,
) -> None:
    archive = make_archive(tmp_path / "archive", recordings, distinct=520)
    asked = [word for engine in engines for word in ("--engine", engine)]
    what = (small_bundle, archive, *asked, "--float", small_model / "small.keras")
    told(succeed("evaluate", *what, "-o", tmp_path / "whole").splitlines()[-2])
    whole = tables(tmp_path / "whole")

    left = []
    for count in kills:
        left.append(kill_at(tmp_path / "killed", count, *what, "--resume", "--workers", 1 + len(left) % 2))
        told(f"killed with {left[-1]} of {recordings} recordings in the journal")
    assert all(count < recordings for count in left)
    assert left == sorted(set(left)), "a run that was resumed did not go on"
    done = birdnet_deploy("evaluate", *what, "--resume", "-o", tmp_path / "killed")
    assert f"evaluating {recordings - left[-1]} recordings, {left[-1]} done before" in done.stderr
    assert tables(tmp_path / "killed") == whole
    told(f"resumed: {done.stdout.splitlines()[-2]}; the same bytes")

    shards = [tmp_path / f"shard {number}" for number in range(1, parts + 1)]
    for number, folder in enumerate(shards, 1):
        told(succeed("evaluate", *what, "--shard", f"{number}/{parts}", "-o", folder).strip())
    succeed("evaluate", "merge", *shards[::-1], "-o", tmp_path / "merged")
    assert tables(tmp_path / "merged") == whole
    told(f"merged from {parts} shards: the same bytes")
    if len(engines) == 2:
        told(f"float and int8 name another best class in {disagreements(tmp_path / 'merged')} windows")
        assert disagreements(tmp_path / "merged") > 0


def test_interrupted_it_ends_its_workers_and_can_be_resumed(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(tmp_path / "archive", 160, seconds=4)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    out = tmp_path / "out"
    done = kill_at(out, 1, small_bundle, archive, by=signal.SIGINT)
    assert 1 <= done < 160
    assert workers_below(tmp_path) == []
    assert list((tmp_path / "tmp").iterdir()) == []
    killed = kill_at(out, done + 1, small_bundle, archive, "--resume")
    (out / ".results.parquet.staging-1").write_text("of a run that was killed while it wrote")
    deadline = time.monotonic() + 5
    while workers_below(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert workers_below(tmp_path) == [], "workers outlive a run that was killed"
    assert f"{160 - killed} recordings, {killed} done" in birdnet_deploy(
        "evaluate", small_bundle, archive, "--resume", "-o", out
    ).stderr  # fmt: skip
    assert sorted(path.name for path in out.iterdir()) == sorted([*TABLES, ".lock", "journal.bin", "prepared"])
    assert list((tmp_path / "tmp").iterdir()) == []
