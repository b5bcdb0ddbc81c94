"""Compiles generated networks, many in one program, and runs them: on the host under ASan and UBSan, or on the M55."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.codegen.network import GeneratedNetwork
from birdnet_deploy.support.resources import firmware_dir

STRICT = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-Werror=date-time", "-trigraphs", "-ffp-contract=off")
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover")
INCLUDES = tuple(f"-I{firmware_dir() / folder}" for folder in ("core", "port"))
_HERE = Path(__file__).resolve().parent
_START = _HERE.parent / "firmware" / "kernels_m55.c"
_MEMORY = _HERE.parent / "firmware" / "kernels_m55.ld"
_JOBS = 2
_WORKS = 0
_TIMEOUT_S = 120


@dataclass(frozen=True)
class Machine:
    """How to compile for a machine and run there; ``extra`` are sources that its programs need."""

    compiler: str
    archiver: str
    flags: tuple[str, ...]
    link: tuple[str, ...] = ()
    extra: tuple[Path, ...] = ()
    runner: tuple[str, ...] = ()


HOST = Machine("gcc", "ar", SANITIZE)
EMULATED_M55 = Machine(
    "arm-none-eabi-gcc", "arm-none-eabi-ar", ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"),
    ("--specs=rdimon.specs", "-nostartfiles", f"-T{_MEMORY}", "-Wl,--no-warn-rwx-segments"), (_START,),
    ("qemu-system-arm", "-M", "mps3-an547", "-nographic", "-monitor", "none", "-serial", "none",
     "-semihosting-config", "enable=on,target=native", "-kernel"),
)  # fmt: skip


def run(*command: object, cwd: Path | None = None) -> str:
    """Gives the output of a command that must succeed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, capture_output=True, check=False, timeout=_TIMEOUT_S)
    output, errors = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    assert done.returncode == 0, f"{' '.join(words)[:2000]}\n{output[-4000:]}\n{errors[:4000]}"
    return output


def compile_kernels(folder: Path, machine: Machine = HOST, optimize: str = "-O1") -> Path:
    """Gives an archive of every kernel, compiled strictly, sanitized on the host."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = sorted((firmware_dir() / "core" / "nn").glob("*.c"))
    run(machine.compiler, *STRICT, *machine.flags, "-g", optimize, "-c", *sources, cwd=folder)
    archive = folder / "kernels.a"
    run(machine.archiver, "rcs", archive, *sorted(folder.glob("*.o")))
    return archive


class Engine:
    """One program of several networks; network ``i`` is ``networks[i]``."""

    def __init__(
        self, networks: Sequence[GeneratedNetwork], folder: Path, kernels: Path, machine: Machine = HOST
    ) -> None:
        self.networks = networks
        self.folder = folder
        self.machine = machine
        folder.mkdir(parents=True, exist_ok=True)
        units = [self._write(i, network) for i, network in enumerate(networks)]
        main = folder / "main.c"
        main.write_text(self._main())
        sources = [*units, main, *machine.extra]
        with ThreadPoolExecutor(_JOBS) as pool:
            list(pool.map(self._compile, [sources[i::_JOBS] for i in range(_JOBS)]))
        objects = sorted(folder.glob("*.o"))
        run(machine.compiler, *machine.flags, *machine.link, *objects, kernels, "-o", folder / "engine")

    def _compile(self, sources: Sequence[Path]) -> None:
        if sources:
            flags = (*STRICT, *self.machine.flags, *INCLUDES, "-O0", "-g")
            run(self.machine.compiler, *flags, "-c", *sources, cwd=self.folder)

    def _write(self, number: int, network: GeneratedNetwork) -> Path:
        """Writes one translation unit whose public names carry the network's number."""
        place = self.folder / f"n{number}"
        place.mkdir()
        for name, text in network.files.items():
            (place / name).write_text(text)
        declared = re.findall(r"(\w+)\[\d+\];", network.files["network_weights.h"])
        names = ("network_input", "network_run", "network_output", *declared)
        renames = "".join(f"#define {name} {name}_of_{number}\n" for name in names)
        unit = self.folder / f"unit{number}.c"
        unit.write_text(f'{renames}#include "n{number}/network_weights.c"\n#include "n{number}/network.c"\n')
        return unit

    def _main(self) -> str:
        """A program that answers each ``network, count, inputs`` of a file with ``status, output`` for each input."""
        declarations = "".join(
            f"int8_t *network_input_of_{i}(void);\nint network_run_of_{i}(void);\n"
            f"const int8_t *network_output_of_{i}(void);\n"
            for i in range(len(self.networks))
        )
        rows = "".join(
            f"    {{network_input_of_{i}, network_run_of_{i}, network_output_of_{i}, "
            f"{int(np.prod(n.input_shape))}, {int(np.prod(n.output_shape))}}},\n"
            for i, n in enumerate(self.networks)
        )
        return _MAIN.replace("@declarations@", declarations).replace("@rows@", rows)

    def outputs(self, inputs: Sequence[NDArray[np.int8]]) -> list[NDArray[np.int8] | None]:
        """Gives the outputs of each network for a stack of inputs [n, ...]; None where a run ended with a status."""
        request = b"".join(
            np.array([i, len(x)], "<i4").tobytes() + x.astype(np.int8).tobytes() for i, x in enumerate(inputs)
        )
        (self.folder / "request.bin").write_bytes(request)
        run(*self.machine.runner, self.folder / "engine", cwd=self.folder)
        data, at = np.fromfile(self.folder / "answer.bin", np.int8), 0
        answers: list[NDArray[np.int8] | None] = []
        for network, stack in zip(self.networks, inputs, strict=True):
            size = int(np.prod(network.output_shape)) + 1
            part = data[at : at + size * len(stack)].reshape(len(stack), size)
            at += size * len(stack)
            answers.append(part[:, 1:] if (part[:, 0] == _WORKS).all() else None)
        assert at == len(data)
        return answers


_MAIN = r"""
#include <stdint.h>
#include <stdio.h>
@declarations@
static const struct {
    int8_t *(*input)(void);
    int (*run)(void);
    const int8_t *(*output)(void);
    size_t input_size;
    size_t output_size;
} networks[] = {
@rows@};

int main(void)
{
    FILE *const request = fopen("request.bin", "rb");
    FILE *const answer = fopen("answer.bin", "wb");
    int32_t head[2];
    if (request == NULL || answer == NULL)
        return 1;
    while (fread(head, sizeof head, 1, request) == 1)
        for (int32_t i = 0; i < head[1]; i++) {
            const size_t size = networks[head[0]].input_size;
            if (fread(networks[head[0]].input(), 1, size, request) != size)
                return 2;
            fputc(networks[head[0]].run() == 0 ? 0 : 1, answer);
            fwrite(networks[head[0]].output(), 1, networks[head[0]].output_size, answer);
        }
    fclose(request);
    return fclose(answer) == 0 ? 0 : 3;
}
"""
