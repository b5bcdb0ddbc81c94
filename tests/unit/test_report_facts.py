"""The facts of a report: the verdict follows from what was shown, numbers are those of the files."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from birdnet_deploy.boardtest.saved import read_saved
from birdnet_deploy.bundle import open_bundle
from birdnet_deploy.errors import ProtocolError
from birdnet_deploy.quantization.detail import WORST_WINDOWS, detail_of, worst_arrays
from birdnet_deploy.readback.identity import identity_of
from birdnet_deploy.settings import find_settings
from birdnet_deploy.showing.device import UNKNOWN, heard_from
from birdnet_deploy.showing.figures.windows import read_heard
from birdnet_deploy.showing.gather import gather
from birdnet_deploy.showing.limits import gates_for, limits_of, verdict_of
from birdnet_deploy.showing.names import layer_name
from birdnet_deploy.showing.page import inert
from birdnet_deploy.showing.sources import open_sources
from birdnet_deploy.toolchain.elf import read_placed, read_sizes
from tests.support.bundles import lock, write_bundle
from tests.support.command import fail, succeed

SCHEMA = Path(__file__).resolve().parents[1] / "schemas/report-1.schema.json"


@dataclass(frozen=True)
class Ref:
    file: str
    start: int


def test_details_are_what_they_say() -> None:
    wanted = np.array([[4.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 2.0, 0.0]], np.float32)
    got = np.array([[4.0, 0.0, 0.5], [0.0, 3.0, 0.0], [2.5, 0.0, 0.0]], np.float32)
    found = detail_of(wanted, got, "none", 0.5, [Ref("a", 0), Ref("a", 8), Ref("b", 0)], ["x", "y", "z"])
    assert found["outputs"] == 9 and found["output_step"] == 0.5
    assert sum(found["differences"]["counts"]) == 9
    assert found["differences"]["max_abs"] == 2.5
    assert found["differences"]["rms"] == round(float(np.sqrt((0.25 + 6.25 + 4) / 9)), 5)
    assert found["pairs"]["float"] == sorted(found["pairs"]["float"]) and len(found["pairs"]["int8"]) == 9
    worst, *others = found["classes"]
    assert (worst["label"], worst["windows"], worst["agreed"], worst["mostly_becomes"]) == ("y", 2, 1, "x")
    assert worst["mean_score_change"] == -1.0
    assert [other["label"] for other in others] == ["x"]  # z is never heard best
    first = found["worst_windows"][0]
    assert (first["file"], first["start"], first["cosine"], first["row"]) == ("b", 0, 0.0, 2)
    assert first["float"][0] == {"label": "y", "score": 2.0} and first["int8"][0] == {"label": "x", "score": 2.5}


def test_the_worst_windows_come_with_their_sound_in_their_order() -> None:
    rows = WORST_WINDOWS + 3
    wanted = np.eye(2, dtype=np.float32)[np.zeros(rows, int)]
    got = wanted + np.linspace(0, 2, rows, dtype=np.float32)[:, None] * [0, 1]
    found = detail_of(wanted, got, "none", 1.0, [Ref("a", i) for i in range(rows)], [])
    assert [window["start"] for window in found["worst_windows"]] == list(range(rows - 1, 2, -1))
    held = worst_arrays(found, np.arange(rows, dtype=np.int16)[:, None], np.arange(rows, dtype=np.float32)[:, None])
    assert held["worst_pcm"].ravel().tolist() == held["worst_features"].ravel().tolist() == list(range(rows - 1, 2, -1))
    assert worst_arrays(None, held["worst_pcm"], held["worst_features"]) == {}


def test_a_bundle_holds_the_worst_windows_that_its_report_names(small_bundle: Path) -> None:
    golden = np.load(small_bundle / "golden.npz")
    report = json.loads((small_bundle / "report.json").read_text(encoding="utf-8"))
    windows = report["detail"]["worst_windows"]
    assert windows[0]["cosine"] == report["fidelity"]["cosine_min"]
    assert {key: windows[0][key] for key in ("file", "start", "cosine")} == report["fidelity"]["worst_window"]
    assert len(golden["worst_pcm"]) == len(golden["worst_features"]) == len(windows) > 0
    assert golden["worst_pcm"].dtype == np.int16 and golden["worst_pcm"].any()
    assert sum(row["windows"] for row in report["detail"]["classes"]) == report["fidelity"]["windows"]
    assert sum(row["agreed"] for row in report["detail"]["classes"]) == report["fidelity"]["top1"]["agreed"]


def test_sections_of_an_elf_add_up(small_project: Path) -> None:
    elf = small_project / "build/firmware.elf"
    sections, sizes = read_placed(elf), read_sizes(elf)
    by_name = {section.name: section for section in sections}
    assert sum(section.bytes for section in sections) == sizes.text_bytes + sizes.data_bytes + sizes.bss_bytes
    assert by_name[".arena"].load_address == by_name[".arena"].address  # zeros are loaded from nowhere
    assert 0x28000000 <= by_name[".fast"].load_address < 0x28800000  # copied at boot from where constants lie
    assert 0x20000000 <= by_name[".fast"].address < 0x20080000


def test_facts_hold_the_schema_and_what_the_files_say(small_bundle: Path, small_project: Path) -> None:
    facts = gather(open_sources([small_bundle, small_project], find_settings()), find_settings())
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(facts)))
    assert facts["target"]["name"] == "qemu-an547"
    assert facts["memory"]["source"] == "the project's ELF"
    plan = json.loads((small_project / "memory_plan.json").read_text(encoding="utf-8"))
    assert facts["memory"]["plan"]["bytes"] == plan["arena_bytes"]
    regions = {region["name"]: region for region in facts["memory"]["regions"]}
    arena = next(fill["bytes"] for fill in regions["DTCM"]["fills"] if fill["what"] == "activations")
    assert arena >= plan["arena_bytes"]
    assert regions["DTCM"]["needed_bytes"] < regions["DTCM"]["used_bytes"]  # copies may shrink
    used = [limit["used"] for limit in facts["limits"]]
    assert used == sorted(used, reverse=True)
    assert facts["verdict"]["nearest_limit"] == facts["limits"][0]
    alone = [layer["alone_db"] for layer in facts["layers"] if layer["alone_db"] is not None]
    assert facts["verdict"]["costliest_layer"]["alone_db"] == min(alone)


def shown(**changes: Any) -> dict[str, Any]:
    """Gives facts that speak for a release."""
    device = {
        "target": "qemu-an547", "emulated": True, "times": {}, "error": None, "lines": ["windows bit-exact 3/3"],
        "verdict": {"agrees": True},
    }  # fmt: skip
    facts: dict[str, Any] = {
        "target": {"name": "qemu-an547", "title": "QEMU"}, "layers": None, "auto": None, "estimate": None,
        "gates": gates_for(None), "device": [device], "memory": {"source": "x", "regions": []},
        "validation": {"counts": {"error": 0}},
        "model": {"calibration": {"synthetic": False}, "prologue": None, "options": {},
                  "config": {"sample_rate": 8000, "chunk_duration": 1.0}},
        "fidelity": {"cosine_mean": 0.999, "windows": 50, "files": 5,
                     "confident_top1": {"windows": 20, "agreed": 20, "interval": [0.8, 1.0]},
                     "worst_window": {"file": "a.wav", "start": 4000, "cosine": 0.9}},
    }  # fmt: skip
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = facts
        for key in parents:
            place = place[key]
        place[last] = value
    return facts


def judged(facts: dict[str, Any], stale: tuple[str, ...] = ()) -> dict[str, Any]:
    return verdict_of(facts, limits_of(facts), stale)


def test_a_model_of_which_everything_is_shown_is_released() -> None:
    found = judged(shown())
    assert (found["status"], found["missing"]) == ("release", [])
    assert found["nearest_limit"]["name"] == "mean cosine of scores"
    assert found["nearest_limit"]["used"] == 0.25
    assert found["worst_window"]["start_s"] == 0.5
    assert found["scope"].startswith("emulated")


FULL = {"name": "SRAM", "bytes": 100, "needed_bytes": 101, "used_bytes": 101, "fills": []}
OTHER_DEVICE = {
    "target": "stm32n6570-dk", "emulated": False, "times": {"nn": {"p95_ms": 1200.0}}, "error": None,
    "lines": ["windows bit-exact 3/3"], "verdict": {"agrees": True},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"fidelity__cosine_mean": 0.9959}, "do not release", "mean cosine of scores 0.9959, allowed at least 0.996"),
        (
            {"fidelity__confident_top1": {"windows": 20, "agreed": 17, "interval": [0.6, 0.9]}},
            "do not release",
            "17 of 20",
        ),
        ({"fidelity__confident_top1": {"windows": 20, "agreed": 18, "interval": [0.6, 0.9]}}, "release", "18 of 20"),
        ({"model__calibration": {"synthetic": True}}, "do not release", "synthetic sound"),
        ({"validation__counts": {"error": 2}}, "do not release", "2 errors of the rules"),
        ({"memory__regions": [FULL]}, "do not release", "memory SRAM"),
        ({"device": [{**OTHER_DEVICE, "verdict": {"agrees": False}}]}, "do not release", "stm32n6570-dk"),
        (
            {"device": [OTHER_DEVICE], "target__name": "stm32n6570-dk"},
            "do not release",
            "time of a window on stm32n6570",
        ),
        ({"device": []}, "not yet", "no device was held against the host"),
        ({"target__name": "stm32n6570-dk"}, "not yet", "only qemu-an547"),
        ({"fidelity": None}, "not yet", "float against int8 was not measured"),
        ({"model": None, "fidelity": None}, "not yet", "no bundle"),
    ],
)
def test_each_fact_moves_the_verdict(changes: dict[str, Any], status: str, reason: str) -> None:
    found = judged(shown(**changes))
    assert found["status"] == status
    assert any(reason in told for told in found["reasons"])


@pytest.mark.parametrize(
    ("fw", "asked", "board"),
    [
        ("birdnet-deploy 0.1.0 qemu-an547", "stm32n6570-dk", "qemu-an547"),  # what the line says goes first
        ("birdnet-deploy 0.1.0 stm32n6570-dk", "qemu-an547", "stm32n6570-dk"),
        (None, "qemu-an547", "qemu-an547"),
        (None, "stm32n6570-dk", UNKNOWN),  # it may come from QEMU
        ("somebody's", "nucleo-n657x0-q", UNKNOWN),
    ],
)
def test_a_readback_that_names_no_board_is_of_no_real_one(fw: str | None, asked: str, board: str) -> None:
    assert heard_from(fw, asked) == board


def test_a_saved_window_of_half_a_name_is_refused(small_bundle: Path, tmp_path: Path) -> None:
    saved = tmp_path / "s.jsonl"
    identity = identity_of(open_bundle(small_bundle))
    saved.write_text(json.dumps({"file": "\ud800.wav", "win": 0, "start": 0, "outputs": [0] * identity.classes}) + "\n")
    with pytest.raises(ProtocolError, match="not a saved window"):
        read_saved(saved, identity, 8000)


def test_times_of_an_unknown_board_are_no_limit_of_the_target() -> None:
    times = {"nn": {"windows": 1, "median_ms": 9.0, "p95_ms": 9.0, "max_ms": 9.0}}
    facts = shown(target__name="stm32n6570-dk")
    facts["device"] = [{**facts["device"][0], "target": UNKNOWN, "emulated": False, "times": times}]
    assert not [limit for limit in limits_of(facts) if "time of a window" in limit["name"]]
    assert verdict_of(facts, limits_of(facts), ())["status"] == "not yet"


def test_a_file_that_changed_since_it_was_locked_forbids_a_release() -> None:
    found = judged(shown(), ("model.tflite has changed since it was locked",))
    assert (found["status"], found["reasons"]) == ("do not release", ["model.tflite has changed since it was locked"])


def test_gates_are_those_of_the_conversion_else_those_of_auto() -> None:
    assert gates_for(None) == gates_for({"options": {"prologue": "none"}})
    assert gates_for(None)["min_cosine"] == 0.996
    own = gates_for({"options": {"prologue": "none", "min_cosine": 0.9, "min_agreement": None}})
    assert (own["min_cosine"], own["min_agreement"], own["why"]) == (0.9, None, "asked for")
    auto = gates_for({"options": {"prologue": "auto", "min_cosine": 0.9, "min_agreement": None}})
    assert (auto["min_cosine"], auto["min_agreement"]) == (0.9, 0.985)


def test_names_of_layers() -> None:
    assert layer_name("net/stem_relu_1/Relu6;net/stem_bn/add") == "stem_relu_1"
    assert layer_name("Identity") == "Identity"
    assert layer_name("a/b") == "a/b"
    assert layer_name("x" * 90) == "x" * 37 + "..."


def test_the_report_lies_beside_its_bundle_the_same_bytes_each_time(small_bundle: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "my_bundle"
    shutil.copytree(small_bundle, bundle)
    before = sorted(path.name for path in bundle.iterdir())
    told = succeed("report", bundle, cwd=bundle, TZ="Asia/Tokyo", PYTHONHASHSEED="1")
    assert told.startswith("verdict  ")
    again = succeed("report", bundle, "-o", tmp_path / "deep/again", "--output-format", "json", PYTHONHASHSEED="2")
    first, second = tmp_path / "report", tmp_path / "deep/again"
    for name in ("report.html", "report.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    assert json.loads(again) == json.loads((first / "report.json").read_text(encoding="utf-8"))
    assert sorted(path.name for path in bundle.iterdir()) == before
    assert str(tmp_path) not in (first / "report.html").read_text(encoding="utf-8")


def test_a_report_is_never_written_into_a_bundle_or_over_what_is_not_ours(small_bundle: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "b"
    shutil.copytree(small_bundle, bundle)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    assert "lies in the bundle or project b" in fail(5, "report", bundle, "-o", bundle / "deep/report")
    assert "not a report that this tool wrote" in fail(5, "report", bundle, "-o", tmp_path / "mine")
    assert "lies in the bundle" in fail(5, "validate", bundle, "--report", bundle / "page.html")
    assert "does not end in .html" in fail(2, "validate", bundle, "--report", tmp_path / "page.json")
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["b", "mine"]


def test_figures_that_were_edited_are_not_shown(small_bundle: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "b"
    shutil.copytree(small_bundle, bundle)
    report = json.loads((bundle / "report.json").read_text(encoding="utf-8"))
    report["fidelity"] = {"cosine_mean": "1.0, honestly"}
    (bundle / "report.json").write_text(json.dumps(report), encoding="utf-8")
    facts = json.loads(succeed("report", bundle, "--output-format", "json"))
    assert facts["fidelity"] is None and facts["detail"] is None
    first, second = facts["verdict"]["reasons"]
    assert first == "report.json has changed since it was locked" and second.startswith("1 error of the rules")  # BD308
    assert "Nothing to show" in (tmp_path / "report/report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "change", [{"detail": {"differences": []}}, {"frontier": [{"name": "\ud800"}]}, {"fidelity": 7}]
)
def test_figures_of_others_that_make_no_sense_are_named_whatever_the_lock_says(
    small_bundle: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    bundle = shutil.copytree(small_bundle, tmp_path / "b")
    report = json.loads((bundle / "report.json").read_text(encoding="utf-8"))
    (bundle / "report.json").write_text(json.dumps({**report, **change}), encoding="utf-8")
    told = fail(3, "report", lock(bundle))
    assert "report.json: is not what convert writes" in told and "internal" not in told
    assert not (tmp_path / "report").exists()


def test_worst_windows_that_cannot_be_read_are_left_out(small_bundle: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(small_bundle, tmp_path / "b")
    data = (bundle / "golden.npz").read_bytes()
    for broken in (b"PK\x03\x04", data[: len(data) // 2]):
        (bundle / "golden.npz").write_bytes(broken)
        assert read_heard(bundle / "golden.npz") is None
    succeed("report", lock(bundle))
    assert "the bundle holds no worst windows" in (tmp_path / "report/report.html").read_text(encoding="utf-8")


def test_the_facts_in_the_page_cannot_end_their_element() -> None:
    for name in ("</script>", "</script x", "<!-- <script", "&lt;", "\u2028", "]]>"):
        text = inert({"name": name})
        assert not {"<", ">", "&"} & set(text) and json.loads(text) == {"name": name}


def test_what_does_not_belong_together_is_refused(small_bundle: Path, small_project: Path, tmp_path: Path) -> None:
    other = write_bundle(tmp_path / "other", (small_bundle / "model.tflite").read_bytes())
    assert "is of another bundle than" in fail(2, "report", other, small_project)
    assert "neither a bundle nor a project" in fail(2, "report", tmp_path)
    assert "2 bundles are named" in fail(2, "report", other, small_bundle)


def test_validate_reports_on_a_bare_model_too(small_bundle: Path, tmp_path: Path) -> None:
    model, page = tmp_path / "model.tflite", tmp_path / "page.html"
    shutil.copy(small_bundle / "model.tflite", model)
    succeed("validate", model, "--report", page)
    text = page.read_text(encoding="utf-8")
    assert "only a model was looked at, no bundle" in text
    assert "Not yet" in text and 'id="figure-work"' in text and 'id="figure-scatter"' not in text
