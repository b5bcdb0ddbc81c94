"""Which firmware a readback must come from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from birdnet_deploy.artifacts import Bundle
from birdnet_deploy.tflite.interpreter import output_port
from birdnet_deploy.tflite.reader import read_model


@dataclass(frozen=True)
class Identity:
    """What the hello record must say; ``scale`` and ``zp`` are those of the output of the network that runs."""

    model_sha256: str
    lock_sha256: str
    classes: int
    scale: float
    zp: int
    act: str
    npu_sha256: str | None = None
    prologue_sha256: str | None = None


def identity_of(bundle: Bundle) -> Identity:
    """Gives what the hello of a bundle's firmware must say.

    Raises: ModelError (exit 3) where the network cannot be read or yields no int8.
    """
    quantization = output_port(read_model(bundle.network)).quantization
    return Identity(
        model_sha256=bundle.model_sha256,
        lock_sha256=bundle.lock_sha256,
        classes=len(bundle.labels),
        scale=float(np.float32(quantization.scale)),
        zp=quantization.zero_point,
        act=bundle.config.output_activation,
        npu_sha256=bundle.npu_sha256,
        prologue_sha256=bundle.prologue_sha256,
    )
