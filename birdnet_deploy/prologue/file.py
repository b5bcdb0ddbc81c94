"""``prologue.npz``: the prologue as a file; no pickle, bounded, checked, the same bytes each time.

It holds ``description``, the bytes of a JSON object with a version, and the arrays of each step as ``<step>.<name>``.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from birdnet_deploy.errors import ModelError
from birdnet_deploy.prologue.graph import KINDS, MAX_STEPS, Prologue, Step, check_prologue
from birdnet_deploy.support.inputs import open_input
from birdnet_deploy.support.npz import DAMAGED

VERSION = 1
MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_NAME = 80
_FIX = "run convert again"
_MEMBERS_OF_A_STEP = 5


def prologue_bytes(prologue: Prologue) -> bytes:
    """Gives the content of ``prologue.npz``: the same for the same prologue."""
    description = {
        "version": VERSION,
        "input_shape": list(prologue.input_shape),
        "output_shape": list(prologue.output_shape),
        "sizes": list(prologue.sizes),
        "input": prologue.input,
        "output": prologue.output,
        "steps": [
            {
                "kind": step.kind, "name": step.name, "inputs": list(step.inputs), "output": step.output,
                "numbers": dict(step.numbers),
            }
            for step in prologue.steps
        ],
    }  # fmt: skip
    text = json.dumps(description, sort_keys=True, separators=(",", ":"), allow_nan=False)
    members: dict[str, Any] = {"description": np.frombuffer(text.encode("ascii"), np.uint8)}
    for index, step in enumerate(prologue.steps):
        for name, values in sorted(step.arrays.items()):
            members[f"{index}.{name}"] = values.astype(values.dtype.newbyteorder("<"))
    buffer = io.BytesIO()
    np.savez(buffer, **members)
    return buffer.getvalue()


def write_prologue(path: Path, prologue: Prologue) -> None:
    """Writes ``prologue.npz``."""
    path.write_bytes(prologue_bytes(prologue))


def read_prologue(path: Path) -> Prologue:
    """Gives the prologue in a file, held to what its kernels may touch.

    Raises: ModelError (exit 3) where the file cannot be read, is damaged, of another version, or larger than 64 MiB.
    """
    try:
        members = _members(path)
        prologue = _prologue(members)
    except ModelError:
        raise
    except DAMAGED as error:
        text = " ".join(str(error).split())[:100]
        raise ModelError(f"not a readable prologue ({text})", where=path, fix=_FIX) from error
    check_prologue(prologue, path)
    return prologue


def _members(path: Path) -> dict[str, Any]:
    """Gives the arrays of the file after its lengths were found to be sane: a zip can promise more than it holds."""
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"larger than {MAX_FILE_BYTES} bytes")
    with open_input(path) as file, zipfile.ZipFile(file) as archive:
        found = archive.infolist()
        if any(info.compress_type != zipfile.ZIP_STORED for info in found):
            raise ValueError("compressed")
        if sum(info.file_size for info in found) > MAX_FILE_BYTES or len(found) > MAX_STEPS * _MEMBERS_OF_A_STEP:
            raise ValueError("too large")
        if len({info.filename for info in found}) != len(found):
            raise ValueError("a member twice")
        return {info.filename.removesuffix(".npy"): _array(archive.read(info)) for info in found}


def _array(data: bytes) -> Any:
    values = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    if values.ndim != 1:
        raise ValueError("an array that is no row")
    return values


def _prologue(members: Mapping[str, Any]) -> Prologue:
    text = members["description"]
    if text.dtype != np.uint8:
        raise ValueError("no description")
    told = json.loads(text.tobytes().decode("ascii"))
    if told["version"] != VERSION:
        raise ValueError(f"version {told['version']!r}, not {VERSION}")
    steps = tuple(_step(index, step, members) for index, step in enumerate(told["steps"]))
    if len(members) != 1 + sum(len(step.arrays) for step in steps):
        raise ValueError("members that no step has")
    return Prologue(
        input_shape=_integers(told["input_shape"]),
        output_shape=_integers(told["output_shape"]),
        sizes=_integers(told["sizes"]),
        input=_integers([told["input"]])[0],
        output=_integers([told["output"]])[0],
        steps=steps,
    )


def _step(index: int, told: Mapping[str, Any], members: Mapping[str, Any]) -> Step:
    name = told["name"]
    if not isinstance(name, str) or len(name) > MAX_NAME or not (name.isascii() and (name.isprintable() or not name)):
        raise ValueError(f"step {index} has no name to show")
    arrays = {key: members[f"{index}.{key}"] for key in KINDS[told["kind"]].arrays}
    numbers = dict(told["numbers"])
    return Step(told["kind"], name, _integers(told["inputs"]), _integers([told["output"]])[0], numbers, arrays)


def _integers(values: Any) -> tuple[int, ...]:
    if not isinstance(values, list) or any(type(value) is not int or value < 0 for value in values):
        raise ValueError("a list that is not of numbers")
    return tuple(values)
