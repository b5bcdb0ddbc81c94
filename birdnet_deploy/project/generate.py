"""Rendering a project: shared sources copied, the model's own files written, templates filled.

The same bundle gives the same bytes.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from birdnet_deploy import __version__
from birdnet_deploy.artifacts import BUNDLE_FOLDER, MEMORY_PICTURE_FILE, MEMORY_PLAN_FILE, PROJECT_FILE, Bundle
from birdnet_deploy.errors import ModelError, UsageError
from birdnet_deploy.model.labels import check_label_count
from birdnet_deploy.npu.targets import Board, read_board
from birdnet_deploy.project.layout import (
    GENERATED,
    Sources,
    rendered_files,
    sources_of,
)
from birdnet_deploy.project.memory_picture import svg_picture
from birdnet_deploy.project.placement import place
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.resources import firmware_dir
from birdnet_deploy.support.templating import render

MAX_TOP_K = 100


class Affine(Protocol):
    """An int8 tensor's meaning: ``(q - zero_point) * scale``."""

    @property
    def scale(self) -> float:
        """The step between two int8 values."""

    @property
    def zero_point(self) -> int:
        """The int8 value of zero."""


class Part(Protocol):
    """What a project needs to know of generated C; shapes are without batch."""

    @property
    def files(self) -> Mapping[str, str]:
        """File names and texts, for ``generated/``."""

    @property
    def arena_bytes(self) -> int:
        """Memory for its tensors, the input included."""

    @property
    def macs(self) -> int:
        """Multiplications with weights of one window."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The input's shape."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The output's shape."""


class Network(Part, Protocol):
    """The generated int8 network."""

    @property
    def kernel_sources(self) -> tuple[str, ...]:
        """File names in ``core/nn`` that it calls."""

    @property
    def output_quantization(self) -> Affine:
        """What an output value means."""


class Prologue(Part, Protocol):
    """The generated float layers: from the features to the network's input."""

    @property
    def sources(self) -> tuple[str, ...]:
        """File names in ``core/prologue`` that it calls."""


def generate_project(
    bundle: Bundle,
    target: str,
    network: Network,
    frontend_files: Mapping[str, str],
    staging: Path,
    *,
    prologue: Prologue | None = None,
    top_k: int = 3,
    memory_plan: Mapping[str, Any] | None = None,
) -> None:
    """Writes a whole firmware project for ``target`` into the folder ``staging``.

    ``network``, ``prologue`` (where the bundle has one) and ``frontend_files`` (name -> text) are what codegen made of
    the bundle's network, prologue and config; ``memory_plan`` is ``codegen.memory_plan``'s account of the network,
    which places it in the board's memories.

    Raises: UsageError (exit 2) for an unknown target or ``top_k``; LabelsError, ModelError (exit 3) where
    labels, config and network do not fit each other.
    """
    board = read_board(target)
    if not 1 <= top_k <= MAX_TOP_K:
        raise UsageError(f"--top-k is {top_k}", fix=f"give 1 to {MAX_TOP_K}")
    _check_shapes(bundle, network, prologue)
    generated = {**network.files, **frontend_files, **(prologue.files if prologue else {})}
    names = (*generated, *_compiled_outputs(board))
    sources = sources_of(board.ports, network.kernel_sources, names, prologue.sources if prologue else ())
    placed = place(memory_plan, board)
    context = {**_context(bundle, board, network, sources, top_k), "placed": placed}
    _copy(sources.copied, firmware_dir(), staging)
    _copy(bundle.files, bundle.path, staging / BUNDLE_FOLDER)
    banner = render("c/banner.j2", context)
    for name, text in generated.items():
        _write(staging / GENERATED / name, banner + text)
    for template, output in rendered_files(board.templates).items():
        _write(staging / output, render(template, context))
    if memory_plan is not None:
        jsonfile.write(staging / MEMORY_PLAN_FILE, {**memory_plan, "placement": placed.to_json()})
        _write(staging / MEMORY_PICTURE_FILE, svg_picture(memory_plan))
    description = _description(bundle, board, network, sources)
    if prologue is not None:
        told = {"arena_bytes": prologue.arena_bytes, "macs": prologue.macs}
        description["prologue"] = {**told, "sha256": bundle.prologue_sha256, "npu": bundle.npu_sha256}
    jsonfile.write(staging / PROJECT_FILE, description)


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


def _context(bundle: Bundle, board: Board, network: Network, sources: Sources, top_k: int) -> dict[str, Any]:
    config = bundle.config
    activation = config.output_activation
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
        "input_size": math.prod(network.input_shape),
        "classes": len(bundle.labels),
        "labels": bundle.labels,
        "output_scale_text": f"{network.output_quantization.scale:.9g}",
        "output_zero_point": network.output_quantization.zero_point,
        "activation": activation,
        "activation_text": "" if activation == "none" else activation,
        "top_k": min(top_k, len(bundle.labels)),
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
