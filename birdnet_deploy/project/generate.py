"""Rendering a project: shared sources copied, the model's own files written, templates filled.

The same bundle gives the same bytes.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from birdnet_deploy import __version__
from birdnet_deploy.artifacts import (
    BUNDLE_FOLDER,
    MEMORY_PICTURE_FILE,
    MEMORY_PLAN_FILE,
    NETWORK_FOLDER,
    PROJECT_FILE,
    Bundle,
)
from birdnet_deploy.errors import ModelError
from birdnet_deploy.model.labels import check_label_count
from birdnet_deploy.npu.data import read_target
from birdnet_deploy.npu.targets import Board, read_board
from birdnet_deploy.project.choices import Choices, choices_context
from birdnet_deploy.project.golden_window import golden_context
from birdnet_deploy.project.ioc import merged_ioc
from birdnet_deploy.project.layout import GENERATED, Sources, rendered_files, sources_of
from birdnet_deploy.project.memory_picture import svg_picture
from birdnet_deploy.project.npu_files import npu_context, place_all
from birdnet_deploy.project.parts import Network, Prologue
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.hashes import sha256_bytes
from birdnet_deploy.support.resources import firmware_dir
from birdnet_deploy.support.templating import render

_RUNNABLE = (".sh",)


@dataclass(frozen=True)
class Added:
    """What a project gets besides what the model gives: ``stedgeai``'s output, which was checked to be of this model,
    the weights' identity in it, and an ``.ioc`` to merge a section into."""

    network_files: tuple[Path, ...] = ()
    weights_sha256: str | None = None
    ioc: Path | None = None


NOTHING_ADDED = Added()
DEFAULT_CHOICES = Choices()


def generate_project(
    bundle: Bundle,
    target: str,
    network: Network,
    frontend_files: Mapping[str, str],
    staging: Path,
    *,
    prologue: Prologue | None = None,
    choices: Choices = DEFAULT_CHOICES,
    memory_plan: Mapping[str, Any] | None = None,
    added: Added = NOTHING_ADDED,
) -> None:
    """Writes a whole firmware project for ``target`` into the folder ``staging``.

    ``network``, ``prologue`` (where the bundle has one) and ``frontend_files`` (name -> text) are what codegen made of
    the bundle's network, prologue and config; ``memory_plan`` is ``codegen.memory_plan``'s account of the network,
    which places it in the board's memories; the NPU's network has none.

    Raises: UsageError (exit 2) for an unknown target or a choice that makes no sense; LabelsError, ModelError (exit 3)
    where labels, config and network do not fit each other.
    """
    board, on_npu = read_board(target), read_target(target).is_npu
    _check_shapes(bundle, network, prologue)
    generated = {**network.files, **frontend_files, **(prologue.files if prologue else {})}
    names = (*generated, *_compiled_outputs(board))
    sources = sources_of(
        board.ports, network.kernel_sources, names, prologue.sources if prologue else (), engine=not on_npu
    )  # fmt: skip
    placed = place_all(board, memory_plan, prologue.arena_bytes if prologue else 0)
    context = {**_context(bundle, board, network, sources, choices), "placed": placed}
    context["weights_sha256"] = added.weights_sha256 or _weights_sha256(network)
    if on_npu:
        context |= npu_context(board, bundle, placed.prologue)
    _copy(sources.copied, firmware_dir(), staging)
    _copy(bundle.files, bundle.path, staging / BUNDLE_FOLDER)
    banner = render("c/banner.j2", context)
    for name, text in generated.items():
        _write(staging / GENERATED / name, banner + text)
    for template, output in rendered_files(board.templates).items():
        _write(staging / output, render(template, context))
        if output.endswith(_RUNNABLE):
            (staging / output).chmod(0o755)
    if memory_plan is not None:
        jsonfile.write(staging / MEMORY_PLAN_FILE, {**memory_plan, "placement": placed.to_json()})
        _write(staging / MEMORY_PICTURE_FILE, svg_picture(memory_plan))
    description = _description(bundle, board, network, sources)
    if prologue is not None:
        told = {"arena_bytes": prologue.arena_bytes, "macs": prologue.macs}
        description["prologue"] = {**told, "sha256": bundle.prologue_sha256, "npu": bundle.npu_sha256}
    _add(added, staging, context)
    jsonfile.write(staging / PROJECT_FILE, description)


