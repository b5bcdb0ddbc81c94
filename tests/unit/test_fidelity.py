"""What report.json says, on numbers that can be checked by hand, and the choice of golden windows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from birdnet_deploy.calibration.sets import CalibrationSet, PcmWindows, WindowRef
from birdnet_deploy.model.source import open_source
from birdnet_deploy.quantization import convert, fidelity
from birdnet_deploy.quantization.fidelity import Comparison, compare, measure_fidelity
from birdnet_deploy.quantization.golden import choose_golden, make_golden
from birdnet_deploy.quantization.report import fidelity_rows, model_rows
from birdnet_deploy.support import jsonfile
from birdnet_deploy.tflite.scores import activate
from tests.support.small_models import run_here, save, settled, windows


def refs(count: int, files: int = 1) -> tuple[WindowRef, ...]:
    return tuple(WindowRef(f"{'abc'[i % files]}.wav", i // files * 100) for i in range(count))


def comparison(wanted: Any, got: Any, activation: str = "none") -> dict[str, Any]:
    rows = [np.asarray(values, np.float32) for values in (wanted, got)]
    return compare(Comparison(rows[0], rows[1], activation, refs(len(rows[0]))))


def test_the_figures_are_what_they_say() -> None:
    found = comparison([[1, 0, 0], [0, 0.2, 0.1], [0, 0, 1]], [[1, 0, 0], [0, 0.1, 0.2], [0, 1, 1]])
    assert found["cosine_min"] == round(2**-0.5, 4)
    assert found["cosine_mean"] == round((1 + 0.8 + 2**-0.5) / 3, 4)
    assert found["top1_agreement"] == round(1 / 3, 4)  # of the equal scores of the last row the first counts
    assert found["confident_windows"] == 2
    assert found["confident_top1_agreement"] == 0.5
    assert found["top5_agreement"] == 1.0  # three classes are all among the best five
    assert found["max_score_error"] == 1.0
    assert found["sqnr_db"] == round(10 * np.log10(2.05 / 1.02), 2)
    assert found["worst_window"] == {"file": "a.wav", "start": 200, "cosine": 0.7071}


def test_top5_is_the_shared_part_of_the_best_five() -> None:
    wanted = np.arange(10.0)[None]
    got = np.array([[9.0, 8, 0, 0, 0, 5, 6, 7, 1, 1]])
    assert comparison(wanted, got)["top5_agreement"] == 0.6


def test_scores_are_compared_after_the_activation_and_noise_before() -> None:
    wanted = np.array([[4.0, -4.0], [-20.0, -30.0]])
    found = comparison(wanted, wanted + 1.0, "sigmoid")
    assert found["sqnr_db"] == round(10 * np.log10((16 + 16 + 400 + 900) / 4), 2)
    assert found["max_score_error"] == round(float(activate(-3.0, "sigmoid") - activate(-4.0, "sigmoid")), 4)
    assert comparison(wanted, wanted + 1.0, "softmax")["max_score_error"] == 0.0


def test_silent_rows_and_perfect_rows_give_no_nan() -> None:
    found = comparison([[0, 0], [0, 0]], [[0, 0], [1, 0]])
    assert (found["cosine_mean"], found["cosine_min"]) == (0.5, 0.0)
    assert found["confident_top1_agreement"] is None
    assert found["sqnr_db"] is None
    assert comparison([[1, 2]], [[1, 2]])["sqnr_db"] is None
    json.dumps(found, allow_nan=False)


def test_sigmoid_is_exact_at_both_ends() -> None:
    values = activate([-800.0, 0.0, 800.0], "sigmoid")
    np.testing.assert_array_equal(values, [0.0, 0.5, 1.0])
    np.testing.assert_allclose(activate([[1000.0, 1000.0]], "softmax"), [[0.5, 0.5]])


def test_files_take_turns_among_the_golden_windows() -> None:
    many = [WindowRef("b.wav", 0), *(WindowRef("a.wav", 100 * i) for i in range(30)), WindowRef("c.wav", 5)]
    chosen = [many[i] for i in choose_golden(many, 5)]
    assert chosen == [
        WindowRef("a.wav", 0), WindowRef("b.wav", 0), WindowRef("c.wav", 5), WindowRef("a.wav", 100),
        WindowRef("a.wav", 200),
    ]  # fmt: skip
    assert len(choose_golden(many)) == 16
    assert sorted(choose_golden(many[:3])) == [0, 1, 2]
    assert [many[::-1][i] for i in choose_golden(many[::-1], 5)] == chosen


@dataclass(frozen=True)
class Made:
    """A quantized small model, its windows, and the config."""

    quantized: convert.QuantizedModel
    windows: CalibrationSet
    config: Any


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Converted in this process, with windows of noise that stand for recordings."""
    model = settled(audio_frontend="librosa", class_activation="sigmoid")
    source = open_source(save(model, tmp_path_factory.mktemp("fidelity"), audio_frontend="librosa"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert, "run_worker", run_here)
        quantized = convert.quantize_model(source, windows(model, 12, seed=1), windows(model, 9, seed=2))
    rng = np.random.default_rng(0)
    pcm = rng.integers(-1000, 1000, (21, 8000), dtype=np.int16)
    sets = CalibrationSet(
        PcmWindows(pcm[:12], refs(12, 2)), PcmWindows(pcm[12:], tuple(WindowRef("z.wav", i) for i in range(9))),
        {}, ("one recording skipped",), synthetic=False,
    )  # fmt: skip
    return Made(quantized, sets, source.config)


def test_the_report_is_json_with_what_the_gates_read(made: Made) -> None:
    report = measure_fidelity(made.quantized, made.windows, made.config)
    assert json.loads(jsonfile.dumps(report)) == report
    assert report["calibration"] == {"synthetic": False, "windows": 12, "files": 2}
    assert report["warnings"] == ["one recording skipped"]
    assert report["model"]["input"]["shape"] == [32, 32, 1]
    assert report["model"]["operator_count"] == sum(report["model"]["operators"].values())
    found = report["fidelity"]
    assert (found["windows"], found["files"], found["kernels"]) == (9, 1, "optimized")
    assert 0.95 < found["cosine_mean"] <= 1.0
    assert 0 <= found["reference_spread_steps"] <= 12
    assert found["worst_window"]["file"] == "z.wav"
    assert measure_fidelity(made.quantized, made.windows, made.config) == report
    rows = dict([*model_rows(report), *fidelity_rows(report)])
    assert rows["output"].endswith("then sigmoid")
    assert str(found["cosine_mean"]) in rows["cosine of scores"]


def test_kernels_that_disagree_are_told(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fidelity, "MAX_SPREAD", -1)
    report = measure_fidelity(made.quantized, made.windows, made.config)
    assert "do not hold for the device" in report["warnings"][-1]


def test_golden_arrays_belong_together(made: Made) -> None:
    from birdnet_deploy.audio.quantize import quantize_input
    from birdnet_deploy.tflite.interpreter import Int8Interpreter

    golden = make_golden(made.quantized, made.windows)
    assert {name: (array.shape, array.dtype.name) for name, array in golden.items()} == {
        "pcm": ((16, 8000), "int16"), "features": ((16, 32, 32, 1), "float32"),
        "input": ((16, 32, 32, 1), "int8"), "output": ((16, 6), "int8"),
    }  # fmt: skip
    np.testing.assert_array_equal(golden["pcm"][2], made.windows.evaluation.pcm[0])  # a, b, then the first of z
    np.testing.assert_array_equal(golden["features"][2], made.quantized.evaluation_features[0])
    interpreter = Int8Interpreter(made.quantized.tflite)
    scale, zero_point = interpreter.input_quantization.scale, interpreter.input_quantization.zero_point
    np.testing.assert_array_equal(golden["input"], quantize_input(golden["features"], scale, zero_point))
    np.testing.assert_array_equal(golden["output"], interpreter.run(golden["input"]))


def test_without_evaluation_windows_nothing_is_claimed(made: Made) -> None:
    from dataclasses import replace

    none = replace(
        made.quantized, evaluation_features=made.quantized.evaluation_features[:0],
        float_outputs=made.quantized.float_outputs[:0],
    )  # fmt: skip
    empty = replace(made.windows, evaluation=PcmWindows(made.windows.evaluation.pcm[:0], ()))
    report = measure_fidelity(none, empty, made.config)
    assert report["fidelity"] is None
    assert fidelity_rows(report) == [("fidelity", "not measured: no recordings were left to evaluate on")]
    assert len(make_golden(none, empty)["pcm"]) == 12


@pytest.mark.shared
def test_the_real_checkpoint_keeps_its_figures(shared: Path) -> None:
    """Converted in the child on real recordings; the bounds are those measured, with room for other machines."""
    from birdnet_deploy.audio.frontend import features_of_windows
    from birdnet_deploy.calibration.collect import collect_windows

    source = open_source(shared / "models/birdnet_stm32n6_100.keras")
    sets = collect_windows(shared / "audio", source.config, evaluation=shared / "audio/labelled")
    quantized = convert.quantize_model(
        source,
        features_of_windows(sets.calibration.pcm, source.config),
        features_of_windows(sets.evaluation.pcm, source.config),
    )
    found = measure_fidelity(quantized, sets, source.config)["fidelity"]
    print(found)
    assert [step["applied"] for step in quantized.simplifications] == [True, True]
    assert found["cosine_mean"] > 0.9
    assert found["confident_top1_agreement"] > 0.9
