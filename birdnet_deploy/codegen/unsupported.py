"""What the engine has no kernel for: raised where it is found, collected, shown all at once."""

from __future__ import annotations


class Unsupported(Exception):
    """An operator has a form that cannot be generated; the text continues ``operator 3 (CONV_2D) ...``."""