def _add(added: Added, staging: Path, context: Mapping[str, Any]) -> None:
    for file in added.network_files:
        (staging / NETWORK_FOLDER).mkdir(exist_ok=True)
        shutil.copyfile(file, staging / NETWORK_FOLDER / file.name)
    if added.ioc is not None:
        _write(staging / added.ioc.name, merged_ioc(added.ioc, context))


def _weights_sha256(network: Network) -> str | None:
    """Gives the identity of the C engine's weights: the SHA-256 of the text that holds them."""
    text = network.files.get("network_weights.c")
    return None if text is None else sha256_bytes(text.encode())


def _check_shapes(bundle: Bundle, network: Network, prologue: Prologue | None) -> None:
    check_label_count(bundle.labels, math.prod(network.output_shape), where=bundle.path)
    taken = tuple(prologue.input_shape if prologue else network.input_shape)
    if taken != bundle.config.shape:
        raise ModelError(
            f"the model takes {taken} but its config gives {bundle.config.shape}",
            where=bundle.model, fix="convert again with the config of this model",
        )  # fmt: skip
    if prologue is not None and math.prod(prologue.output_shape) != math.prod(network.input_shape):
        raise ModelError(
            f"the prologue gives {prologue.output_shape} but the network takes {network.input_shape}",
            where=bundle.network, fix="run convert again",
        )  # fmt: skip


def _compiled_outputs(board: Board) -> list[str]:
    """The names of rendered files in ``generated/`` (labels.c is compiled like the network)."""
    outputs = rendered_files(board.templates).values()
    return [output.removeprefix(f"{GENERATED}/") for output in outputs if output.startswith(f"{GENERATED}/")]


def _context(bundle: Bundle, board: Board, network: Network, sources: Sources, choices: Choices) -> dict[str, Any]:
    config = bundle.config
    activation = config.output_activation
    output, input_size = network.output_quantization, math.prod(network.input_shape)
    return {
        "target": board,
        "title": board.title,
        "firmware": f"birdnet-deploy {__version__} {board.name}",
        "model_sha256": bundle.model_sha256,
        "lock_sha256": bundle.lock_sha256,
        "npu_sha256": bundle.npu_sha256,
        "prologue_sha256": bundle.prologue_sha256,
        "sample_rate": config.sample_rate,
        "window": config.window_samples,
        "hop": config.window_samples // 2,
        "frontend": config.audio_frontend,
        "input_size": input_size,
        "classes": len(bundle.labels),
        "labels": bundle.labels,
        "output_scale_text": f"{output.scale:.9g}",
        "output_zero_point": output.zero_point,
        "activation": activation,
        "activation_text": "" if activation == "none" else activation,
        **choices_context(choices, bundle.labels, output.scale, output.zero_point, activation),
        **golden_context(bundle.golden, input_size, len(bundle.labels), read_target(board.name).processor),
        "kernels": sources.kernels,
        "sources": sources.others,
        "include_folders": sources.include_folders,
        "machine_flags": " ".join(board.machine_flags),
        "optimize": board.optimize,
        "optimize_kernels": board.optimize_kernels,
    }


def _description(bundle: Bundle, board: Board, network: Network, sources: Sources) -> dict[str, Any]:
    return {
        "schema": 1,
        "tool": f"birdnet-deploy {__version__}",
        "target": board.name,
        "model": bundle.model_sha256,
        "lock": bundle.lock_sha256,
        "arena_bytes": network.arena_bytes,
        "macs": network.macs,
        "host_frontend": list(sources.host_frontend),
    }


def _copy(names: tuple[str, ...], source: Path, dest: Path) -> None:
    for name in names:
        (dest / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, dest / name)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
