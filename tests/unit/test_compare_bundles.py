"""``compare BUNDLE_A BUNDLE_B``: every difference is named, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import LABELS, lock, write_bundle
from tests.support.command import fail, succeed

FIDELITY = {
    "windows": 40, "files": 7, "cosine_mean": 0.97, "cosine_p5": 0.8, "cosine_min": 0.5, "top1_agreement": 0.9,
    "confident_windows": 20, "confident_top1_agreement": 0.95, "sqnr_db": 20.25, "sqnr_centred_db": None,
}  # fmt: skip
MODEL = {
    "bytes": 1000, "operator_count": 35, "macs": 26_000_000, "operators": {"ADD": 8, "CONV_2D": 12}, "prologue": None,
    "head": "logits",
}  # fmt: skip


def bundle(folder: Path, data: bytes = b"model", *, labels: tuple[str, ...] = LABELS, **changes: Any) -> Path:
    """Gives a bundle whose report and lock tell something; ``changes`` are of the report, the lock or the config."""
    config = {key: changes.pop(key) for key in ("output_activation", "num_mels") if key in changes}
    evaluated, versions = changes.pop("evaluated", "e" * 64), changes.pop("versions", {"keras": "3.15.1"})
    write_bundle(folder, data, labels=labels, **{**config, "class_names": list(labels), "num_classes": len(labels)})
    report = {
        "model": MODEL, "fidelity": FIDELITY, "reference": {"max_steps": 5},
        "calibration": {"synthetic": False}, **changes,
    }  # fmt: skip
    (folder / "report.json").write_text(json.dumps(report))
    lock(folder)
    told = json.loads((folder / "birdnet.lock").read_text())
    told.update(
        options={"head": "logits"}, versions=versions, source_model={"name": "m.keras", "sha256": "0" * 64},
        calibration={"windows_sha256": {"calibration": "c" * 64, "evaluation": evaluated}},
    )  # fmt: skip
    (folder / "birdnet.lock").write_text(json.dumps(told))
    return folder


def compared(first: Path, second: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(succeed("compare", first, second, "--output-format", "json"))
    return found


def test_the_same_bundle_differs_in_nothing(tmp_path: Path) -> None:
    one, two = bundle(tmp_path / "a"), bundle(tmp_path / "b")
    found = compared(one, two)
    assert found["same_model"] and found["same_evaluation"]
    assert (found["model"], found["config"]) == ({"operators": {}}, {})
    assert found["labels"] == {"count": [8, 8], "added": [], "removed": [], "moved": []}
    assert found["lock"] == {"source_model": {}, "options": {}, "versions": {}}
    assert all(delta == 0 for _, _, delta in found["fidelity"].values())
    text = succeed("compare", one, two)
    assert "the same bytes" in text and "the same 8" in text and "both on the same windows" in text


def test_what_a_retrained_model_changes_is_named(tmp_path: Path) -> None:
    labels = (LABELS[1], LABELS[0], *LABELS[2:7], "Bubo bubo_Eagle-Owl", "Strix aluco_Tawny Owl")
    new = {**FIDELITY, "cosine_mean": 0.992, "confident_windows": 31, "top5_agreement": 0.9}
    model = {
        **MODEL, "bytes": 1200, "operators": {"ADD": 8, "CONV_2D": 11, "MUL": 1},
        "prologue": {"cut": "stem", "macs": 5},
    }  # fmt: skip
    first = bundle(tmp_path / "a")
    second = bundle(
        tmp_path / "b", b"retrained", labels=labels, model=model, fidelity=new, reference={"max_steps": 9},
        calibration={"synthetic": True}, output_activation="sigmoid", evaluated="f" * 64, versions={"keras": "3.16.0"},
    )  # fmt: skip
    found = compared(first, second)
    assert found["model"] == {
        "bytes": [1000, 1200], "prologue": [None, {"cut": "stem", "macs": 5}],
        "operators": {"CONV_2D": [12, 11], "MUL": [None, 1]},
    }  # fmt: skip
    assert found["labels"] == {
        "count": [8, 9], "added": ["Bubo bubo_Eagle-Owl", "Strix aluco_Tawny Owl"], "removed": [LABELS[7]],
        "moved": [LABELS[1], LABELS[0]],
    }  # fmt: skip
    assert found["config"] == {"num_classes": [8, 9], "output_activation": ["softmax", "sigmoid"]}
    assert found["fidelity"]["cosine_mean"] == [0.97, 0.992, 0.022]
    assert found["fidelity"]["confident_windows"] == [20, 31, 11]
    assert found["fidelity"]["reference_max_steps"] == [5, 9, 4]
    assert not {"top5_agreement", "sqnr_centred_db"} & set(found["fidelity"])  # known to one of them only
    assert (found["same_model"], found["same_evaluation"]) == (False, False)
    assert found["lock"]["versions"] == {"keras": ["3.15.1", "3.16.0"]}
    text = succeed("compare", first, second)
    for line in (
        "bytes: 1,000 -> 1,200 (+200)", "8 -> 9 classes", f"1 removed: {LABELS[7]}", "2 moved:", "SYNTHETIC sound",
        "on DIFFERENT windows", "0.97 -> 0.992 (+0.022)", "keras: 3.15.1 -> 3.16.0",
        "output_activation: softmax -> sigmoid", "MUL: none -> 1",
    ):  # fmt: skip
        assert line in text


def test_a_bundle_that_was_not_measured_is_told(tmp_path: Path) -> None:
    first, second = bundle(tmp_path / "a"), bundle(tmp_path / "b", fidelity=None, calibration="unknown")
    assert compared(first, second)["fidelity"] is None
    assert "not measured in B" in succeed("compare", first, second)


@pytest.mark.parametrize("content", ["{", "[]", '{"model": 3}', "\x00"])
def test_an_unreadable_report_is_3(tmp_path: Path, content: str) -> None:
    first, second = bundle(tmp_path / "a"), bundle(tmp_path / "b")
    (second / "report.json").write_text(content)
    error = fail(3, "compare", first, second)
    assert "report.json" in error and error.count("\n") == 1


def test_what_is_no_bundle_is_named(tmp_path: Path) -> None:
    first = bundle(tmp_path / "a")
    assert "no such bundle folder" in fail(2, "compare", first, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "not a whole bundle" in fail(3, "compare", tmp_path / "empty", first)


def test_figures_of_odd_types_are_left_out(tmp_path: Path) -> None:
    first, second = bundle(tmp_path / "a"), bundle(tmp_path / "b", fidelity={**FIDELITY, "cosine_mean": "high"})
    assert "cosine_mean" not in compared(first, second)["fidelity"]


def test_real_bundles_compare(small_bundle: Path) -> None:
    found = compared(small_bundle, small_bundle)
    assert found["same_model"] and found["bundles"][0] == found["bundles"][1]
