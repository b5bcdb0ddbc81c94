"""Random int8 models in which many results lie half way between two int8 values: every scale is a power of two."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from tests.support.int8_models import SAME, ModelBuilder
from tests.support.kernel_cases import Case, stack, values

_SHAPE = (1, 3, 6, 20)
_SCALE = 2.0**-5


def halves(rng: Generator) -> Case:
    """A sum, difference, product or convolution."""
    build = ModelBuilder()
    source = build.tensor(_SHAPE, _SCALE, int(rng.integers(-20, 20)))
    kind = str(rng.choice(["ADD", "SUB", "MUL", "CONV_2D", "DEPTHWISE_CONV_2D"]))
    output = (_convolution if "CONV" in kind else _of_two)(rng, build, source, kind)
    return f"{kind} with halves", build.finish([source], [output]), stack(rng, _SHAPE)


def _of_two(rng: Generator, build: ModelBuilder, source: int, kind: str) -> int:
    """The other operand is much finer sometimes: its steps decide which side of a half a sum is on."""
    finer = 2.0 ** -int(rng.choice([0, 1, 2, 20, 21, 22, 23]))
    data = values(rng, _SHAPE[3:])
    pair = [source, build.tensor(data.shape, _SCALE * finer, int(rng.integers(-20, 20)), data=data)]
    coarser = 2.0 ** int(rng.integers(1, 4))
    size = _SCALE * _SCALE * finer * 32 if kind == "MUL" else _SCALE
    output = build.tensor(_SHAPE, size * coarser, int(rng.integers(-20, 20)))
    build.operator(kind, pair if rng.random() < 0.7 else pair[::-1], output)
    return output


def _convolution(rng: Generator, build: ModelBuilder, source: int, kind: str) -> int:
    """Some channels are scaled up, in some layers: the others of the layer are not rounded otherwise for that."""
    depthwise, depth = kind == "DEPTHWISE_CONV_2D", _SHAPE[3]
    channels = depth if depthwise else 9
    shape = (1, 3, 3, channels) if depthwise else (channels, 1, 1, depth)
    data = rng.integers(-9, 10, shape).astype(np.int8)
    powers = rng.integers(-7, -3, channels)
    if rng.random() < 0.5:
        powers[:: int(rng.integers(2, 5))] += 6
    scales = np.exp2(powers).astype(np.float32)
    weights = build.tensor(shape, scales, data=data, axis=3 if depthwise else 0)
    bias = build.tensor([channels], scales * np.float32(_SCALE), dtype="int32",
                        data=rng.integers(-200, 200, channels).astype(np.int32))  # fmt: skip
    output = build.tensor((*_SHAPE[:3], channels), _SCALE, int(rng.integers(-20, 20)))
    options = {"depthMultiplier": 1} if depthwise else {}
    build.operator(kind, [source, weights, bias], output, padding=SAME, strideH=1, strideW=1, **options)
    return output
