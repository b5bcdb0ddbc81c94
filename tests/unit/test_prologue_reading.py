"""From a float ``.tflite`` to steps: what vanishes, what is counted, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.codegen.prologue import generate_prologue
from birdnet_deploy.errors import ModelError
from birdnet_deploy.prologue.builder import short_name
from birdnet_deploy.prologue.cost import estimate_instructions
from birdnet_deploy.prologue.graph import Prologue
from birdnet_deploy.prologue.reading import prologue_from_tflite
from birdnet_deploy.prologue.views import View, plain
from birdnet_deploy.tflite.edit import pack, rename_operators, unpack


def read(prefixes: Path, member: str) -> Prologue:
    return prologue_from_tflite((prefixes / f"{member}.tflite").read_bytes())


def test_padding_transposes_and_zero_weights_around_the_mel_projection_vanish(prologue_prefixes: Path) -> None:
    prologue = read(prologue_prefixes, "hybrid+pwl")
    kinds = [step.kind for step in prologue.steps]
    assert kinds[0] == "rows" and not {"copy", "fill", "pool"} & set(kinds)
    mel = prologue.steps[0]
    assert mel.numbers["depth"] == 129  # not the 136 that the graph pads to
    assert 0 < mel.macs < 32 * 129 * 32 / 10
    assert (mel.arrays["weights"] != 0).all()


def test_pools_of_one_value_and_reshapes_cost_nothing(prologue_prefixes: Path) -> None:
    assert "pool" not in [step.kind for step in read(prologue_prefixes, "hybrid+pcen").steps]
    assert read(prologue_prefixes, "raw ir").steps[0].kind == "conv"


def test_macs_are_counted_by_hand(prologue_prefixes: Path) -> None:
    """13 coefficients, 32 frames: a stem of 8 filters of 3x3 at 13x16, 8 depthwise ones at 7x8, 8x8 pointwise."""
    prologue = read(prologue_prefixes, "mfcc 13 mfcc")
    assert [step.macs for step in prologue.steps] == [13 * 16 * 8 * 9, 7 * 8 * 8 * 9, 7 * 8 * 8 * 8]
    assert prologue.macs == sum(step.macs for step in prologue.steps)


def test_every_stage_has_a_name_of_its_own(prologue_prefixes: Path) -> None:
    names = [step.name for step in read(prologue_prefixes, "hybrid+pwl se").steps if step.name]
    assert len(names) == len(set(names)) > 15
    assert all(name.isascii() and name.isprintable() and '"' not in name for name in names)


def test_the_same_model_gives_the_same_text_and_the_plan_meets_its_bound(prologue_prefixes: Path) -> None:
    first, second = (generate_prologue(read(prologue_prefixes, "hybrid+pwl se"), 0.02, 3) for _ in range(2))
    assert first.files == second.files
    assert first.arena_bytes <= 1.02 * first.arena_lower_bound
    assert first.sources == tuple(sorted(first.sources)) and "prologue_rows.c" in first.sources


def test_helium_is_estimated_below_scalar(prologue_prefixes: Path) -> None:
    prologue = read(prologue_prefixes, "hybrid+pwl")
    assert prologue.macs < estimate_instructions(prologue) < estimate_instructions(prologue, "scalar") / 2


def test_every_operator_without_a_kernel_is_named_with_its_tensor(prologue_prefixes: Path) -> None:
    model = unpack((prologue_prefixes / "hybrid+db.tflite").read_bytes())
    rename_operators(model, {"LOG": "SIN", "MAXIMUM": "POW"})
    with pytest.raises(ModelError, match=r"no float kernel for POW \(.*Maximum.*\); SIN \(.*Log.*\)") as caught:
        prologue_from_tflite(pack(model))
    assert caught.value.exit_code == 3 and "--prologue none" in caught.value.line


def test_an_int8_model_and_a_batch_are_refused(small_bundle: Path, prologue_prefixes: Path) -> None:
    with pytest.raises(ModelError, match="int8"):
        prologue_from_tflite((small_bundle / "model.tflite").read_bytes())
    model = unpack((prologue_prefixes / "hybrid+db.tflite").read_bytes())
    source = model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]]
    source.shape = [2, *source.shape[1:]]
    with pytest.raises(ModelError, match="batch 1"):
        prologue_from_tflite(pack(model))


def test_a_view_follows_transposes_and_reshapes_without_moving_a_value() -> None:
    """Held against numpy: the values in memory order, seen through the view."""
    values = np.arange(1 * 6 * 5 * 1).reshape(1, 6, 5, 1)
    view, seen = plain(0, values.shape), values
    for permutation in ((1, 0, 3, 2), (0, 1, 3, 2), (0, 3, 1, 2)):
        view, seen = view.transposed(permutation), seen.transpose(permutation)
    assert view.shape == seen.shape
    assert [view.stride(axis) for axis in range(4) if seen.shape[axis] > 1] == [
        seen.strides[axis] // values.itemsize for axis in range(4) if seen.shape[axis] > 1
    ]
    turned = plain(0, (6, 5)).transposed((1, 0))
    flat = turned.reshaped((1, 5, 1, 6))
    assert flat is not None and not flat.is_plain and flat.is_planar and flat.stride(3) == 5
    assert turned.reshaped((30,)) is None and plain(0, (5, 6)).reshaped((30,)) is not None
    assert View(0, (4, 9), (1, 0), (1, 2, 3)).held == (4, 4)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("a/b/Relu6;a/conv;x", "a/b/Relu6"),
        ("stem:0", "stem"),
        ("", "unnamed"),
        ('qu"ote\\@é', "qu_ote___"),
        ("x" * 90, "x" * 48),
    ],
)
def test_names_are_fit_for_records_and_comments(name: str, short: str) -> None:
    assert short_name(name) == short
