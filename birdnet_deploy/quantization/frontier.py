"""Where the network may be cut between CPU and NPU, what each cut costs and keeps, and which one is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.errors import GatesNotMet, ModelError, UsageError
from birdnet_deploy.prologue.cost import estimate_instructions
from birdnet_deploy.prologue.reading import prologue_from_tflite
from birdnet_deploy.quantization.judge import Judge, run_int8
from birdnet_deploy.quantization.options import (
    AUTO,
    AUTO_MIN_AGREEMENT,
    AUTO_MIN_COSINE,
    AUTO_MISSES,
    AUTO_ROOM,
    NONE,
    QuantizeOptions,
)
from birdnet_deploy.quantization.prepare import Prepared
from birdnet_deploy.support.alike import rounded, wilson
from birdnet_deploy.support.progress import Progress, Silent, counted
from birdnet_deploy.tflite.cut import articulation_tensors, cut_model
from birdnet_deploy.tflite.floats import read_once, run_float
from birdnet_deploy.tflite.macs import count_macs
from birdnet_deploy.tflite.model import TfliteModel

_SHORT = {"stem_relu": "stem"}

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Cut:
    """A place where the network becomes two: a tensor of the float graph, its ``shape`` without batch."""

    name: str
    tensor: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class FrontierPoint:
    """One cut: what it puts on the CPU, and how well int8 behind it keeps what float heard on held-out folds.

    ``cut`` None stands for ``none``. ``cpu_instructions`` is an estimate for one window, ``cosine_folds`` are the means
    of the folds, ``worst_window`` is an index of the calibration windows. ``confident_*`` count windows with a float
    score above 0.25, with the 95 % Wilson interval of their agreement. ``lacks_room`` says of a cut that does not meet
    the gates of ``auto`` that it only falls short of the room that they keep.
    """

    cut: Cut | None
    cpu_macs: int
    cpu_instructions: int
    npu_macs: int
    cosine_mean: float
    cosine_p5: float
    cosine_min: float
    cosine_folds: tuple[float, ...]
    windows: int
    agreed: int
    confident_windows: int
    confident_agreed: int
    confident_interval: tuple[float, float]
    worst_window: int
    within_budget: bool
    meets: bool
    lacks_room: bool = False

    @property
    def name(self) -> str:
        """``none`` or the name of the cut."""
        return NONE if self.cut is None else self.cut.name

    def to_json(self) -> dict[str, Any]:
        """Gives the fields as JSON, with the name."""
        return {"name": self.name, **asdict(self)}


@dataclass(frozen=True)
class Gates:
    """What held-out windows must reach; ``misses`` confident windows are forgiven. None is no gate."""

    min_cosine: float | None
    min_agreement: float | None
    misses: int = 0

    def met(self, cosine: float, agreed: int, windows: int) -> bool:
        """Says whether a mean cosine and a confident agreement pass."""
        if self.min_cosine is not None and cosine < self.min_cosine:
            return False
        if self.min_agreement is None or windows - agreed <= self.misses:
            return True
        return agreed >= self.min_agreement * windows


def gates_of(options: QuantizeOptions) -> Gates:
    """Gives the gates that were asked for; ``auto`` has some of its own."""
    cosine, agreement = options.min_cosine, options.min_agreement
    if options.prologue != AUTO:
        return Gates(cosine, agreement)
    misses = AUTO_MISSES if agreement is None else 0
    return Gates(
        AUTO_MIN_COSINE if cosine is None else cosine, AUTO_MIN_AGREEMENT if agreement is None else agreement, misses
    )


def find_cuts(model: bytes, layers: Mapping[str, str]) -> tuple[Cut, ...]:
    """Gives the cuts of a float ``.tflite``, cheapest first; ``layers`` has the tensor of each Keras layer.

    ``frontend`` is the output of the AudioFrontendLayer, ``stem`` that of the stem's activation, others have the name
    of the first layer whose output they are.
    """
    read = read_once(model)
    names: dict[str, str] = {}
    for layer, tensor in layers.items():
        names.setdefault(tensor, layer)
    cuts = []
    for index in articulation_tensors(read):
        place = read.tensors[index]
        if place.name in names:
            cuts.append(Cut(_SHORT.get(names[place.name], names[place.name]), place.name, place.shape[1:]))
    return tuple(cuts)


def require_cut(model: bytes, layers: Mapping[str, str], options: QuantizeOptions) -> None:
    """Refuses the name of a cut that a float ``.tflite`` has not, before anything is measured.

    Raises: UsageError (exit 2) with those that it has.
    """
    if options.prologue not in (AUTO, NONE):
        _named_cut(find_cuts(model, layers), options.prologue)


def _named_cut(cuts: Sequence[Cut], name: str) -> Cut:
    for cut in cuts:
        if cut.name == name:
            return cut
    known = ", ".join(cut.name for cut in cuts)
    raise UsageError(f"there is no layer {name!r} to cut at", where="--prologue", fix=f"use {known}")


def split_at(model: bytes, cut: Cut, plain: bytes | None = None) -> tuple[bytes, bytes]:
    """Gives the float models before and behind a cut.

    ``plain`` is the same graph without planes: it gives the part before, unless the cut is at the planes themselves.
    """
    read, index = _find(model, cut)
    behind = cut_model(model, (index,), read.outputs)
    if plain is not None:
        other, place = _find(plain, cut)
        if other.tensors[place].shape == read.tensors[index].shape:
            return cut_model(plain, other.inputs, (place,)), behind
    return cut_model(model, read.inputs, (index,)), behind


def _find(model: bytes, cut: Cut) -> tuple[TfliteModel, int]:
    read = read_once(model)
    return read, next(tensor.index for tensor in read.tensors if tensor.name == cut.tensor)


def measure_frontier(
    prepared: Prepared, windows: Floats, judge: Judge, options: QuantizeOptions, progress: Progress | None = None
) -> tuple[FrontierPoint, ...]:
    """Gives ``none`` and, as far as asked for, the cuts; each fold is judged by a model of the other folds' ranges.

    Nothing is measured where neither a cut nor a gate was asked for.

    Cuts behind an operator that has no float C are left out.

    Raises: UsageError (exit 2) where the named cut does not exist; ModelError (3) where it has no float C.
    """
    if options.prologue == NONE and not options.frontier and gates_of(options) == Gates(None, None):
        return ()
    progress = progress or Silent()
    cuts = find_cuts(prepared.model, prepared.layers)
    chosen: Sequence[Cut] = ()
    if options.prologue == AUTO or options.frontier:
        chosen = cuts
    elif options.prologue != NONE:
        chosen = [_named_cut(cuts, options.prologue)]
    named = options.prologue not in (AUTO, NONE)
    measured: list[Cut | None] = [None, *(chosen if named else _affordable(prepared, chosen, options))]
    progress.step("measuring cuts on held-out recordings")
    points = [_measure(prepared, cut, windows, judge, options) for cut in counted(measured, len(measured), progress)]
    return tuple(_safe(points, options))


def _affordable(prepared: Prepared, cuts: Sequence[Cut], options: QuantizeOptions) -> list[Cut]:
    """Gives the cuts whose float part is small enough for the CPU and has a C form."""
    found = []
    for cut in cuts:
        prefix, _ = split_at(prepared.model, cut, prepared.plain)
        if count_macs(prefix, sparse=True).total > options.max_cpu_macs:
            break
        if _instructions(prefix) is not None:
            found.append(cut)
    return found


def judged(points: Sequence[FrontierPoint], options: QuantizeOptions) -> Sequence[FrontierPoint]:
    """Gives measured points as the gates of other options judge them."""
    gates = gates_of(options)
    return _safe(
        [
            replace(point, meets=gates.met(point.cosine_mean, point.confident_agreed, point.confident_windows))
            for point in points
        ],
        options,
    )


def _safe(points: Sequence[FrontierPoint], options: QuantizeOptions) -> Sequence[FrontierPoint]:
    """Lets ``auto`` stop short of the most accurate cut only where the folds leave room to its own gates.

    A recording unlike all that calibrated loses more than folds tell, up to ten times as much where little is left in
    float: cuts that held the gate on folds (0.9976) fell to 0.959 on such a recording, the most accurate one to 0.993.
    Gates that the user sets are taken at their word.
    """
    met = [point for point in points if point.meets and point.within_budget]
    if options.prologue != AUTO or options.min_cosine is not None or not met:
        return points
    best = max(met, key=lambda point: point.cosine_mean)
    allowed = (1.0 - AUTO_MIN_COSINE) * AUTO_ROOM
    tight = [point.meets and point is not best and 1.0 - point.cosine_mean > allowed for point in points]
    return [
        replace(point, meets=point.meets and not short, lacks_room=short)
        for point, short in zip(points, tight, strict=True)
    ]


def _instructions(prefix: bytes) -> int | None:
    """Gives the instructions of a prologue on the Cortex-M55; None where it has an operator without float C."""
    try:
        return estimate_instructions(prologue_from_tflite(prefix))
    except ModelError:
        return None


def _measure(
    prepared: Prepared, cut: Cut | None, windows: Floats, judge: Judge, options: QuantizeOptions
) -> FrontierPoint:
    model, values, cpu_macs, instructions = prepared.model, windows, 0, 0
    if cut is not None:
        prefix, model = split_at(prepared.model, cut, prepared.plain)
        values = run_float(prefix, windows)
        instructions = estimate_instructions(prologue_from_tflite(prefix))
        cpu_macs = count_macs(prefix, sparse=True).total

    def of_fold(fold: int, rows: NDArray[np.int64]) -> Floats:
        return run_int8(prepared.quantize(model, without=judge.left_out(fold)), values[rows])

    whole = prepared.whole if cut is None else None
    outputs = judge.held_out(of_fold) if whole is None else run_int8(whole, windows)
    cosines, agrees, sure = judge.cosines(outputs), judge.agrees(outputs), judge.confident
    mean, agreed, confident = float(cosines.mean()), int(agrees[sure].sum()), int(sure.sum())
    low, high = wilson(agreed, confident)
    return FrontierPoint(
        cut=cut,
        cpu_macs=cpu_macs,
        cpu_instructions=instructions,
        npu_macs=count_macs(model).total,
        cosine_mean=rounded(mean),
        cosine_p5=rounded(np.percentile(cosines, 5)),
        cosine_min=rounded(cosines.min()),
        cosine_folds=tuple(rounded(1.0 - loss) for loss in judge.fold_losses(outputs)),
        windows=len(cosines),
        agreed=int(agrees.sum()),
        confident_windows=confident,
        confident_agreed=agreed,
        confident_interval=(rounded(low), rounded(high)),
        worst_window=int(cosines.argmin()),
        within_budget=cpu_macs <= options.max_cpu_macs,
        meets=gates_of(options).met(mean, agreed, confident),
    )


def choose_cut(points: Sequence[FrontierPoint], options: QuantizeOptions) -> Cut | None:
    """Gives the cheapest cut that meets the gates within the budget, or the one that was named; None is ``none``.

    Raises: GatesNotMet (exit 4), which carries the frontier, where there is none.
    """
    if options.prologue == AUTO:
        candidates = [point for point in points if point.within_budget]
    else:
        candidates = [point for point in points if point.name == options.prologue]
    if not points:
        return None
    for point in sorted(candidates, key=lambda point: point.cpu_macs):
        if point.meets:
            return point.cut
    gates, best = gates_of(options), max(candidates, key=lambda point: point.cosine_mean)
    what = f"cosine {best.cosine_mean} and confident agreement {best.confident_agreed} of {best.confident_windows}"
    wanted = " and ".join(
        f"{name} {value}"
        for name, value in (("cosine", gates.min_cosine), ("agreement", gates.min_agreement))
        if value is not None
    )
    wanted += f" or at most {gates.misses} misses" if gates.misses else ""
    raise GatesNotMet(
        f"no cut meets the gates ({wanted}); the best, {best.name}, has {what}",
        frontier=tuple(point.to_json() for point in points), best=best.name, min_cosine=gates.min_cosine,
        where="--prologue",
        fix="allow more with --max-cpu-macs, lower the gates, or calibrate on more varied recordings",
    )  # fmt: skip
