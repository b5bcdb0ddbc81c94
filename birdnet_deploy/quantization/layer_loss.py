"""Where int8 loses what the float model heard: the signal to noise ratio of every int8 tensor, ranked.

Three figures a tensor, in dB: what quantizing its own values costs them (``local``), how far the int8 graph's values
are from the float graph's, with all that was lost before (``cumulative``), and what the logits lose when this tensor
alone is quantized and all others stay float (``alone``, centred as `alike.sqnr_db` says).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.quantization.fixes import Symptoms, fix_of
from birdnet_deploy.quantization.match import Pair, match_tensors, weights_sqnr_db
from birdnet_deploy.support.alike import decibels, rounded, sqnr_db
from birdnet_deploy.tflite.cut import cut_model
from birdnet_deploy.tflite.floats import activations
from birdnet_deploy.tflite.interpreter import QuantParams, prepare
from birdnet_deploy.tflite.model import TfliteModel
from birdnet_deploy.tflite.reader import read_model

LAYER_WINDOWS = 32  # windows that every tensor is measured on

Floats = NDArray[np.float32]
Values = Mapping[int, NDArray[Any]]  # by tensor index


@dataclass
class _Sums:
    """Energies of one tensor over all windows, counts of its values, and the logits when it alone is quantized."""

    signal: float = 0.0
    local: float = 0.0
    cumulative: float = 0.0
    values: int = 0
    below_half_step: int = 0
    clipped: int = 0
    logits: list[Floats] = field(default_factory=list)


def layer_figures(
    float_model: bytes, int8_model: bytes, windows: Floats, cuts: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Gives a record for each int8 activation, the one that costs the logits most first.

    Both models take float32 ``windows`` ``[n, *shape]`` (quantized for the int8 one). ``cuts`` has the tensor of each
    cut in the order of execution, by the name that ``--prologue`` takes. Tensors that an operator only moves are left
    out: they lose nothing more.

    Raises: ModelError (exit 3) where LiteRT refuses a model.
    """
    floats, whole = read_model(float_model), read_model(int8_model)
    pairs = match_tensors(floats, whole)
    sums, logits = _measure((float_model, floats), (int8_model, whole), windows, pairs)
    records = [_record(floats, whole, pair, found, logits) for pair, found in zip(pairs, sums, strict=True)]
    positions = {tensor: _position(floats, tensor) for tensor in cuts.values()}
    last = max(pair.position for pair in pairs)
    for record, pair in zip(records, pairs, strict=True):
        behind = (name for name, tensor in cuts.items() if positions[tensor] > pair.position)
        role = "input" if pair.position < 0 else "output" if pair.position == last else "inner"
        symptoms = {key: record[key] for key in Symptoms.__dataclass_fields__ if key != "role"}
        record["fix"] = fix_of(Symptoms(role=role, **symptoms), next(behind, None))
    return sorted(records, key=lambda record: (_rank(record["alone_db"]), record["position"]))


def spread_windows(first: Floats, second: Floats) -> Floats:
    """Gives ``LAYER_WINDOWS`` windows, evenly spread over the first set; the second fills up where that is small."""
    return np.concatenate([_spread(first, LAYER_WINDOWS), _spread(second, LAYER_WINDOWS - len(first))])


def _spread(windows: Floats, count: int) -> Floats:
    few = np.linspace(0, len(windows) - 1, max(0, min(count, len(windows)))).astype(int)
    return np.asarray(windows[few])


def _rank(decibel: float | None) -> float:
    return float("inf") if decibel is None else decibel


def _position(model: TfliteModel, tensor: str) -> int:
    return next((op.index for op in model.operators for i in op.outputs if model.tensors[i].name == tensor), -1)


