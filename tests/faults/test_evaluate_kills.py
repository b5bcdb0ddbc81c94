"""Killed at any moment, resumed, parted into shards and merged: the bytes of one uninterrupted run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

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


def kill_at(folder: Path, count: int, *arguments: object) -> int:
    """Kills a run with SIGKILL once its journal has ``count`` recordings; gives how many it then had."""
    command = [sys.executable, "-m", "birdnet_deploy", "evaluate", *map(str, arguments), "-o", str(folder)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while process.poll() is None and records(folder) < count:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL, "it was done before it was killed: make the archive longer"
    return records(folder)


def disagreements(folder: Path) -> int:
    """Gives the windows in which two engines name another best class."""
    logits = pq.read_table(folder / "results.parquet", columns=["logits"]).column(0).to_pylist()
    best = [max(range(len(values)), key=values.__getitem__) for values in logits]
    return sum(first != second for first, second in zip(best[::2], best[1::2], strict=True))


@pytest.mark.parametrize(
    ("recordings", "kills", "engines"),
    [
        (160, (40,), ("int8",)),
        pytest.param(10_000, (900, 4200, 8800), ("float", "int8"), marks=pytest.mark.soak),
    ],
)
def test_killed_resumed_sharded_and_merged_to_the_same_bytes(
    small_model: Path,
    small_bundle: Path,
    tmp_path: Path,
    recordings: int,
    kills: tuple[int, ...],
    engines: tuple[str, ...],
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

    shards = [tmp_path / f"shard {number}" for number in (1, 2, 3, 4)]
    for number, folder in enumerate(shards, 1):
        told(succeed("evaluate", *what, "--shard", f"{number}/4", "-o", folder).strip())
    succeed("evaluate", "merge", *shards[::-1], "-o", tmp_path / "merged")
    assert tables(tmp_path / "merged") == whole
    told("merged from four shards: the same bytes")
    if len(engines) == 2:
        told(f"float and int8 name another best class in {disagreements(tmp_path / 'merged')} windows")
        assert disagreements(tmp_path / "merged") > 0
