"""The magnitude spectrogram that `hybrid` and every mel frontend starts from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.audio.fft import FftPlan, real_power

Floats = NDArray[np.float32]

PCM_SCALE = np.float32(1 / 32768)
# Below this power (in PCM16 steps squared) there is nothing but the rounding residue of cancelled terms.
# Cutting it off keeps squares of residues out of the denormal range, where an M55 with flush-to-zero gives
# other bits.
POWER_FLOORS: dict[type[np.floating[Any]], float] = {np.float32: 1e-20, np.float64: 1e-30}


def magnitudes(steps: Floats, plan: FftPlan, hop: int, width: int) -> Floats:
    """Gives ``|rfft|`` of ``width`` centred frames: float32 ``[plan.length // 2 + 1, width]``.

    ``steps`` is one window in PCM16 steps (full scale is 32768); the result is in units of full scale. Zeros
    are padded on both sides, frame ``t`` is centred on sample ``t * hop``, the window is the periodic Hann.
    The plan's type is that of the computation; the result is float32.

    Source: docs/input-contract.md (the STFT of librosa with ``center=True, pad_mode="constant"``).
    """
    dtype = plan.hann.dtype.type
    padded = np.zeros(len(steps) + plan.length, dtype=dtype)
    padded[plan.length // 2 : plan.length // 2 + len(steps)] = steps
    framed = np.lib.stride_tricks.sliding_window_view(padded, plan.length)[::hop][:width].T
    power = real_power(framed * (dtype(0.5) * plan.hann)[:, None], plan)
    power[power < dtype(POWER_FLOORS[dtype])] = 0
    magnitude = np.sqrt(power, out=power)
    magnitude *= dtype(PCM_SCALE)
    return magnitude.astype(np.float32, copy=False)
