"""Compiles generated prologues and runs them: on the host under ASan and UBSan, or on the M55, scalar or Helium."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.codegen.prologue import generate_prologue
from birdnet_deploy.prologue.graph import Prologue
from birdnet_deploy.support.resources import firmware_dir
from tests.support.engine import EMULATED_M55, HOST, INCLUDES, STRICT, Machine, run

FORMS = ("host", "scalar", "helium")
SCALE, ZERO_POINT = 6 / 255, -128
INSTRUCTIONS_A_TICK = 31.25 / 32  # -icount shift=5 is 31.25 MHz, SysTick of the an547 counts at 32 MHz
_WARNINGS = ("-Wpedantic", "-Wconversion", "-Wshadow", "-Wdouble-promotion", "-Wmissing-prototypes")
_MAIN = Path(__file__).resolve().parent.parent / "firmware" / "prologue_run.c"
_ICOUNT = ("-icount", "shift=5,sleep=off")

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Ran:
    """What a prologue gave: the stages by name, ``[n, size]``, the int8 outputs, and the instructions of each stage
    and of the quantization (medians over the windows, 0 on the host).
    """

    stages: dict[str, Floats]
    output: NDArray[np.int8]
    instructions: tuple[int, ...]


def run_form(
    prologue: Prologue, features: Floats, folder: Path, form: str, *, scale: float = SCALE, zero_point: int = ZERO_POINT
) -> Ran:
    """Gives what the C of a prologue makes of features ``[n, *input_shape]``, in one of ``FORMS``."""
    machine = HOST if form == "host" else EMULATED_M55
    folder.mkdir(parents=True, exist_ok=True)
    generated = generate_prologue(prologue, scale, zero_point)
    for name, text in generated.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    kernels = firmware_dir() / "core" / "prologue"
    sources = [folder / "prologue.c", folder / "prologue_weights.c", *(kernels / name for name in generated.sources)]
    define = ("-DPROLOGUE_SCALAR",) if form == "scalar" else ()
    optimize = ("-O1", "-g") if form == "host" else ("-O2", "-fno-tree-vectorize")
    objects = [*define, *optimize, *STRICT, *_WARNINGS, "-fno-math-errno", *machine.flags, f"-I{folder}", *INCLUDES]
    run(machine.compiler, *objects, "-c", *sources, cwd=folder)
    run(
        machine.compiler, *STRICT, *machine.flags, *optimize, f"-I{folder}", *INCLUDES, _MAIN, *machine.extra,
        *(f"{source.stem}.o" for source in sources), *machine.link, "-lm", "-o", "program", cwd=folder,
    )  # fmt: skip
    features.astype("<f4").tofile(folder / "features.bin")
    run(*_runner(machine), "./program" if machine is HOST else "program", cwd=folder)
    return _read(prologue, len(features), folder)


def _runner(machine: Machine) -> tuple[str, ...]:
    if not machine.runner:
        return ()
    *before, kernel = machine.runner
    return (*before, *_ICOUNT, kernel)


def _read(prologue: Prologue, count: int, folder: Path) -> Ran:
    named = [step for step in prologue.steps if step.name]
    sizes = [prologue.sizes[step.output] for step in named]
    values = np.fromfile(folder / "stages.bin", "<f4").reshape(count, sum(sizes))
    parts = np.split(values, np.cumsum(sizes)[:-1], axis=1)
    ticks = np.fromfile(folder / "ticks.bin", "<u4").reshape(count, len(named) + 1)
    return Ran(
        stages={step.name: part for step, part in zip(named, parts, strict=True)},
        output=np.fromfile(folder / "output.bin", np.int8).reshape(count, -1),
        instructions=tuple(int(n) for n in np.median(ticks, axis=0) * INSTRUCTIONS_A_TICK),
    )
