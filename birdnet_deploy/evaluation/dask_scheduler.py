"""The same evaluation on a Dask cluster: tasks of some hundred neighbouring recordings, records as they come.

Dask is an extra, ``birdnet-deploy[dask]``; nothing else imports it. A worker that dies loses the task it was at, which
Dask gives to another; a task's records are taken whole and once, so that nothing is lost and nothing comes twice.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from birdnet_deploy.errors import ModelError, ToolchainError, UsageError, told_error
from birdnet_deploy.evaluation.jobs import Job, differences
from birdnet_deploy.support.closing import Closing

if TYPE_CHECKING:
    from distributed import Client, Future

    from birdnet_deploy.evaluation.dask_worker import Answer

LEAST_FILES, MOST_FILES = 200, 500  # of a task: long beside its overhead, short beside what a lost worker costs
_TASKS_A_THREAD = 4  # at least, where there are files enough: the last tasks end together
_AHEAD = 2  # tasks a thread that the scheduler knows of; the client holds no more results than that
_CONNECT_S = 10.0
_WORKERS_S = 30.0
_INSTALL = "pip install 'birdnet-deploy[dask]'"


class DaskPool(Closing):
    """The workers of a cluster, with a job loaded, for recordings below ``root``: the same path on every worker.

    ``kernels`` says what computes each engine. As ``Pool`` has it: ``timeout_s`` is the longest silence on a recording.

    Raises: ToolchainError (exit 6) where Dask is missing, no scheduler answers, it has no workers, or these have other
    versions; UsageError (exit 2) where the recordings are not there for a worker, or the address is none.
    """

    def __init__(self, job: Job, root: Path, *, scheduler: str, timeout_s: float) -> None:
        self._job, self._scheduler = job, scheduler
        self._client = connect(scheduler)
        self._name = f"birdnet-deploy-{uuid.uuid4().hex}"
        self._pending: set[Future] = set()
        try:
            self._install(root, timeout_s)
        except BaseException:
            self.close()
            raise

    def _install(self, root: Path, timeout_s: float) -> None:
        from birdnet_deploy.evaluation.dask_worker import EvaluationPlugin

        try:
            self._client.wait_for_workers(1, timeout=_WORKERS_S)
        except TimeoutError as error:
            raise ToolchainError(
                "the scheduler has no workers", where=self._scheduler, fix=f"dask worker {self._scheduler}"
            ) from error
        try:
            self._client.register_plugin(EvaluationPlugin(self._name, self._job, root, timeout_s))
        except ImportError as error:
            raise self._other_package(error) from error
        self.kernels: Mapping[str, str] = self._answer(self._submit(())).kernels

    def close(self) -> None:
        """Takes back what is not done, and the job from the workers; the cluster stays as it was."""
        with suppress(Exception):  # the scheduler may be gone
            self._client.cancel(list(self._pending))
            self._client.unregister_worker_plugin(self._name)
        self._client.close()

    @property
    def threads(self) -> int:
        """How many recordings the cluster evaluates at once, now."""
        return max(1, sum(map(int, self._client.nthreads().values())))

    def run(self, names: Iterable[str], *, most_files: int = MOST_FILES) -> Iterator[bytes]:
        """Yields the record of each recording, in any order; the records of a task come together.

        Raises: ToolchainError (exit 6) where the scheduler goes away, or a task's workers die again and again.
        """
        from distributed import as_completed

        listed = list(names)
        enough = -(-len(listed) // (self.threads * _TASKS_A_THREAD))
        tasks = task_lists(listed, min(most_files, max(1, enough)))
        done = as_completed([], loop=self._client.loop)
        for task in islice(tasks, _AHEAD * self.threads):
            done.add(self._submit(task))
        while self._pending:
            future = next(done)
            answer = self._answer(future)
            for task in islice(tasks, max(0, _AHEAD * self.threads - len(self._pending))):
                done.add(self._submit(task))
            yield from answer.records

    def _submit(self, names: Sequence[str]) -> Future:
        from birdnet_deploy.evaluation.dask_worker import evaluate_task

        future = self._client.submit(evaluate_task, self._name, tuple(names), pure=False)
        self._pending.add(future)
        return future

    def _answer(self, future: Future) -> Answer:
        """Gives what a task gave, once; a result that went with its worker is computed anew."""
        from distributed import KilledWorker

        try:
            answer: Answer = future.result()
        except KilledWorker as error:
            raise ToolchainError(
                "workers died again and again on the same recordings", where=self._scheduler,
                fix="give them more memory, then --resume",
            ) from error  # fmt: skip
        except (ImportError, KeyError) as error:
            raise self._other_package(error) from error
        except (OSError, CancelledError) as error:
            raise ToolchainError(
                f"the scheduler went away ({type(error).__name__})",
                where=self._scheduler,
                fix="start it, then --resume",
            ) from error
        finally:
            self._pending.discard(future)
        self._check(answer)
        return answer

    def _check(self, answer: Answer) -> None:
        from birdnet_deploy.evaluation.dask_worker import versions_here

        if answer.failure is not None:
            raise told_error(answer.failure)
        lines = differences(versions_here(self._job), answer.versions)
        if lines:
            raise ToolchainError(
                f"a worker has other versions: {'; '.join(lines)}",
                where=self._scheduler,
                fix="install the same everywhere",
            )
        expected = getattr(self, "kernels", answer.kernels)
        if lines := differences(expected, answer.kernels):
            raise ModelError(
                f"workers compute in other ways: {'; '.join(lines)}",
                where=self._scheduler,
                fix="use one kind of machine",
            )

    def _other_package(self, error: Exception) -> ToolchainError:
        return ToolchainError(
            f"a worker has not this birdnet-deploy ({error})", where=self._scheduler, fix="install the same everywhere"
        )


def connect(scheduler: str) -> Client:
    """Gives a client of the scheduler at an address such as ``tcp://head:8786``.

    Raises: ToolchainError (exit 6) where Dask is missing or nothing answers, UsageError (exit 2) for no address.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ToolchainError("dask is not installed", where=f"--scheduler {scheduler}", fix=_INSTALL) from error
    if "://" not in scheduler:
        raise UsageError("no address of a scheduler", where=scheduler, fix="write it as tcp://HOST:8786")
    try:
        return Client(scheduler, timeout=_CONNECT_S, set_as_default=False)
    except ValueError as error:
        raise UsageError(
            f"no address of a scheduler ({error})", where=scheduler, fix="write it as tcp://HOST:8786"
        ) from error
    except (TimeoutError, OSError) as error:
        raise ToolchainError("no scheduler answers", where=scheduler, fix="start one: dask scheduler") from error


def reach(scheduler: str) -> None:
    """Returns where a scheduler answers.

    Raises: as ``connect``.
    """
    connect(scheduler).close()


def task_lists(names: Sequence[str], most: int = MOST_FILES) -> Iterator[tuple[str, ...]]:
    """Yields sorted names in runs of at most ``most`` recordings, cut between folders where one ends after two fifths.

    Neighbours are in the same folders, so that a worker reads few of them.
    """
    least = max(1, most * LEAST_FILES // MOST_FILES)
    first = 0
    while first < len(names):
        end = min(first + most, len(names))
        cuts = range(end, first + least - 1, -1) if end < len(names) else ()
        end = next((cut for cut in cuts if _folder(names[cut - 1]) != _folder(names[cut])), end)
        yield tuple(names[first:end])
        first = end


def _folder(name: str) -> str:
    return name.rpartition("/")[0]
