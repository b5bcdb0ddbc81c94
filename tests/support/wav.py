"""WAV files byte by byte, right and wrong ones."""

from __future__ import annotations

import struct

import numpy as np


def chunk(name: bytes, content: bytes, length: int | None = None) -> bytes:
    """Gives a RIFF chunk, padded to an even length; ``length`` is what its head claims."""
    head = name + struct.pack("<I", len(content) if length is None else length)
    return head + content + b"\0" * (len(content) % 2)


def fmt(rate: int = 8000, channels: int = 1, bits: int = 16, tag: int = 1, block: int | None = None) -> bytes:
    """Gives a ``fmt `` chunk."""
    block = channels * bits // 8 if block is None else block
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits))


def riff(*chunks: bytes) -> bytes:
    """Gives a RIFF/WAVE file of chunks."""
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def data(pcm: np.ndarray, length: int | None = None) -> bytes:
    """Gives a ``data`` chunk of int16 samples."""
    return chunk(b"data", pcm.astype("<i2").tobytes(), length)


def wav(pcm: np.ndarray, rate: int = 8000) -> bytes:
    """Gives a plain PCM16 mono file."""
    return riff(fmt(rate), data(pcm))
