"""What is told of a model without a board: layers, memory, flash and latency, with what they rest on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from birdnet_deploy.npu.data import Pool, read_target
from birdnet_deploy.npu.estimate import estimate, flash_of, layers_of, parameters
from birdnet_deploy.npu.graph import Graph
from birdnet_deploy.npu.latency import estimate_latency, read_fit
from birdnet_deploy.npu.memory_map import MAX_BUFFERS, Planned, plan_memory, used_bytes
from birdnet_deploy.npu.stedgeai import read_stedgeai
from birdnet_deploy.tflite.reader import read_model
from tests.support.graphs import graph_of, small_graph, tensor

ROOT = Path(__file__).resolve().parents[2]
NPU, CPU = read_target("stm32n6570-dk"), read_target("qemu-an547")
CONV_WEIGHTS, MAP = 16 * 9 * 8, 8 * 8 * 16


def test_every_layer_has_its_costs() -> None:
    conv, add, view, dense = layers_of(small_graph())
    assert (conv.macs, conv.weight_bytes, conv.read_bytes, conv.written_bytes) == (
        64 * CONV_WEIGHTS, CONV_WEIGHTS + 16 * 4, 512, MAP,
    )  # fmt: skip
    assert (add.macs, add.weight_bytes, add.read_bytes, add.written_bytes) == (0, 0, MAP, MAP)  # read once
    assert (dense.macs, dense.weight_bytes) == (10240, 10240)
    assert [layer.where for layer in (conv, add, view, dense)] == ["hw", "hw", "view", "hw"]
    assert conv.name == "stem"
    shares = [layer["time_share"] for layer in estimate(small_graph(), NPU)["layers"]]
    assert sum(shares) == pytest.approx(1, abs=1e-3)
    assert shares[2] == 0 < shares[1] < shares[0] < shares[3]


def test_the_sums_are_what_the_fit_is_made_of() -> None:
    found = estimate(small_graph(), NPU)
    assert found["moved_bytes"] == (512 + MAP) + 2 * MAP + (MAP + 10)  # the view moves nothing
    assert found["largest_layer_bytes"] == 2 * MAP
    count = CONV_WEIGHTS + 16 + 10240
    assert parameters(small_graph()) == found["flash"]["parameters"] == count  # the new shape is none
    assert found["flash"]["bytes"] == round(count * 1.013 + 8192)
    fit = read_fit()
    expected = (fit.weights_ms * found["flash"]["bytes"] + fit.moved_ms * found["moved_bytes"]) / 1e6
    assert found["latency"]["ms"] == pytest.approx(expected, abs=5e-4)
    assert found["latency"]["low_ms"] < found["latency"]["ms"] < found["latency"]["high_ms"]
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(found, allow_nan=False))


def test_a_tiny_net_is_said_to_lie_outside_the_fit() -> None:
    found = estimate(small_graph(), NPU)
    assert not found["latency"]["inside_fit"]
    assert any(note == "outside the fit: 3 layers, the rows have 13 to 64" for note in found["notes"])
    assert any("1.5 to 4.4 times" in note for note in found["notes"])


def test_a_target_without_an_npu_has_no_latency() -> None:
    found = estimate(small_graph(), CPU)
    assert (found["latency"], found["flash"], found["internal_ram"]) == (None, None, None)
    assert found["arena"]["fits"]
    assert "no NPU" in found["notes"][0]


def test_float_and_unknown_operators_are_software() -> None:
    tensors = [tensor(0, (1, 8), dtype="float32"), *(tensor(i, (1, 8)) for i in range(1, 6))]
    operators = [("QUANTIZE", (0,), (1,)), *(("CUMSUM", (i,), (i + 1,)) for i in range(1, 5))]
    found = estimate(graph_of(tensors, operators, (5,)), NPU)
    assert [layer["where"] for layer in found["layers"]] == ["sw", "no", "no", "no", "no"]
    assert any(note.startswith("5 operators run in software or not at all") for note in found["notes"])


def test_a_share_is_told_in_percent() -> None:
    places = {place.what: str(place) for place in estimate_latency(0.1e6, 5e6, 30, weights_error=0.1).places}
    assert places["weight_share"] == "weights take 7.53 % of the time, in the rows 27.4 to 92.2 %"
    assert places["layers"] == "30 layers, the rows have 13 to 64"


def overlap(a: Planned, b: Planned) -> bool:
    """Says whether two buffers live at once in the same bytes."""
    alive = a.first <= b.last and b.first <= a.last
    return alive and a.pool == b.pool and a.offset < b.offset + b.size_bytes and b.offset < a.offset + a.size_bytes


def check_plan(plan: Sequence[Planned], pools: Sequence[Pool]) -> None:
    sizes = {pool.name: pool.bytes for pool in pools}
    placed = [buffer for buffer in plan if buffer.pool is not None]
    assert not [(a, b) for i, a in enumerate(placed) for b in placed[i + 1 :] if overlap(a, b)]
    assert all(b.offset + b.size_bytes <= sizes[b.pool or ""] for b in placed)


def test_a_view_lies_in_its_source_and_dead_memory_is_used_again() -> None:
    plan = plan_memory(small_graph(), NPU.activations)
    check_plan(plan, NPU.activations)
    assert [buffer.tensors for buffer in plan] == [(0,), (3,), (4, 6), (8,)]
    assert {buffer.pool for buffer in plan} == {"npuRAM6"}
    assert sum(used_bytes(plan, pool) for pool in NPU.activations) == 2 * MAP  # the input's place is taken over


def test_an_output_that_is_made_early_lives_to_the_end() -> None:
    tensors = [tensor(i, (1, 320)) for i in range(5)]
    graph = graph_of(tensors, [("ADD", (i, i), (i + 1,)) for i in range(4)], (1, 4))
    plan = {buffer.tensors: buffer for buffer in plan_memory(graph, NPU.activations)}
    assert plan[1,].last == 4
    check_plan(list(plan.values()), NPU.activations)
    assert not {plan[1,].offset} & {plan[later,].offset for later in (2, 3, 4)}


def chain(sizes: Sequence[int], skips: Sequence[int]) -> Graph:
    """A chain of sums, each of which may read one that lies further back."""
    tensors = [tensor(i, (1, size)) for i, size in enumerate(sizes)]
    operators = [
        ("ADD", (i, max(0, i - skip)), (i + 1,)) for i, skip in zip(range(len(sizes) - 1), skips, strict=False)
    ]
    return graph_of(tensors, operators, (len(sizes) - 1,))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_two_buffers_that_live_at_once_overlap(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 600), min_size=2, max_size=20))
    skips = data.draw(st.lists(st.integers(0, 5), min_size=len(sizes), max_size=len(sizes)))
    pools = (Pool("a", 0, 640), Pool("b", 4096, 1280))
    plan = plan_memory(chain(sizes, skips), pools)
    assert sorted(index for buffer in plan for index in buffer.tensors) == list(range(len(sizes)))
    check_plan(plan, pools)


def test_a_buffer_that_fits_no_pool_is_told() -> None:
    found = estimate(chain([500_000, 2_000_000, 8], [0, 0]), NPU)
    assert not found["arena"]["fits"]
    assert any("no place on chip" in note for note in found["notes"])
    assert [b["pool"] for b in found["arena"]["buffers"]] == ["cpuRAM2", None, "npuRAM6"]


def test_a_graph_of_very_many_tensors_is_not_planned() -> None:
    assert plan_memory(chain([1] * (MAX_BUFFERS + 1), [0] * MAX_BUFFERS), NPU.activations) == ()


def test_the_band_widens_with_what_is_not_known() -> None:
    sure, unsure = (estimate_latency(1e6, 5e6, 30, weights_error=error) for error in (0.0, 0.1))
    assert sure.ms == unsure.ms
    assert unsure.low_ms < sure.low_ms < sure.ms < sure.high_ms < unsure.high_ms
    assert sure.inside


def run_refit(*arguments: object) -> subprocess.CompletedProcess[str]:
    script = ROOT / "scripts" / "refit_latency.py"
    return subprocess.run(
        [sys.executable, str(script), *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_the_fit_in_the_project_is_what_the_script_makes_of_the_rows() -> None:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import refit_latency as refit
    finally:
        sys.path.pop(0)
    rows = [row for row in refit.read_rows(refit.ROWS) if row.layers >= 13]
    assert refit.toml_of(rows) == refit.FIT.read_text(encoding="utf-8"), "python scripts/refit_latency.py --write"
    names = ("mobilenet_v1_1.0 101cls", "mobilenet_a025_pt", "mobilenetv2_w035_pt", "mobilenet_v2_1.4", "yamnet_e256")
    assert [refit.family_of(name) for name in names] == [
        "mobilenet", "mobilenet", "mobilenetv2", "mobilenetv2", "yamnet",
    ]  # fmt: skip


def test_the_script_finds_the_coefficients_of_rows_that_follow_them(tmp_path: Path) -> None:
    lines = ["model,family,weights_kib,act_io_bytes,layers,latency_ms,tool_version,source"]
    for i, (weights_kib, moved) in enumerate([(1000, 1e6), (2000, 9e6), (500, 4e6), (100, 7e6)]):
        lines.append(
            f"net{i},{'ab'[i % 2]},{weights_kib},{moved:.0f},20,{3 * weights_kib * 1024e-6 + 0.5 * moved / 1e6},1,x"
        )
    lines.append("lost,a,,4,20,1,1,x")
    rows = tmp_path / "rows.csv"
    rows.write_text("\n".join(lines))
    done = run_refit(rows)
    assert done.stdout.startswith("ms = 3.0 * W + 0.5 * A   (10^6 bytes; 4 rows)"), done.stderr
    assert "of left-out families 0.0%" in done.stdout
    rows.write_text("\n".join(lines[:2]))
    assert "two families" in run_refit(rows).stderr


@pytest.mark.shared
def test_the_project_has_the_rows_of_the_facts(shared: Path) -> None:
    ours, theirs = (
        run_refit(path).stdout
        for path in (ROOT / "benchmarks/validate/published_latencies.csv", shared / "facts" / "n6_benchmarks.csv")
    )
    assert ours == theirs
    assert "mean error 4.0%" in ours


@pytest.mark.shared
def test_the_published_latency_of_the_published_model_lies_in_the_band(shared: Path) -> None:
    # birdnet-stm32, docs/getting-started.md: 3.3 ms a chunk on the STM32N6570-DK; no row of the fit
    model = read_model(shared / "models" / "birdnet_stm32n6_100.tflite")
    latency = estimate(Graph(model), NPU)["latency"]
    assert latency["low_ms"] < 3.3 < latency["high_ms"]


@pytest.mark.shared
@pytest.mark.parametrize(("folder", "older"), [("alexg_cubemx_3.0", False), ("gs_audio_v2.1.0", True)])
def test_the_flash_of_real_compilations_lies_in_the_band(shared: Path, folder: str, older: bool) -> None:
    report = next((shared / "st-examples" / folder).glob("*_report.txt"))
    found = re.search(r"^model: macc=\S+ weights=([\d,]+) ", report.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    flash = flash_of(int(found.group(1).replace(",", "")) // 4)  # the report counts them in float
    extra = flash["older_tools_add_bytes"] if older else 0
    measured = read_stedgeai(report).weight_bytes
    assert measured is not None
    assert flash["low_bytes"] + extra < measured < flash["high_bytes"] + extra
