"""BD1xx: the graph and its operators."""

from __future__ import annotations

from collections.abc import Iterator

from birdnet_deploy.npu.data import limit, source
from birdnet_deploy.npu.graph import CONVOLUTIONS, Graph, tensor_label
from birdnet_deploy.npu.roles import reads_graph_input
from birdnet_deploy.npu.rules.rule import Hit, Rules
from birdnet_deploy.npu.subject import Subject
from birdnet_deploy.tflite.reader import Operator

_RULES = Rules("graph")
_AXIS = limit("max_axis")
_RANK = limit("max_rank")
_MULTIPLE = limit("channel_multiple")
_ROLE_REASONS = {
    "stem": "the stem reads a spectrogram or planes of it, as it would the colours of a picture",
    "frontend": "mel rows and spectrum bins are what the frontend gives; the mel kernel is padded for it",
    "head": "the classifier head has an output a class and takes the embedding as it is",
    "gate": "squeeze-and-excite works on one position, where alignment costs nothing that matters",
    "score": "attention pooling has one score a position",
}


@_RULES.add(
    "BD101", "dynamic-shape", "error", source=source("st-ops"),
    fix="trace the model with a static batch of 1 before converting",
    bad="TFLiteConverter.from_keras_model(model)",
    good="TFLiteConverter.from_concrete_functions([f]) of a function traced at batch 1",
)  # fmt: skip
def dynamic_shape(subject: Subject) -> Iterator[Hit]:
    """Every tensor has a static shape, batch included.

    The NPU compiler and the generated engine plan memory ahead of time. A batch that is left open also leaves
    operators that compute shapes while running.
    """
    for tensor in subject.graph.used:
        if tensor.shape_signature is not None and -1 in tensor.shape_signature:
            shape = ", ".join("?" if n < 0 else str(n) for n in tensor.shape_signature)
            yield Hit(tensor_label(tensor), f"the shape [{shape}] is dynamic")


@_RULES.add(
    "BD102", "shape-at-run-time", "error", source=source("st-ops"),
    fix="trace the model with a static batch of 1 before converting",
    bad="ops.shape(x)[0] inside a layer",
    good="the shape of the traced graph: x.shape[1]",
)  # fmt: skip
def shape_at_run_time(subject: Subject) -> Iterator[Hit]:
    """No operator computes a shape while the model runs.

    SHAPE, PACK and FILL are left over from a dynamic batch; TFLite Micro cannot prepare them, the generated
    engine has no kernels for them, and each one ends a run of hardware epochs.
    """
    for op in _shape_operators(subject.graph):
        yield Hit(subject.graph.label(op), f"{op.op} works on a shape while the model runs")


def _shape_operators(graph: Graph) -> Iterator[Operator]:
    """Yields operators that make a shape or compute with one that was made."""
    shapes: set[int] = set()
    for op in graph.model.operators:
        if op.op in ("SHAPE", "RANK") or shapes.intersection(op.inputs):
            yield op
            shapes.update(i for i in op.outputs if graph.model.tensors[i].dtype.startswith("int") and op.op != "FILL")


@_RULES.add(
    "BD103", "axis-too-long", "error", limit=f"{_AXIS.value:.0f}", source=_AXIS.source,
    fix="reshape so that no single axis is that long",
    bad="sample_rate 24000, chunk_duration 3, frontend raw: 72000 samples",
    good="sample_rate 16000, chunk_duration 3, frontend raw: 48000 samples",
)  # fmt: skip
def axis_too_long(subject: Subject) -> Iterator[Hit]:
    """No axis of any tensor is longer than 65535.

    ST's front end refuses the model otherwise, inner tensors included; the number of elements is not
    limited. For raw audio it means that sample_rate * chunk_duration stays below 65536.
    """
    for tensor in subject.graph.used:
        length = max(tensor.shape, default=0)
        if length <= _AXIS.value:
            continue
        raw = tensor.index in subject.model.inputs
        kind = "the raw input (sample_rate*chunk_duration)" if raw else "an axis"
        fix = "use 16000 Hz, 2 s windows, or the hybrid or librosa frontend" if raw else None
        message = f"{kind} of {length} is longer than {_AXIS.value:.0f} (axis {tensor.shape.index(length)})"
        yield Hit(tensor_label(tensor), message, fix)


