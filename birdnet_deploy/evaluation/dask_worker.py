"""What runs inside a Dask worker: models written once, an evaluating process for each thread, kept between tasks."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin, get_worker

from birdnet_deploy.errors import DeployError, UsageError
from birdnet_deploy.evaluation.jobs import Job, fingerprint, job_from_json
from birdnet_deploy.evaluation.pool import Pool

FILES = ("network", "prologue", "float_model", "frontend", "twin")  # fields of a job that are paths


@dataclass(frozen=True)
class Answer:
    """What a task gives: the records, what computed them, or why there are none (as ``DeployError`` takes it)."""

    records: tuple[bytes, ...]
    versions: Mapping[str, Any]
    kernels: Mapping[str, str]
    failure: Mapping[str, Any] | None = None


class EvaluationPlugin(WorkerPlugin):  # type: ignore[misc] # Dask has no types here
    """Brings a job to a worker, to those too that join or start again later; ``name`` is unlike any other job's.

    A worker needs nothing but this package and the recordings at the same path: models and compiled libraries travel
    along. A recording that crashes its process does not end the worker, as on one machine.
    """

    def __init__(self, name: str, job: Job, root: Path, timeout_s: float) -> None:
        self.name = name
        self._job, self._root, self._timeout_s = json.dumps(job.to_json()), str(root.absolute()), timeout_s
        paths = {field: Path(found) for field in FILES if (found := getattr(job, field)) is not None}
        self._contents = {field: (path.name, path.read_bytes()) for field, path in paths.items()}

    def setup(self, worker: Any) -> None:
        """Writes the models into the worker's own folder, which goes with it."""
        folder = Path(worker.local_directory) / self.name
        folder.mkdir(parents=True, exist_ok=True)
        places: dict[str, Any] = {}
        for field, (name, content) in self._contents.items():
            path = folder / f"{field}-{name}"
            path.write_bytes(content)
            places[field] = str(path)
        self._placed = replace(job_from_json(json.loads(self._job)), **places)
        self._pools: dict[int, Pool] = {}
        self._lock = threading.Lock()

    def teardown(self, worker: Any) -> None:
        """Ends the processes."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()

    def _pool(self) -> Pool:
        """Gives this thread's process; its engines are loaded when it is first asked for."""
        thread = threading.get_ident()
        if thread not in self._pools:
            if not Path(self._root).is_dir():
                raise UsageError(
                    "no such folder on a worker",
                    where=self._root,
                    fix="mount the recordings at the same path everywhere",
                )
            pool = Pool(self._placed, Path(self._root), workers=1, timeout_s=self._timeout_s)
            with self._lock:
                self._pools[thread] = pool
        return self._pools[thread]

    def evaluate(self, names: Sequence[str]) -> Answer:
        """Gives the records of recordings, in any order."""
        versions: Mapping[str, Any] = versions_here(self._placed)
        try:
            pool = self._pool()
            return Answer(tuple(pool.run(names)), versions, dict(pool.kernels))
        except DeployError as error:
            self._forget()
            return Answer((), versions, {}, error.to_json())
        except BaseException:
            self._forget()
            raise

    def _forget(self) -> None:
        with self._lock:
            pool = self._pools.pop(threading.get_ident(), None)
        if pool is not None:
            pool.close()


def versions_here(job: Job) -> Mapping[str, Any]:
    """Gives the versions that results depend on, of this process."""
    nothing = dict.fromkeys(job.engines, "")
    versions: Mapping[str, Any] = fingerprint(job, nothing, nothing)["versions"]
    return versions


def evaluate_task(name: str, names: Sequence[str]) -> Answer:
    """Gives what the worker that runs this task makes of some recordings."""
    plugin: EvaluationPlugin = get_worker().plugins[name]
    return plugin.evaluate(names)
