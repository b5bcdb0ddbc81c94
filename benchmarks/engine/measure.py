"""Builds a model's generated C for the emulated Cortex-M55, runs it over inputs and counts instructions.

QEMU counts them exactly (``-icount``), so the same sources give the same numbers on every machine with the same
compiler. Outputs come from the very ELF that is counted.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.codegen.network import GeneratedNetwork, generate_network
from birdnet_deploy.npu.targets import read_board
from birdnet_deploy.support.resources import firmware_dir
from birdnet_deploy.tflite.reader import read_model

HERE = Path(__file__).resolve().parent
BOARD = read_board("qemu-an547")
FORMS = {"helium": BOARD.machine_flags, "scalar": tuple(f.replace("m55", "m55+nomve") for f in BOARD.machine_flags)}
_GCC = "arm-none-eabi-gcc"
_FLAGS = ("-std=c11", "-ffp-contract=off", "-fno-math-errno", "-ffunction-sections", "-fdata-sections", "-Wall")
_LINK = ("-nostartfiles", f"-T{HERE / 'harness.ld'}", "-Wl,--gc-sections", "-Wl,--build-id=none")
_INSTRUCTIONS_PER_TICK = 31.25 / 32  # -icount shift=5 is 32 ns an instruction; SysTick runs at 32 MHz
_TIMEOUT_S = 1800


@dataclass(frozen=True)
class Layer:
    """One kernel call: instructions are the median over the inputs, of a build in which calls are wrapped.

    ``operators`` are all that the call computes.
    """

    operator: int
    operators: tuple[int, ...]
    op: str
    kernel: str
    shape: str
    macs: int
    output_size: int
    instructions: int

    @property
    def bound_by(self) -> str:
        """What takes most of the instructions, by a count of what must be done at least.

        A VMLADAVA multiplies 16 values, of which a depthwise window fills its taps; a value's way from a sum to int8
        takes about nine instructions for four in Helium.
        """
        if not self.macs or self.kernel.startswith("nn_lookup"):
            return "load and store"
        products = self.output_size * -(-self.macs // (16 * self.output_size))
        shares = {"MAC and load": 1.75 * products, "requantize": 9 / 4 * self.output_size}
        rest = self.instructions - sum(shares.values())
        name, _ = max({**shares, "load and border": rest}.items(), key=lambda item: item[1])
        return name


@dataclass(frozen=True)
class Measurement:
    """What one model costs in one form; sizes in bytes, instructions from entry to return of ``network_run``.

    ``text_bytes`` is the code of kernels and network, ``library_bytes`` what they take of libc and libgcc,
    ``constant_bytes`` weights, tables and parameters. ``differing`` counts output values that are not the
    reference's, of ``compared``.
    """

    form: str
    median: int
    maximum: int
    text_bytes: int
    library_bytes: int
    constant_bytes: int
    arena_bytes: int
    arena_bound: int
    macs: int
    compared: int
    differing: int
    layers: tuple[Layer, ...]


def measure(
    model: bytes, inputs: NDArray[np.int8], expected: NDArray[np.int8], form: str, folder: Path, *, layers: bool = True
) -> Measurement:
    """Gives what a full-int8 model costs in ``form``: one build for the total, one more for the ``layers``.

    ``inputs`` are int8 [n, ...], ``expected`` the reference's outputs [n, size].
    """
    network = generate_network(read_model(model))
    objects = _compile(network, form, folder)
    plain = _link(network, objects, form, folder / "plain", ())
    outputs, ticks, _ = _run(plain, inputs, network)
    counts = instructions_of(ticks)
    sizes = section_sizes(plain)
    return Measurement(
        form=form,
        median=int(np.median(counts)),
        maximum=int(counts.max()),
        text_bytes=sizes.get(".engine_text", 0),
        library_bytes=sizes.get(".library_text", 0),
        constant_bytes=sizes.get(".engine_constants", 0),
        arena_bytes=network.arena_bytes,
        arena_bound=network.arena_lower_bound,
        macs=network.macs,
        compared=expected.size,
        differing=int((outputs != expected.reshape(outputs.shape)).sum()),
        layers=_layers(network, objects, form, folder / "wrapped", inputs) if layers else (),
    )


def _layers(
    network: GeneratedNetwork, objects: Sequence[Path], form: str, folder: Path, inputs: NDArray[np.int8]
) -> tuple[Layer, ...]:
    kernels = sorted({step.kernel for step in network.plan})
    elf = _link(network, objects, form, folder, kernels)
    _, _, ticks = _run(elf, inputs, network)
    counts = np.median(instructions_of(ticks), axis=0).astype(int)
    return tuple(
        Layer(
            step.operator, step.operators, step.op, step.kernel, "x".join(str(n) for n in step.output_shape), step.macs,
            int(np.prod(step.output_shape)), int(count),
        )
        for step, count in zip(network.plan, counts, strict=True)
    )  # fmt: skip


def _compile(network: GeneratedNetwork, form: str, folder: Path) -> list[Path]:
    """Compiles the network with the flags of a project; gives the objects, the kernels' among them."""
    source = folder / "source"
    source.mkdir(parents=True)
    for name, text in network.files.items():
        (source / name).write_text(text, encoding="utf-8")
    kernels = [firmware_dir() / "core" / "nn" / name for name in network.kernel_sources]
    objects = folder / "objects"
    objects.mkdir()
    flags = (*_FLAGS, *FORMS[form], *BOARD.optimize_kernels.split(), *_includes())
    call(_GCC, *flags, "-c", *kernels, *sorted(source.glob("*.c")), cwd=objects)
    return sorted(objects.glob("*.o"))


