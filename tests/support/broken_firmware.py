"""A project whose firmware is wrong on purpose: its window function, its frames, one weight of its network."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.support.command import succeed


def symmetric_hann(project: Path) -> None:
    """The window of signal processing books for filters, not the periodic one of spectra."""
    source = project / "generated/frontend_tables.c"
    text = source.read_text()
    table = re.search(r"frontend_window\[FRONTEND_FFT\] = \{([^}]*)\}", text)
    assert table is not None
    size = table[1].count(",") + (not table[1].rstrip().endswith(","))
    values = (0.25 - 0.25 * math.cos(2 * math.pi * n / (size - 1)) for n in range(size))
    source.write_text(text.replace(table[1], ", ".join(f"{value:.9e}f" for value in values)))


def uncentred_frames(project: Path) -> None:
    """Frames that begin where they should be centred."""
    _replace(project / "core/frontend_stft.c", "frame * FRONTEND_HOP - FRONTEND_FFT / 2;", "frame * FRONTEND_HOP;")


def one_weight(project: Path) -> None:
    """One weight of the last layer, a few steps off; the golden window of the boot lets it pass."""
    _replace(project / "generated/app_config.h", "#define APP_GOLDEN_TOLERANCE 0", "#define APP_GOLDEN_TOLERANCE 255")
    source = project / "generated/network_weights.c"
    text = source.read_text()
    tables = list(re.finditer(r"int8_t weights_\d+\[\d+\] = \{\s*(-?\d+),", text))
    begin, end = tables[-1].span(1)
    value = int(text[begin:end])
    source.write_text(f"{text[:begin]}{value - 60 if value > 0 else value + 60}{text[end:]}")


def broken(project: Path, folder: Path, breaks: Callable[[Path], None]) -> Path:
    """Gives a built copy of a project after ``breaks`` has changed its sources."""
    shutil.copytree(project, folder)
    breaks(folder)
    succeed("build", folder)
    return folder


def _replace(source: Path, old: str, new: str) -> None:
    text = source.read_text()
    assert text.count(old) == 1, source
    source.write_text(text.replace(old, new))
