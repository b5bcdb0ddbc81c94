"""Float features to the model's int8 input, with the arithmetic of TFLite's QUANTIZE."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from birdnet_deploy.errors import AudioError


def quantize_input(features: ArrayLike, scale: float, zero_point: int) -> NDArray[np.int8]:
    """Gives ``clamp(round(x / scale) + zero_point)`` as int8, in the shape of ``features``.

    The division is one float32 division and halves round away from zero, as in TensorFlow Lite's reference
    kernel (``AffineQuantize``: ``TfLiteRound(value / scale) + zero_point``) and in the firmware's
    ``frontend_quantize``. Multiplying by ``1 / scale``, or rounding halves to even as ``numpy.rint`` does,
    gives other values.

    Raises: AudioError (exit 3) where a feature is not finite.
    """
    values = np.asarray(features, dtype=np.float32)
    if not np.isfinite(values).all():
        raise AudioError("a feature that is not finite cannot be quantized", fix="mend the recording it comes from")
    steps = np.asarray(np.clip(values / np.float32(scale), np.float32(-512), np.float32(512)))
    rounded = np.asarray(np.rint(steps))
    halves = np.abs(steps - rounded) == np.float32(0.5)  # exact; rint took them to the even side
    rounded[halves] = np.trunc(steps[halves]) + np.copysign(np.float32(1), steps[halves])
    clamped: NDArray[np.float32] = np.clip(rounded + np.float32(zero_point), -128, 127)
    return clamped.astype(np.int8)
