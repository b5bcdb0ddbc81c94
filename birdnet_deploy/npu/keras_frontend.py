"""The frontend layer of a ``.keras`` as operators: mel projection or filterbank, division, magnitude scaling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from birdnet_deploy.npu.sketch import Sketch

_RAW_KERNEL = 16  # samples under one filter of the raw frontend
_PWL_BRANCHES = 3
_SWAP = (0, 3, 2, 1)


def draw_frontend(sketch: Sketch, source: int, config: Mapping[str, Any], layout: str, name: str) -> int:
    """Adds the frontend's operators; gives ``[1, mel_bins, spec_width, 1]``."""
    mode = config["mode"]
    if mode == "precomputed":
        return _first_frames(sketch, source, config, name)
    mels = int(config["mel_bins"])
    if mode == "hybrid":
        x = _mel(sketch, _first_frames(sketch, source, config, name), mels, name)
        divides = config.get("sample_norm")
        if layout == "2026" if divides is None else divides:
            x = _divide(sketch, x, name)
    else:
        x = _filter_bank(sketch, source, config, mels, name)
    x = _magnitude(sketch, x, str(config.get("mag_scale", "none")), int(config.get("pcen_K", 8)), name)
    return sketch.transpose(x, _SWAP, f"{name}/out")


def _first_frames(sketch: Sketch, source: int, config: Mapping[str, Any], name: str) -> int:
    shape, width = sketch.shape(source), int(config["spec_width"])
    if len(shape) != 4 or shape[2] == width:
        return source
    begin = sketch.constant(f"{name}/begin", (3, 4), "int32")
    return sketch.add("STRIDED_SLICE", [source, begin], (*shape[:2], width, shape[3]), f"{name}/frames")


def _mel(sketch: Sketch, source: int, mels: int, name: str) -> int:
    rows = sketch.shape(source)[1]
    if -rows % 8:
        source = sketch.pad(source, {1: -rows % 8}, f"{name}/pad")
    x = sketch.transpose(source, _SWAP, f"{name}/in")
    return sketch.fuse(sketch.convolution(x, mels, (1, 1), f"{name}_mel_mixer", bias=False), "RELU", f"{name}/relu")


def _divide(sketch: Sketch, x: int, name: str) -> int:
    loudest = sketch.reduce("REDUCE_MAX", x, (1, 2, 3), True, f"{name}/max")
    least = sketch.constant(f"{name}/epsilon", (1,))
    peak = sketch.add("ADD", [loudest, least], sketch.shape(loudest), f"{name}/peak")
    return sketch.add("DIV", [x, peak], sketch.shape(x), f"{name}/normalised")


def _filter_bank(sketch: Sketch, source: int, config: Mapping[str, Any], mels: int, name: str) -> int:
    samples, width = sketch.shape(source)[1], int(config["spec_width"])
    stride = math.ceil(samples / width)
    padding = max(0, stride * (width - 1) + _RAW_KERNEL - samples)
    if padding:
        source = sketch.pad(source, {1: padding}, f"{name}/pad")
    x = sketch.reshape(source, (1, 1, samples + padding, 1), f"{name}/line")
    x = sketch.convolution(x, mels, (1, _RAW_KERNEL), f"{name}_raw_fb2d", stride=(1, stride))
    return sketch.fuse(x, "RELU6", f"{name}_raw_fb2d_relu")


def _magnitude(sketch: Sketch, x: int, method: str, pools: int, name: str) -> int:
    shape = sketch.shape(x)
    if method == "db":
        floor = sketch.constant(f"{name}_db/floor", (1,))
        x = sketch.add("MAXIMUM", [x, floor], shape, f"{name}_db/maximum")
        x = sketch.add("LOG", [x], shape, f"{name}_db/log")
        return sketch.add("MUL", [x, sketch.constant(f"{name}_db/gain", (1,))], shape, f"{name}_db/mul")
    if method == "pwl":
        y = sketch.convolution(x, None, (1, 1), f"{name}_pwl_k0_dw", bias=False)
        for branch in range(1, _PWL_BRANCHES + 1):
            y = _branch(sketch, x, y, f"{name}_pwl", str(branch))
        return y
    if method == "pcen":
        smooth = x
        for number in range(pools):
            smooth = sketch.pool("AVERAGE_POOL_2D", smooth, (1, 1), (1, 1), "SAME", f"{name}_pcen_ema{number}")
        gain = sketch.convolution(smooth, None, (1, 1), f"{name}_pcen_agc_dw", bias=False)
        x = sketch.fuse(sketch.add("SUB", [x, gain], shape, f"{name}_pcen_sub"), "RELU", f"{name}_pcen_relu")
        y = sketch.convolution(x, None, (1, 1), f"{name}_pcen_k1_dw", bias=False)
        return sketch.fuse(_branch(sketch, x, y, f"{name}_pcen", "2"), "RELU", f"{name}_pcen_out")
    return x


def _branch(sketch: Sketch, x: int, y: int, name: str, number: str) -> int:
    """Adds ``y + gain * relu(shift(x))``."""
    shifted = sketch.convolution(x, None, (1, 1), f"{name}_shift{number}_dw")
    shifted = sketch.fuse(shifted, "RELU", f"{name}_relu{number}")
    gained = sketch.convolution(shifted, None, (1, 1), f"{name}_k{number}_dw", bias=False)
    return sketch.add(
        "ADD", [y, gained], sketch.shape(y), f"{name}_add{number}", fused_activation_function="NONE"
    )  # fmt: skip
