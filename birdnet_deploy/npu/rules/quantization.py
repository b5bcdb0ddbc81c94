"""BD2xx: quantization."""

from __future__ import annotations

from collections.abc import Iterator

from birdnet_deploy.npu.data import limit, source
from birdnet_deploy.npu.graph import CONVOLUTIONS, tensor_label
from birdnet_deploy.npu.rules.rule import Hit, Rules
from birdnet_deploy.npu.subject import Subject
from birdnet_deploy.tflite.head import ACTIVATIONS, activation_operator
from birdnet_deploy.tflite.reader import Operator, Tensor

_RULES = Rules("int8")
_SMALLEST = limit("min_activation_scale")
_LARGEST = limit("max_activation_scale")
_DEAD = limit("dead_weight_scale")
_FLOATS = frozenset({"float32", "float16", "bfloat16", "float64", "float8_e4m3fn", "float8_e5m2"})


@_RULES.add(
    "BD201", "degenerate-activation-scale", "error", limit=f"{_SMALLEST.value:g} to {_LARGEST.value:g}",
    source=_SMALLEST.source,
    fix="convert with birdnet-deploy, which folds dead branches away, or calibrate on real recordings",
    bad="a branch that no recording reaches: scale 7.8e-09", good="a range that recordings fill: scale 0.02",
)  # fmt: skip
def degenerate_activation_scale(subject: Subject) -> Iterator[Hit]:
    """Activation scales lie between 1e-7 and 1e3.

    A branch that calibration finds dead gets a scale near zero: reference kernels then give 0 and optimised
    ones saturate at 127, so results depend on who computes. A huge scale comes from a value that is no
    sound.
    """
    for tensor in subject.graph.activations:
        scales = tensor.quantization.scales if tensor.quantization else ()
        wrong = [scale for scale in scales if not _SMALLEST.value <= scale <= _LARGEST.value]
        if wrong:
            yield Hit(tensor_label(tensor), f"the activation scale {wrong[0]:.3g} is degenerate")


@_RULES.add(
    "BD202", "float-tensor", "error", source=source("st-ops"), fix="convert to full int8",
    bad="the .tflite of a converter without representative_dataset",
    good="birdnet-deploy convert MODEL.keras --calibration RECORDINGS",
)  # fmt: skip
def float_tensor(subject: Subject) -> Iterator[Hit]:
    """No tensor inside the model is in floating point.

    Float stays on the Cortex-M55, in software, and the generated engine has no float kernels. Inputs and
    outputs are BD205.
    """
    for tensor in subject.graph.used:
        if tensor.dtype in _FLOATS and not _is_io(subject, tensor):
            yield Hit(tensor_label(tensor), f"{tensor.dtype}, not int8")


@_RULES.add(
    "BD203", "not-int8", "error", source=source("st-ops"), fix="convert to full int8: weights and activations",
    bad="EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8", good="TFLITE_BUILTINS_INT8",
)  # fmt: skip
def not_int8(subject: Subject) -> Iterator[Hit]:
    """Integer tensors are int8, but for int32 biases and the constants that give shapes and axes.

    The NPU takes signed 8-bit activations and weights; uint8 is rejected and int16 activations are not taken.
    """
    for tensor in subject.graph.used:
        if tensor.dtype in ("int8", *_FLOATS) or _is_io(subject, tensor):
            continue
        if tensor.dtype in ("int32", "int64") and (tensor.data or _is_shape(subject, tensor)):
            continue
        yield Hit(tensor_label(tensor), f"{tensor.dtype}, not int8")


@_RULES.add(
    "BD204", "hybrid-operator", "error", source=source("st-ops"),
    fix="convert with calibration recordings, so that activations are int8 too",
    bad="optimizations = [DEFAULT] without representative_dataset",
    good="optimizations = [DEFAULT] with representative_dataset",
)  # fmt: skip
def hybrid_operator(subject: Subject) -> Iterator[Hit]:
    """No operator mixes float activations with integer weights.

    Dynamic-range quantization makes such operators. ST's compiler and the generated engine take neither.
    """
    for op, weights in subject.graph.weighted():
        data = subject.graph.input_of(op)
        if data.dtype in _FLOATS and weights.dtype not in _FLOATS:
            yield Hit(subject.graph.label(op), f"{data.dtype} activations with {weights.dtype} weights")


@_RULES.add(
    "BD205", "io-not-int8", "error", source=source("tflite-int8"),
    fix="convert with --io int8; generate strips QUANTIZE and DEQUANTIZE at the ends of a model that is int8 inside",
    bad="inference_input_type = tf.float32 (the converter's default)", good="inference_input_type = tf.int8",
)  # fmt: skip
def io_not_int8(subject: Subject) -> Iterator[Hit]:
    """The model's input and output are int8.

    Float inputs and outputs hide a QUANTIZE and a DEQUANTIZE in the graph, which run in software; the
    firmware quantizes once, in its frontend, and sends int8 outputs.
    """
    for tensor in subject.graph.used:
        if _is_io(subject, tensor) and tensor.dtype != "int8":
            kind = "input" if tensor.index in subject.model.inputs else "output"
            yield Hit(tensor_label(tensor), f"the model's {kind} is {tensor.dtype}, not int8")


