"""What joins a bundle to a project: generated C of network, prologue and frontend, or what ``stedgeai`` made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from birdnet_deploy.artifacts import NETWORK_FOLDER, Bundle
from birdnet_deploy.errors import CheckFailed, UsageError
from birdnet_deploy.npu.data import read_target
from birdnet_deploy.project.generate import NOTHING_ADDED, Added
from birdnet_deploy.project.parts import Prologue
from birdnet_deploy.support.progress import Progress


@dataclass(frozen=True)
class Parts:
    """What a project is rendered of, beside the bundle itself; ``memory_plan`` is None for the NPU."""

    network: Any
    frontend_files: Mapping[str, str]
    prologue: Prologue | None
    memory_plan: Mapping[str, Any] | None

    @property
    def prologue_bytes(self) -> int:
        """What the prologue's tensors take, 0 without one."""
        return self.prologue.arena_bytes if self.prologue else 0


def parts_of(bundle: Bundle, target: str) -> Parts:
    """Gives what ``project.generate`` takes of codegen: C of network, frontend and prologue.

    Raises: as ``network_of``.
    """
    from birdnet_deploy.codegen.frontend_tables import frontend_files
    from birdnet_deploy.codegen.prologue import generate_prologue
    from birdnet_deploy.prologue.file import read_prologue
    from birdnet_deploy.tflite.interpreter import input_port
    from birdnet_deploy.tflite.reader import read_model

    network, plan = network_of(bundle, target)
    taken, prologue = network.input_quantization, None
    quantization = input_port(read_model(bundle.model)).quantization
    frontend = frontend_files(bundle.config, quantization.scale, quantization.zero_point)
    if bundle.prologue is not None:
        prologue = generate_prologue(read_prologue(bundle.prologue), taken.scale, taken.zero_point)
    return Parts(network, frontend, prologue, plan)


def network_of(bundle: Bundle, target: str) -> tuple[Any, Mapping[str, Any] | None]:
    """Gives the network of a project and its memory plan, None for the NPU, whose compiler plans.

    Raises: UsageError (exit 2) for an unknown target; ModelError (exit 3) for a network that cannot be had.
    """
    from birdnet_deploy.tflite.ends import strip_float_ends
    from birdnet_deploy.tflite.reader import read_model

    model = read_model(strip_float_ends(bundle.network))
    if read_target(target).is_npu:
        from birdnet_deploy.project.npu_network import npu_network
        from birdnet_deploy.tflite.macs import count_macs

        return npu_network(model, count_macs(model).total), None
    from birdnet_deploy.codegen.memory_plan import describe_memory
    from birdnet_deploy.codegen.network import generate_network

    network = generate_network(model)
    return network, describe_memory(network)


def added_of(
    bundle: Bundle, target: str, network_dir: Path | None, ioc: Path | None, prologue_bytes: int,
    project: Path, progress: Progress,
) -> Added:  # fmt: skip
    """Gives what a user adds to a project for the NPU, the network checked to be this bundle's and to leave the
    memory alone that the prologue takes. The one that ``project`` holds already stays where none is named.

    Raises: UsageError (exit 2) for another board, or files that are not there; CheckFailed (exit 4) for another model.
    """
    if not read_target(target).is_npu:
        if network_dir is not None or ioc is not None:
            option = "--network-dir" if network_dir is not None else "--ioc"
            raise UsageError(f"{option} is for boards with an NPU", where=target, fix="name one with --target")
        return NOTHING_ADDED
    if ioc is not None and not ioc.is_file():
        raise UsageError("no such file", where=ioc, fix="name the .ioc of a CubeMX project")
    if network_dir is not None:
        if not network_dir.is_dir():
            raise UsageError("no such folder", where=network_dir, fix="name the folder that stedgeai generate wrote")
        return _checked(bundle, target, network_dir, ioc, prologue_bytes)
    there = project / NETWORK_FOLDER
    if (there / "network.c").is_file():
        try:
            return _checked(bundle, target, there, ioc, prologue_bytes)
        except CheckFailed as error:
            progress.warn(f"{there} is left out: {error.what}")
    return Added(ioc=ioc)


def _checked(bundle: Bundle, target: str, network_dir: Path, ioc: Path | None, prologue_bytes: int) -> Added:
    from birdnet_deploy.npu.network_folder import check_network_folder
    from birdnet_deploy.tflite.ends import strip_float_ends
    from birdnet_deploy.tflite.reader import read_model

    data = bundle.network.read_bytes()
    found = check_network_folder(
        network_dir, read_model(strip_float_ends(bundle.network)), hashlib.md5(data, usedforsecurity=False).hexdigest()
    )  # fmt: skip
    _check_room(network_dir, target, prologue_bytes)
    return Added(found.files, found.weights_sha256, ioc)


def _check_room(network_dir: Path, target: str, prologue_bytes: int) -> None:
    """Refuses a network that was compiled into the memory that the prologue's tensors take."""
    from birdnet_deploy.npu.network_folder import used_bytes
    from birdnet_deploy.npu.targets import read_board
    from birdnet_deploy.project.placement import place_for_npu

    taken = place_for_npu(read_board(target), read_target(target).activations, prologue_bytes).prologue
    overlap = used_bytes(network_dir, taken.address, taken.bytes) if taken else 0
    if taken and overlap:
        raise CheckFailed(
            f"the network takes {overlap:,} bytes of {taken.name} where the prologue's {taken.bytes:,} lie",
            where=network_dir, fix="compile it with the profiles in neuralart/ of the generated project",
        )  # fmt: skip
