"""What a run of ``stedgeai`` left behind, read from its ``network_c_info.json`` and its reports.

ST documents neither; the forms are those of Core 2.1.0 to 4.0.1 as their tools wrote them. What a version does not
write stays None; what is there but makes no sense is a ModelError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import ModelError
from birdnet_deploy.support.inputs import open_input

MAX_FILE_BYTES = 64 * 1024 * 1024  # a c_info of 258 buffers has 0.9 MB
_OUTPUT_FOLDERS = ("st_ai_output", "network_output")
_REPORTS = ("generate", "analyze", "validate")


@dataclass(frozen=True)
class PoolUse:
    """What a network takes of one memory pool, in bytes; ``size_bytes`` 0 is a pool that was switched off."""

    name: str
    address: int
    size_bytes: int
    used_bytes: int
    weight_bytes: int
    activation_bytes: int


@dataclass(frozen=True)
class Epoch:
    """One step of the compiled network: ``hw``, ``sw``, ``hybrid``, ``ec`` (epoch controller) or ``unknown``.

    ``operation`` names what software does; it is empty for hardware.
    """

    number: int
    kind: str
    operation: str


@dataclass(frozen=True)
class StedgeaiRun:
    """One run: the tool, what it made of the model and, after ``stedgeai validate`` on a board, how it ran.

    ``files`` are the names that were read; ``notes`` tell where they do not agree. ``weight_bytes`` and
    ``activation_bytes`` are those of the compiled network. ``latency_ms`` and ``cosine`` were measured on a board.
    """

    path: Path
    files: tuple[str, ...] = ()
    tool_version: str | None = None
    compiler_version: str | None = None
    runtime: str | None = None
    model_name: str | None = None
    command: str | None = None
    options: str | None = None
    macs: int | None = None
    weight_bytes: int | None = None
    activation_bytes: int | None = None
    pools: tuple[PoolUse, ...] = ()
    epochs: tuple[Epoch, ...] = ()
    epoch_count: int | None = None
    software_epochs: int | None = None
    hybrid_epochs: int | None = None
    latency_ms: float | None = None
    cosine: float | None = None
    device: str | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Gives plain JSON types; the path is only its name."""
        return {**asdict(self), "path": self.path.name}


def is_stedgeai_output(path: Path) -> bool:
    """Says whether a folder holds what ``stedgeai`` writes, or a file is such a file."""
    if path.is_file():
        return path.name.endswith(("_c_info.json", *(f"_{kind}_report.txt" for kind in _REPORTS)))
    return path.is_dir() and any(True for _ in _files_of(path))


def read_stedgeai(path: Path) -> StedgeaiRun:
    """Gives what the files of one run tell; ``path`` is their folder, the folder above, or one of the files.

    Raises: ModelError (exit 3) where there is none, or one is unreadable.
    """
    files = [path] if path.is_file() else list(_files_of(path))
    if not files:
        raise ModelError("nothing of stedgeai is there", where=path, fix="name the folder of network_c_info.json")
    runs = [_reader(file)(read_bounded(file), StedgeaiRun(file, (file.name,))) for file in files]
    return _merged(path, runs)


def _files_of(folder: Path) -> Iterator[Path]:
    """Yields the files of a run in the order in which they count: exact numbers first, a board's last."""
    endings = ("c_info.json", *(f"{kind}_report.txt" for kind in _REPORTS))
    for place in (folder, *(folder / name for name in _OUTPUT_FOLDERS)):
        found = [files[0] for ending in endings if (files := _ending_with(place, ending))]
        if found:
            yield from found
            return


def _ending_with(place: Path, ending: str) -> list[Path]:
    """Gives the files with an ending, the one of the network's default name first."""
    found = sorted(path for path in place.glob(f"*_{ending}") if path.is_file())
    return sorted(found, key=lambda path: path.name != f"network_{ending}")


def _reader(file: Path) -> Callable[[bytes, StedgeaiRun], StedgeaiRun]:
    if file.suffix == ".json":
        from birdnet_deploy.npu.stedgeai_json import parse_c_info

        return parse_c_info
    from birdnet_deploy.npu.stedgeai_report import parse_report

    return parse_report


def read_bounded(file: Path) -> bytes:
    """Gives the bytes of a file that is not larger than such files can be.

    Raises: ModelError (exit 3).
    """
    try:
        with open_input(file) as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", where=file) from error
    if len(data) > MAX_FILE_BYTES:
        raise ModelError(f"larger than {MAX_FILE_BYTES} bytes", where=file, fix="name the output folder of stedgeai")
    return data


def _merged(path: Path, runs: list[StedgeaiRun]) -> StedgeaiRun:
    """Gives one run of what several files tell: the first that knows a thing counts."""
    merged = StedgeaiRun(path, tuple(name for run in runs for name in run.files))
    for field in fields(StedgeaiRun):
        if field.name in ("path", "files", "notes"):
            continue
        values = (getattr(run, field.name) for run in runs)
        known = next((value for value in values if value not in (None, ())), getattr(merged, field.name))
        merged = replace(merged, **{field.name: known})
    return replace(_with_totals(merged), notes=tuple(_disagreements(runs)))


def _with_totals(run: StedgeaiRun) -> StedgeaiRun:
    """Adds up the pools where no table has the totals."""
    if run.pools and run.weight_bytes is None:
        run = replace(run, weight_bytes=sum(pool.weight_bytes for pool in run.pools))
    if run.pools and run.activation_bytes is None:
        run = replace(run, activation_bytes=sum(pool.activation_bytes for pool in run.pools))
    return run


def _disagreements(runs: list[StedgeaiRun]) -> Iterator[str]:
    for name, words in (("tool_version", "versions of the tool"), ("model_name", "models")):
        told = dict.fromkeys(value for run in runs if (value := getattr(run, name)) is not None)
        if len(told) > 1:
            yield f"the files are of different {words}: {', '.join(told)}"


def counted(epochs: Iterable[Epoch], kind: str) -> int:
    """Gives the number of epochs of a kind."""
    return sum(epoch.kind == kind for epoch in epochs)
