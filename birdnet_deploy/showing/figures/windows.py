"""The worst windows as the device sees them: spectrogram (or sound) as PNG for the light and the dark page, and WAV."""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from birdnet_deploy.audio.quantize import quantize_input
from birdnet_deploy.showing.figures.style import Picture, settings
from birdnet_deploy.support.npz import DAMAGED

_INKS = (("#1b1f24", "#ffffff"), ("#e6e9ed", "#15181c"))  # text and paper of the light and the dark page
_SIZE, _DPI = (5.4, 2.7), 110
_MAP = "cividis"  # the same to the colour-blind
_GAMMA = 0.4  # of linear magnitudes, which would be black but for the loudest


@dataclass(frozen=True)
class Heard:
    """The worst windows of a bundle: ``pcm`` int16 ``[n, samples]``, ``features`` float32 ``[n, *shape]``."""

    pcm: NDArray[np.int16]
    features: NDArray[np.float32]


def read_heard(golden: Path) -> Heard | None:
    """Gives the worst windows of a ``golden.npz``; None where it has none or cannot be read."""
    try:
        with np.load(golden, allow_pickle=False) as held:
            pcm, features = held["worst_pcm"], held["worst_features"]
    except DAMAGED:
        return None
    if pcm.dtype != np.int16 or features.dtype != np.float32 or len(pcm) != len(features):
        return None
    return Heard(pcm, features)


def window_pictures(facts: Mapping[str, Any], heard: Heard | None) -> list[Picture]:
    """Gives a picture for each of the worst windows, in the order of ``facts["detail"]["worst_windows"]``."""
    windows = (facts["detail"] or {}).get("worst_windows", ())
    if heard is None or len(heard.pcm) != len(windows):
        return []
    return [_picture(facts, number, window, heard) for number, window in enumerate(windows)]


def _picture(facts: Mapping[str, Any], number: int, window: Mapping[str, Any], heard: Heard) -> Picture:
    model = facts["model"]
    config, port = model["config"], model["network"]["input"]
    values: NDArray[Any] = heard.features[number].squeeze()
    unit = "float value, as the prologue takes it"
    if model["prologue"] is None and port:
        values = quantize_input(values, port["scale"], port["zero_point"])
        unit = "int8 value, as the network takes it"
    start = window["start"] / config["sample_rate"]
    title = f"Worst window {number + 1}: {Path(window['file']).name} at {start:.2f} s"
    alt = (
        f"{'Sound' if values.ndim == 1 else 'Spectrogram'} that the device computes of {window['file']}, "
        f"{config['chunk_duration']:g} s from {start:.2f} s on, {unit}, from {values.min():g} to {values.max():g}. "
        f"Cosine of scores {window['cosine']:.4f}; {_heard(window)}."
    )
    light, dark = (_png(values, config, start, unit, *inks) for inks in _INKS)
    return Picture(f"window-{number + 1}", title, alt, png=(light, dark))


def _heard(window: Mapping[str, Any]) -> str:
    wanted, got = window["float"][0], window["int8"][0]
    return f"float hears {wanted['label']} ({wanted['score']:.3f}), int8 hears {got['label']} ({got['score']:.3f})"


def _png(values: NDArray[Any], config: Mapping[str, Any], start: float, unit: str, ink: str, paper: str) -> bytes:
    colours = {key: ink for key in ("axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "text.color")}
    with settings(**colours, **{"axes.grid": False, "figure.facecolor": paper, "font.size": 9}) as figure_class:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        figure = figure_class(figsize=_SIZE, dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        end = start + config["chunk_duration"]
        if values.ndim == 1:
            axes.plot(np.linspace(start, end, len(values)), values, linewidth=0.4, color=ink)
            axes.set_ylabel(unit.partition(",")[0])
        else:
            _image(figure, axes, values, (start, end), config, unit)
        axes.set_xlabel("time in the recording (s)")
        held = io.BytesIO()
        figure.savefig(held, format="png", facecolor=paper, metadata={"Software": None})
    return held.getvalue()


def _image(
    figure: Any, axes: Any, values: NDArray[Any], span: tuple[float, float], config: Mapping[str, Any], unit: str
) -> None:
    from matplotlib.colors import PowerNorm

    linear = config["audio_frontend"] == "hybrid"
    top = config["sample_rate"] / 2000 if linear else values.shape[0]
    low, high = float(values.min()), float(values.max())
    norm = PowerNorm(_GAMMA, low, max(high, low + 1e-9)) if linear else None
    shown = axes.imshow(
        values, origin="lower", aspect="auto", extent=(*span, 0, top), cmap=_MAP, norm=norm, interpolation="nearest"
    )
    axes.set_ylabel("frequency (kHz)" if linear else "band of the frontend (number)")
    figure.colorbar(shown, ax=axes, label=unit.replace(", ", ",\n"))


def wav_of(pcm: NDArray[np.int16], sample_rate: int) -> bytes:
    """Gives one window as a WAV file: PCM16, mono."""
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(np.ascontiguousarray(pcm, dtype="<i2").tobytes())
    return held.getvalue()