@_RULES.add(
    "BD206", "weights-not-symmetric", "error", limit="zero point 0", source=source("tflite-int8"),
    fix="convert again with TensorFlow's full-integer conversion",
    bad="weights of zero points [0, 0, 7, 0]", good="weights of zero points [0, 0, 0, 0]",
)  # fmt: skip
def weights_not_symmetric(subject: Subject) -> Iterator[Hit]:
    """Weights are symmetric: their zero points are 0.

    The int8 specification and ST's ss/sa scheme ask for it, and kernels leave the term out, so results are
    wrong.
    """
    for op, weights in subject.graph.weighted():
        if weights.dtype == "int8" and weights.quantization and any(weights.quantization.zero_points):
            wrong = next(zero for zero in weights.quantization.zero_points if zero)
            yield Hit(tensor_label(weights), f"zero point {wrong} in the weights of op {op.index} {op.op}")


@_RULES.add(
    "BD207", "weights-per-tensor", "warning", source=source("tflite-int8"),
    fix="convert with per-channel weights (the default)",
    bad='_experimental_disable_per_channel = True', good="one scale an output channel, the converter's default",
)  # fmt: skip
def weights_per_tensor(subject: Subject) -> Iterator[Hit]:
    """Convolution weights have a scale for each output channel.

    One scale for all channels costs fidelity: channels with small weights lose their bits.
    """
    for op, weights in subject.graph.weighted():
        scales = weights.quantization.scales if weights.quantization else ()
        if op.op in CONVOLUTIONS and len(scales) == 1 and subject.graph.channels(op)[1] > 1:
            yield Hit(tensor_label(weights), f"one scale for all channels of op {op.index} {op.op}")


@_RULES.add(
    "BD208", "int8-without-scale", "error", limit="one scale for an activation", source=source("tflite-int8"),
    fix="convert the model again with calibration recordings",
    bad="an int8 tensor without QuantizationParameters", good="an int8 activation with one scale and one zero point",
)  # fmt: skip
def int8_without_scale(subject: Subject) -> Iterator[Hit]:
    """Every int8 tensor says what its values mean, and an activation has one scale.

    Without a scale an int8 value is no number; activations with a scale for each channel are not taken
    anywhere.
    """
    for tensor in subject.graph.used:
        if tensor.dtype != "int8":
            continue
        if tensor.quantization is None:
            yield Hit(tensor_label(tensor), "int8 without a scale")
        elif len(tensor.quantization.scales) > 1 and subject.graph.is_activation(tensor):
            yield Hit(tensor_label(tensor), f"an activation with {len(tensor.quantization.scales)} scales")


@_RULES.add(
    "BD209", "dead-weight-channels", "info", limit=f"{_DEAD.value:g}", source=_DEAD.source,
    fix="nothing to do; a smaller or retrained model would not carry them",
    bad="a depthwise kernel whose channel 3 is all zeros", good="a kernel that training left alive",
)  # fmt: skip
def dead_weight_channels(subject: Subject) -> Iterator[Hit]:
    """Layers have no channels whose weights are all (nearly) zero.

    Training leaves them and every correct conversion keeps them: they cost time and memory and give a
    constant.
    """
    for op, weights in subject.graph.weighted():
        scales = weights.quantization.scales if weights.quantization else ()
        dead = sum(scale < _DEAD.value for scale in scales)
        if dead:
            yield Hit(subject.graph.label(op), f"{dead} of {len(scales)} weight channels are dead")


@_RULES.add(
    "BD210", "int8-probabilities", "warning", source=source("tflite-int8"),
    fix="convert with --head logits; the host applies softmax or sigmoid in float",
    bad='Dense(100, activation="softmax") converted to int8', good='birdnet-deploy convert --head logits',
)  # fmt: skip
def int8_probabilities(subject: Subject) -> Iterator[Hit]:
    """The outputs are logits, not int8 probabilities.

    A probability in 256 steps of 1/256 makes all rare species 0 and ties the common ones; logits keep the
    order.
    """
    for op in output_activations(subject):
        label = subject.graph.label(op)
        yield Hit(label, f"the output is an int8 {ACTIVATIONS[op.op]}: 256 steps from 0 to 1")


def output_activations(subject: Subject) -> Iterator[Operator]:
    """Yields the softmax and sigmoid operators that make the model's outputs."""
    found = (activation_operator(subject.model, index) for index in subject.model.outputs)
    yield from (op for op in found if op is not None)


def _is_io(subject: Subject, tensor: Tensor) -> bool:
    return tensor.index in subject.model.inputs or tensor.index in subject.model.outputs


def _is_shape(subject: Subject, tensor: Tensor) -> bool:
    """Says whether an integer activation is a shape that is computed while running, which is BD102."""
    producer = subject.graph.producer.get(tensor.index)
    while producer is not None and producer.op not in ("SHAPE", "RANK"):
        producer = next((found for i in producer.inputs if (found := subject.graph.producer.get(i)) is not None), None)
    return producer is not None


RULES = tuple(_RULES.all)
