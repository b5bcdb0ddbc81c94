"""BD2xx: int8 ranges, and the sound that they were calibrated on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from birdnet_deploy.artifacts import GOLDEN_FILE
from birdnet_deploy.npu.data import limit, source
from birdnet_deploy.npu.evidence import Evidence
from birdnet_deploy.npu.graph import tensor_label
from birdnet_deploy.npu.rules.rule import Hit, Rules
from birdnet_deploy.npu.subject import Subject
from birdnet_deploy.tflite.reader import Operator, Quantization, Tensor

_RULES = Rules("int8")
_KEPT = limit("min_kept_range")
_SATURATED = limit("max_saturated_share")
_LOW, _HIGH = -128, 127
_FEW = 8  # values at an end of the range, which ranges of minimum and maximum always have
_MOVING = frozenset({"QUANTIZE", "CONCATENATION", "PAD", "RESHAPE", "TRANSPOSE", "MAX_POOL_2D"})
_LINEAR = frozenset({"FULLY_CONNECTED", "CONV_2D", "ADD", "SUB"})  # whose results have both signs
_EXTREMES = frozenset({"MINIMUM", "MAXIMUM"})
_LINEAR_INPUT = "linear_spectrogram_input"  # the family's name of a hybrid model's input
_EVIDENCE = ("int8", "evidence")


def _affine(tensor: Tensor) -> Quantization | None:
    """Gives the one scale of an int8 activation."""
    found = tensor.quantization
    return found if tensor.dtype == "int8" and found is not None and len(found.scales) == 1 else None


@_RULES.add(
    "BD211", "minimum-maximum-ties-ranges", "warning", source=source("tflite-int8"), processor="npu",
    fix="use ReLU or ReLU6, which a convolution computes on its way out",
    bad="ops.maximum(x, 1e-6)", good="ops.relu(x)",
)  # fmt: skip
def minimum_maximum_ties_ranges(subject: Subject) -> Iterator[Hit]:
    """No MINIMUM or MAXIMUM works on int8.

    Both inputs have to have the output's scale, so the wider range costs the narrower one its steps, and what lies
    outside saturates; it also runs in software.
    """
    for op in _extremes(subject):
        label = subject.graph.label(op)
        yield Hit(label, f"{op.op} ties the ranges of its inputs to one scale, and what lies outside saturates")


@_RULES.add(
    "BD212", "minimum-maximum-scales-differ", "error", source=source("tflite-int8"),
    fix="convert the model again; the converter gives all three tensors one scale",
    bad="MAXIMUM of scales 0.5 and 0.1 to 0.1", good="MAXIMUM of scales 0.1 and 0.1 to 0.1",
)  # fmt: skip
def minimum_maximum_scales_differ(subject: Subject) -> Iterator[Hit]:
    """The inputs and the output of an int8 MINIMUM or MAXIMUM have one scale and zero point.

    Kernels compare the int8 values as they are, so with different scales the result is wrong.
    """
    for op in _extremes(subject):
        tensors = [subject.model.tensors[index] for index in (*op.inputs, *op.outputs) if index >= 0]
        pairs = {(t.quantization.scales, t.quantization.zero_points) if t.quantization else None for t in tensors}
        if len(pairs) > 1:
            yield Hit(subject.graph.label(op), f"{op.op} compares int8 values of {len(pairs)} different scales")


def _extremes(subject: Subject) -> Iterator[Operator]:
    for op in subject.model.operators:
        if op.op in _EXTREMES and op.outputs and subject.graph.output_of(op).dtype == "int8":
            yield op


@_RULES.add(
    "BD213", "saturated-range", "warning", limit=f"{100 * _KEPT.value:.0f} % of the range is kept; "
    f"{100 * _SATURATED.value:g} % of the values lie at an end", source=source("measured-clip"),
    fix="calibrate on more recordings, with the ranges of minimum and maximum",
    bad="logits of zero point 127: none above 0", good="logits of zero point 24",
)  # fmt: skip
def saturated_range(subject: Subject) -> Iterator[Hit]:
    """Ranges are wide enough for what is computed.

    Values outside a range are clipped to its end: logits that cannot be positive, a tensor that is only moved and
    loses its peaks, an input that is too loud. Among clipped values the order of species is lost.
    """
    for index in subject.model.outputs:
        tensor = subject.model.tensors[index]
        found, maker = _affine(tensor), subject.graph.producer.get(index)
        linear = maker is not None and maker.op in _LINEAR and maker.options.get("fused_activation_function") == "NONE"
        if found is not None and linear and found.zero_points[0] in (_LOW, _HIGH):
            side = "positive" if found.zero_points[0] == _HIGH else "negative"
            yield Hit(tensor_label(tensor), f"logits of zero point {found.zero_points[0]}: none can be {side}")
    yield from _cut_ranges(subject)
    if subject.evidence is not None:
        yield from _golden_ends(subject, subject.evidence)


def _cut_ranges(subject: Subject) -> Iterator[Hit]:
    for op in subject.model.operators:
        if op.op not in _MOVING or not op.inputs or not op.outputs:
            continue
        given, made = _affine(subject.graph.input_of(op)), _affine(subject.graph.output_of(op))
        if given is None or made is None or not given.scales[0]:
            continue
        kept = made.scales[0] / given.scales[0]
        if kept < _KEPT.value:
            label = subject.graph.label(op)
            yield Hit(label, f"{op.op} keeps {100 * kept:.0f} % of its input's range and clips the rest")


def _golden_ends(subject: Subject, evidence: Evidence) -> Iterator[Hit]:
    """Counts golden values at an end of int8; the end that stands for zero is no saturation."""
    model = subject.model
    taken = "input" if subject.whole is None else "npu_input"
    for name, index in ((taken, model.inputs[0]), ("output", model.outputs[0])):
        found, values = _affine(model.tensors[index]), evidence.golden.get(name, b"")
        if found is None or not values:
            continue
        for end in (_LOW, _HIGH):
            count = values.count(end & 0xFF)
            if end != found.zero_points[0] and count > max(_FEW, _SATURATED.value * len(values)):
                text = (
                    f"{100 * count / len(values):.1f} % of the golden {name} values lie at {end}, the end of the range"
                )
                yield Hit(f"{GOLDEN_FILE} {name}", text)


@_RULES.add(
    "BD214", "uncompressed-magnitude", "warning", source=source("measured-input"), needs=("graph",),
    fix="train with input_compression sqrt, or convert with the frontend left outside of int8",
    bad='"audio_frontend": "hybrid", "input_compression": "none"',
    good='"audio_frontend": "hybrid", "input_compression": "sqrt"',
)  # fmt: skip
def uncompressed_magnitude(subject: Subject) -> Iterator[Hit]:
    """The first int8 tensor holds compressed magnitudes.

    Linear magnitudes span 60 dB and more; in 256 equal steps most of a quiet bird lies below half a step and is
    zero. A square root or a logarithm before int8 spends the steps where the sound is.
    """
    if subject.whole is not None or not subject.model.inputs:
        return
    tensor = subject.model.tensors[subject.model.inputs[0]]
    config = subject.contract.config if subject.contract else None
    if config is None:
        linear = _LINEAR_INPUT in tensor.name
    else:
        scaled_outside = config.audio_frontend == "librosa" and config.mag_scale != "none"
        linear = config.audio_frontend in ("hybrid", "librosa") and not scaled_outside
        linear = linear and config.input_compression == "none"
    if linear:
        yield Hit(tensor_label(tensor), f"linear magnitudes in 256 steps{_zeros(subject)}")


def _zeros(subject: Subject) -> str:
    """Gives how much of the golden input is zero, where a bundle has one."""
    values = subject.evidence.golden.get("input", b"") if subject.evidence else b""
    found = _affine(subject.fed.tensors[subject.fed.inputs[0]])
    if not values or found is None:
        return ""
    share = values.count(found.zero_points[0] & 0xFF) / len(values)
    return f": {100 * share:.0f} % of the golden input is zero"


@_RULES.add(
    "BD215", "synthetic-calibration", "warning", source=source("contract"), needs=_EVIDENCE,
    fix="convert with --calibration FOLDER_OF_RECORDINGS", bad="convert MODEL.keras --calibration synthetic",
    good="convert MODEL.keras --calibration recordings",
)  # fmt: skip
def synthetic_calibration(subject: Subject) -> Iterator[Hit]:
    """Recordings calibrated the model, not made-up sound.

    Ranges of noise do not fit birds: measured, the mean cosine of scores fell from 0.94 to 0.88.
    """
    if subject.evidence is not None and subject.evidence.synthetic:
        yield Hit("report.json", "synthetic sound calibrated the int8 ranges")


@_RULES.add(
    "BD216", "calibration-overlaps-evaluation", "warning", source=source("contract"), needs=_EVIDENCE,
    fix="keep recordings apart: convert with --evaluation OTHER_RECORDINGS",
    bad="one recording under two names, in both sets", good="each recording in one set",
)  # fmt: skip
def calibration_overlaps_evaluation(subject: Subject) -> Iterator[Hit]:
    """No recording both calibrates and evaluates.

    Figures on sound that the ranges were made for are better than those in the field.
    """
    evidence = subject.evidence
    if evidence is None:
        return
    calibrating, evaluating = evidence.files("calibration"), evidence.files("evaluation")
    by_digest = {digest: name for name, digest in calibrating.items() if digest}
    for name, digest in _with_worst(evidence, evaluating).items():
        # a name is relative to its folder of recordings, so two digests tell more than one name
        known = digest and calibrating.get(name)
        other = by_digest.get(digest) if known or digest in by_digest else name if name in calibrating else None
        if other is not None:
            yield Hit(f"recording {name}", f"evaluates, and calibrates too (as {other})")


def _with_worst(evidence: Evidence, evaluating: Mapping[str, str]) -> Mapping[str, str]:
    worst = evidence.worst_file
    return evaluating if worst is None or worst in evaluating else {**evaluating, worst: ""}


RULES = tuple(_RULES.all)
