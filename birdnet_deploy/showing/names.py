"""How a report calls layers: by the part of a converter's name that people gave them."""

from __future__ import annotations

_LONG = 40


def layer_name(tensor: str) -> str:
    """Gives the Keras layer that a converter's name tells of, else the name: of ``model/layer/op;...`` the middle."""
    first = tensor.split(";", 1)[0]
    parts = first.split("/")
    name = parts[1] if len(parts) > 2 else first
    return name if len(name) <= _LONG else name[: _LONG - 3] + "..."
