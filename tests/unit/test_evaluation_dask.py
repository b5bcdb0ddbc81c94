"""An evaluation on a Dask cluster: the bytes of one machine, also when a worker is killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client, LocalCluster

from birdnet_deploy.errors import ToolchainError, UsageError
from birdnet_deploy.evaluation import dask_scheduler
from birdnet_deploy.evaluation.dask_scheduler import DaskPool, connect, task_lists
from birdnet_deploy.evaluation.evaluate import EvaluateRequest, evaluate
from birdnet_deploy.evaluation.jobs import Job
from birdnet_deploy.evaluation.prepare import Wanted, prepared
from birdnet_deploy.support.progress import Silent
from tests.support.refusals import refused
from tests.support.wav import wav

FILES = 90
TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of one to three windows in folders of classes, one that is empty and one that is no sound."""
    root = tmp_path_factory.mktemp("archive")
    random = np.random.default_rng(3)
    for number in range(FILES - 2):
        path = root / f"Species {'abc'[number % 3]}" / f"r{number:03d}.wav"
        path.parent.mkdir(exist_ok=True)
        sound = random.normal(0, 3000, 8000 * (1 + number % 3)).clip(-32768, 32767)
        path.write_bytes(wav(sound.astype(np.int16)))
    (root / "empty.wav").write_bytes(b"")
    (root / "Species b" / "broken.wav").write_bytes(b"RIFF no sound")
    return root


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    folder = str(tmp_path_factory.mktemp("dask"))
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=folder, silence_logs=50
    ) as made:
        yield made


class KillsOne:
    """A cluster's pool, one worker of which is killed with a task in its hands when the first record has come."""

    def __init__(self, pool: DaskPool, address: str) -> None:
        self._pool, self._address = pool, address
        self.killed: int | None = None
        self.children: list[str] = []
        self.held = 0

    @property
    def kernels(self) -> Mapping[str, str]:
        return self._pool.kernels

    def __enter__(self) -> KillsOne:
        return self

    def __exit__(self, *error: Any) -> None:
        self._pool.__exit__(*error)

    def run(self, names: Iterable[str]) -> Iterator[bytes]:
        for record in self._pool.run(names):
            if self.killed is None:
                self._kill()
            yield record

    def _kill(self) -> None:
        with Client(self._address, set_as_default=False) as client:
            pids = client.run(os.getpid)
            busy = client.processing()
            worker = max(pids, key=lambda one: len(busy[one]))
            self.killed, self.held = pids[worker], len(busy[worker])
            self.children = client.run(_children)[worker]
            os.kill(self.killed, signal.SIGKILL)


def tables(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("results.parquet", "files.csv", "summary.json")}


def test_a_killed_worker_changes_no_byte(
    tmp_path: Path, small_bundle: Path, archive: Path, cluster: LocalCluster
) -> None:
    alone = EvaluateRequest(Wanted(small_bundle), archive, tmp_path / "alone", workers=1)
    assert evaluate(alone).statuses == {"empty": 1, "ok": FILES - 2, "unreadable": 1}
    runners: list[KillsOne] = []

    def start(job: Job, root: Path) -> KillsOne:
        runners.append(KillsOne(DaskPool(job, root, scheduler=address, timeout_s=TIMEOUT_S), address))
        return runners[-1]

    address = cluster.scheduler_address
    told = evaluate(EvaluateRequest(Wanted(small_bundle), archive, tmp_path / "cluster", start=start))
    (runner,) = runners
    assert runner.held > 0, "the worker had nothing to lose"
    assert runner.children, "it had no process that evaluates"
    gone = [Path(f"/proc/{pid}/cwd") for pid in (runner.killed, *runner.children)]
    deadline = time.monotonic() + 20
    while any(path.exists() for path in gone) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(path.exists() for path in gone), "a process outlives the worker that had it"
    assert told.evaluated == FILES
    assert tables(tmp_path / "cluster") == tables(tmp_path / "alone")


def test_each_recording_comes_once_and_workers_keep_their_engines(
    tmp_path: Path, small_bundle: Path, archive: Path, cluster: LocalCluster
) -> None:
    names = sorted(path.relative_to(archive).as_posix() for path in archive.rglob("*.wav"))
    with (
        prepared(Wanted(small_bundle), tmp_path, Silent()) as ready,
        DaskPool(ready.job, archive, scheduler=cluster.scheduler_address, timeout_s=TIMEOUT_S) as pool,
        Client(cluster.scheduler_address, set_as_default=False) as client,
    ):
        assert set(pool.kernels) == {"int8"}
        first = sorted(pool.run(names, most_files=7))
        children = client.run(_children)
        assert any(children.values()), "no worker evaluates in a process of its own"  # one may have taken all tasks
        assert sorted(pool.run(names)) == first
        again = client.run(_children)
        kept = {worker: pids for worker, pids in children.items() if pids}
        assert {worker: again[worker] for worker in kept} == kept, "a process was started anew"
    assert len(first) == len(set(first)) == FILES


def _children() -> list[str]:
    """Gives the processes that any thread of this one has started."""
    return sorted(pid for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split())


def test_recordings_must_be_where_the_workers_look(tmp_path: Path, small_bundle: Path, cluster: LocalCluster) -> None:
    with prepared(Wanted(small_bundle), tmp_path, Silent()) as ready, pytest.raises(UsageError) as told:
        DaskPool(ready.job, tmp_path / "nowhere", scheduler=cluster.scheduler_address, timeout_s=TIMEOUT_S)
    assert "no such folder on a worker" in told.value.line and "same path everywhere" in told.value.line


def test_workers_must_have_the_same_versions(
    tmp_path: Path, small_bundle: Path, archive: Path, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("birdnet_deploy.evaluation.dask_worker.versions_here", lambda job: {"numpy": "1.0"})
    with prepared(Wanted(small_bundle), tmp_path, Silent()) as ready, pytest.raises(ToolchainError) as told:
        DaskPool(ready.job, archive, scheduler=cluster.scheduler_address, timeout_s=TIMEOUT_S)
    assert "a worker has other versions" in told.value.line and "not 1.0" in told.value.line


def test_a_scheduler_that_goes_away_ends_the_run(
    tmp_path: Path, small_bundle: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_scheduler, "_CONNECT_S", 5.0)
    address, name = tmp_path / "address.json", "distributed.cli.dask_"
    common = ["--scheduler-file", str(address), "--no-dashboard"]
    scheduler = [f"{name}scheduler", *common, "--host", "127.0.0.1", "--port", "0"]
    worker = [f"{name}worker", *common, "--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path)]
    started = [
        subprocess.Popen([sys.executable, "-m", *command], stderr=subprocess.DEVNULL) for command in (scheduler, worker)
    ]
    try:
        while not address.exists() or not address.read_text():
            time.sleep(0.05)
        where = json.loads(address.read_text())["address"]
        names = sorted(path.relative_to(archive).as_posix() for path in archive.rglob("*.wav"))
        with (
            prepared(Wanted(small_bundle), tmp_path / "job", Silent()) as ready,
            DaskPool(ready.job, archive, scheduler=where, timeout_s=TIMEOUT_S) as pool,
        ):
            records = pool.run(names, most_files=3)
            next(records)
            started[0].kill()
            with pytest.raises(ToolchainError, match="the scheduler went away"):
                list(records)
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_a_scheduler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_scheduler, "_CONNECT_S", 0.3)
    with pytest.raises(ToolchainError, match="tcp://127.0.0.1:9: no scheduler answers -> start one: dask scheduler"):
        connect("tcp://127.0.0.1:9")
    with pytest.raises(UsageError, match="write it as tcp://HOST:8786"):
        connect("head")
    with pytest.raises(UsageError, match="write it as tcp://HOST:8786"):
        connect("tpc://head:8786")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ToolchainError, match=r"pip install 'birdnet-deploy\[dask\]'"):
        connect("tcp://127.0.0.1:9")


def test_tasks_are_neighbours() -> None:
    names = [f"a/{n:03d}" for n in range(260)] + [f"b/{n:03d}" for n in range(700)] + [f"c/{n:03d}" for n in range(100)]
    found = list(task_lists(names))
    assert [name for task in found for name in task] == names
    assert [len(task) for task in found] == [260, 500, 300]
    assert list(task_lists(names[:3], 1)) == [(name,) for name in names[:3]]
    assert list(task_lists([])) == []


@pytest.mark.parametrize(
    ("arguments", "code", "naming"),
    [
        (["--scheduler", "head:8786"], 2, ("head:8786", "tcp://HOST:8786")),
        (["--scheduler", "tcp://head:8786", "--workers", "2"], 2, ("--workers",)),
    ],
)
def test_the_command_tells_before_it_works(
    tmp_path: Path, arguments: list[str], code: int, naming: tuple[str, ...]
) -> None:
    refused(code, "evaluate", "bundle", "archive", *arguments, scratch=tmp_path, naming=naming)
    assert not (tmp_path / "evaluation").exists()
