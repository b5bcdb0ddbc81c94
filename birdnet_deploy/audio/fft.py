"""An FFT over many frames at once, elementwise in numpy: the arithmetic of ``core/fft.c``, bit by bit.

numpy's own FFT differs from a C one in its last bits (another factorisation, fused multiply-adds), so both
sides state one algorithm: the real transform of ``N`` samples through a complex one of ``N/2`` points,
decimated in time by 4, after one radix-2 stage where ``N/2`` is an odd power of two. Real and imaginary parts
are separate arrays, because complex64 products may be fused. Here the stages go from array to array in
natural order (Stockham), in C they work in place on permuted input: the same sums of the same products.

Source of the algorithm: Van Loan, Computational Frameworks for the Fast Fourier Transform (SIAM 1992), 2.4
and 4.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

MIN_FFT_LENGTH = 64
MAX_FFT_LENGTH = 4096


@dataclass(frozen=True)
class Stage:
    """One radix-4 stage: ``length`` is the size of the transforms that it joins by four.

    ``cos`` and ``sin`` hold, for j = 1, 2, 3, the parts of ``exp(-2 pi i j k / (4 length))``, k < ``length``.
    """

    length: int
    cos: Floats
    sin: Floats


@dataclass(frozen=True)
class FftPlan:
    """The constants of one real FFT of ``length`` samples; C gets the same ones rendered.

    ``hann`` is the periodic Hann window. ``split_cos`` and ``split_sin`` are the parts of ``exp(-2 pi i k /
    length)`` for k = 0 .. ``length // 4``.
    """

    length: int
    hann: Floats
    radix2_first: bool
    stages: tuple[Stage, ...]
    split_cos: Floats
    split_sin: Floats

    @property
    def points(self) -> int:
        """Points of the complex transform."""
        return self.length // 2


def cosine(step: int, steps: int) -> float:
    """Gives ``cos(2 pi step / steps)`` in double precision, exactly 0 and 1 where mathematics says so."""
    step %= steps
    if 2 * step > steps:
        step = steps - step
    if 4 * step > steps:
        return -cosine(steps // 2 - step, steps)
    if 8 * step > steps:
        return math.sin(2 * math.pi * (steps // 4 - step) / steps)
    return math.cos(2 * math.pi * step / steps)


def sine(step: int, steps: int) -> float:
    """Gives ``sin(2 pi step / steps)`` as exactly as ``cosine``; ``steps`` is divisible by 4."""
    return cosine(step - steps // 4, steps)


def _turns(steps: int, indices: list[int], dtype: type[np.floating[Any]]) -> tuple[Floats, Floats]:
    """Gives the real and imaginary parts of ``exp(-2 pi i index / steps)``."""
    real = np.array([cosine(index, steps) for index in indices], dtype=dtype)
    imaginary = np.array([-sine(index, steps) for index in indices], dtype=dtype)
    return real, imaginary + dtype(0)  # no minus zero in tables


def _stage(length: int, dtype: type[np.floating[Any]]) -> Stage:
    parts = [_turns(4 * length, [j * k for k in range(length)], dtype) for j in (1, 2, 3)]
    return Stage(length, np.stack([real for real, _ in parts]), np.stack([imag for _, imag in parts]))


@cache
def fft_plan(length: int, dtype: type[np.floating[Any]] = np.float32) -> FftPlan:
    """Gives the plan for real frames of ``length`` samples, a power of two from 64 to 4096, in ``dtype``.

    Raises: ValueError for another length.
    """
    if length & (length - 1) or not MIN_FFT_LENGTH <= length <= MAX_FFT_LENGTH:
        raise ValueError(
            f"no FFT of {length} points: a power of two from {MIN_FFT_LENGTH} to {MAX_FFT_LENGTH} is needed"
        )
    points = length // 2
    radix2_first = points.bit_length() % 2 == 0
    stages = []
    size = 2 if radix2_first else 1
    while size < points:
        stages.append(_stage(size, dtype))
        size *= 4
    hann = np.array([0.5 - 0.5 * cosine(n, length) for n in range(length)], dtype=dtype)
    split_cos, split_sin = _turns(length, list(range(length // 4 + 1)), dtype)
    return FftPlan(length, hann, radix2_first, tuple(stages), split_cos, split_sin)


def _radix2(re: Floats, im: Floats) -> tuple[Floats, Floats]:
    """Joins single points by two: the first stage of an odd power of two, without multiplications."""
    half = len(re) // 2
    return (
        np.concatenate([re[:half] + re[half:], re[:half] - re[half:]]),
        np.concatenate([im[:half] + im[half:], im[:half] - im[half:]]),
    )


def _radix4(re: Floats, im: Floats, stage: Stage) -> tuple[Floats, Floats]:
    """Joins transforms of ``stage.length`` points by four."""
    points, frames = re.shape
    inner = points // (4 * stage.length) * frames
    shape = (stage.length, 4, inner)
    (ar, br, cr, dr) = np.moveaxis(re.reshape(shape), 1, 0)
    (ai, bi, ci, di) = np.moveaxis(im.reshape(shape), 1, 0)
    if stage.length > 1:
        br, bi = _turned(br, bi, stage, 0)
        cr, ci = _turned(cr, ci, stage, 1)
        dr, di = _turned(dr, di, stage, 2)
    out_re = np.empty((4, stage.length, inner), dtype=re.dtype)
    out_im = np.empty_like(out_re)
    even_r, even_i, odd_r, odd_i = ar + cr, ai + ci, ar - cr, ai - ci
    sum_r, sum_i, dif_r, dif_i = br + dr, bi + di, br - dr, bi - di
    np.add(even_r, sum_r, out=out_re[0])
    np.add(even_i, sum_i, out=out_im[0])
    np.add(odd_r, dif_i, out=out_re[1])
    np.subtract(odd_i, dif_r, out=out_im[1])
    np.subtract(even_r, sum_r, out=out_re[2])
    np.subtract(even_i, sum_i, out=out_im[2])
    np.subtract(odd_r, dif_i, out=out_re[3])
    np.add(odd_i, dif_r, out=out_im[3])
    return out_re.reshape(points, frames), out_im.reshape(points, frames)


def _turned(re: Floats, im: Floats, stage: Stage, j: int) -> tuple[Floats, Floats]:
    """Gives the complex products with the stage's factors."""
    wr, wi = stage.cos[j][:, None], stage.sin[j][:, None]
    real = re * wr
    real -= im * wi
    imaginary = re * wi
    imaginary += im * wr
    return real, imaginary


