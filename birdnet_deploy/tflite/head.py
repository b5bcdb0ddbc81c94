"""What a model's graph applies last: outputs are scores already, or logits."""

from __future__ import annotations

from birdnet_deploy.tflite.model import Operator, TfliteModel

ACTIVATIONS = {"SOFTMAX": "softmax", "LOGISTIC": "sigmoid"}
_PASSING = frozenset({"RESHAPE", "SQUEEZE", "QUANTIZE", "DEQUANTIZE"})


def activation_operator(model: TfliteModel, output: int) -> Operator | None:
    """Gives the softmax or sigmoid that makes the tensor ``output``; None where something else does."""
    producers = {index: op for op in model.operators for index in op.outputs}
    op = producers.get(output)
    while op is not None and op.op in _PASSING:
        op = producers.get(op.inputs[0])
    return op if op is not None and op.op in ACTIVATIONS else None


def head_activation(model: TfliteModel) -> str:
    """Gives ``softmax`` or ``sigmoid`` where the first output is one, else ``none``."""
    op = activation_operator(model, model.outputs[0])
    return "none" if op is None else ACTIVATIONS[op.op]
