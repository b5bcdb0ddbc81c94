"""What report.json says, on numbers that can be checked by hand, and the choice of golden windows."""

from __future__ import annotations

import json
import math
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
from birdnet_deploy.tflite.interpreter import Int8Interpreter
from birdnet_deploy.tflite.scores import activate
from tests.support.small_models import LABELS, run_here, save, settled, windows


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


EVALUATED = tuple(WindowRef(f"{(*LABELS[:2], 'noise')[i % 3]}/z{i % 3}.wav", i) for i in range(9))


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
        PcmWindows(pcm[:12], refs(12, 2)), PcmWindows(pcm[12:], EVALUATED),
        {}, ("one recording skipped",), synthetic=False,
    )  # fmt: skip
    return Made(quantized, sets, source.config.with_(class_names=source.labels))


def measured(made: Made, **options: Any) -> dict[str, Any]:
    golden = make_golden(made.quantized, made.windows)
    return measure_fidelity(made.quantized, made.windows, made.config, golden, **options)


def test_the_report_is_json_with_what_the_gates_read(made: Made) -> None:
    report = measured(made)
    assert json.loads(jsonfile.dumps(report)) == report
    assert report["calibration"] == {"synthetic": False, "windows": 12, "files": 2}
    assert report["warnings"][0] == "one recording skipped"
    assert report["model"]["input"]["shape"] == [32, 32, 1]
    assert report["model"]["operator_count"] == sum(report["model"]["operators"].values())
    found = report["fidelity"]
    assert (found["windows"], found["files"], found["kernels"]) == (9, 3, "optimized")
    assert 0.95 < found["cosine_mean"] <= 1.0
    assert found["worst_window"]["file"].endswith(".wav")
    assert measured(made) == report
    rows = dict([*model_rows(report), *fidelity_rows(report)])
    assert rows["output"].endswith("then sigmoid")
    assert str(found["cosine_mean"]) in rows["cosine of scores"]
    assert measured(made, full=False)["reference"]["windows"] == 16


def run_plainly(made: Made, kernels: str) -> list[list[float]]:
    """The int8 outputs of the evaluation windows as integers, with nothing of this project in between."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_REF if kernels == "reference" else OpResolverType.AUTO
    interpreter = Interpreter(model_content=made.quantized.tflite, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    (source,), (sink,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero_point = source["quantization"]
    rows = []
    for window in made.quantized.evaluation_features:
        steps = np.sign(window) * np.floor(np.abs(window / np.float32(scale)) + np.float32(0.5)) + zero_point
        interpreter.set_tensor(source["index"], np.clip(steps, -128, 127).astype(np.int8)[None])
        interpreter.invoke()
        rows.append([int(value) for value in interpreter.get_tensor(sink["index"])[0]])
    return rows


def test_every_figure_is_that_of_an_independent_count(made: Made) -> None:
    """Plain loops over Python floats, from the interpreter's own integers."""
    found = measured(made)["fidelity"]
    sink = Int8Interpreter(made.quantized.tflite).output_quantization
    int8 = [[sink.scale * (v - sink.zero_point) for v in row] for row in run_plainly(made, "optimized")]
    floats = [[float(v) for v in row] for row in made.quantized.float_outputs]
    scores = [[[1 / (1 + math.exp(-v)) for v in row] for row in rows] for rows in (floats, int8)]
    names = [ref.file for ref in made.windows.evaluation.refs]

    def best(row: list[float]) -> int:
        return row.index(max(row))

    def cosine(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))

    pairs = list(zip(*scores, strict=True))
    cosines = [cosine(a, b) for a, b in pairs]
    agree = [best(a) == best(b) for a, b in pairs]
    sure = [max(a) > 0.25 for a, _ in pairs]
    errors = [abs(x - y) for a, b in pairs for x, y in zip(a, b, strict=True)]
    close = {"rel": 0, "abs": 6e-5}
    assert found["cosine_mean"] == pytest.approx(sum(cosines) / 9, **close)
    assert found["cosine_min"] == pytest.approx(min(cosines), **close)
    low, above = sorted(cosines)[:2]
    assert found["cosine_p5"] == pytest.approx(low + 0.4 * (above - low), **close)  # 5 % of 8 steps
    assert found["top1"]["agreed"] == sum(agree) and found["top1_agreement"] == round(sum(agree) / 9, 4)
    assert found["confident_windows"] == sum(sure) == found["confident_top1"]["windows"]
    assert found["confident_top1"]["agreed"] == sum(a for a, s in zip(agree, sure, strict=True) if s)
    assert sum(bin_["windows"] for bin_ in found["by_confidence"]) == 9
    assert sum(bin_["agreed"] for bin_ in found["by_confidence"]) == sum(agree)
    assert found["max_score_error"] == pytest.approx(max(errors), **close)
    assert found["mean_score_error"] == pytest.approx(sum(errors) / len(errors), abs=6e-7)
    shared_tops = [
        len(set(sorted(range(6), key=lambda c: -a[c])[:5]) & set(sorted(range(6), key=lambda c: -b[c])[:5])) / 5
        for a, b in pairs
    ]  # fmt: skip
    assert found["top5_agreement"] == pytest.approx(sum(shared_tops) / 9, **close)
    noise = sum((x - y) ** 2 for a, b in zip(floats, int8, strict=True) for x, y in zip(a, b, strict=True))
    means = [sum(row[c] for row in floats) / 9 for c in range(6)]
    energies = (
        sum(v * v for row in floats for v in row),
        sum((v - m) ** 2 for r in floats for v, m in zip(r, means, strict=True)),
    )
    assert found["sqnr_db"] == pytest.approx(10 * math.log10(energies[0] / noise), abs=6e-3)
    assert found["sqnr_centred_db"] == pytest.approx(10 * math.log10(energies[1] / noise), abs=6e-3)
    worst = cosines.index(min(cosines))
    assert found["worst_window"]["file"] == names[worst]
    by_file = {name: [c for c, n in zip(cosines, names, strict=True) if n == name] for name in sorted(set(names))}
    means_of_files = [sum(values) / len(values) for values in by_file.values()]
    assert found["by_file"]["cosine_mean"] == pytest.approx(sum(means_of_files) / 3, **close)
    assert [entry["file"] for entry in found["by_file"]["files"]] == list(by_file)
    known = [
        (pair, LABELS.index(name.partition("/")[0])) for pair, name in zip(pairs, names, strict=True) if "S" in name
    ]
    for side, model in enumerate(("float", "int8")):
        right = sum(best(pair[side]) == label for pair, label in known)
        assert found["labelled"][model]["windows"]["right"] == right
        assert found["labelled"][model]["windows"]["of"] == len(known) == 6


