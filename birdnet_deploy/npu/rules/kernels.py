"""BD1xx: what the NPU computes slowly, splits, or takes no board through. Asked of targets with an NPU only."""

from __future__ import annotations

import math
from collections.abc import Iterator

from birdnet_deploy.npu.data import limit, source
from birdnet_deploy.npu.geometry import POOLS, Window, is_prime, reduced_positions, window_of
from birdnet_deploy.npu.graph import CONVOLUTIONS
from birdnet_deploy.npu.roles import reads_graph_input
from birdnet_deploy.npu.rules.rule import Hit, Rules
from birdnet_deploy.npu.subject import Subject
from birdnet_deploy.tflite.reader import Operator

_RULES = Rules("graph")
_WIDTH = limit("max_kernel_width")
_WIDTH_STRIDED = limit("max_kernel_width_strided")
_HEIGHT = limit("max_kernel_height")
_PAD = limit("max_padding")
_POOL = limit("max_pool_window")
_POOL_STRIDE = limit("max_pool_stride")
_COLUMN = limit("max_width_times_channels")
_BROADCAST = limit("max_broadcast")
_GLOBAL = limit("max_global_pool")
_STRIDES = (1, 2, 4)
_SMALL_PRIMES = 3  # one, two or three channels are a mono, stereo or colour map
_BROADCASTING = frozenset({"ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE"})
_SHAPING = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})
_RELUS = frozenset({"RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"})


def _windows(subject: Subject, kinds: frozenset[str]) -> Iterator[tuple[Operator, Window, str]]:
    for op in subject.model.operators:
        window = window_of(subject.graph, op) if op.op in kinds else None
        if window is not None:
            yield op, window, subject.graph.label(op)


@_RULES.add(
    "BD111", "kernel-too-large", "warning", limit=f"height {_HEIGHT.value:.0f}; width {_WIDTH.value:.0f}, or "
    f"{_WIDTH_STRIDED.value:.0f} at stride 2 and more", source=_HEIGHT.source, processor="npu",
    fix="use 3x3 kernels, or several small ones one behind the other",
    bad="Conv2D(16, (7, 7))", good="Conv2D(16, (3, 3))",
)  # fmt: skip
def kernel_too_large(subject: Subject) -> Iterator[Hit]:
    """Convolution kernels are at most 3 high and 6 wide, or 12 wide at stride 2 and more.

    The NPU computes a larger kernel piece by piece, each an epoch of its own; a 7x7 kernel was split in four, and
    one version of the tools let it run into a time-out.
    """
    for op, window, label in _windows(subject, CONVOLUTIONS):
        height, width = window.kernel
        widest = _WIDTH if window.stride[1] == 1 else _WIDTH_STRIDED
        wrong = []
        if height > _HEIGHT.value:
            wrong.append(f"{height} high, more than {_HEIGHT.value:.0f}")
        if width > widest.value:
            wrong.append(f"{width} wide, more than {widest.value:.0f} at stride {window.stride[1]}")
        if wrong:
            yield Hit(label, f"the {height}x{width} kernel of {op.op} is {' and '.join(wrong)}: it is split")


@_RULES.add(
    "BD112", "stride-inefficient", "warning", limit="1, 2 or 4, not above the kernel", source=source("st-ops"),
    processor="npu", fix="use stride 1, 2 or 4, with a kernel at least as large",
    bad="Conv2D(16, (1, 1), strides=2)", good="Conv2D(16, (3, 3), strides=2)",
)  # fmt: skip
def stride_inefficient(subject: Subject) -> Iterator[Hit]:
    """Convolution strides are 1, 2 or 4, and not larger than the kernel.

    Others are decomposed; a stride above the kernel reads positions that nothing uses.
    """
    for _, window, label in _windows(subject, CONVOLUTIONS):
        strange = [stride for stride in window.stride if stride not in _STRIDES]
        over = [pair for pair in zip(window.stride, window.kernel, strict=True) if pair[0] > pair[1]]
        if strange:
            yield Hit(label, f"stride {window.stride[0]}x{window.stride[1]}, not 1, 2 or 4")
        elif over:
            yield Hit(label, f"stride {over[0][0]} is larger than the kernel's {over[0][1]}")


@_RULES.add(
    "BD113", "padding-too-large", "warning", limit=f"{_PAD.value:.0f}", source=_PAD.source, processor="npu",
    fix="use a smaller kernel or dilation", bad="Conv2D(16, (9, 9), padding='same')",
    good="Conv2D(16, (3, 3), padding='same')",
)  # fmt: skip
def padding_too_large(subject: Subject) -> Iterator[Hit]:
    """Convolutions pad at most two positions on a side.

    Two are free in the convolution unit; more need an epoch that copies the map into a larger one.
    """
    for _, window, label in _windows(subject, CONVOLUTIONS):
        if max(window.pads) > _PAD.value:
            yield Hit(label, f"pads {max(window.pads)} positions on a side, more than {_PAD.value:.0f}")


