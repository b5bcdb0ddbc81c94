"""How the Helium form of a depthwise convolution cuts an image into parts and patches (``nn_depthwise.h``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from birdnet_deploy.codegen.steps import Field

LANES = 16  # bytes of a vector, and most taps of a filter that it holds
_AT_ONCE = 8  # outputs of a row that are requantized together
_SUMS = 1024  # NN_DEPTHWISE_SUMS
_FARTHEST = 255  # byte that a gather reaches
_MOST_DEPTH = 65_535 // LANES  # steps between pixels are 16-bit offsets
_TILE_BYTES = 2048


@dataclass(frozen=True)
class Patches:
    """``rows`` x ``columns`` outputs a patch, ``part_rows`` x ``part_columns`` outputs a part of the image."""

    rows: int = 0
    columns: int = 0
    pitch: int = 0
    part_rows: int = 0
    part_columns: int = 0
    scratch_bytes: int = 0

    def fields(self) -> tuple[Field, ...]:
        """Gives the fields of ``struct nn_patches``."""
        names = ("rows", "columns", "pitch", "part_rows", "part_columns")
        return tuple((name, getattr(self, name)) for name in names)


def plan_patches(window: Mapping[str, int], depth: int, channels: int) -> Patches:
    """Gives the patches of a ``struct nn_window``; ``rows`` is 0 where a vector does not hold a filter."""
    if depth > _MOST_DEPTH or channels > _MOST_DEPTH:
        return Patches()
    dilated = window["dilation_height"] != 1 or window["dilation_width"] != 1
    for rows, columns in ((1, 1),) if dilated else ((2, 2), (1, 2), (1, 1)):
        height = window["filter_height"] + (rows - 1) * window["stride_height"]
        width = window["filter_width"] + (columns - 1) * window["stride_width"]
        if height * width > LANES or (rows == 2 and window["output_height"] == 1):
            continue
        found = _parts(window, rows, columns, height, width)
        if found is not None:
            return found
    return Patches()


def _parts(window: Mapping[str, int], rows: int, columns: int, height: int, width: int) -> Patches | None:
    """Gives the largest parts of which a patch is within the reach of a gather and the tile within its bytes."""
    down, across = window["stride_height"], window["stride_width"]
    reach = (window["filter_width"] - 1) * window["dilation_width"] + 1
    tall = (window["filter_height"] - 1) * window["dilation_height"] + 1
    others = 1 if rows == 2 else 3  # patches of a turn beside the first
    last = (width - 1) * window["dilation_width"] + others * columns * across  # of the turn, in its row
    below = (height - 1) * window["dilation_height"]
    total = window["output_width"]
    for count in range(1, total + 1):
        part_columns = -(-total // count)
        part_columns = part_columns if count == 1 else _up(part_columns, _AT_ONCE)
        pitch = (part_columns - 1) * across + reach
        wide = _up(part_columns, _AT_ONCE)
        overrun = max(0, (wide - columns) * across + last + 1 - pitch)
        most = min(
            _SUMS // wide, _up(window["output_height"], rows), ((_TILE_BYTES - overrun) // pitch - tall) // down + 1
        )
        part_rows = most // rows * rows
        if part_rows > 0 and below * pitch + last <= _FARTHEST:
            tile = ((part_rows - 1) * down + tall) * pitch + overrun
            return Patches(rows, columns, pitch, part_rows, part_columns, tile)
        if part_columns <= _AT_ONCE:
            return None
    return None


def _up(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple
