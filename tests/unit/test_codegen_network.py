"""What generate_network gives: the rendered C, the plan, and a refusal that names everything at once."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.codegen.lower import LOWERINGS
from birdnet_deploy.codegen.network import GeneratedNetwork, generate_network
from birdnet_deploy.errors import ModelError
from birdnet_deploy.support.resources import firmware_dir
from birdnet_deploy.tflite.reader import read_model
from tests.support.int8_models import SAME, ModelBuilder

GOLDEN = Path(__file__).parents[1] / "golden" / "network"
DOCUMENT = Path(__file__).parents[2] / "docs" / "int8-arithmetic.md"
FILES = ("network.c", "network_weights.c", "network_weights.h")


def _tiny(*, division: bool = False) -> bytes:
    """A convolution, a residual, a mean and a fully connected layer; with ``division`` a quotient in front."""
    build = ModelBuilder()
    weights = np.arange(-20, 16, dtype=np.int8).reshape(2, 3, 3, 2)
    source = build.tensor((1, 4, 4, 2), 0.05, -3)
    image = source
    if division:
        image = build.tensor((1, 4, 4, 2), 0.05, -3)
        peak = build.tensor((1, 1, 1, 1), 0.05, -3)
        build.operator("REDUCE_MAX", [source, build.ints([1, 2, 3])], peak, keepDims=True)
        build.operator("DIV", [source, peak], image)
    filters = build.tensor(weights.shape, [0.01, 0.02], data=weights)
    bias = build.tensor([2], [0.0005, 0.001], data=np.array([100, -7], np.int32), dtype="int32")
    convolved = build.tensor((1, 4, 4, 2), 0.25, 5)
    build.operator("CONV_2D", [image, filters, bias], convolved, padding=SAME, strideH=1, strideW=1)
    added = build.tensor((1, 4, 4, 2), 0.2, 1)
    build.operator("ADD", [convolved, image], added)
    mean = build.tensor((1, 2), 0.1, 0)
    build.operator("MEAN", [added, build.ints([1, 2])], mean)
    dense = build.tensor((3, 2), 0.03, data=np.array([[1, -2], [3, 4], [-5, 6]], np.int8))
    output = build.tensor((1, 3), 0.07, 9)
    build.operator("FULLY_CONNECTED", [mean, dense, -1], output)
    return build.finish([source], [output])


def _generated(model: bytes) -> GeneratedNetwork:
    return generate_network(read_model(model))


@pytest.mark.parametrize("name", FILES)
def test_rendered_files_are_the_golden_ones(name: str) -> None:
    """`BIRDNET_UPDATE_GOLDEN=1 pytest ...` writes them anew; read the difference before you commit it."""
    text = _generated(_tiny()).files[name]
    if os.environ.get("BIRDNET_UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text, encoding="utf-8", newline="\n")
    assert text == (GOLDEN / name).read_text(encoding="utf-8")


def test_the_same_model_gives_the_same_network() -> None:
    assert _generated(_tiny()) == _generated(_tiny())


def test_the_plan_tells_of_every_call() -> None:
    network = _generated(_tiny())
    assert [step.kernel for step in network.plan] == ["nn_conv", "nn_add", "nn_reduce_sum", "nn_fully_connected"]
    assert [step.macs for step in network.plan] == [16 * 18 * 2, 0, 0, 6]
    assert network.macs == 16 * 18 * 2 + 6
    assert (network.input_shape, network.output_shape) == ((4, 4, 2), (3,))
    assert network.input_quantization.zero_point == -3
    assert network.output_quantization.scale == pytest.approx(0.07)
    assert network.arena_bytes >= network.arena_lower_bound > 0
    assert network.plan[1].output_offset in network.plan[1].input_offsets  # the sum overwrites an operand


def test_kernel_sources_are_files_that_exist_and_suffice_to_include() -> None:
    network = _generated(_tiny(division=True))
    folder = firmware_dir() / "core" / "nn"
    assert all((folder / name).is_file() for name in network.kernel_sources)
    assert "nn_reciprocal.c" in network.kernel_sources
    included = set(re.findall(r'"nn/(\w+\.h)"', network.files["network.c"]))
    assert included == {f"{step.kernel}.h" for step in network.plan} - {"nn_reduce_sum.h", "nn_reduce_maximum.h"} | {
        "nn_reduce.h"
    }


def test_only_a_network_that_can_fail_needs_the_error_codes_of_the_port() -> None:
    assert "BN_ENETWORK" in _generated(_tiny(division=True)).files["network.c"]
    assert "port.h" not in _generated(_tiny()).files["network.c"]


def test_weights_are_plain_decimal_numbers_a_byte_each() -> None:
    text = _generated(_tiny()).files["network_weights.c"]
    found = re.search(r"const int8_t weights_0\[(\d+)\] = \{\n(.*?)\n\};", text, re.DOTALL)
    assert found
    numbers = [int(word) for word in found[2].replace(",", " ").split()]
    assert len(numbers) == int(found[1]) == 4 * 32  # two channels of 18 taps, filled up to four of 32
    assert sorted(n for n in numbers if n) == sorted(n for n in range(-20, 16) if n)


def test_arrays_of_the_same_content_are_kept_once() -> None:
    build = ModelBuilder()
    source = build.tensor((1, 8), 0.1, 0)
    tensor = source
    for _ in range(2):
        output = build.tensor((1, 8), 0.1, 0)
        build.operator("RELU", [tensor], output)
        tensor = output
    header = _generated(build.finish([source], [tensor])).files["network_weights.h"]
    assert header.count("int8_t table_") == 1


def test_a_tensor_name_cannot_leave_its_comment() -> None:
    model = _tiny().replace(b"tensor 5", b"*/#err\\\n")
    text = _generated(model).files["network.c"]
    assert "*/#err" not in text
    assert "* /#err" in text


def test_all_operators_without_a_kernel_are_named_at_once() -> None:
    build = ModelBuilder()
    source = build.tensor((1, 8), 0.1, 0)
    middle = build.tensor((1, 8), 0.1, 0)
    build.operator("ELU", [source], middle)
    later = build.tensor((1, 8), 0.1, 0)
    build.operator("HARD_SWISH", [middle], later)
    output = build.tensor((1, 8), 0.1, 0)
    build.operator("LOGISTIC", [later], output)
    with pytest.raises(ModelError) as caught:
        _generated(build.finish([source], [output]))
    line = caught.value.line
    assert "3 operators cannot run" in line
    for part in ("operator 0 (ELU) has no kernel", "operator 1 (HARD_SWISH)", "operator 2 (LOGISTIC)", "1/256"):
        assert part in line
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("shape", "dtype", "signature", "expected"),
    [
        ((1, 8), "float32", None, "input is float32.*--io int8"),
        ((2, 8), "int8", None, r"input has the shape \[2, 8\].*batch of 1"),
        ((1, 8), "int8", (-1, 8), "dynamic shape"),
    ],
)
def test_models_that_are_not_static_int8_of_batch_one_are_refused(
    shape: tuple[int, ...], dtype: str, signature: tuple[int, ...] | None, expected: str
) -> None:
    build = ModelBuilder()
    source = build.tensor(shape, 0.1, 0, dtype=dtype, signature=signature)
    output = build.tensor(shape, 0.1, 0, dtype=dtype)
    build.operator("RELU", [source], output)
    with pytest.raises(ModelError, match=expected):
        _generated(build.finish([source], [output]))


def test_two_inputs_are_refused() -> None:
    build = ModelBuilder()
    tensors = [build.tensor((1, 8), 0.1, 0) for _ in range(3)]
    build.operator("ADD", tensors[:2], tensors[2])
    with pytest.raises(ModelError, match="2 inputs and 1 outputs"):
        _generated(build.finish(tensors[:2], tensors[2:]))


def test_a_sum_that_int32_does_not_hold_is_refused() -> None:
    build = ModelBuilder()
    source = build.tensor((1, 140_000), 0.1, 0)
    weights = build.tensor((1, 140_000), 0.1, data=np.ones((1, 140_000), np.int8))
    output = build.tensor((1, 1), 0.1, 0)
    build.operator("FULLY_CONNECTED", [source, weights, -1], output)
    with pytest.raises(ModelError, match="sums 140000 products"):
        _generated(build.finish([source], [output]))


def test_degenerate_scales_are_accepted() -> None:
    build = ModelBuilder()
    source = build.tensor((1, 2, 2, 4), 7.84e-9, 0)
    weights = build.tensor((1, 1, 1, 4), [3.9e-9] * 4, data=np.full((1, 1, 1, 4), 127, np.int8), axis=3)
    bias = build.tensor([4], [3e-17] * 4, data=np.array([2**31 - 1, -(2**31), 5, 0], np.int32), dtype="int32")
    output = build.tensor((1, 2, 2, 4), 0.02, -128)
    build.operator("DEPTHWISE_CONV_2D", [source, weights, bias], output, padding=SAME, strideH=1, strideW=1,
                   depthMultiplier=1)  # fmt: skip
    header = _generated(build.finish([source], [output])).files["network_weights.h"]
    assert "table_0[256]" in header  # every channel gives the same


def test_the_document_lists_the_operators_that_have_kernels() -> None:
    listed = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", DOCUMENT.read_text(encoding="utf-8").split("## Operators")[1]))
    assert set(LOWERINGS) <= listed