def test_the_spread_is_that_of_both_kernels_on_golden_and_other_windows(made: Made) -> None:
    found = measured(made)["reference"]
    golden = make_golden(made.quantized, made.windows)
    optimized = Int8Interpreter(made.quantized.tflite, kernels="optimized").run(golden["input"])
    steps = [abs(int(a) - int(b)) for a, b in zip(optimized.ravel(), golden["output"].ravel(), strict=True)]
    for row, other in zip(run_plainly(made, "reference"), run_plainly(made, "optimized"), strict=True):
        steps += [abs(a - b) for a, b in zip(row, other, strict=True)]
    assert found["windows"] == 16 + 9
    assert found["max_steps"] == max(steps) <= 40  # of 256; an untrained model
    assert found["differing"] == round(sum(step > 0 for step in steps) / len(steps), 4)
    assert found["p99_9_steps"] == sorted(steps)[math.ceil(0.999 * (len(steps) - 1))]


def test_kernels_that_disagree_are_told(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fidelity, "MAX_SPREAD", -1)
    assert "do not hold for the device" in measured(made)["warnings"][-1]


def test_synthetic_sound_marks_the_report_and_what_is_shown(made: Made) -> None:
    from dataclasses import replace

    windows_ = replace(made.windows, synthetic=True)
    report = measure_fidelity(made.quantized, windows_, made.config, make_golden(made.quantized, windows_))
    assert report["calibration"]["synthetic"] is True
    rows = dict([*model_rows(report), *fidelity_rows(report)])
    assert "SYNTHETIC" in rows["calibration"] and "SYNTHETIC" in rows["evaluation"]


def test_golden_arrays_belong_together(made: Made) -> None:
    from birdnet_deploy.audio.quantize import quantize_input

    golden = make_golden(made.quantized, made.windows)
    assert {name: (array.shape, array.dtype.name) for name, array in golden.items()} == {
        "pcm": ((16, 8000), "int16"), "features": ((16, 32, 32, 1), "float32"),
        "input": ((16, 32, 32, 1), "int8"), "output": ((16, 6), "int8"),
    }  # fmt: skip
    assert choose_golden([*made.windows.calibration.refs, *made.windows.evaluation.refs])[0] == 12  # Species a
    np.testing.assert_array_equal(golden["pcm"][0], made.windows.evaluation.pcm[0])
    np.testing.assert_array_equal(golden["features"][0], made.quantized.evaluation_features[0])
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
    report = measure_fidelity(none, empty, made.config, make_golden(none, empty))
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
    golden = make_golden(quantized, sets)
    found = measure_fidelity(quantized, sets, source.config, golden)["fidelity"]
    print(found)
    assert all(step["applied"] for step in quantized.simplifications) and len(quantized.simplifications) >= 4
    assert found["cosine_mean"] > 0.96
    assert found["confident_top1_agreement"] > 0.95
