"""The per-layer figures, against computations that share nothing with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from birdnet_deploy.model.source import open_source
from birdnet_deploy.quantization import convert
from birdnet_deploy.quantization.fixes import Symptoms, fix_of
from birdnet_deploy.quantization.layer_loss import layer_figures, live_tensors, spread_windows
from birdnet_deploy.quantization.match import match_tensors
from birdnet_deploy.quantization.report import layer_lines
from birdnet_deploy.tflite.model import Operator
from birdnet_deploy.tflite.reader import read_model
from tests.support.small_models import run_here, save, settled, windows


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[convert.QuantizedModel, Any]:
    """A small model with residual connections, its ranges min/max, and windows."""
    model = settled(audio_frontend="librosa", class_activation="sigmoid")
    source = open_source(save(model, tmp_path_factory.mktemp("layers"), audio_frontend="librosa"))
    shown = windows(model, 6, seed=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert, "run_worker", run_here)
        return convert.quantize_model(source, windows(model, 12, seed=1), shown, ranges="minmax"), shown


def steps(values: Any, tensor: dict[str, Any]) -> Any:
    """Quantizes and dequantizes as the int8 graph does, in float64."""
    scale = np.float64(tensor["scale"])
    whole = np.sign(values) * np.floor(np.abs(np.float32(values) / np.float32(scale)).astype(np.float64) + 0.5)
    return (np.clip(whole + tensor["zero_point"], -128, 127) - tensor["zero_point"]) * scale


def all_values(model: bytes, window: Any) -> dict[str, Any]:
    """Every activation of a model by name, from an interpreter without delegates."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=model, experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )  # fmt: skip
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], window)
    interpreter.invoke()
    read = read_model(model)
    return {t.name: interpreter.get_tensor(t.index).copy() for t in read.tensors if not t.data}


def db(signal: float, noise: float) -> float:
    return float(10 * np.log10(signal / noise))


def test_own_and_cumulative_noise_are_those_of_the_tensors_themselves(made: Any) -> None:
    quantized, shown = made
    records = layer_figures(quantized.float_tflite, quantized.tflite, shown, {})
    floats, whole = read_model(quantized.float_tflite), read_model(quantized.tflite)
    names = {
        floats.tensors[pair.float_index].name: whole.tensors[pair.int8_index].name
        for pair in match_tensors(floats, whole)
    }
    assert len(records) == len(names) > 12
    entry = next(record for record in records if record["position"] < 0)
    for record in records:
        signal = own = far = 0.0
        for window in shown:
            wanted = all_values(quantized.float_tflite, window[None])[record["tensor"]].astype(np.float64)
            inputs = steps(window, entry) / entry["scale"] + entry["zero_point"]
            got = all_values(quantized.tflite, np.rint(inputs).astype(np.int8)[None])[names[record["tensor"]]]
            real = (got.astype(np.float64) - record["zero_point"]) * record["scale"]
            signal += np.square(wanted).sum()
            own += np.square(wanted - steps(wanted, record)).sum()
            far += np.square(wanted - real).sum()
        # without XNNPACK the int8 kernels round otherwise, by a step now and then
        assert record["cumulative_db"] == pytest.approx(db(signal, far), abs=1.5), record["tensor"]
        assert record["local_db"] == pytest.approx(db(signal, own), abs=0.05), record["tensor"]


def test_alone_means_that_only_this_tensor_is_quantized(made: Any) -> None:
    """The input's figure needs no cut at all: quantize it, and run the whole float model."""
    quantized, shown = made
    records = layer_figures(quantized.float_tflite, quantized.tflite, shown, {})
    output = read_model(quantized.float_tflite).tensors[read_model(quantized.float_tflite).outputs[0]].name

    def logits(given: Any) -> Any:
        rows = [all_values(quantized.float_tflite, np.float32(window)[None])[output] for window in given]
        return np.concatenate(rows).astype(np.float64)

    wanted = logits(shown)
    entry = next(record for record in records if record["position"] < 0)
    noise = np.square(wanted - logits(steps(shown, entry))).sum()
    signal = np.square(wanted - wanted.mean(axis=0)).sum()
    assert entry["alone_db"] == pytest.approx(db(signal, noise), abs=0.02)
    last = next(record for record in records if record["tensor"] == output)
    assert last["alone_db"] == pytest.approx(db(signal, np.square(wanted - steps(wanted, last)).sum()), abs=0.02)


def test_a_tensor_beside_a_residual_connection_is_quantized_alone_too(made: Any) -> None:
    quantized, shown = made
    read = read_model(quantized.float_tflite)
    beside = [op.index for op in read.operators if len(live_tensors(read, op.index)) > 1]
    records = {r["position"]: r for r in layer_figures(quantized.float_tflite, quantized.tflite, shown, {})}
    found = [records[position]["alone_db"] for position in beside if position in records]
    assert found and all(value is not None and value > 10 for value in found)


