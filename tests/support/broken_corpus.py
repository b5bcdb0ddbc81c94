"""The broken models of ``test_broken_models.py``, and all that ``validate`` has to find in each."""

from __future__ import annotations

import numpy as np

from tests.support.broken_models import (
    BrokenModel,
    becomes,
    both,
    dtype,
    inserted,
    more_inputs,
    more_outputs,
    option,
    quantized,
    tensor,
    weights,
)

_EIGHT = {"scale": [0.1] * 8, "zeroPoint": [0] * 8}
_ONE = {"scale": [0.1], "zeroPoint": [0]}

CONVERTED = {
    "open batch": BrokenModel("dynamic", {"BD101": 15, "BD102": 4, "BD108": 1, "BD107": 2, "BD109": 2}, "tensor 0 "),
    "raw window of 66150": BrokenModel("raw", {"BD103": 2, "BD111": 1, "BD112": 1}, "tensor 0 "),
    "float weights and activations": BrokenModel("float", {"BD202": 10, "BD205": 2, "BD107": 6}, "tensor 1 "),
    "float16 weights": BrokenModel("float16", {"BD202": 15, "BD205": 2, "BD107": 11, "BD109": 5}, "tensor 1 "),
    "float with an open batch": BrokenModel(
        "dynamic_float", {"BD101": 7, "BD202": 10, "BD205": 2, "BD107": 6}, "tensor 0 "
    ),
    "dynamic range": BrokenModel("dynamic_range", {"BD202": 9, "BD204": 1, "BD205": 2, "BD107": 6}, "tensor 1 "),
    "int16 activations": BrokenModel("int16", {"BD203": 5, "BD205": 2}, "tensor 7 "),
    "uint8 ends": BrokenModel("uint8_io", {"BD205": 2}, "tensor 0 "),
    "float ends": BrokenModel("float_io", {"BD205": 2, "BD107": 2, "BD109": 2}, "tensor 0 "),
    "stem of 12": BrokenModel("stem_12", {"BD105": 3}, "op 0 "),
    "stem of 12 behind planes": BrokenModel("planes_12", {"BD105": 3}, "op 3 "),
    "layer of 3 in front of the stem": BrokenModel("narrow", {"BD105": 2}, "op 0 "),
    "block of 20": BrokenModel("body_20", {"BD105": 1}, "op 2 "),
    "prime 17": BrokenModel("prime_17", {"BD105": 1, "BD117": 1}, "op 4 "),
    "softmax inside": BrokenModel("softmax", {"BD107": 1, "BD210": 1}, "op 6 "),
    "sigmoid inside": BrokenModel("sigmoid", {"BD210": 1}, "op 6 "),
    "int8 sum": BrokenModel("sum", {"BD122": 1, "BD107": 1}, "op 4 "),
    "attention with a sum": BrokenModel("attention", {"BD122": 1, "BD107": 2}, "op 10 "),
    "five axes": BrokenModel("five_axes", {"BD104": 2}, "tensor 16 "),
    "reversed frames": BrokenModel("reverse", {"BD108": 1}, "op 4 "),
    "leaky relu": BrokenModel("leaky_relu", {"BD109": 1}, "op 4 "),
    "square root": BrokenModel("square_root", {"BD107": 1, "BD109": 1}, "op 4 "),
    "exponential": BrokenModel("exponential", {"BD202": 2, "BD107": 4, "BD109": 4}, "tensor 13 "),
    "transposed convolution": BrokenModel("transposed", {"BD109": 1, "BD119": 1}, "op 4 "),
    "maximum": BrokenModel("maximum", {"BD107": 1, "BD211": 1}, "op 4 "),
    "minimum": BrokenModel("minimum", {"BD107": 1, "BD211": 1}, "op 4 "),
    "division by the loudest": BrokenModel("hybrid", {"BD107": 2}, "op 3 "),
    "dead branch": BrokenModel("dead_branch", {"BD201": 1}, "tensor 16 "),
    "per-tensor weights": BrokenModel("per_tensor", {"BD207": 3}, "tensor 8 "),
    "two outputs": BrokenModel("two_outputs", {"BD110": 1}, "model"),
    "a map of 4 MiB": BrokenModel("large", {"BD401": 1, "BD119": 1, "BD402": 2}, "op 0 "),
    "7x7 kernel": BrokenModel("kernel_7", {"BD111": 1, "BD113": 1}, "op 4 "),
    "1x13 kernel": BrokenModel("kernel_13", {"BD111": 1, "BD113": 1}, "op 4 "),
    "stride 3": BrokenModel("stride_3", {"BD112": 1}, "op 4 "),
    "stride above kernel": BrokenModel("stride_over_kernel", {"BD112": 1}, "op 4 "),
    "dilation": BrokenModel("dilated", {"BD114": 1}, "op 4 "),
    "pooling by 4": BrokenModel("pool_4", {"BD115": 1}, "op 4 "),
    "pooling by 5": BrokenModel("max_pool_5", {"BD115": 1}, "op 4 "),
    "wide map": BrokenModel("wide_map", {"BD116": 1, "BD119": 1}, "op 1 "),
    "gate of 768": BrokenModel("wide_gate", {"BD118": 1}, "op 8 "),
    "pooling of 50x11": BrokenModel("global_pool", {"BD119": 1}, "op 2 "),
    "flat depthwise": BrokenModel("flat_depthwise", {"BD112": 1, "BD120": 1}, "op 4 "),
}
EDITED = {
    "batch left open": BrokenModel("good", {"BD101": 1}, "tensor 0 ", tensor(0, shapeSignature=[-1, 16, 16, 1])),
    "inner axis left open": BrokenModel("good", {"BD101": 1}, "tensor 10 ", tensor(10, shapeSignature=[1, 16, -1, 8])),
    "six axes": BrokenModel("good", {"BD104": 1}, "tensor 12 ", tensor(12, shape=[1, 1, 1, 16, 8, 8])),
    "axis of 65536": BrokenModel(
        "good", {"BD103": 1, "BD105": 1, "BD113": 1}, "tensor 10 ", tensor(10, shape=[1, 1, 65536, 1])
    ),
    "constant of 65536 rows": BrokenModel(
        "good",
        {"BD103": 1},
        "tensor 2 ",
        weights(5, shape=[65536, 8], data=np.zeros(65536 * 8, np.uint8), quantization=_ONE),
    ),
    "two inputs": BrokenModel("good", {"BD110": 1}, "model", more_inputs),
    "output added": BrokenModel("good", {"BD110": 1}, "model", more_outputs),
    "scale of zero": BrokenModel("good", {"BD201": 1}, "tensor 11 ", quantized(11, scale=[0.0])),
    "scale of 1e-8": BrokenModel("good", {"BD201": 1}, "tensor 12 ", quantized(12, scale=[1e-8])),
    "scale of 5000": BrokenModel("good", {"BD201": 1}, "tensor 9 ", quantized(9, scale=[5e3])),
    "no scale": BrokenModel("good", {"BD208": 1}, "tensor 10 ", tensor(10, quantization=None)),
    "a scale a channel of an activation": BrokenModel(
        "good", {"BD208": 1}, "tensor 10 ", quantized(10, **_EIGHT, quantizedDimension=3)
    ),
    "int16 between": BrokenModel("good", {"BD203": 1}, "tensor 10 ", tensor(10, type=dtype("INT16"))),
    "int32 between": BrokenModel("good", {"BD203": 1}, "tensor 13 ", tensor(13, type=dtype("INT32"))),
    "float between": BrokenModel("good", {"BD202": 1, "BD107": 2}, "tensor 11 ", tensor(11, type=dtype("FLOAT32"))),
    "boolean between": BrokenModel("good", {"BD203": 1}, "tensor 11 ", tensor(11, type=dtype("BOOL"))),
    "uint8 input": BrokenModel(
        "good", {"BD205": 1}, "tensor 0 ", both(tensor(0, type=dtype("UINT8")), quantized(0, zeroPoint=[0]))
    ),
    "float output": BrokenModel("good", {"BD205": 1, "BD107": 1}, "tensor 14 ", tensor(14, type=dtype("FLOAT32"))),
    "uint8 weights": BrokenModel("good", {"BD203": 1}, "tensor 3 ", weights(2, type=dtype("UINT8"))),
    "int4 weights": BrokenModel(
        "good", {"BD203": 1}, "tensor 3 ", weights(2, type=dtype("INT4"), data=np.zeros(32, np.uint8))
    ),
    "weights off zero": BrokenModel("good", {"BD206": 1}, "tensor 4 ", weights(1, quantization={"zeroPoint": [3] * 8})),
    "one scale for a depthwise kernel": BrokenModel(
        "good", {"BD207": 1}, "tensor 4 ", weights(1, quantization={"scale": [0.01], "zeroPoint": [0]})
    ),
    "logits that cannot be positive": BrokenModel("good", {"BD213": 1}, "tensor 14 ", quantized(14, zeroPoint=[127])),
    "logits that cannot be negative": BrokenModel("good", {"BD213": 1}, "tensor 14 ", quantized(14, zeroPoint=[-128])),
    "requantized to a tenth": BrokenModel("good", {"BD213": 1}, "op 4 ", inserted(3, "QUANTIZE", scale=[0.000273])),
    "stride 5": BrokenModel("good", {"BD112": 1, "BD113": 1}, "op 0 ", option(0, strideW=5)),
    "stride 8 of a depthwise": BrokenModel("good", {"BD112": 1, "BD113": 1}, "op 1 ", option(1, strideH=8, strideW=8)),
    "dilation 3": BrokenModel(
        "good", {"BD113": 1, "BD114": 1}, "op 1 ", option(1, dilationHFactor=3, dilationWFactor=3)
    ),
    "pool of 6": BrokenModel("pool_4", {"BD115": 1}, "op 4 ", option(4, filterHeight=6, filterWidth=6)),
    "pool at stride 16": BrokenModel(
        "pool_4", {"BD115": 1}, "op 4 ", option(4, filterHeight=2, filterWidth=2, strideW=16)
    ),
    "pool of the whole map": BrokenModel("pool_4", {"BD115": 1}, "op 4 ", option(4, filterHeight=16, filterWidth=8)),
    "relu behind a reshape": BrokenModel(
        "good", {"BD121": 1}, "op 2 ", both(inserted(0, "RESHAPE"), inserted(1, "RELU6"))
    ),
    "shape while running": BrokenModel(
        "good", {"BD102": 2, "BD109": 1}, "op 5 ", both(inserted(4, "SHAPE"), tensor(15, type=dtype("INT32")))
    ),
    "unknown operator": BrokenModel("good", {"BD108": 1}, "op 3 ", becomes(3, "CUSTOM", builtinCode=250)),
    "custom operator": BrokenModel(
        "good", {"BD108": 1}, "op 3 ", becomes(3, "CUSTOM", customCode="TFLite_Detection_PostProcess")
    ),
    "while loop": BrokenModel("good", {"BD108": 1}, "op 4 ", becomes(4, "WHILE")),
    "gather": BrokenModel("good", {"BD107": 1, "BD109": 1}, "op 4 ", becomes(4, "GATHER")),
    "lstm": BrokenModel("good", {"BD108": 1}, "op 4 ", becomes(4, "UNIDIRECTIONAL_SEQUENCE_LSTM")),
    "sum for mean": BrokenModel("good", {"BD122": 1, "BD107": 1}, "op 4 ", becomes(4, "SUM")),
    "maximum of two scales": BrokenModel("good", {"BD212": 1, "BD107": 1, "BD211": 1}, "op 3 ", becomes(3, "MAXIMUM")),
    "division": BrokenModel("good", {"BD107": 1}, "op 3 ", becomes(3, "DIV")),
    "broadcast both ways": BrokenModel(
        "good",
        {"BD113": 1, "BD118": 1},
        "op 1 ",
        both(tensor(9, shape=[1, 16, 1, 8]), tensor(11, shape=[1, 1, 8, 8])),
    ),
    "a buffer of 600 KB": BrokenModel("good", {"BD402": 1}, "tensor 11 ", tensor(11, shape=[1, 300, 250, 8])),
    "activations of 6 MB": BrokenModel(
        "good", {"BD401": 1, "BD113": 1, "BD116": 1, "BD402": 1}, "op 2 ", tensor(9, shape=[1, 1500, 500, 8])
    ),
}
CORPUS = CONVERTED | EDITED
