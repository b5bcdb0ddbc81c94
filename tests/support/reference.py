"""What TensorFlow Lite's reference kernels make of int8 models: the truth that the engine is held to."""

from __future__ import annotations

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray


def reference_outputs(model: bytes, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """Gives the outputs [n, size] of a model for a stack of inputs [n, ...].

    Raises: RuntimeError or ValueError where the reference refuses the model or an input.
    """
    interpreter = Interpreter(
        model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    outputs = []
    for values in inputs:
        interpreter.set_tensor(source["index"], values.reshape(source["shape"]))
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(sink["index"]).ravel().copy())
    return np.array(outputs)