@_RULES.add(
    "BD104", "rank-too-high", "error", limit=f"{_RANK.value:.0f}", source=_RANK.source,
    fix="reshape to at most four axes",
    bad="ops.reshape(x, (1, 16, 8, 4, 2))",
    good="ops.reshape(x, (1, 16, 8, 8))",
)  # fmt: skip
def rank_too_high(subject: Subject) -> Iterator[Hit]:
    """No tensor has more than four axes.

    Tensors of five axes crash ST's code generation, and the generated engine has no kernels for them.
    """
    for tensor in subject.graph.used:
        if len(tensor.shape) > _RANK.value:
            yield Hit(tensor_label(tensor), f"{len(tensor.shape)} axes, more than {_RANK.value:.0f}")


@_RULES.add(
    "BD105", "channels-not-multiple-of-8", "error", limit=f"multiple of {_MULTIPLE.value:.0f}",
    source=_MULTIPLE.source, fix="build the model with make_divisible(channels, 8)",
    bad="Conv2D(12, 3, name='stem_conv')",
    good="Conv2D(16, 3, name='stem_conv')",
)  # fmt: skip
def channels_not_aligned(subject: Subject) -> Iterator[Hit]:
    """Stem, block and embedding convolutions, depthwise ones too, have channels divisible by 8.

    The family's rule: aligned channels fill the NPU's and Helium's lanes. ST states no such limit for
    compiling; a misaligned layer costs speed, but in this family it is always a mistake. Not judged here:
    a spectrogram of one channel, the model's own input, and what BD106 lists.
    """
    for op in subject.model.operators:
        if op.op in CONVOLUTIONS and subject.roles[op.index] in ("stem", "body"):
            message = _misaligned(subject.graph, op, inputs=subject.roles[op.index] != "stem")
            if message:
                yield Hit(subject.graph.label(op), message)


@_RULES.add(
    "BD106", "channels-judged-separately", "info", limit=f"multiple of {_MULTIPLE.value:.0f}",
    source=_MULTIPLE.source, fix="nothing to do",
    bad="Dense(100, name='pred')",
    good="Dense(104, name='pred'), which nobody needs",
)  # fmt: skip
def channels_judged_separately(subject: Subject) -> Iterator[Hit]:
    """Layers whose channels are not divisible by 8 and need not be.

    Frontend (mel rows, spectrum bins), the planes of a spectrogram that the stem reads, classifier head,
    squeeze-and-excite bottlenecks and the attention score follow from the data or cost next to nothing, so
    BD105 leaves them out and this rule says which and why.
    """
    for index, role in subject.roles.items():
        op = subject.model.operators[index]
        message = _misaligned(subject.graph, op, outputs=role != "stem") if role in _ROLE_REASONS else None
        if message:
            yield Hit(subject.graph.label(op), f"{message}, and need not: {_ROLE_REASONS[role]}")


def _misaligned(graph: Graph, op: Operator, *, inputs: bool = True, outputs: bool = True) -> str | None:
    """Gives what is wrong with an operator's input channels, output channels or both; None where nothing is."""
    into, out = graph.channels(op)
    step = int(_MULTIPLE.value)
    wrong = []
    if inputs and into % step and into != 1 and not reads_graph_input(graph, op):
        wrong.append(f"{into} input channels")
    if outputs and out % step:
        wrong.append(f"{out} output channels")
    return f"{' and '.join(wrong)} are not divisible by {step}" if wrong else None


@_RULES.add(
    "BD110", "not-one-input-and-output", "error", source=source("contract"),
    fix="convert a model with one input and one output",
    bad="keras.Model(x, [scores, embedding])",
    good="keras.Model(x, scores)",
)  # fmt: skip
def not_one_input_and_output(subject: Subject) -> Iterator[Hit]:
    """The model has one input and one output.

    The firmware fills one input with features and reads one vector of scores.
    """
    for kind, indices in (("inputs", subject.model.inputs), ("outputs", subject.model.outputs)):
        if len(indices) != 1:
            yield Hit("model", f"{len(indices)} {kind} where the firmware has one")


RULES = tuple(_RULES.all)
