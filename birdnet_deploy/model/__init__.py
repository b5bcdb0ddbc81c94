"""The DS-CNN family: building it, loading it safely, and what stands beside a model file.

Names below are imported when they are used: TensorFlow takes five seconds, and most of this package needs
none of it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from birdnet_deploy.model.archive import inspect_archive
    from birdnet_deploy.model.blocks import (
        attention_pooling,
        ds_conv_block,
        inverted_residual_block,
        se_block,
    )
    from birdnet_deploy.model.family import build_dscnn_model, normalize_frontend_name
    from birdnet_deploy.model.layers import AttentionPooling, AudioFrontendLayer
    from birdnet_deploy.model.loading import load_model
    from birdnet_deploy.model.magnitude import MagnitudeScalingLayer
    from birdnet_deploy.model.source import open_source

_HOMES = {
    "AttentionPooling": "layers",
    "AudioFrontendLayer": "layers",
    "MagnitudeScalingLayer": "magnitude",
    "attention_pooling": "blocks",
    "build_dscnn_model": "family",
    "ds_conv_block": "blocks",
    "inspect_archive": "archive",
    "inverted_residual_block": "blocks",
    "load_model": "loading",
    "normalize_frontend_name": "family",
    "open_source": "source",
    "se_block": "blocks",
}
__all__ = [
    "AttentionPooling",
    "AudioFrontendLayer",
    "MagnitudeScalingLayer",
    "attention_pooling",
    "build_dscnn_model",
    "ds_conv_block",
    "inspect_archive",
    "inverted_residual_block",
    "load_model",
    "normalize_frontend_name",
    "open_source",
    "se_block",
]


def __getattr__(name: str) -> Any:
    """Imports a public name from its home on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
