"""From a model's outputs to scores: the activation that the host still has to apply."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from birdnet_deploy.errors import InternalError

ACTIVATIONS = frozenset({"none", "softmax", "sigmoid"})


def activate(outputs: ArrayLike, activation: str) -> NDArray[np.float64]:
    """Gives the scores ``[..., classes]`` of outputs; ``activation`` is none, softmax or sigmoid.

    Raises: InternalError for another activation.
    """
    values = np.asarray(outputs, dtype=np.float64)
    if activation == "none":
        return values
    if activation == "sigmoid":
        return np.exp(-np.logaddexp(0.0, -values))  # no overflow at either end
    if activation == "softmax":
        powers = np.exp(values - values.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
    raise InternalError(f"unknown activation {activation!r}", where="scores", fix="report this")
