"""The window that a firmware runs at boot: one of the bundle's golden ones, with what its network must give."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from birdnet_deploy.errors import ModelError
from birdnet_deploy.support.npz import DAMAGED

# A compiled network for the NPU rounds layer by layer with shifts of its own, not as TensorFlow Lite does: outputs of a
# network that works are off by a few steps. The C engine has TensorFlow Lite's bits.
NPU_STEPS = 16
# Constant outputs, the sign of an NPU without power, clock or memory, are off by half the range or more somewhere: less
# than that is allowed, whatever a model's outputs are.
NPU_SHARE_OF_RANGE = 4
_FIX = "run convert again"


def golden_context(path: Path, input_size: int, classes: int, processor: str) -> dict[str, Any]:
    """Gives what the templates of the golden window take; ``golden`` is None where the bundle has no windows.

    ``path`` is a ``golden.npz``. The window is the one whose outputs spread widest, the first of such. ``processor``
    is ``cpu`` or ``npu``: outputs of the C engine must be equal, those of the NPU near.

    Raises: ModelError (exit 3) for arrays of another size or type than the network's.
    """
    arrays = _read(path)
    if arrays is None:
        return {"golden": None}
    inputs, outputs = _rows(arrays, path, input_size, classes)
    spread = outputs.max(axis=1).astype(int) - outputs.min(axis=1)
    index = int(np.argmax(spread))
    reach = int(spread[index])
    tolerance = 0 if processor == "cpu" else min(NPU_STEPS, max(1, reach // NPU_SHARE_OF_RANGE))
    window = {"number": index, "input": inputs[index], "output": outputs[index], "tolerance": tolerance}
    return {"golden": {**window, "range": reach, "exact": processor == "cpu"}}


def _read(path: Path) -> Mapping[str, Any] | None:
    if not path.is_file() or path.stat().st_size == 0:
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in ("npu_input", "input", "output") if name in stored.files}
    except DAMAGED as error:
        raise ModelError(f"not readable golden windows ({type(error).__name__})", where=path, fix=_FIX) from error


def _rows(arrays: Mapping[str, Any], path: Path, input_size: int, classes: int) -> tuple[Any, Any]:
    """Gives the network's inputs and outputs as int8 ``[n, size]``; behind a prologue it takes ``npu_input``."""
    inputs, outputs = arrays.get("npu_input", arrays.get("input")), arrays.get("output")
    if inputs is None or outputs is None or not len(inputs) or len(inputs) != len(outputs):
        raise ModelError("holds no golden windows", where=path, fix=_FIX)
    for name, array, size in (("input", inputs, input_size), ("output", outputs, classes)):
        if array.dtype != np.int8 or array[0].size != size:
            raise ModelError(
                f"a golden {name} has {array[0].size} {array.dtype} values, the network has {size} int8 ones",
                where=path, fix=_FIX,
            )  # fmt: skip
    return inputs.reshape(len(inputs), -1), outputs.reshape(len(outputs), -1)
