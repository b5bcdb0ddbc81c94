"""``prologue.npz``: the same bytes each time, and nothing of a damaged one is believed."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from birdnet_deploy.errors import ModelError
from birdnet_deploy.prologue.file import prologue_bytes, read_prologue, write_prologue
from birdnet_deploy.prologue.graph import Prologue, check_prologue
from birdnet_deploy.prologue.reference import run_reference
from tests.support import prologue_cases as cases
from tests.support.prologue_bundles import smoothing


def whole() -> Prologue:
    return cases.combined({"mel": cases.rows(4, 20, 9, 3, runs=2), "gate": cases.binary("mul", 3, 5, 1, constant=True)})


def test_what_was_written_is_read_again_and_the_bytes_do_not_change(tmp_path: Path) -> None:
    write_prologue(tmp_path / "a.npz", whole())
    again = read_prologue(tmp_path / "a.npz")
    assert prologue_bytes(again) == prologue_bytes(whole()) == (tmp_path / "a.npz").read_bytes()
    assert again.macs == whole().macs == 4 * 2 * 3 * 9 + 15
    features = cases.random_values(0, 2, *again.input_shape)
    assert np.array_equal(run_reference(again, features), run_reference(whole(), features))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_refused_or_the_same(data: st.DataObject, tmp_path: Path) -> None:
    good = prologue_bytes(whole())
    path = tmp_path / "damaged.npz"
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(good) - 1))
        path.write_bytes(good[:place] + bytes([good[place] ^ data.draw(st.integers(1, 255))]) + good[place + 1 :])
    else:
        path.write_bytes(good[: data.draw(st.integers(0, len(good) - 1))])
    try:
        found = read_prologue(path)
    except ModelError as error:
        assert error.exit_code == 3 and "damaged.npz" in error.line
    else:
        assert prologue_bytes(found) == good  # a bit that nobody reads, such as a date


def rewritten(change: Callable[[dict[str, Any], dict[str, Any]], None]) -> bytes:
    """The file after ``change(description, members)``, sound as a zip."""
    with np.load(io.BytesIO(prologue_bytes(whole()))) as loaded:
        members = {name: loaded[name].copy() for name in loaded.files}
    told = json.loads(members["description"].tobytes())
    change(told, members)
    members["description"] = np.frombuffer(json.dumps(told).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **members)
    return buffer.getvalue()


def _set(*path: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    """Sets the last of ``path`` at the others in the description."""

    def change(told: dict[str, Any], members: dict[str, Any]) -> None:
        place: Any = told
        for key in path[:-2]:
            place = place[key]
        place[path[-2]] = path[-1]

    return change


def _member(name: str, index: int, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def change(told: dict[str, Any], members: dict[str, Any]) -> None:
        members[name][index] = value

    return change


LIES = {
    "another version": _set("version", 2),
    "a kind that there is not": _set("steps", 0, "kind", "system"),
    "more rows than weights": _set("steps", 0, "numbers", "rows", 5),
    "a longer input": _set("steps", 0, "numbers", "length", 10**6),
    "a negative length": _set("steps", 0, "numbers", "length", -9),
    "a length that is no integer": _set("steps", 0, "numbers", "length", 9.0),
    "a number too many": _set("steps", 0, "numbers", "more", 1),
    "an unknown word": _set("steps", 1, "numbers", "op", "pow"),
    "a tensor that is not there": _set("steps", 0, "output", 9),
    "a negative tensor": _set("steps", 0, "inputs", [-1]),
    "an input that nobody wrote": _set("steps", 0, "inputs", [2]),
    "the features overwritten": _set("steps", 0, "output", 0),
    "no steps": _set("steps", []),
    "a tensor of no size": _set("sizes", [180, 0, 15]),
    "a tensor beyond all memories": _set("sizes", [1 << 40, 36, 15]),
    "another output shape": _set("output_shape", [16]),
    "bounds the wrong way round": _set("steps", 0, "numbers", "high", -1.0),
    "an upper bound of zero": _set("steps", 1, "numbers", "high", 0.0),
    "no upper bound": _set("steps", 0, "numbers", "high", 1e39),
    "a name with a quote and a line end": _set("steps", 0, "name", 'a"\n'),
    "a name that is too long": _set("steps", 0, "name", "a" * 200),
    "a run beyond the input": _member("0.first", 0, 18),
    "a run before the input": _member("0.first", 0, -1),
    "a run of nothing": _member("0.taps", 0, 0),
    "runs of another row": _member("0.runs", 0, 1),
    "a weight that is no number": _member("0.weights", 0, np.nan),
    "an infinite weight": _member("1.b", 0, np.inf),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies_is_refused(lie: str, tmp_path: Path) -> None:
    path = tmp_path / "prologue.npz"
    path.write_bytes(rewritten(LIES[lie]))
    with pytest.raises(ModelError):
        read_prologue(path)


def test_a_pickle_a_missing_file_and_a_bomb_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "prologue.npz"
    with pytest.raises(ModelError):
        read_prologue(path)
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("description.npy", buffer.getvalue())
    with pytest.raises(ModelError):
        read_prologue(path)
    path.write_bytes(pickle.dumps({"description": 1}))
    with pytest.raises(ModelError):
        read_prologue(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("description.npy", bytes(80 << 20))
    with pytest.raises(ModelError, match="compressed"):
        read_prologue(path)


def test_the_check_names_the_step() -> None:
    good = smoothing((8, 8, 1))
    check_prologue(good, "here")
    step = replace(good.steps[0], numbers={**good.steps[0].numbers, "in_h": 9})
    with pytest.raises(ModelError, match=r"here: the prologue has a step 0 \(conv\)"):
        check_prologue(replace(good, steps=(step, good.steps[1])), "here")
