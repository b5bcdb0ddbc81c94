"""BD1xx: which operators run, and where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from birdnet_deploy.npu.data import operators, source
from birdnet_deploy.npu.rules.rule import Hit, Rules
from birdnet_deploy.npu.subject import Subject
from birdnet_deploy.tflite.reader import Operator

_RULES = Rules("graph")
_IN_HARDWARE = ("hw", "partly")


@dataclass(frozen=True)
class _Epochs:
    """Where software cuts the hardware's work: indices of the first and last operator in hardware."""

    first: int
    last: int

    def cut_by(self, op: Operator) -> str:
        """Gives what an operator in software does to the run of hardware epochs around it."""
        if self.first < op.index < self.last:
            return "breaks the run of hardware epochs in two"
        return "stands at an end of the hardware epochs and breaks none"


@_RULES.add(
    "BD107", "operator-in-software", "warning", source=source("st-ops"), processor="npu",
    fix="none needed to run; move it out of the network where speed matters",
    bad="ops.max(x, axis=(1, 2, 3)): REDUCE_MAX", good="GlobalAveragePooling2D(): MEAN",
)  # fmt: skip
def operator_in_software(subject: Subject) -> Iterator[Hit]:
    """Operators run on the NPU rather than on the Cortex-M55.

    A software operator ends a run of hardware epochs, and those in float convert to float and back. The
    table is a prior; the epoch report of a real compilation is the truth. Not asked of a target without an
    NPU.
    """
    graph = subject.graph
    total = sum(graph.macs(op) for op in subject.model.operators)
    reasons = {op.index: _in_software(subject, op) for op in subject.model.operators}
    hardware = [index for index, reason in reasons.items() if reason is None] or [0]
    epochs = _Epochs(hardware[0], hardware[-1])
    for op in subject.model.operators:
        reason = reasons[op.index]
        if reason is not None:
            share = 100 * graph.macs(op) / total if total else 0.0
            yield Hit(graph.label(op), f"{op.op} {reason}: {share:.1f} % of the MACs, {epochs.cut_by(op)}")


def _in_software(subject: Subject, op: Operator) -> str | None:
    """Gives why the table or the tensors put an operator into software; None for one in hardware or unknown."""
    support = operators().get(subject.graph.kind(op))
    if support is None:
        return None
    if support.npu not in _IN_HARDWARE:
        where = "runs in software on the Cortex-M55" if support.npu == "sw" else "does not run on the NPU"
        return f"{where} ({support.condition})"
    tensors = (subject.model.tensors[index] for index in (*op.inputs, *op.outputs) if index >= 0)
    floats = any(tensor.dtype.startswith("float") and not tensor.data for tensor in tensors)
    return "runs in software on the Cortex-M55 (in float)" if floats else None


@_RULES.add(
    "BD108", "operator-unsupported", "error", source=source("st-ops"),
    fix="replace the layer by one that the target has", bad="ops.flip(x, axis=1): REVERSE_V2",
    good="a model that is fed with frames in their order",
)  # fmt: skip
def operator_unsupported(subject: Subject) -> Iterator[Hit]:
    """Every operator is one that the target can run.

    On a target with an NPU that is an operator of ST's table or of the generated engine, else one of the
    engine.
    """
    for op in subject.model.operators:
        support = operators().get(subject.graph.kind(op))
        if support is None:
            custom = f" {op.options['custom_code']!r}" if op.op == "CUSTOM" else ""
            yield Hit(subject.graph.label(op), f"neither the NPU nor the generated engine runs {op.op}{custom}")
        elif not subject.target.is_npu and not support.engine:
            yield Hit(subject.graph.label(op), f"the generated engine does not run {op.op}")


@_RULES.add(
    "BD109", "operator-not-in-engine", "warning", source="the kernels of firmware_stub/core/nn", processor="npu",
    fix="replace the layer, or deploy to the NPU only", bad="LeakyReLU(0.1)", good="ReLU(6)",
)  # fmt: skip
def operator_not_in_engine(subject: Subject) -> Iterator[Hit]:
    """Operators are ones that the generated engine has too, so that the emulated board can run them.

    The NPU runs more than the engine. Such a model cannot be compared with the emulated board; for a target
    without an NPU this is BD108.
    """
    for op in subject.model.operators:
        support = operators().get(subject.graph.kind(op))
        if support is not None and not support.engine:
            yield Hit(subject.graph.label(op), f"the generated engine does not run {op.op}")


RULES = tuple(_RULES.all)
