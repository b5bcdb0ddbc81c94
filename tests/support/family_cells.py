"""The cells of the matrix: which members of the family go the whole way, and by which rule they were chosen.

Small cells are members of the family at 8 kHz, 1 s, 256 points, about a third of the depth and a quarter of the width.

- PLAIN: every frontend with every magnitude scaling that it has, all other options at the small default.
- OPTIONS: every value of every other option at one frontend; in OTHERS (soak) at a second one that differs in what
  precedes the stem: one has layers of its own (hybrid, raw), one takes features that the host makes (librosa,
  log_mel, mfcc), except where the option means something for one frontend only.
- PRODUCT (soak): every frontend and scaling with every kind of block, as far as not above.
- DOCUMENTED: the nine full-size configurations whose parameter counts are documented. They are converted, checked
  and generated each time, and run in soak.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from birdnet_deploy.model.config import MAG_SCALES

SMALL: Mapping[str, Any] = {
    "num_mels": 32, "spec_width": 32, "sample_rate": 8000, "chunk_duration": 1, "embeddings_size": 64,
    "num_classes": 6, "alpha": 0.25, "depth_multiplier": 0.5, "fft_length": 256,
}  # fmt: skip
FULL: Mapping[str, Any] = {
    "num_mels": 64, "spec_width": 128, "sample_rate": 16000, "chunk_duration": 3, "embeddings_size": 256,
    "num_classes": 10,
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One member of the family, and how it is converted.

    ``parameters`` are those of ``build_dscnn_model``; ``without_nyquist`` gives hybrid ``fft_length // 2`` rows
    (models of 1.2 and later); ``head`` is ``convert``'s.
    """

    name: str
    parameters: Mapping[str, Any]
    input_compression: str = "none"
    without_nyquist: bool = False
    head: Literal["logits", "probabilities"] = "logits"

    @property
    def full_size(self) -> bool:
        """Says whether the windows are those of a real model."""
        return bool(self.parameters["sample_rate"] == FULL["sample_rate"])


def _frontend(name: str) -> dict[str, str]:
    """Gives the parameters of ``hybrid+pwl``."""
    frontend, _, scale = name.partition("+")
    return {"audio_frontend": frontend, "mag_scale": scale or "none"}


def _small(frontend: str, option: str = "", **changes: Any) -> Cell:
    ours = {key: changes.pop(key) for key in ("input_compression", "without_nyquist", "head") if key in changes}
    return Cell(f"{frontend} {option}".strip(), {**SMALL, **_frontend(frontend), **changes}, **ours)


INPUTS = (
    *(f"{frontend}+{scale}".removesuffix("+none") for frontend in ("hybrid", "raw", "librosa") for scale in MAG_SCALES),
    "log_mel", "mfcc",
)  # fmt: skip
PLAIN = tuple(_small(name) for name in INPUTS)

_BLOCKS: Mapping[str, Mapping[str, Any]] = {
    "se": {"use_se": True},
    "ir": {"use_inverted_residual": True},
    "ir+se": {"use_inverted_residual": True, "use_se": True},
    "attention": {"use_attention_pooling": True},
}
# option -> the parameters that it means, and the frontends at which it is tried
_OPTIONS: Mapping[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {
    "se": (_BLOCKS["se"], ("hybrid+pwl", "librosa")),
    "ir": (_BLOCKS["ir"], ("raw", "mfcc")),
    "ir+se": (_BLOCKS["ir+se"], ("librosa+pcen", "hybrid")),
    "attention": (_BLOCKS["attention"], ("log_mel", "raw+pwl")),
    "ir+se+attention": ({**_BLOCKS["ir+se"], **_BLOCKS["attention"]}, ("hybrid+db", "mfcc")),
    "se reduction 8": ({"use_se": True, "se_reduction": 8, "alpha": 0.5}, ("raw+db", "log_mel")),
    "expansion 2": ({"use_inverted_residual": True, "expansion_factor": 2}, ("librosa+pwl", "hybrid+pcen")),
    "alpha 0.5": ({"alpha": 0.5}, ("mfcc", "hybrid")),
    "alpha 1": ({"alpha": 1.0}, ("raw", "librosa")),
    "depth 1": ({"depth_multiplier": 1}, ("hybrid+pwl", "log_mel")),
    "depth 2": ({"depth_multiplier": 2}, ("librosa+db", "raw")),
    "sigmoid": ({"class_activation": "sigmoid"}, ("hybrid", "librosa")),
    "softmax in the graph": ({"head": "probabilities"}, ("mfcc", "hybrid")),
    "sigmoid in the graph": ({"class_activation": "sigmoid", "head": "probabilities"}, ("raw", "log_mel")),
    "embeddings 40": ({"embeddings_size": 40}, ("librosa", "raw")),
    "13 mfcc": ({"n_mfcc": 13}, ("mfcc",)),
    "32 mfcc": ({"n_mfcc": 32}, ("mfcc",)),
    "20 mels": ({"num_mels": 20}, ("hybrid+pwl", "librosa", "raw+pcen")),
    "48 frames": ({"spec_width": 48}, ("log_mel", "hybrid", "raw")),
    "sqrt": ({"input_compression": "sqrt"}, ("hybrid", "librosa")),
    "log": ({"input_compression": "log"}, ("librosa", "hybrid+pwl")),
    "no nyquist": ({"without_nyquist": True}, ("hybrid", "hybrid+pcen")),
    "trainable, no decay": ({"frontend_trainable": True, "weight_decay": 0, "dropout_rate": 0}, ("raw", "hybrid+pwl")),
}  # fmt: skip
OPTIONS = tuple(_small(frontends[0], option, **changes) for option, (changes, frontends) in _OPTIONS.items())
OTHERS = tuple(
    _small(frontend, option, **changes)
    for option, (changes, frontends) in _OPTIONS.items()
    for frontend in frontends[1:]
)
PRODUCT = tuple(
    cell
    for name in INPUTS
    for block, changes in _BLOCKS.items()
    if (cell := _small(name, block, **changes)) not in (*OPTIONS, *OTHERS)
)

_DOCUMENTED: Mapping[str, Mapping[str, Any]] = {
    "defaults": {"audio_frontend": "librosa"},
    "hybrid": {"audio_frontend": "hybrid"},
    "hybrid+pwl": {"audio_frontend": "hybrid", "mag_scale": "pwl"},
    "raw": {"audio_frontend": "raw"},
    "hybrid, alpha 0.5": {"audio_frontend": "hybrid", "alpha": 0.5},
    "depth 2": {"audio_frontend": "librosa", "depth_multiplier": 2},
    "se": {"audio_frontend": "librosa", "use_se": True},
    "ir": {"audio_frontend": "librosa", "use_inverted_residual": True},
    "attention": {"audio_frontend": "librosa", "use_attention_pooling": True},
}
DOCUMENTED = tuple(Cell(f"full size: {name}", {**FULL, **changes}) for name, changes in _DOCUMENTED.items())
