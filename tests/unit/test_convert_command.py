"""``convert`` with cuts, gates and reports, as a user types it; and what its text says of report.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from birdnet_deploy.bundle import open_bundle
from birdnet_deploy.cli.convert import command
from birdnet_deploy.conversion import check_gates, options_of
from birdnet_deploy.errors import CheckFailed
from birdnet_deploy.quantization.frontier_text import frontier_lines, plot_lines
from birdnet_deploy.quantization.options import QuantizeOptions
from birdnet_deploy.quantization.report import fidelity_rows
from birdnet_deploy.requests import ConvertRequest
from birdnet_deploy.settings import Settings
from birdnet_deploy.support.hashes import sha256_file
from birdnet_deploy.tflite.ends import without_float_ends
from birdnet_deploy.tflite.interpreter import Int8Interpreter
from birdnet_deploy.tflite.macs import count_macs
from birdnet_deploy.tflite.reader import read_model
from tests.support.command import birdnet_deploy, succeed


def report_of(bundle: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((bundle / "report.json").read_text())
    return found


def test_a_named_cut_is_recorded_in_report_and_lock(small_model: Path, tmp_path: Path) -> None:
    shown = succeed(
        "convert", small_model / "small.keras", "--calibration", small_model / "recordings", "--prologue", "stem",
        "--ranges", "minmax", "--folds", 2, "-o", tmp_path / "b",
    )  # fmt: skip
    bundle = open_bundle(tmp_path / "b")
    report, options = report_of(bundle.path), bundle.lock["options"]
    assert (options["prologue"], options["ranges"], options["folds"]) == ("stem", "minmax", 2)
    assert options["cut"]["name"] == "stem" == report["model"]["prologue"]["cut"]
    for name in ("model.tflite", "model_npu.tflite", "prologue.npz"):
        assert bundle.lock["files"][name] == sha256_file(bundle.path / name)
    network = read_model(bundle.path / "model_npu.tflite")
    facts = report["model"]
    assert facts["macs"] == count_macs(network).total
    assert facts["prologue"]["network_sha256"] == network.sha256
    assert facts["operator_count"] == len(network.operators) < len(read_model(bundle.model).operators)
    assert [point["name"] for point in report["frontier"]] == ["none", "stem"]
    assert report["auto"] is None and report["without_prologue"]["windows"] == report["fidelity"]["windows"]
    golden = np.load(bundle.golden)
    interpreter = Int8Interpreter((bundle.path / "model_npu.tflite").read_bytes())
    assert np.array_equal(interpreter.run(golden["npu_input"]), golden["output"])
    for text in ("prologue", "float up to stem", "<- chosen", "without prologue"):
        assert text in shown
    assert succeed("convert", "--help").count("--prologue") >= 1


def test_without_a_prologue_one_line_says_what_auto_would_recover(small_bundle: Path) -> None:
    report = report_of(small_bundle)
    assert report["level"] == "full" and report["layers"] and len(report["frontier"]) > 2
    auto = report["auto"]
    points = {point["name"]: point for point in report["frontier"]}
    assert auto["now"]["cosine_mean"] == points["none"]["cosine_mean"]
    assert auto["then"]["cosine_mean"] == points[auto["best"]]["cosine_mean"]
    taken = [p for p in report["frontier"] if p["meets"] and p["within_budget"]]
    assert auto["cut"] == (min(taken, key=lambda p: p["cpu_macs"])["name"] if taken else None)
    lines = [text for name, text in fidelity_rows(report) if name == "--prologue auto"]
    assert len(lines) == 1
    for point in report["frontier"]:
        assert point["cpu_macs"] + point["npu_macs"] > 0 and set(point["worst_window"]) == {"file", "start"}
    lock = open_bundle(small_bundle).lock
    assert lock["options"]["cut"] is None and lock["options"]["fidelity"] == "full"
    assert not {"model_npu.tflite", "prologue.npz"} & set(lock["files"])


@pytest.mark.parametrize(
    ("cut", "text"),
    [
        ("stem", "would cut after stem: cosine 0.95 -> 0.997, confident top-1 9/10 -> 10/10, for 1.31 M float MACs"),
        (None, "would find no cut that meets its gates; best is stem: cosine 0.95 -> 0.997"),
        ("none", "would change nothing: cosine 0.95 of held-out folds meets its gates"),
    ],
)
def test_the_line_says_each_outcome(small_bundle: Path, cut: str | None, text: str) -> None:
    auto = {
        "cut": cut, "best": "stem", "cpu_macs": 1_310_000,
        "now": {"cosine_mean": 0.95, "confident_agreed": 9, "confident_windows": 10},
        "then": {"cosine_mean": 0.997, "confident_agreed": 10, "confident_windows": 10},
    }  # fmt: skip
    assert text in dict(fidelity_rows({**report_of(small_bundle), "auto": auto}))["--prologue auto"]


def test_gates_that_no_cut_meets_end_with_the_frontier_and_no_bundle(small_model: Path, tmp_path: Path) -> None:
    done = birdnet_deploy(
        "convert", small_model / "small.keras", "--calibration", small_model / "recordings", "--prologue", "auto",
        "--min-cosine", "1", "--max-cpu-macs", 30_000, "--ranges", "minmax", "-o", tmp_path / "b",
        "--report", tmp_path / "page.html", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ") and "gates" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["cut", "CPU", "MACs"] and lines[1].startswith("none ")
    assert any(line.startswith("frontend ") for line in lines) and any("###" in line for line in lines)
    assert "\x1b" not in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Do not release" in page and 'id="figure-frontier"' in page and "Chosen: nothing" in page
    assert done.stderr.splitlines()[-1].partition("; worst")[0].rpartition("error: ")[2].split(": ")[-1] in page


def test_the_evaluation_windows_missing_a_gate_leave_a_page_and_no_bundle(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missed(report: Any, options: QuantizeOptions) -> None:
        raise CheckFailed("cosine_mean 0.5 is below the gate 0.9", where="the evaluation windows", fix="")

    monkeypatch.setattr("birdnet_deploy.pipeline.check_gates", missed)
    asked = [small_model / "small.keras", "--calibration", "synthetic", "--ranges", "minmax", "--fidelity", "basic"]
    asked += ["-o", tmp_path / "mine_bundle", "--report", tmp_path / "page.html"]
    with pytest.raises(CheckFailed, match="below the gate"):
        command.main([str(word) for word in asked], standalone_mode=False)
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Do not release" in page and '<p class="soft">mine, for the' in page and "staging" not in page


@pytest.mark.parametrize("option", ["--min-cosine", "--min-agreement"])
def test_a_gate_that_is_no_number_is_refused_before_any_work(small_model: Path, tmp_path: Path, option: str) -> None:
    model = small_model / "small.keras"
    done = birdnet_deploy("convert", model, "--calibration", "synthetic", option, "nan", cwd=tmp_path)
    assert done.returncode == 2 and option in done.stderr.splitlines()[-1] and "TensorFlow" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_one_recording_ends_with_the_frontier_and_a_note_on_what_it_is_worth(small_model: Path, tmp_path: Path) -> None:
    recording = min((small_model / "recordings").rglob("*.wav"))
    asked = ("convert", small_model / "small.keras", "--calibration", recording, "--ranges", "minmax")
    asked += ("--fidelity", "basic", "-o", tmp_path / "b")
    done = birdnet_deploy(*asked, "--prologue", "auto", "--min-cosine", "1", "--max-cpu-macs", 0, cwd=tmp_path)
    assert done.returncode == 4 and list(tmp_path.iterdir()) == []
    assert done.stdout.splitlines()[1].startswith("none ")  # the only point is shown too, with its worst window
    assert "the gate, 1)" in done.stdout and recording.name in done.stdout.splitlines()[1]
    succeed(*asked, "--prologue", "stem")
    assert any("cannot hold anything out" in note for note in report_of(tmp_path / "b")["notes"])


def test_a_cut_that_does_not_exist_is_refused_before_anything_is_measured(small_model: Path, tmp_path: Path) -> None:
    done = birdnet_deploy(
        "convert", small_model / "small.keras", "--calibration", "synthetic", "--prologue", "stm", cwd=tmp_path
    )
    assert done.returncode == 2 and "no layer 'stm'" in done.stderr and "use frontend, stem, " in done.stderr
    assert "statistics" not in done.stderr and list(tmp_path.iterdir()) == []


def test_float_ends_are_taken_by_generate_and_change_no_bit(small_model: Path, tmp_path: Path) -> None:
    succeed(
        "convert", small_model / "small.keras", "--calibration", "synthetic", "--io", "float32", "--ranges", "minmax",
        "--fidelity", "basic", "-o", tmp_path / "b", "--report", tmp_path / "page.html",
    )  # fmt: skip
    assert "Do not release" in (page := (tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "calibrated on synthetic sound" in page
    report = report_of(tmp_path / "b")
    assert (report["level"], report["layers"], report["auto"], report["frontier"]) == ("basic", None, None, [])
    assert "not measured" in dict(fidelity_rows({**report, "frontier": []}))["--prologue auto"]
    assert report["calibration"]["synthetic"] is True and "synthetic" in report["warnings"][0]
    data = (tmp_path / "b/model.tflite").read_bytes()
    golden = np.load(tmp_path / "b/golden.npz")
    assert np.array_equal(Int8Interpreter(without_float_ends(data)).run(golden["input"]), golden["output"])
    succeed("generate", tmp_path / "b", "-o", tmp_path / "fw")
    assert (tmp_path / "fw/bundle/model.tflite").read_bytes() == data


def point(name: str, cosine: float, macs: int, **changes: Any) -> dict[str, Any]:
    return {
        "name": name, "cpu_macs": macs, "cpu_instructions": 4 * macs, "npu_macs": 26_000_000 - macs,
        "cosine_mean": cosine, "cosine_p5": cosine - 0.01, "cosine_min": cosine - 0.1, "agreed": 90, "windows": 100,
        "confident_agreed": 50, "confident_windows": 52, "confident_interval": [0.87, 0.99], "meets": cosine > 0.996,
        "within_budget": macs <= 3_000_000, "worst_window": {"file": "a/b.wav", "start": 7}, **changes,
    }  # fmt: skip


def test_the_frontier_as_a_table_and_a_plot() -> None:
    points = [point("none", 0.97, 0), point("stem", 0.99, 1_310_000), point("late", 0.9995, 6_530_000)]
    table = frontier_lines(points, "stem")
    assert table[2].split()[:4] == ["stem", "1.31", "M", "5.24"] and table[2].endswith("<- chosen")
    assert table[3].endswith("over the budget") and "b.wav @7" in table[1] and "50/52" in table[1]
    assert table[1].endswith("@7")  # misses the gates
    ungated = frontier_lines([*points, point("later", 0.9999, 2_000_000)], "stem", gated=False)
    assert [line.endswith("@7") for line in ungated] == [False, True, False, True, True]
    tight = point("tight", 0.9965, 2_000_000, meets=False, lacks_room=True)
    assert frontier_lines([tight])[1].endswith("meets the gates with too little room")
    plot = plot_lines(points, "stem", gate=0.996)
    bars = [line.count("#") for line in plot[:3]]
    assert bars[0] < bars[1] < bars[2] and plot[1].endswith("0.9900 <-")
    gate = plot[0].index("|")
    assert "#" not in plot[1][gate:] and "#" in plot[2][gate + 1 :]  # only the last is beyond the gate
    assert plot[3].split()[:3] == ["0.9", "0.99", "0.999"]
    assert plot_lines([]) == []
    assert len(plot_lines([point("none", 1.0, 0)])) == 2  # a loss of nothing has a bar too


def test_what_is_typed_goes_before_the_settings_and_those_before_the_defaults() -> None:
    settings = Settings(values={"convert.ranges": "octav", "gates.min_cosine": 0.9, "convert.fidelity": "basic"})
    options = options_of(ConvertRequest(min_cosine=0.95), settings)
    assert (options.ranges, options.min_cosine, options.prologue) == ("octav", 0.95, QuantizeOptions().prologue)
    assert options.frontier is False
    assert options_of(ConvertRequest(fidelity="full"), settings).frontier is True


def test_gates_hold_on_the_evaluation_windows_unless_a_cut_was_chosen() -> None:
    worst = {"file": "a.wav", "start": 3, "cosine": 0.2}
    report = {"fidelity": {"cosine_mean": 0.9, "confident_top1_agreement": None, "worst_window": worst}}
    check_gates(report, QuantizeOptions(min_agreement=0.99))  # nothing was confident
    check_gates(report, QuantizeOptions(min_cosine=0.95, prologue="auto"))
    check_gates({"fidelity": None}, QuantizeOptions(min_cosine=0.95))
    with pytest.raises(CheckFailed, match=r"cosine_mean 0\.9 is below the gate 0\.95; worst window a\.wav at sample 3"):
        check_gates(report, QuantizeOptions(min_cosine=0.95))


@pytest.mark.shared
def test_the_graph_as_traced_can_be_cut_and_its_silent_branches_are_told(shared: Path, tmp_path: Path) -> None:
    succeed(
        "convert", shared / "models/birdnet_stm32n6_100.keras", "--calibration", shared / "audio/unlabelled",
        "--no-simplify", "--prologue", "stem", "--ranges", "minmax", "--fidelity", "basic", "--max-windows", 4,
        "-o", tmp_path / "b",
    )  # fmt: skip
    report = report_of(tmp_path / "b")
    assert report["model"]["prologue"]["cut"] == "stem"
    assert any("at which kernels disagree" in note for note in report["notes"])
    assert any("on the windows that calibrated" in note for note in report["notes"])