def _measure(
    floats: tuple[bytes, TfliteModel], whole: tuple[bytes, TfliteModel], windows: Floats, pairs: Sequence[Pair]
) -> tuple[list[_Sums], Floats]:
    """Gives the sums of each pair over all windows, and the float logits."""
    sums = [_Sums() for _ in pairs]
    suffixes = [_Suffix(*floats, pair) for pair in pairs]
    output = floats[1].outputs[0]
    keep = tuple(sorted({output, *(i for suffix in suffixes for i in suffix.inputs)}))
    entry = pairs[0].quantization
    inputs: NDArray[Any] = quantize_input(windows, entry.scale, entry.zero_point)
    if whole[1].tensors[whole[1].inputs[0]].dtype == "float32":
        inputs = entry.dequantize(inputs)  # the same int8 values pass
    theirs = activations(whole[0], inputs, tuple(pair.int8_index for pair in pairs))
    logits = []
    for mine, other in zip(activations(floats[0], windows, keep), theirs, strict=True):
        logits.append(mine[output].reshape(-1))
        for pair, suffix, found in zip(pairs, suffixes, sums, strict=True):
            got = pair.quantization.dequantize(np.asarray(other[pair.int8_index], np.int8))
            _add(found, mine[pair.float_index].ravel(), got.ravel(), pair.quantization)
            found.logits.append(suffix.run(mine))
    return sums, np.stack(logits)


def _add(found: _Sums, wanted: Floats, got: Floats, quantization: QuantParams) -> None:
    scale = quantization.scale
    own = quantization.dequantize(quantize_input(wanted, scale, quantization.zero_point))
    error = np.abs(wanted - own)
    found.signal += float(np.square(wanted, dtype=np.float64).sum())
    found.local += float(np.square(error, dtype=np.float64).sum())
    found.cumulative += float(np.square(wanted - got, dtype=np.float64).sum())
    found.values += wanted.size
    found.below_half_step += int(((np.abs(wanted) < scale / 2) & (wanted != 0)).sum())
    found.clipped += int((error > scale).sum())


class _Suffix:
    """The float graph behind one tensor, which alone is quantized in front of it."""

    def __init__(self, model: bytes, read: TfliteModel, pair: Pair) -> None:
        self.pair = pair
        self.inputs = live_tensors(read, pair.position)
        self._ends = [read.outputs[0]] == list(self.inputs)
        if self._ends:
            return
        part = cut_model(model, self.inputs, read.outputs)
        self._ports = read_model(part)
        self._interpreter = prepare(part, "optimized", 1)

    def run(self, values: Values) -> Floats:
        """Gives the logits of one window's ``values``."""
        quantization = self.pair.quantization
        value = values[self.pair.float_index]
        own = quantization.dequantize(quantize_input(value, quantization.scale, quantization.zero_point))
        if self._ends:
            return own.reshape(-1)
        for port, index in zip(self._ports.inputs, self.inputs, strict=True):
            self._interpreter.set_tensor(port, own if index == self.pair.float_index else values[index])
        self._interpreter.invoke()
        logits: Floats = self._interpreter.get_tensor(self._ports.outputs[0]).reshape(-1)
        return logits


def live_tensors(model: TfliteModel, position: int) -> tuple[int, ...]:
    """Gives the activations that exist behind the operator at ``position`` (-1: the input) and are still needed."""
    made = {*model.inputs, *(i for op in model.operators if op.index <= position for i in op.outputs)}
    needed = {*model.outputs, *(i for op in model.operators if op.index > position for i in op.inputs)}
    return tuple(sorted(made & needed))


def _record(floats: TfliteModel, whole: TfliteModel, pair: Pair, found: _Sums, logits: Floats) -> dict[str, Any]:
    return {
        "tensor": floats.tensors[pair.float_index].name,
        "operator": pair.operator,
        "position": pair.position,
        "shape": list(floats.tensors[pair.float_index].shape[1:]),
        "scale": pair.quantization.scale,
        "zero_point": pair.quantization.zero_point,
        "alone_db": sqnr_db(logits, np.stack(found.logits), centred=True),
        "cumulative_db": decibels(found.signal, found.cumulative),
        "local_db": decibels(found.signal, found.local),
        "weights_db": weights_sqnr_db(floats, whole, pair),
        "below_half_step": rounded(found.below_half_step / found.values),
        "clipped": rounded(found.clipped / found.values),
    }
