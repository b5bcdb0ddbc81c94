"""Compiles generated networks for the host under ASan and UBSan, many in one program, and runs them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.codegen.network import GeneratedNetwork
from birdnet_deploy.support.resources import firmware_dir

STRICT = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-trigraphs", "-ffp-contract=off")
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover")
INCLUDES = tuple(f"-I{firmware_dir() / folder}" for folder in ("core", "port"))
_JOBS = 2
_WORKS = 0


def compile_kernels(folder: Path) -> Path:
    """Gives an archive of every kernel, compiled strictly and sanitized."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = sorted((firmware_dir() / "core" / "nn").glob("*.c"))
    run("gcc", *STRICT, *SANITIZE, "-g", "-O1", "-c", *sources, cwd=folder)
    archive = folder / "kernels.a"
    run("ar", "rcs", archive, *sorted(folder.glob("*.o")))
    return archive


def run(*command: object, cwd: Path | None = None) -> str:
    """Gives the output of a command that must succeed."""
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Engine:
    """One host program of several networks; network ``i`` is ``networks[i]``."""

    def __init__(self, networks: Sequence[GeneratedNetwork], folder: Path, kernels: Path) -> None:
        self.networks = networks
        self.program = folder / "engine"
        folder.mkdir(parents=True, exist_ok=True)
        units = [self._write(i, network, folder) for i, network in enumerate(networks)]
        main = folder / "main.c"
        main.write_text(self._main())
        groups = [[*units, main][i::_JOBS] for i in range(_JOBS)]
        with ThreadPoolExecutor(_JOBS) as pool:
            list(pool.map(lambda group: self._compile(group, folder), groups))
        run("gcc", *SANITIZE, *sorted(folder.glob("*.o")), kernels, "-o", self.program)

    @staticmethod
    def _compile(sources: Sequence[Path], folder: Path) -> None:
        if sources:
            run("gcc", *STRICT, *SANITIZE, *INCLUDES, "-O0", "-g", "-c", *sources, cwd=folder)

    @staticmethod
    def _write(number: int, network: GeneratedNetwork, folder: Path) -> Path:
        """Writes one translation unit whose public names carry the network's number."""
        place = folder / f"n{number}"
        place.mkdir()
        for name, text in network.files.items():
            (place / name).write_text(text)
        declared = re.findall(r"(\w+)\[\d+\];", network.files["network_weights.h"])
        names = ("network_input", "network_run", "network_output", *declared)
        renames = "".join(f"#define {name} {name}_of_{number}\n" for name in names)
        unit = folder / f"unit{number}.c"
        unit.write_text(f'{renames}#include "n{number}/network_weights.c"\n#include "n{number}/network.c"\n')
        return unit

    def _main(self) -> str:
        """A program that reads ``network, count, inputs`` again and again and writes ``status, output`` for each."""
        count = len(self.networks)
        declarations = "".join(
            f"int8_t *network_input_of_{i}(void); int network_run_of_{i}(void); "
            f"const int8_t *network_output_of_{i}(void);\n"
            for i in range(count)
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
        done = subprocess.run([self.program], input=request, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")[:4000]
        answers: list[NDArray[np.int8] | None] = []
        data, at = np.frombuffer(done.stdout, np.int8), 0
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
    int32_t head[2];
    while (fread(head, sizeof head, 1, stdin) == 1)
        for (int32_t i = 0; i < head[1]; i++) {
            if (fread(networks[head[0]].input(), 1, networks[head[0]].input_size, stdin) != networks[head[0]].input_size)
                return 1;
            fputc(networks[head[0]].run() == 0 ? 0 : 1, stdout);
            fwrite(networks[head[0]].output(), 1, networks[head[0]].output_size, stdout);
        }
    return 0;
}
"""