def complex_fft(re: Floats, im: Floats, plan: FftPlan) -> tuple[Floats, Floats]:
    """Gives the transform over the first axis of ``[points, frames]``."""
    if plan.radix2_first:
        re, im = _radix2(re, im)
    for stage in plan.stages:
        re, im = _radix4(re, im, stage)
    return re, im


def real_power(frames: Floats, plan: FftPlan) -> Floats:
    """Gives ``|rfft|**2`` of twice the frames: ``[length, frames]`` -> ``[length // 2 + 1, frames]``.

    The factor 2 belongs to the split of the complex transform; the caller's window table is halved instead.
    """
    zr, zi = complex_fft(frames[0::2], frames[1::2], plan)
    points, quarter = plan.points, plan.points // 2
    low_r, low_i = zr[: quarter + 1], zi[: quarter + 1]
    mirror = (-np.arange(quarter + 1)) % points
    high_r, high_i = zr[mirror], zi[mirror]
    even_r, even_i = low_r + high_r, low_i - high_i
    odd_r, odd_i = low_i + high_i, high_r - low_r
    wr, wi = plan.split_cos[:, None], plan.split_sin[:, None]
    turned_r = odd_r * wr
    turned_r -= odd_i * wi
    turned_i = odd_r * wi
    turned_i += odd_i * wr
    power = np.empty((points + 1, frames.shape[1]), dtype=frames.dtype)
    power[: quarter + 1] = _square_sum(even_r + turned_r, even_i + turned_i)
    power[: quarter - 1 : -1] = _square_sum(even_r - turned_r, even_i - turned_i)
    return power


def _square_sum(re: Floats, im: Floats) -> Floats:
    re *= re
    im *= im
    re += im
    return re
