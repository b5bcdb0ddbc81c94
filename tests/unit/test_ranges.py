"""Ranges from statistics, folds disjoint by file, and choices that held-out recordings make."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from birdnet_deploy.errors import GatesNotMet, ModelError, UsageError
from birdnet_deploy.model.source import open_source
from birdnet_deploy.quantization import convert, corrections
from birdnet_deploy.quantization.check import check_moves
from birdnet_deploy.quantization.convert import QuantizedModel, quantize_model
from birdnet_deploy.quantization.folds import assign_folds
from birdnet_deploy.quantization.frontier import FrontierPoint, choose_cut
from birdnet_deploy.quantization.integer import quantize_graph
from birdnet_deploy.quantization.judge import Judge, run_int8
from birdnet_deploy.quantization.options import QuantizeOptions
from birdnet_deploy.quantization.ranges import LEAST_SPAN, exact_bounds, ranges_of, tensor_range
from birdnet_deploy.quantization.statistics import BINS, Statistics, TensorStatistics, bin_values, gather_statistics
from birdnet_deploy.tflite.floats import activation_tensors, run_float
from birdnet_deploy.tflite.interpreter import Int8Interpreter, operator_counts
from birdnet_deploy.tflite.reader import read_model
from tests.support.small_models import run_here, save, settled, windows

WINDOWS = 72
FILES = [f"{number % 9}.wav" for number in range(WINDOWS)]


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> QuantizedModel:
    """A hybrid model whose mel output is worth splitting, with its frontier."""
    model = settled(mag_scale="none")
    model.get_layer("audio_frontend").sample_norm = False
    source = open_source(save(model, tmp_path_factory.mktemp("ranges")))
    sound = windows(model, WINDOWS, seed=1) ** 3  # as features are: most of it near zero
    patch = pytest.MonkeyPatch()
    patch.setattr(convert, "run_worker", run_here)
    patch.setattr(corrections, "NEGLIGIBLE", 0.0)  # so small a model loses next to nothing
    try:
        return quantize_model(source, sound, sound[:4], files=FILES, sample_norm=False, frontier=True)
    finally:
        patch.undo()


def statistics_of(values: Any) -> TensorStatistics:
    """Gives the statistics of windows ``[n, values]`` in one fold."""
    values = np.asarray(values, np.float32)
    bits = values.view(np.uint32).ravel() >> 18
    counts = np.bincount(bits, minlength=BINS)[None].astype(np.int64)
    return TensorStatistics(values.min(axis=1), values.max(axis=1), counts)


def test_bins_are_within_three_percent_of_what_they_hold() -> None:
    values = np.concatenate([np.geomspace(1e-20, 1e20, 999), -np.geomspace(1e-20, 1e20, 999)]).astype(np.float32)
    middles = bin_values()[values.view(np.uint32) >> 18]
    assert np.abs(middles / values - 1).max() < 0.03


def test_methods_on_values_with_one_outlier() -> None:
    rng = np.random.default_rng(3)
    values = rng.uniform(-1, 1, (40, 5000)).astype(np.float32)
    values[7, 11] = 100.0
    tensor, used = statistics_of(values), np.ones(40, bool)
    spans = {
        method: tensor_range(tensor, used, [0], method)
        for method in ("minmax", "percentile", "percentile-99", "moving-average", "octav")
    }
    assert spans["minmax"] == (pytest.approx(-1, abs=1e-3), 100.0)
    assert spans["percentile"][1] == pytest.approx(1.0, rel=0.04)
    assert spans["percentile-99"][1] == pytest.approx(0.98, rel=0.04)
    assert 1.0 < spans["moving-average"][1] < 10
    assert 1.0 < spans["octav"][1] < 50
    assert tensor_range(statistics_of(np.full((3, 9), 5.0)), np.ones(3, bool), [0], "minmax") == (0.0, 5.0)


def test_folds_are_disjoint_by_file_and_even() -> None:
    files = ["a"] * 40 + ["b"] * 20 + ["c"] * 15 + ["d"] * 5 + ["e"] * 20
    folds = assign_folds(files, 3)
    assert {file: len({folds[i] for i in range(100) if files[i] == file}) for file in "abcde"} == dict.fromkeys(
        "abcde", 1
    )
    assert sorted(np.bincount(folds)) == [25, 35, 40] or max(np.bincount(folds)) == 40
    assert assign_folds(["x"] * 7, 4).tolist() == [0] * 7
    shuffled = np.random.default_rng(1).permutation(100)
    again = assign_folds([files[i] for i in shuffled], 3)
    assert again.tolist() == folds[shuffled].tolist()  # by name and size, not by order


def test_ranges_of_a_fold_do_not_see_it(quantized: QuantizedModel) -> None:
    floats = quantized.float_tflite or b""
    read, sound = read_model(floats), quantized.calibration_features.copy()
    folds = assign_folds(FILES, 3)
    loud = sound.copy()
    loud[folds == 1] *= 7.0
    for method in ("minmax", "percentile", "moving-average", "octav"):
        methods = dict.fromkeys((tensor.name for tensor in read.tensors), method)
        spans = [
            ranges_of(read, gather_statistics(floats, data, folds.tolist()), methods, without=1)
            for data in (sound, loud)
        ]
        assert spans[0] == spans[1], method
    whole = [ranges_of(read, gather_statistics(floats, data, folds.tolist()), {}) for data in (sound, loud)]
    assert whole[0] != whole[1]


def test_a_branch_of_a_capped_addition_has_an_exact_bound(quantized: QuantizedModel) -> None:
    floats = quantized.float_tflite or b""
    read, bounds = read_model(floats), exact_bounds(read_model(floats))
    assert set(bounds.values()) == {(-6.0, 6.0)}
    assert len(bounds) == operator_counts(read)["ADD"]
    readers = {index: [op.op for op in read.operators if index in op.inputs] for index in bounds}
    assert set(map(tuple, readers.values())) == {("ADD",)}


def test_quantizing_needs_no_tensorflow(quantized: QuantizedModel, tmp_path: Path) -> None:
    (tmp_path / "float.tflite").write_bytes(quantized.float_tflite or b"")
    code = (
        "import sys\nfrom pathlib import Path\nfrom birdnet_deploy.quantization.integer import *\n"
        "from birdnet_deploy.quantization.integer import read_once\n"
        "data = Path(sys.argv[1]).read_bytes()\n"
        "spans = {t.name: (-2.0, 6.0) for t in read_once(data).tensors}\n"
        "sys.stdout.buffer.write(quantize_graph(data, spans))\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code, tmp_path / "float.tflite"], capture_output=True, check=True).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1] and read_model(runs[0]).tensors  # the same bytes in any process


def test_channels_without_weights_keep_their_bias(quantized: QuantizedModel) -> None:
    """Their scale is next to nothing, their bias in its units far beyond int32."""
    from birdnet_deploy.tflite.edit import constant, pack, set_constant, unpack

    floats = unpack(quantized.float_tflite or b"")
    graph = floats.subgraphs[0]
    last = graph.operators[-1]
    weights, bias = graph.tensors[last.inputs[1]], graph.tensors[last.inputs[2]]
    values = constant(floats, weights, np.float32).copy()
    values[2] = 0.0
    set_constant(floats, weights, values)
    set_constant(floats, bias, np.linspace(-3, 3, 6, dtype=np.float32))
    dead = pack(floats)
    read, sound = read_model(dead), quantized.calibration_features[:8]
    spans = ranges_of(read, gather_statistics(dead, sound, [0] * 8), {})
    found = run_int8(quantize_graph(dead, spans), sound)
    assert np.abs(found[:, 2] - run_float(dead, sound)[:, 2]).max() < 0.2


def test_an_activation_that_never_moves_is_refused() -> None:
    still = TensorStatistics(np.zeros(3, np.float32), np.full(3, 1e-6, np.float32), np.zeros((1, BINS), np.int64))

    class Graph:
        tensors = (type("Tensor", (), {"name": "branch"}),)

    with pytest.raises(ModelError, match=r"m.keras: activation 'branch' hardly moves on the calibration windows"):
        check_moves(Graph, Statistics({0: still}, np.zeros(3, np.int64)), "m.keras")  # type: ignore[arg-type]
    assert LEAST_SPAN / 255 > 1e-7


def test_corrections_are_proven_and_judged(quantized: QuantizedModel) -> None:
    assert {step["step"] for step in quantized.corrections} >= {"split into planes"}
    for step in quantized.corrections:
        assert not step["applied"] or step["max_logit_difference"] <= 1e-4
        assert not step["applied"] or step["held_out_cosine_after"] > step["held_out_cosine_before"]
    assert quantized.ranges["folds"] == 4
    assert {record["method"] for record in quantized.ranges["groups"]} > {"minmax"}
    difference = run_float(quantized.float_tflite or b"", quantized.evaluation_features) - quantized.float_outputs
    assert np.abs(difference).max() <= 1e-4


def test_the_frontier_costs_more_and_keeps_more_from_cut_to_cut(quantized: QuantizedModel) -> None:
    points = quantized.frontier
    assert [point.name for point in points[:3]] == ["none", "frontend", "stem"]
    assert [point.cpu_macs for point in points] == sorted(point.cpu_macs for point in points)
    assert [point.cpu_instructions for point in points] == sorted(point.cpu_instructions for point in points)
    assert points[0].npu_macs > points[-1].npu_macs
    assert points[-1].cosine_mean > points[0].cosine_mean
    assert all(point.confident_agreed <= point.confident_windows <= point.windows for point in points)
    assert all(len(point.cosine_folds) == 4 for point in points)


def test_a_cut_is_a_prologue_and_a_full_int8_network(quantized: QuantizedModel, tmp_path: Path) -> None:
    model = settled(mag_scale="none")
    model.get_layer("audio_frontend").sample_norm = False
    source = open_source(save(model, tmp_path))
    patch = pytest.MonkeyPatch()
    patch.setattr(convert, "run_worker", run_here)
    sound = quantized.calibration_features
    with patch.context() as patched:
        patched.setattr(convert, "run_worker", run_here)
        patched.setattr(corrections, "NEGLIGIBLE", 0.0)
        cut = quantize_model(source, sound, sound[:4], files=FILES, sample_norm=False, prologue="stem")
        with pytest.raises(UsageError, match="no layer 'stam'.*use frontend, stem, stage1_ds1_dw_relu"):
            quantize_model(source, sound, sound[:4], files=FILES, sample_norm=False, prologue="stam")
    patch.undo()
    assert cut.tflite == quantized.tflite  # the whole is the same with and without
    assert cut.cut is not None and cut.cut.name == "stem" and cut.network == cut.npu_tflite
    values = run_float(cut.prologue_tflite or b"", sound[:8])
    assert values.shape[1:] == cut.cut.shape
    network = Int8Interpreter(cut.network)
    assert network.input_shape == cut.cut.shape
    judge = Judge(run_float(cut.float_tflite or b"", sound[:8]), cut.output_activation, np.zeros(8, np.int64))
    assert judge.loss(run_int8(cut.network, values)) < 0.02 < judge.loss(run_int8(cut.network, values[::-1]))
    assert {tensor.dtype for tensor in read_model(cut.network).tensors if not tensor.data} == {"int8"}
    assert not activation_tensors(read_model(cut.network))


def point(name: str, macs: int, cosine: float, **changes: Any) -> FrontierPoint:
    """Gives a point of a frontier that was measured elsewhere."""
    from birdnet_deploy.quantization.frontier import Cut

    values: dict[str, Any] = {
        "cut": None if name == "none" else Cut(name, name, (1,)), "cpu_macs": macs, "cpu_instructions": 2 * macs,
        "npu_macs": 9,
        "cosine_mean": cosine, "cosine_p5": cosine, "cosine_min": cosine, "cosine_folds": (cosine,), "windows": 50,
        "agreed": 50, "confident_windows": 20, "confident_agreed": 20, "confident_interval": (0.8, 1.0),
        "worst_window": 0, "within_budget": True, "meets": True,
    }  # fmt: skip
    return FrontierPoint(**{**values, **changes})


def test_one_recording_chooses_nothing_and_a_forced_method_is_taken(
    quantized: QuantizedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "run_worker", run_here)
    model = settled(audio_frontend="log_mel")
    source, sound = open_source(save(model, tmp_path, audio_frontend="log_mel")), windows(model, 16, seed=1)
    alone = quantize_model(source, sound, sound[:2], files=["a.wav"] * 16)
    assert alone.ranges == {"method": "minmax"} and alone.corrections == () and alone.frontier == ()
    forced = {
        method: quantize_model(source, sound, sound[:2], ranges=method) for method in ("minmax", "percentile", "octav")
    }
    assert forced["minmax"].tflite == alone.tflite
    assert len({result.tflite for result in forced.values()}) == 3
    scales = {method: Int8Interpreter(result.tflite).output_quantization for method, result in forced.items()}
    assert len(set(scales.values())) == 1  # logits always take min/max


def test_auto_leaves_room_for_recordings_unlike_all_others() -> None:
    from birdnet_deploy.quantization.frontier import _safe

    points = [
        point("none", 0, 0.9970),
        point("stem", 10, 0.9980),
        point("later", 20, 0.9990),
        point("last", 30, 0.9984),
    ]

    def meeting(options: QuantizeOptions, given: list[FrontierPoint]) -> list[str]:
        return [entry.name for entry in _safe(given, options) if entry.meets]

    auto = QuantizeOptions(prologue="auto")
    assert meeting(auto, points) == ["later"]  # none leaves room, so the most accurate
    assert meeting(auto, [point("none", 0, 0.9988), *points[1:]]) == ["none", "later"]
    assert meeting(QuantizeOptions(prologue="auto", min_cosine=0.99), points) == ["none", "stem", "later", "last"]


def test_auto_takes_the_cheapest_cut_that_meets_the_gates() -> None:
    options = QuantizeOptions(prologue="auto")
    bad, dear = {"meets": False}, {"within_budget": False}
    points = [point("none", 0, 0.97, **bad), point("stem", 10, 0.9961), point("later", 20, 0.999)]
    chosen = choose_cut(points, options)
    assert chosen is not None and chosen.name == "stem"
    assert choose_cut([point("none", 0, 0.997), *points[1:]], options) is None
    with pytest.raises(
        GatesNotMet, match="no cut meets the gates .cosine 0.996 and agreement 0.985.*none, has"
    ) as caught:
        choose_cut([points[0], point("stem", 10, 0.999, **dear)], options)
    assert caught.value.exit_code == 4
    assert [entry["name"] for entry in caught.value.frontier] == ["none", "stem"]
