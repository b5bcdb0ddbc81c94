"""What lies in the HDF5 member of a ``.keras`` file: read in a child with limits, as HDF5 is a C library.

``read_weights`` (parent) runs this module as a worker and gives the list of arrays; no TensorFlow on either
side.
"""

from __future__ import annotations

import io
import json
import math
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import ModelError
from birdnet_deploy.model.safety import WEIGHTS_MEMBER
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.process import (
    JOB_FILE,
    RESULT_FILE,
    reporting,
    run_worker,
    scratch_folder,
    worker_limits,
)

MAX_WEIGHT_BYTES = 512 << 20
_MAX_OBJECTS = 20_000
_MAX_DEPTH = 16
_MEMORY_BYTES = 4 << 30
_CPU_S = 20
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class WeightArray:
    """One array of the file: its HDF5 path, shape, and the layer that it belongs to ("" if unsaid)."""

    path: str
    shape: tuple[int, ...]
    layer: str

    @property
    def size(self) -> int:
        """The number of values."""
        return math.prod(self.shape)


def read_weights(path: Path) -> tuple[tuple[WeightArray, ...], tuple[str, ...]]:
    """Gives the arrays of a model's layers and the paths of all groups, optimizer excluded.

    Raises: ModelError (exit 3) where the member is damaged, larger than declared, points outside itself, or
    holds NaN or infinity (the layer is named).
    """
    with scratch_folder() as folder:
        jsonfile.write(folder / JOB_FILE, {"model": str(path.resolve()), "shown": str(path)})
        run_worker(
            "birdnet_deploy.model.weights",
            folder,
            name="reading the weights",
            where=path,
            timeout_s=_TIMEOUT_S,
        )
        found = json.loads((folder / RESULT_FILE).read_text(encoding="utf-8"))
    arrays = tuple(WeightArray(row["path"], tuple(row["shape"]), row["layer"]) for row in found["arrays"])
    return arrays, tuple(found["groups"])


class _Tree:
    """One walk over the HDF5 file; no link is followed."""

    def __init__(self, file: Any, where: str) -> None:
        self.file, self.where = file, where
        self.groups: list[str] = []
        self._names: dict[str, str] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._spoiled: list[str] = []
        self._bytes = self._objects = 0

    def fail(self, what: str, path: str) -> ModelError:
        return ModelError(f"{WEIGHTS_MEMBER}: {path} {what}", where=self.where, fix="save the model again")

    def walk(self) -> tuple[WeightArray, ...]:
        for path, item in self._items(self.file, ""):
            if hasattr(item, "shape"):
                self._array(path, item)
            else:
                self.groups.append(path)
                name = item.attrs.get("name")
                self._names[path] = name if isinstance(name, str) else ""
        for path in self._spoiled:
            raise ModelError(
                f"layer {self._layer(path) or path!r} holds NaN or infinite weights",
                where=self.where, fix="train again from a checkpoint before they appeared",
            )  # fmt: skip
        return tuple(WeightArray(path, shape, self._layer(path)) for path, shape in self._shapes.items())

    def _items(self, group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
        import h5py

        for name in sorted(group):
            path = f"{prefix}{name}"
            if path == "optimizer":
                continue
            self._objects += 1
            if self._objects > _MAX_OBJECTS:
                raise self.fail(f"is one of more than {_MAX_OBJECTS} objects", path)
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise self.fail("is a link to elsewhere", path)
            item = group[name]
            yield path, item
            if isinstance(item, h5py.Group):
                if path.count("/") > _MAX_DEPTH:
                    raise self.fail("is nested too deeply", path)
                yield from self._items(item, f"{path}/")

    def _array(self, path: str, dataset: Any) -> None:
        import numpy as np

        if dataset.external or dataset.is_virtual:
            raise self.fail("points outside the file", path)
        if dataset.dtype.kind not in "fiu" or dataset.dtype.itemsize > 8:
            raise self.fail(f"is of type {dataset.dtype}", path)
        self._bytes += math.prod(dataset.shape) * dataset.dtype.itemsize
        if self._bytes > MAX_WEIGHT_BYTES:
            raise self.fail(f"brings the weights over {MAX_WEIGHT_BYTES} bytes", path)
        self._shapes[path] = tuple(dataset.shape)
        if not np.isfinite(dataset[()]).all():
            self._spoiled.append(path)

    def _layer(self, path: str) -> str:
        """Gives the name of the outermost layer that holds a path: Keras writes it as an attribute of ``vars``."""
        parts = path.split("/")
        return self._names.get(f"layers/{parts[1]}/vars", "") if parts[0] == "layers" else ""


def _run(folder: Path) -> None:
    job = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
    import h5py

    try:
        with zipfile.ZipFile(job["model"]) as archive:
            data = archive.read(WEIGHTS_MEMBER)
        with h5py.File(io.BytesIO(data), "r") as file:
            tree = _Tree(file, job["shown"])
            arrays = tree.walk()
    except ModelError:
        raise
    except Exception as error:  # HDF5 raises what it likes on damaged files
        what = f"not a readable .keras archive ({WEIGHTS_MEMBER}: {' '.join(str(error).split())})"
        raise ModelError(what, where=job["shown"], fix="save or copy the model again") from error
    jsonfile.write(folder / RESULT_FILE, {"arrays": [asdict(array) for array in arrays], "groups": tree.groups})


if __name__ == "__main__":
    worker_limits(memory_bytes=_MEMORY_BYTES, cpu_s=_CPU_S, file_bytes=64 << 20)
    with reporting(Path(sys.argv[1])):
        _run(Path(sys.argv[1]))