@_RULES.add(
    "BD114", "dilated-kernel", "warning", limit="1", source=source("st-ops"), processor="npu",
    fix="use a stride, or more layers without dilation", bad="Conv2D(16, 3, dilation_rate=4)", good="Conv2D(16, 3)",
)  # fmt: skip
def dilated_kernel(subject: Subject) -> Iterator[Hit]:
    """Convolutions are not dilated.

    ST advises against dilation: the convolution unit reads a dense window, and holes in it are computed as zeros
    or split off.
    """
    for _, window, label in _windows(subject, CONVOLUTIONS):
        if max(window.dilation) > 1:
            yield Hit(label, f"dilation {window.dilation[0]}x{window.dilation[1]}")


@_RULES.add(
    "BD115", "pooling-window-too-large", "warning", limit=f"window {_POOL.value:.0f}, stride {_POOL_STRIDE.value:.0f}",
    source=_POOL.source, processor="npu", fix="pool by 2 or 3, several times", bad="AveragePooling2D((5, 5))",
    good="AveragePooling2D((2, 2))",
)  # fmt: skip
def pooling_window_too_large(subject: Subject) -> Iterator[Hit]:
    """Pooling windows are at most 3x3, at strides up to 15.

    A larger one is decomposed or falls back to software. GlobalAveragePooling2D becomes MEAN, which has no window;
    what it may take together is BD119.
    """
    for op, window, label in _windows(subject, POOLS):
        if max(window.kernel) > _POOL.value:
            text = f"{window.kernel[0]}x{window.kernel[1]}"
            yield Hit(label, f"the {text} window of {op.op} is larger than {_POOL.value:.0f}")
        elif max(window.stride) > _POOL_STRIDE.value:
            yield Hit(label, f"stride {max(window.stride)} of {op.op} is above {_POOL_STRIDE.value:.0f}")


@_RULES.add(
    "BD116", "map-split-in-columns", "warning", limit=f"{_COLUMN.value:.0f}", source=_COLUMN.source, processor="npu",
    fix="reduce the width earlier (a stride in the stem), or use fewer channels",
    bad="Conv2D(16, 3) on a map of 64 x 256 x 16", good="Conv2D(16, 3) on a map of 64 x 128 x 16",
)  # fmt: skip
def map_split_in_columns(subject: Subject) -> Iterator[Hit]:
    """The width of a map times its channels is at most 2048 under a kernel of more than one row.

    The NPU buffers whole lines; past it the compiler splits the map into columns, which is slower but still in
    hardware. Kernels of height 1 need no lines.
    """
    for _, window, label in _windows(subject, CONVOLUTIONS | POOLS):
        size = window.map_size[1] * window.channels[0]
        if window.kernel[0] > 1 and size > _COLUMN.value:
            text = f"{window.map_size[1]} positions x {window.channels[0]} channels = {size}"
            yield Hit(label, f"{text}, more than {_COLUMN.value:.0f}: the map is split in columns")


@_RULES.add(
    "BD117", "prime-channels", "warning", limit="no prime number above 3", source=source("st-ops"), processor="npu",
    fix="round to a multiple of 8", bad="Conv2D(17, 3)", good="Conv2D(16, 3)",
)  # fmt: skip
def prime_channels(subject: Subject) -> Iterator[Hit]:
    """Stem, block and frontend convolutions have no prime number of channels.

    The compiler splits a layer over its units by factors of the channel counts; a prime has none. What follows
    from the data (the model's input, classes, gates) is BD106.
    """
    for op in subject.model.operators:
        if op.op not in CONVOLUTIONS or subject.roles[op.index] not in ("stem", "body", "frontend"):
            continue
        into, out = subject.graph.channels(op)
        given = [] if reads_graph_input(subject.graph, op) else [(into, "input")]
        primes = [
            f"{count} {end}" for count, end in (*given, (out, "output")) if count > _SMALL_PRIMES and is_prime(count)
        ]
        if primes:
            yield Hit(subject.graph.label(op), f"a prime number of channels: {' and '.join(primes)}")