def _includes() -> tuple[str, ...]:
    return tuple(f"-I{firmware_dir() / folder}" for folder in ("core", "core/nn", "port"))


def _link(
    network: GeneratedNetwork, objects: Sequence[Path], form: str, folder: Path, wrapped: Sequence[str]
) -> Path:  # fmt: skip
    folder.mkdir()
    (folder / "harness_config.h").write_text(
        f"#define HARNESS_INPUT {int(np.prod(network.input_shape))}\n"
        f"#define HARNESS_OUTPUT {int(np.prod(network.output_shape))}\n"
        f"#define HARNESS_STEPS {len(network.plan)}\n"
        f"#define HARNESS_WRAPPED {' '.join(f'WRAPPED({name})' for name in wrapped)}\n"
    )
    elf = folder / "engine.elf"
    wraps = [f"-Wl,--wrap={name}" for name in wrapped]
    flags = (*_FLAGS, *FORMS[form], "-O2", *_includes(), f"-I{folder}", f"-I{HERE}", *_LINK, *wraps)
    call(_GCC, *flags, HERE / "harness.c", *objects, "-o", elf, cwd=folder)
    return elf


def _run(
    elf: Path, inputs: NDArray[np.int8], network: GeneratedNetwork
) -> tuple[NDArray[np.int8], NDArray[np.uint32], NDArray[np.uint32]]:
    """Gives outputs [n, size], ticks [n] and ticks of each kernel call [n, steps]."""
    folder = elf.parent
    (folder / "inputs.bin").write_bytes(inputs.astype(np.int8).tobytes())
    emulate(elf)
    outputs = np.fromfile(folder / "outputs.bin", np.int8).reshape(len(inputs), -1)
    ticks = np.fromfile(folder / "counts.bin", "<u4")
    layers = np.fromfile(folder / "layers.bin", "<u4").reshape(len(inputs), -1)[:, : len(network.plan)]
    return outputs, ticks, layers


def emulate(elf: Path) -> None:
    """Runs a program in its own folder and counts its instructions."""
    call(
        "qemu-system-arm", "-M", "mps3-an547", "-nographic", "-monitor", "none", "-serial", "none",
        "-semihosting-config", "enable=on,target=native", "-icount", "shift=5,sleep=off", "-kernel", elf.name,
        cwd=elf.parent,
    )  # fmt: skip


def instructions_of(ticks: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Gives instructions of ticks of SysTick."""
    counts: NDArray[np.int64] = np.rint(ticks * _INSTRUCTIONS_PER_TICK).astype(np.int64)
    return counts


def section_sizes(elf: Path) -> dict[str, int]:
    """Gives the bytes of each section of an ELF, by name."""
    lines = call("arm-none-eabi-size", "-A", elf, cwd=elf.parent).splitlines()
    return {words[0]: int(words[1]) for line in lines if len(words := line.split()) == 3 and words[1].isdigit()}


def call(*command: object, cwd: Path) -> str:
    """Gives the output of a command that must succeed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)[:500]} ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr}")
    return done.stdout


@cache
def compiler_version() -> str:
    """Gives the version of the compiler that counts depend on, such as ``12.2.1``."""
    return call(_GCC, "-dumpfullversion", cwd=HERE).strip()
