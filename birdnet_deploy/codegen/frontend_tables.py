"""The frontend's rendered files: `frontend_config.h` and `frontend_tables.c` of one model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from birdnet_deploy.audio.fft import FftPlan
from birdnet_deploy.audio.frontend import output_shape, stft_plan
from birdnet_deploy.errors import ConfigError
from birdnet_deploy.model.config import ModelConfig
from birdnet_deploy.support.templating import render

CONFIG_HEADER = "frontend_config.h"
TABLES_SOURCE = "frontend_tables.c"
FIRMWARE_FRONTENDS = ("hybrid", "raw")


def frontend_files(config: ModelConfig, input_scale: float, input_zero_point: int) -> Mapping[str, str]:
    """Gives the text of the files that the firmware's frontend is compiled with, by name.

    ``input_scale`` and ``input_zero_point`` quantize the features to the model's int8 input.

    Raises: ConfigError (exit 2) for a frontend that the firmware does not have, a shape that the frontend
    does not give, or an ``fft_length`` that is not a power of two from 64 to 4096.
    """
    if config.audio_frontend not in FIRMWARE_FRONTENDS:
        raise ConfigError(
            f"the firmware has no {config.audio_frontend} frontend",
            where="model config", fix=f"deploy a model with one of: {', '.join(FIRMWARE_FRONTENDS)}",
        )  # fmt: skip
    context = _context(config, input_scale, input_zero_point)
    return {
        CONFIG_HEADER: render(f"c/{CONFIG_HEADER}.j2", context),
        TABLES_SOURCE: render(f"c/{TABLES_SOURCE}.j2", context),
    }


def input_order(points: int) -> list[int]:
    """Gives the order in which an in-place FFT takes its points: decimated by 4, at last by 2 or 4."""
    return _order(points, 0, 1)


def _order(points: int, first: int, stride: int) -> list[int]:
    if points == 1:
        return [first]
    radix = 2 if points == 2 else 4
    parts = (_order(points // radix, first + j * stride, stride * radix) for j in range(radix))
    return [index for part in parts for index in part]


def _context(config: ModelConfig, input_scale: float, input_zero_point: int) -> dict[str, Any]:
    shape = output_shape(config)
    context: dict[str, Any] = {
        "frontend": config.audio_frontend.upper(),
        "window": config.window_samples,
        "rows": shape[0],
        "width": shape[1],
        "size": math.prod(shape),
        "scale": input_scale,
        "zero_point": input_zero_point,
        "plan": None,
    }
    if config.audio_frontend != "raw":
        plan = stft_plan(config)
        context |= {
            "compression": config.input_compression.upper(),
            "hop": config.hop_length,
            "plan": plan,
            "window_table": np.float32(0.5) * plan.hann,
            "order": input_order(plan.points),
            "twiddles": _stage_twiddles(plan),
            "split_twiddles": np.stack([plan.split_cos, plan.split_sin], axis=1).ravel(),
        }
    return context


def _stage_twiddles(plan: FftPlan) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Gives cos and sin of w1, w2, w3 for each k of each stage after the first, as the C reads them."""
    stages = [stage for stage in plan.stages if stage.length > 1]
    return np.concatenate([np.stack([stage.cos, stage.sin], axis=1).transpose(2, 0, 1).ravel() for stage in stages])
