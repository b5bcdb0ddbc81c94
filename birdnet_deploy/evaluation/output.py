"""The tables of an evaluation, written while results go by: rows in order, groups of one size, no time in them."""

from __future__ import annotations

import csv
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from birdnet_deploy.errors import OutputRefused
from birdnet_deploy.evaluation.results import FILE_COLUMNS, WINDOW_COLUMNS, FileResult, window_schema
from birdnet_deploy.report.selections import safe_cell
from birdnet_deploy.support.files import replaced_text

if TYPE_CHECKING:
    import pyarrow

Format = Literal["parquet", "csv"]
FORMATS: tuple[Format, ...] = ("parquet", "csv")
RESULTS, FILES_FILE, SUMMARY_FILE = "results", "files.csv", "summary.json"
_GROUP_VALUES = 2**18  # of a list column in a row group: what is held grows with neither recordings nor classes


class _Table(Protocol):
    """Where the rows of windows go."""

    def add(self, result: FileResult) -> None:
        """Writes the rows of one recording."""


@contextmanager
def written(
    results: Iterable[FileResult], folder: Path, form: Format, lock: str
) -> Iterator[Iterator[FileResult]]:  # fmt: skip
    """Gives the results again, one by one, while they are written to ``results.*`` and ``files.csv`` of ``folder``.

    The files are there when the body ends; when it raises, those that were there stay.

    Raises: OutputRefused (exit 5) where they cannot be written.
    """
    with ExitStack() as stack:
        path = folder / f"{RESULTS}.{form}"
        table: _Table
        if form == "parquet":
            table = stack.enter_context(_parquet(path, lock))
        else:
            table = _CsvTable(stack.enter_context(replaced_text(path)), lock)
        files = csv.writer(stack.enter_context(replaced_text(folder / FILES_FILE)), lineterminator="\n")
        files.writerow(FILE_COLUMNS)

        def passed() -> Iterator[FileResult]:
            for result in results:
                table.add(result)
                files.writerow(_file_row(result))
                yield result

        yield passed()
    for other in FORMATS:
        if other != form:
            (folder / f"{RESULTS}.{other}").unlink(missing_ok=True)  # of an earlier run in the other form


def _file_row(result: FileResult) -> list[Any]:
    values = {
        "file": safe_cell(result.file), "sha256": result.sha256, "status": result.status,
        "detail": safe_cell(result.detail), "bytes": result.bytes, "sample_rate": result.sample_rate,
        "channels": result.channels,
        "seconds": result.seconds, "windows": result.windows,
    }  # fmt: skip
    return [values[name] for name in FILE_COLUMNS]


class _CsvTable:
    """``results.csv``: values of a list with spaces between, float32 with the digits that give them back."""

    def __init__(self, file: Any, lock: str) -> None:
        self._writer, self._lock = csv.writer(file, lineterminator="\n"), lock
        self._writer.writerow(WINDOW_COLUMNS)

    def add(self, result: FileResult) -> None:
        """Writes the rows of one recording."""
        for window, start in enumerate(result.starts_s):
            for engine in result.engines:
                outputs = "" if engine.outputs is None else " ".join(map(str, engine.outputs[window].tolist()))
                self._writer.writerow([
                    safe_cell(result.file), result.sha256, window, float(start), engine.engine, outputs,
                    _floats(engine.logits[window]), _floats(engine.scores[window]), self._lock, engine.kernel,
                ])  # fmt: skip


def _floats(values: Any) -> str:
    return " ".join(f"{value:.9g}" for value in values.tolist())


