"""Which files of ``firmware_stub/core/nn`` hold which kernel."""

from __future__ import annotations

from collections.abc import Iterable

_HEADERS = {
    "nn_fill": "nn_copy.h",
    "nn_lookup_channels": "nn_lookup.h",
    "nn_pool_average": "nn_pool.h",
    "nn_pool_maximum": "nn_pool.h",
    "nn_reduce_maximum": "nn_reduce.h",
    "nn_reduce_sum": "nn_reduce.h",
}
_NEEDS = {
    "nn_conv.c": ("nn_channels.c", "nn_dense.c", "nn_dense_tile.c", "nn_dot.c", "nn_patch.c"),
    "nn_depthwise.c": ("nn_channels.c", "nn_depthwise_finish.c", "nn_depthwise_patches.c", "nn_patch.c"),
    "nn_div.c": ("nn_reciprocal.c",),
    "nn_pointwise.c": ("nn_channels.c", "nn_dense.c", "nn_dense_tile.c", "nn_dot.c"),
    "nn_softmax.c": ("nn_reciprocal.c",),
}


def header_of(kernel: str) -> str:
    """Gives the header that declares a kernel function."""
    return _HEADERS.get(kernel, f"{kernel}.h")


def sources_of(kernels: Iterable[str]) -> tuple[str, ...]:
    """Gives the C files that these kernel functions need, sorted."""
    files = {header_of(kernel).removesuffix(".h") + ".c" for kernel in kernels}
    return tuple(sorted(files.union(*(_NEEDS.get(file, ()) for file in files))))
