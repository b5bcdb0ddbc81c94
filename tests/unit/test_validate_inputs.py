"""What validate takes: nothing, bundles of two models, .keras files, projects, stedgeai's output; for which board."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from birdnet_deploy import pipeline
from birdnet_deploy.errors import ModelError
from birdnet_deploy.npu.check import check_path
from birdnet_deploy.npu.data import read_target
from birdnet_deploy.npu.finding import ValidationResult
from birdnet_deploy.npu.keras_graph import open_keras
from birdnet_deploy.npu.subject import open_subject
from birdnet_deploy.tflite.reader import read_model
from tests.support.broken_models import option, quantized, tensor
from tests.support.bundles import digest, lock, write_bundle, write_project
from tests.support.command import birdnet_deploy, fail, succeed
from tests.support.schema import edited
from tests.support.small_models import edit_config, layer_config
from tests.support.stedgeai_files import report
from tests.support.tflite_models import tflite_models

__all__ = ["tflite_models"]


@pytest.fixture
def keras(small_model: Path, tmp_path: Path) -> Path:
    for suffix in (".keras", "_model_config.json", "_labels.txt"):
        shutil.copy(small_model / f"small{suffix}", tmp_path)
    return tmp_path / "small.keras"


def errors(result: ValidationResult) -> list[tuple[str, str]]:
    return [(finding.rule, finding.where) for finding in result.findings if finding.severity == "error"]


def test_the_small_bundle_has_no_error(small_bundle: Path) -> None:
    for target in ("stm32n6570-dk", "qemu-an547"):
        result = check_path(small_bundle, target=target)
        assert errors(result) == []
        assert not [f for f in result.findings if f.rule in ("BD215", "BD216")]


def test_a_built_project_has_no_error_and_its_own_board(small_project: Path, tmp_path: Path) -> None:
    result = pipeline.validate(small_project)
    assert errors(result) == []
    assert (result.summary["kind"], result.summary["target"]) == ("project", "qemu-an547")
    assert result.summary["target_from"] == "the project"
    assert {"BD310", "BD311", "BD404", "BD503"} <= set(result.summary["rules_checked"])


def test_a_project_whose_parts_are_of_different_locks(small_project: Path, tmp_path: Path) -> None:
    project = tmp_path / "fw"
    shutil.copytree(small_project, project)
    bundle = project / "bundle"
    told = json.loads((bundle / "birdnet.lock").read_text())
    (bundle / "birdnet.lock").write_text(json.dumps({**told, "note": "converted again"}))
    found = errors(check_path(project))
    assert {rule for rule, _ in found} == {"BD310"}
    places = {where for _, where in found}
    assert {"project.json", "generated/app_config.h", "generated/network.c", "build/firmware.elf"} <= places


def test_a_project_whose_model_was_replaced(small_project: Path, tflite_models: Path, tmp_path: Path) -> None:
    project = tmp_path / "fw"
    shutil.copytree(small_project, project)
    shutil.copy(tflite_models / "good.tflite", project / "bundle/model.tflite")
    rules = {rule for rule, _ in errors(check_path(project))}
    assert {"BD301", "BD304", "BD308", "BD310", "BD311"} <= rules


def test_the_graph_of_a_keras_is_the_one_of_its_bundle(small_model: Path, small_bundle: Path) -> None:
    drawn, head = open_keras(small_model / "small.keras")
    converted = read_model(small_bundle / "model.tflite")
    assert head == "softmax"
    for kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "MEAN"):
        count = [sum(op.op == kind for op in model.operators) for model in (drawn, converted)]
        assert count[0] == count[1] > 0, kind
    facts = [check_path(path).summary for path in (small_model / "small.keras", small_bundle)]
    for key in ("macs", "arena_bytes_at_least"):
        assert facts[0][key] == facts[1][key]


def test_a_keras_is_checked_with_what_lies_beside_it(keras: Path) -> None:
    result = check_path(keras)
    assert errors(result) == []
    assert result.summary["kind"] == "keras"
    assert result.summary["notes"][0].startswith("not quantized")
    (keras.parent / "small_labels.txt").write_text("one\ntwo\n")
    assert errors(check_path(keras)) == [("BD301", "small_labels.txt")]


def _with_layer(path: Path, class_name: str, **changes: Any) -> Path:
    def edit(config: dict[str, Any]) -> None:
        layer_config(config, class_name)["config"].update(changes)

    return edit_config(path, edit)


def test_what_is_wrong_with_a_keras_is_found_by_layer(keras: Path) -> None:
    _with_layer(keras, "DepthwiseConv2D", kernel_size=[7, 7], dilation_rate=[2, 2])
    rules = {f.rule: f.where for f in check_path(keras).findings}
    assert rules["BD111"] == rules["BD113"] == rules["BD114"]
    assert rules["BD111"].endswith("DEPTHWISE_CONV_2D stage1_ds1_dw")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kernel_size": "3"}, "do not fit each other"),
        ({"kernel_size": [1 << 20, 1 << 20]}, "do not fit each other"),
        ({"strides": [0, 0]}, "do not fit each other"),
        ({"depth_multiplier": 1 << 40}, "do not fit each other"),
    ],
)
def test_a_keras_that_makes_no_graph_is_refused(keras: Path, changes: dict[str, Any], words: str) -> None:
    started = time.monotonic()
    error = fail(3, "validate", _with_layer(keras, "DepthwiseConv2D", **changes))
    assert words in error or "damaged" in error or "no whole" in error, error
    assert time.monotonic() - started < 10


def test_a_bundle_of_two_models_is_judged_by_the_one_that_runs(tflite_models: Path, tmp_path: Path) -> None:
    data = (tflite_models / "good.tflite").read_bytes()
    folder = write_bundle(tmp_path / "bundle", data, mag_scale="none")
    cut = edited(data, option(0, strideW=5))
    (folder / "model_npu.tflite").write_bytes(cut)
    (folder / "prologue.npz").write_bytes(b"")
    lock(folder)
    result = check_path(folder)
    assert [f.rule for f in result.findings if f.severity != "info"] == ["BD112", "BD113"]
    subject = open_subject(folder, read_target("stm32n6570-dk"))
    assert subject.whole is not None and subject.whole.sha256 != subject.model.sha256
    (folder / "prologue.npz").unlink()
    lock(folder)
    assert errors(check_path(folder)) == [("BD308", "birdnet.lock"), ("BD312", "bundle")]


def test_the_config_is_held_to_the_model_that_takes_the_features(tflite_models: Path, tmp_path: Path) -> None:
    data = (tflite_models / "good.tflite").read_bytes()
    folder = write_bundle(tmp_path / "bundle", data)
    (folder / "model_npu.tflite").write_bytes(edited(data, tensor(0, shape=[1, 16, 8, 2])))
    (folder / "prologue.npz").write_bytes(b"")
    lock(folder)
    assert "BD304" not in {rule for rule, _ in errors(check_path(folder))}


def test_a_project_of_another_prologue_is_found(tflite_models: Path, tmp_path: Path) -> None:
    data = (tflite_models / "good.tflite").read_bytes()
    project = write_project(tmp_path / "fw", data)
    for name, content in (("model_npu.tflite", data), ("prologue.npz", b"first")):
        (project / "bundle" / name).write_bytes(content)
    header = project / "generated/app_config.h"
    npu, prologue = digest(project / "bundle/model_npu.tflite"), digest(project / "bundle/prologue.npz")
    header.write_text(f'{header.read_text()}#define APP_NPU_SHA256 "{npu}"\n#define APP_PROLOGUE_SHA256 "{prologue}"\n')
    assert "BD310" not in {rule for rule, _ in errors(check_path(project))}
    (project / "bundle/prologue.npz").write_bytes(b"second")
    assert ("BD310", "generated/app_config.h") in errors(check_path(project))


def test_a_golden_input_that_is_too_loud_is_found(small_bundle: Path, tmp_path: Path) -> None:
    import numpy as np

    folder = tmp_path / "loud"
    shutil.copytree(small_bundle, folder)
    held = dict(np.load(folder / "golden.npz"))
    held["input"] = np.full_like(held["input"], 127)
    np.savez(folder / "golden.npz", **held)
    found = {f.where: f.message for f in check_path(folder).findings if f.rule == "BD213"}
    assert found["golden.npz input"].startswith("100.0 % of the golden input values lie at 127")
    assert "golden.npz input" not in {f.where for f in check_path(small_bundle).findings}


def test_the_output_of_stedgeai_is_measured(tmp_path: Path) -> None:
    (tmp_path / "network_generate_report.txt").write_text(report())
    result = pipeline.validate(tmp_path)
    assert [(f.rule, f.where) for f in result.findings] == [
        ("BD502", "epoch 3"), ("BD504", "the compiler's options"),
    ]  # fmt: skip
    assert result.summary["measured"]["software_epochs"] == 1
    assert "operators" not in result.summary
    assert result.summary["notes"] == ["no model: what a graph shows was not checked (BD101 to BD403)"]
    again = pipeline.validate(tmp_path / "network_generate_report.txt")
    assert again.findings == result.findings
    (tmp_path / "network_generate_report.txt").write_text("nothing of the kind")
    with pytest.raises(ModelError):
        pipeline.validate(tmp_path)


def test_the_board_and_who_named_it(tflite_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tflite_models / "good.tflite"

    def said(**options: Any) -> tuple[str, str]:
        summary = pipeline.validate(path, **options).summary
        return summary["target"], summary["target_from"]

    assert said() == ("stm32n6570-dk", "default")
    note = pipeline.validate(path).summary["notes"][-1]
    assert "judged for the STM32N6570-DK (stm32n6570-dk)" in note and "--target qemu-an547 judges for that" in note
    assert len(pipeline.validate(path, target="stm32n6570-dk").summary["notes"]) == 1
    (tmp_path / "birdnet-deploy.toml").write_text('target = "qemu-an547"\n')
    assert said() == ("qemu-an547", "birdnet-deploy.toml")
    assert said(target="stm32n6570-dk") == ("stm32n6570-dk", "--target")


def test_without_a_path_the_nearest_thing_is_checked(tflite_models: Path, tmp_path: Path, monkeypatch) -> None:
    data = (tflite_models / "good.tflite").read_bytes()
    for name, make in (
        ("a", lambda folder: write_bundle(folder, data)),
        ("b", lambda folder: write_project(folder, data)),
        ("c", lambda folder: (folder.mkdir(), (folder / "network_analyze_report.txt").write_text(report()))),
    ):
        make(tmp_path / name)
    kinds = []
    for name in "abc":
        monkeypatch.chdir(tmp_path / name)
        kinds.append(pipeline.validate().summary["kind"])
    assert kinds == ["bundle", "project", "stedgeai"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "birdnet-deploy.toml").write_text('model = "absent.keras"\nproject = "b"\n')
    assert pipeline.validate().summary["kind"] == "project"


@pytest.mark.parametrize("scale", [1e-8, 5e3])
def test_text_and_json_of_the_command_agree_on_a_project(tflite_models: Path, tmp_path: Path, scale: float) -> None:
    data = edited((tflite_models / "good.tflite").read_bytes(), quantized(11, scale=[scale]))
    project = write_project(tmp_path / "fw", data)
    done = birdnet_deploy("validate", project)
    assert done.returncode == 4
    assert done.stdout.startswith("BD201 error tensor 11 ")
    told = json.loads(succeed("validate", project, "--output-format", "json", "--exit-zero"))
    assert [finding["where"].split()[1] for finding in told["findings"]] == ["11"]


@pytest.mark.shared
def test_the_shared_checkpoint_has_no_error_as_keras(shared: Path) -> None:
    result = check_path(shared / "models/birdnet_stm32n6_100.keras")
    assert errors(result) == []
    assert result.summary["macs"] == pytest.approx(26.77e6, rel=0.005)


@pytest.mark.shared
def test_the_shared_runs_of_stedgeai_are_read(shared: Path) -> None:
    found = {
        folder.name: [f.rule for f in check_path(folder).findings]
        for folder in sorted((shared / "st-examples/validate_runs").iterdir())
    }
    assert found == {name: [] for name in ("Conv2d_1x1", "Conv2d_poll", "Depthwise_3x3", "conv2d_64f_3x3")}
    audio = check_path(shared / "st-examples/gs_audio_v2.1.0")
    assert [(f.rule, f.where) for f in audio.findings] == [("BD502", f"epoch {n}") for n in (1, 38, 39)]


def test_a_path_that_no_system_takes_is_refused(tmp_path: Path) -> None:
    assert "cannot be looked at" in fail(2, "validate", tmp_path / ("x" * 300))