@contextmanager
def _parquet(path: Path, lock: str) -> Iterator[_Table]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    beside = path.with_name(f".{path.name}.staging-{os.getpid()}")
    names = ["file", "sha256", "engine", "lock", "kernel"]
    try:
        with pq.ParquetWriter(beside, window_schema(), compression="zstd", use_dictionary=names) as writer:
            table = _ParquetTable(writer, lock)
            yield table
            table.flush()
        pa.default_memory_pool().release_unused()  # figures come next
        descriptor = os.open(beside, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        beside.replace(path)
    except OSError as error:
        raise OutputRefused(f"cannot be written ({error.strerror})", where=path, fix="free room") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


class _ParquetTable:
    """``results.parquet``: rows are held until a group is full, however many recordings that takes."""

    def __init__(self, writer: Any, lock: str) -> None:
        self._writer, self._lock = writer, lock
        self._held: list[pyarrow.Table] = []
        self._waiting: list[FileResult] = []
        self._rows = 0
        self._group = 1

    def add(self, result: FileResult) -> None:
        """Takes the rows of one recording."""
        if not result.engines:
            return
        self._group = max(1, _GROUP_VALUES // result.engines[0].scores.shape[1])
        self._waiting.append(result)
        self._rows += result.windows * len(result.engines)
        if self._rows >= self._group:
            self._write(whole_only=True)

    def flush(self) -> None:
        """Writes what is left."""
        self._write(whole_only=False)

    def _write(self, *, whole_only: bool) -> None:
        import pyarrow as pa

        if self._waiting:
            self._held.append(_arrow(self._waiting, self._lock))
            self._waiting = []
        if not self._held:
            return
        table = pa.concat_tables(self._held).combine_chunks()
        end = table.num_rows - table.num_rows % self._group if whole_only else table.num_rows
        for first in range(0, end, self._group):
            self._writer.write_table(table.slice(first, min(self._group, end - first)), row_group_size=self._group)
        left = table.slice(end)
        self._held = [pa.Table.from_batches(left.to_batches(), left.schema)] if left.num_rows else []
        self._rows = left.num_rows


def _arrow(results: Sequence[FileResult], lock: str) -> pyarrow.Table:
    """Gives the rows of some recordings: by file, window and engine."""
    import pyarrow as pa

    rows = [result.windows * len(result.engines) for result in results]
    windows = np.concatenate([np.repeat(np.arange(r.windows, dtype=np.int32), len(r.engines)) for r in results])
    offsets = np.concatenate([np.repeat(r.starts_s, len(r.engines)) for r in results])
    told = [(e.engine, e.kernel) for r in results for e in itertools.chain.from_iterable([r.engines] * r.windows)]
    columns = {
        "file": pa.array(np.repeat(np.array([r.file for r in results], dtype=object), rows), pa.string()),
        "sha256": pa.array(np.repeat(np.array([r.sha256 for r in results], dtype=object), rows), pa.string()),
        "window": pa.array(windows, pa.int32()),
        "offset_s": pa.array(offsets, pa.float64()),
        "engine": pa.array([engine for engine, _ in told], pa.string()),
        "outputs": _outputs(results),
        "logits": _lists([np.stack([e.logits for e in r.engines], axis=1) for r in results]),
        "scores": _lists([np.stack([e.scores for e in r.engines], axis=1) for r in results]),
        "lock": pa.array([lock] * sum(rows), pa.string()),
        "kernel": pa.array([kernel for _, kernel in told], pa.string()),
    }
    return pa.table(columns, schema=window_schema())


def _lists(blocks: Sequence[Any]) -> pyarrow.Array:
    """Gives ``[windows, engines, classes]`` blocks as one list of values a row."""
    import pyarrow as pa

    flat = np.concatenate([block.reshape(-1, block.shape[-1]) for block in blocks])
    ends = np.arange(len(flat) + 1, dtype=np.int32) * flat.shape[1]
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(flat.reshape(-1)))


def _outputs(results: Sequence[FileResult]) -> pyarrow.Array:
    """Gives int8 outputs, one list a row; none where the engine is ``float``."""
    import pyarrow as pa

    lengths: list[Any] = []
    values = []
    for result in results:
        int8 = [engine.outputs for engine in result.engines if engine.outputs is not None]
        widths = [0 if e.outputs is None else e.outputs.shape[1] for e in result.engines]
        lengths.append(np.tile(np.array(widths, np.int32), result.windows))
        values.append(np.stack(int8, axis=1).reshape(-1) if int8 else np.empty(0, np.int8))
    length = np.concatenate(lengths)
    ends = np.concatenate([np.zeros(1, np.int32), np.cumsum(length, dtype=np.int32)])
    flat = pa.array(np.concatenate(values), pa.int8())
    return pa.ListArray.from_arrays(pa.array(ends), flat, mask=pa.array(length == 0))
