"""Every kind of random model by name, and how many of it make a fair test."""

from __future__ import annotations

from collections.abc import Callable

from numpy.random import Generator

from tests.support import kernel_cases as cases
from tests.support import kernel_cases_more as more
from tests.support.kernel_cases import Case
from tests.support.kernel_chains import chain
from tests.support.kernel_graphs import random_graph
from tests.support.kernel_halves import halves

FAMILIES: dict[str, tuple[Callable[[Generator], Case], int]] = {
    "conv": (cases.conv, 40),
    "depthwise": (cases.depthwise, 40),
    "wide_conv": (cases.wide_conv, 12),
    "wide_depthwise": (cases.wide_depthwise, 16),
    "wide_sum": (cases.wide_sum, 16),
    "halves": (halves, 40),
    "fully_connected": (cases.fully_connected, 24),
    **{name.lower(): (cases.binary(name), 22) for name in ("ADD", "SUB", "MUL", "DIV")},
    **{name.lower(): (cases.binary(name), 8) for name in ("MAXIMUM", "MINIMUM")},
    **{
        name.lower(): (more.lookup(name), 8)
        for name in ("LOGISTIC", "LOG", "RELU", "RELU6", "RELU_N1_TO_1", "QUANTIZE")
    },
    "transpose": (more.transpose, 14),
    "reshape": (more.reshape, 6),
    "slice": (more.slices, 8),
    "strided_slice": (more.strided_slice, 16),
    "concatenation": (more.concatenation, 10),
    "pad": (more.pad, 10),
    **{name.lower(): (more.reduction(name), 12) for name in ("MEAN", "SUM", "REDUCE_MAX")},
    **{name.lower(): (more.pool(name), 10) for name in ("AVERAGE_POOL_2D", "MAX_POOL_2D")},
    "softmax": (more.softmax, 14),
    "chain": (chain, 24),
    "graph": (random_graph, 24),
}
