"""CMSIS-NN's products on the layers of a model, counted in the same QEMU: the C that the PyPI package bakenn carries.

The package (Apache-2.0) is downloaded to a scratch folder when it is asked for and never kept here. Its convolutions,
depthwise convolutions and fully connected layers are called as TensorFlow Lite Micro calls them, by their wrappers,
which choose the fastest kernel for a shape.
"""

from __future__ import annotations

import math
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.engine.measure import FORMS, HERE, call, emulate, instructions_of, section_sizes
from birdnet_deploy.tflite.reader import Operator, TfliteModel, read_model

PACKAGE = "bakenn==1.0.0"
_KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_SLACK = 64  # bytes that a vector load may reach beyond
_VENDOR = "bakenn/backend/cmsis_nn/vendor"
# As CMSIS-NN's own build and TensorFlow Lite Micro's Makefile for the Cortex-M55 compile it: for speed.
_FLAGS = ("-std=c11", "-Ofast", "-ffunction-sections", "-fdata-sections")
_LINK = ("-nostartfiles", f"-T{HERE / 'peer.ld'}", "-Wl,--gc-sections", "-Wl,--build-id=none")


@dataclass(frozen=True)
class PeerResult:
    """Instructions of CMSIS-NN by operator, and the code that it takes for them."""

    instructions: dict[int, int]
    text_bytes: int


def download(folder: Path) -> Path:
    """Gives the folder of the unpacked package."""
    call(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", folder, PACKAGE, cwd=folder)
    (wheel,) = folder.glob("bakenn-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "bakenn")
    return folder / "bakenn"


def measure_peer(model: bytes, package: Path, folder: Path) -> PeerResult:
    """Gives what CMSIS-NN takes for the products of a model, each layer by itself."""
    read = read_model(model)
    products = products_of(read)
    folder.mkdir(parents=True)
    (folder / "peer_layers.h").write_text(_layers(read, products), encoding="utf-8")
    vendor = package / _VENDOR
    flags = (*_FLAGS, *FORMS["helium"], f"-I{folder}", f"-I{HERE}")
    includes = [f"-I{vendor / part}" for part in ("cmsis_nn/Include", "cmsis_core/Include")]
    sources = sorted(vendor.rglob("*.c"))
    call("arm-none-eabi-gcc", *flags, *includes, "-w", "-c", *sources, HERE / "peer.c", cwd=folder)
    elf = folder / "peer.elf"
    call("arm-none-eabi-gcc", *flags, *_LINK, *sorted(folder.glob("*.o")), "-o", elf, cwd=folder)
    emulate(elf)
    counts = instructions_of(np.fromfile(folder / "counts.bin", "<u4"))
    found = {operator.index: int(count) for operator, count in zip(products, counts, strict=True)}
    return PeerResult(found, section_sizes(elf).get(".engine_text", 0))


def products_of(model: TfliteModel) -> list[Operator]:
    """Gives the operators that CMSIS-NN is measured on."""
    return [operator for operator in model.operators if operator.op in _KINDS]


def _layers(model: TfliteModel, products: Sequence[Operator]) -> str:
    """Gives the C table of layers, and the sizes that hold any of them."""
    sizes = {"INPUT": 1, "WEIGHTS": 1, "OUTPUT": 1, "CHANNELS": 1}
    for operator in products:
        source, filters, output = _shapes(model, operator)
        found = (math.prod(source), math.prod(filters), math.prod(output), output[-1])
        sizes = {name: max(size, more) for (name, size), more in zip(sizes.items(), found, strict=True)}
    defines = "".join(f"#define PEER_{name} {size + _SLACK}\n" for name, size in sizes.items())
    rows = "".join(layer_row(model, operator) for operator in products)
    return f"{defines}static const struct layer layers_measured[] = {{\n{rows}}};\n"


def _shapes(model: TfliteModel, operator: Operator) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    source, filters = (model.tensors[i].shape for i in operator.inputs[:2])
    return source, filters, model.tensors[operator.outputs[0]].shape


def layer_row(model: TfliteModel, operator: Operator) -> str:
    """Gives the C initialiser of one layer: kind, shapes, strides, pads, dilations, depth multiplier."""
    source, filters, output = _shapes(model, operator)
    if operator.op == "FULLY_CONNECTED":
        rows = math.prod(source) // filters[1]
        dims = [(rows, 1, 1, filters[1]), (filters[1], 1, 1, filters[0]), (rows, 1, 1, filters[0])]
        return _c_row("FULLY_CONNECTED", dims, (1, 1, 0, 0, 1, 1, 1))
    option = operator.options
    stride = option["stride_h"], option["stride_w"]
    dilation = option["dilation_h_factor"], option["dilation_w_factor"]
    pads = [
        max(0, (output[i + 1] - 1) * stride[i] + (filters[i + 1] - 1) * dilation[i] + 1 - source[i + 1]) // 2
        for i in (0, 1)
    ]
    kind = "CONVOLUTION" if operator.op == "CONV_2D" else "DEPTHWISE"
    multiplier = 1 if kind == "CONVOLUTION" else output[3] // source[3]
    return _c_row(kind, [source, filters, output], (*stride, *pads, *dilation, multiplier))


def _c_row(kind: str, dims: Sequence[Sequence[int]], numbers: Sequence[int]) -> str:
    shapes = ", ".join("{" + ", ".join(map(str, dim)) + "}" for dim in dims)
    return f"    {{{kind}, {shapes}, {', '.join(map(str, numbers))}}},\n"