def test_records_are_ranked_and_name_the_first_cut_behind(made: Any) -> None:
    quantized, shown = made
    read = read_model(quantized.float_tflite)
    outputs = {op.index: read.tensors[op.outputs[0]].name for op in read.operators}
    first, later = sorted(outputs)[2], sorted(outputs)[9]
    cuts = {"early": outputs[first], "late": outputs[later]}
    records = layer_figures(quantized.float_tflite, quantized.tflite, shown, cuts)
    levels = [record["alone_db"] for record in records if record["alone_db"] is not None]
    assert levels == sorted(levels)
    for record in records:
        if record["fix"] is None:
            assert record["alone_db"] is None or record["alone_db"] >= 40
        elif "--prologue" in record["fix"]:
            assert ("early" if record["position"] < first else "late") in record["fix"]
    assert {"early", "late"} <= {word for r in records for word in (r["fix"] or "").replace(";", " ").split()}
    lines = layer_lines({"layers": records})
    assert len(lines) == 9 and lines[0].startswith("int8 tensor")
    assert layer_lines({"layers": None}) == []


def test_weights_are_compared_where_both_have_them(made: Any) -> None:
    quantized, shown = made
    records = layer_figures(quantized.float_tflite, quantized.tflite, shown[:1], {})
    for record in records:
        has_weights = record["operator"] in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
        assert (record["weights_db"] is not None and 30 < record["weights_db"] < 70) == has_weights


def test_the_table_of_fixes_tells_symptoms_apart() -> None:
    def fix(role: str = "inner", cut: str | None = "stem", **changes: Any) -> str | None:
        told = {"alone_db": 20.0, "local_db": 30.0, "weights_db": 45.0, "below_half_step": 0.0, "clipped": 0.0}
        return fix_of(Symptoms(role=role, **{**told, **changes}), cut)

    assert fix() == "cut behind it: --prologue stem"
    assert fix(alone_db=40.0) is None and fix(alone_db=None) is None
    assert "no cut" in str(fix(cut=None))
    assert "sqrt" in str(fix("input", below_half_step=0.7)) and "stem" in str(fix("input", below_half_step=0.7))
    assert "sqrt" not in str(fix("input"))
    assert "--prologue" not in str(fix("input", cut=None, below_half_step=0.7))
    assert "range of the logits" in str(fix("output"))
    assert "minmax" in str(fix(clipped=0.01))
    assert "weights" in str(fix(weights_db=20.0, local_db=50.0)) and fix(weights_db=20.0, local_db=20.0) == fix()


def test_graphs_that_differ_are_matched_as_far_as_they_are_alike_then_by_name(made: Any) -> None:
    from dataclasses import replace

    quantized, _ = made
    floats, whole = read_model(quantized.float_tflite), read_model(quantized.tflite)
    every = match_tensors(floats, whole)
    middle = len(whole.operators) // 2
    odd = Operator(middle, "ABS", 1, (0,), (0,), {})
    broken = replace(whole, operators=(*whole.operators[:middle], odd, *whole.operators[middle:]))
    by_name = {floats.tensors[pair.float_index].name for pair in every} & {tensor.name for tensor in whole.tensors}
    found = match_tensors(floats, broken)
    assert [p for p in found if p.position < middle - 1] == [p for p in every if p.position < middle - 1]
    assert {floats.tensors[p.float_index].name for p in found} >= by_name - {""}


def test_windows_are_spread_over_all() -> None:
    many, few = np.arange(100.0, dtype=np.float32), np.array([-1.0, -2.0], np.float32)
    assert spread_windows(many, few).tolist()[::31] == [0.0, 99.0]
    filled = spread_windows(few, many)
    assert filled.tolist()[:3] == [-1.0, -2.0, 0.0] and len(filled) == 32 and filled[-1] == 99.0
    assert spread_windows(few, few[:0]).tolist() == [-1.0, -2.0]


@pytest.mark.shared
def test_the_checkpoint_loses_most_in_front(shared: Path) -> None:
    """quantization.md: input, mel output and stem are the tensors that hurt."""
    from birdnet_deploy.audio.frontend import features_of_windows
    from birdnet_deploy.calibration.collect import collect_windows

    source = open_source(shared / "models/birdnet_stm32n6_100.keras")
    sets = collect_windows(shared / "audio", source.config, max_windows=40)
    features = features_of_windows(sets.calibration.pcm, source.config)
    quantized = convert.quantize_model(source, features, features[:0], ranges="minmax")
    assert quantized.float_tflite is not None
    records = layer_figures(quantized.float_tflite, quantized.tflite, spread_windows(features, features[:0]), {})
    worst = [record["tensor"] for record in records[:4]]
    assert any("stem" in name for name in worst) and any("frontend" in name for name in worst)