@_RULES.add(
    "BD118", "broadcast-too-large", "warning", limit=f"{_BROADCAST.value:.0f} elements", source=_BROADCAST.source,
    processor="npu", fix="make both operands the same shape, or use fewer channels",
    bad="Multiply()([map of 8x8x768, gate of 1x1x768])", good="Multiply()([map of 8x8x256, gate of 1x1x256])",
)  # fmt: skip
def broadcast_too_large(subject: Subject) -> Iterator[Hit]:
    """An operand that is broadcast has at most 512 elements, and only one operand is.

    The arithmetic unit holds that many; a larger one, or broadcasting both ways, falls back to software.
    """
    for op in subject.model.operators:
        if op.op not in _BROADCASTING or len(op.inputs) < 2 or not op.outputs:
            continue
        made = math.prod(subject.graph.output_of(op).shape)
        sizes = [math.prod(subject.model.tensors[index].shape) for index in op.inputs[:2] if index >= 0]
        small = [size for size in sizes if size < made]
        label = subject.graph.label(op)
        if len(small) > 1:
            yield Hit(label, f"both operands of {op.op} are broadcast ({small[0]} and {small[1]} of {made} elements)")
        elif small and small[0] > _BROADCAST.value:
            yield Hit(label, f"{op.op} broadcasts {small[0]} elements, more than {_BROADCAST.value:.0f}")


@_RULES.add(
    "BD119", "global-pooling-too-large", "warning", limit=f"{_GLOBAL.value:.0f} positions", source=_GLOBAL.source,
    processor="npu", fix="reduce the map with strides before the pooling",
    bad="GlobalAveragePooling2D() of a 50 x 11 map", good="GlobalAveragePooling2D() of a 4 x 16 map",
)  # fmt: skip
def global_pooling_too_large(subject: Subject) -> Iterator[Hit]:
    """Global pooling takes a small map.

    A 50x11 map was seen to fall back to float software in the middle of the graph, with a wrong result; a 64x64
    map to compile. The epoch report of a real compilation is the truth.
    """
    for op in subject.model.operators:
        positions = reduced_positions(subject.graph, op)
        if positions > _GLOBAL.value:
            yield Hit(subject.graph.label(op), f"{op.op} over {positions} positions, more than {_GLOBAL.value:.0f}")


@_RULES.add(
    "BD120", "one-dimensional-strided-depthwise", "warning", source=source("user-stt"), processor="npu",
    fix="move the stride into the 1x1 convolution behind it", bad="DepthwiseConv2D((1, 3), strides=(1, 2))",
    good="DepthwiseConv2D((3, 3), strides=2)",
)  # fmt: skip
def one_dimensional_strided_depthwise(subject: Subject) -> Iterator[Hit]:
    """No depthwise convolution with a stride works along one axis only.

    It compiles to hardware, yet was seen to stall the NPU on silicon; 3x3 ones with stride 2 run well in ST's own
    models.
    """
    for op, window, label in _windows(subject, frozenset({"DEPTHWISE_CONV_2D"})):
        flat = 1 in window.kernel and max(window.kernel) > 1
        if max(window.stride) > 1 and (flat or 1 in window.map_size):
            kernel = f"{window.kernel[0]}x{window.kernel[1]}"
            yield Hit(label, f"a {kernel} {op.op} with stride {max(window.stride)} along one axis")


@_RULES.add(
    "BD121", "reshape-before-relu", "error", source=source("user-stt-reshape"), processor="npu",
    fix="apply the activation before the reshape", bad="ReLU()(Reshape((128, 8))(Conv2D(8, 3)(x)))",
    good="Reshape((128, 8))(ReLU()(Conv2D(8, 3)(x)))",
)  # fmt: skip
def reshape_before_relu(subject: Subject) -> Iterator[Hit]:
    """No Reshape stands between a convolution and its ReLU.

    The compiler links the activation unit to the convolution across the Reshape, and the NPU waits for ever: the
    board is silent.
    """
    for op in subject.model.operators:
        if op.op not in _RELUS or not op.inputs:
            continue
        between = subject.graph.producer.get(op.inputs[0])
        maker = between
        while maker is not None and maker.op in _SHAPING:
            maker = subject.graph.producer.get(maker.inputs[0])
        if between is not maker and maker is not None and maker.op in CONVOLUTIONS:
            yield Hit(subject.graph.label(op), f"{op.op} behind a {between.op if between else ''} of {maker.op}")


@_RULES.add(
    "BD122", "int8-sum", "error", source=source("tflite-sum"), needs=("int8",),
    fix="take the mean and multiply it by the number of elements", bad="ops.sum(x, axis=1)",
    good="ops.mean(x, axis=1) * x.shape[1]",
)  # fmt: skip
def int8_sum(subject: Subject) -> Iterator[Hit]:
    """No SUM works on int8.

    TensorFlow Lite's reference kernel reads the int8 values as uint8, and the generated engine equals it, so the
    result is wrong wherever a value is negative.
    """
    for op in subject.model.operators:
        if op.op == "SUM" and subject.graph.input_of(op).dtype == "int8":
            yield Hit(subject.graph.label(op), "SUM of int8 values, which reference kernels read as uint8")


RULES = tuple(_RULES.all)
