"""Every form in which ``validate`` tells its findings: whole, held to its published schema, unharmed by any name."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import jsonschema
import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st

from birdnet_deploy.npu.data import read_target
from birdnet_deploy.npu.estimate import estimate
from birdnet_deploy.npu.finding import Finding, ValidationResult
from birdnet_deploy.npu.output import FORMATS, Report, render
from birdnet_deploy.npu.rules import ALL_RULES, BY_ID
from birdnet_deploy.npu.stedgeai import StedgeaiRun
from birdnet_deploy.npu.stedgeai_json import parse_c_info
from birdnet_deploy.support.printable import printable
from tests.support.bundles import write_bundle
from tests.support.command import birdnet_deploy, fail, succeed
from tests.support.graphs import small_graph
from tests.support.stedgeai_files import c_info, report
from tests.support.tflite_models import tflite_models

__all__ = ["tflite_models"]
SCHEMAS = Path(__file__).resolve().parents[1] / "schemas"
SARIF = jsonschema.Draft4Validator(json.loads((SCHEMAS / "sarif-schema-2.1.0.json").read_text()))
JUNIT = xmlschema.XMLSchema(str(SCHEMAS / "junit-10.xsd"))
ERROR, WARNING, INFO = (next(rule for rule in ALL_RULES if rule.severity == s) for s in ("error", "warning", "info"))
HOSTILE = (
    "a\nb", "a\r\n::error::owned", "::set-output name=x::y", "%0A::error::", "<script>&amp;\"'", "]]>", "\x1b[31mred",
    "\x00\x01", "\u202eesrever", "\ud800", "\uffff", "a,b:c=d", "é鳥", "\u2028", "\x85", "`|`", "{0}%s",
)  # fmt: skip


def result_of(*findings: Finding, **summary: Any) -> ValidationResult:
    graph, target = small_graph(), read_target("stm32n6570-dk")
    facts = {
        "counts": {s: sum(f.severity == s for f in findings) for s in ("error", "warning", "info")},
        "target": target.name, "target_from": "default", "model_sha256": "0" * 64, "operators": {"CONV_2D": 1},
        "operators_on_npu": {"hw": 1, "partly": 0, "sw": 0, "no": 0}, "macs": 1, "weight_bytes": 2,
        "arena_bytes_at_least": 3, "rules_skipped": [], "notes": [], "estimate": estimate(graph, target),
    }  # fmt: skip
    return ValidationResult(findings, {**facts, **summary})


def named(name: str) -> ValidationResult:
    """Three findings of three severities, with a hostile name wherever a name may stand."""
    rules = (ERROR, WARNING, INFO)
    return result_of(
        *(Finding(r.id, r.severity, f"{name} is bad", f"tensor 1 {name}", f"rename {name}") for r in rules)
    )


def text(result: ValidationResult, kind: str, artifact: str = "m.tflite", **more: Any) -> str:
    return render(Report(result, artifact, **more), kind)


def check_json(name: str, shown: str) -> None:
    data = json.loads(shown)
    assert data["schema_version"] == 1
    assert [set(finding) for finding in data["findings"]] == [{"rule", "severity", "message", "where", "fix"}] * 3
    assert data["findings"][0]["where"] == f"tensor 1 {name}"


def check_jsonl(name: str, shown: str) -> None:
    assert [json.loads(line)["where"] for line in shown.splitlines()] == [f"tensor 1 {name}"] * 3


def check_github(name: str, shown: str) -> None:
    lines = shown.splitlines()
    assert len(lines) == shown.count("\n") == 3
    for line, command in zip(lines, ("error", "warning", "notice"), strict=True):
        found = re.fullmatch(r"::(\w+) file=([^,:]*),title=([^,:]*)::(.*)", line)
        assert found is not None, line
        assert found.group(1) == command
        assert line.isprintable()
        assert re.sub(r"%25", "%", found.group(4)).startswith(f"tensor 1 {printable(name)}: ")
        assert "%" not in re.sub(r"%25", "", found.group(4))


def check_junit(name: str, shown: str) -> None:
    JUNIT.validate(shown)
    root = ElementTree.fromstring(shown)
    cases = root.findall("./testsuite/testcase")
    assert len(cases) == int(root.attrib["tests"]) == len(ALL_RULES)
    assert [len(root.findall(f".//{kind}")) for kind in ("failure", "system-out")] == [1, 2]
    assert root.attrib["failures"] == "1"
    if name.isprintable():
        assert cases[0].attrib["name"] == f"tensor 1 {name}"


def check_sarif(name: str, shown: str) -> None:
    data = json.loads(shown)
    SARIF.validate(data)
    run = data["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    for found, rule in zip(run["results"], (ERROR, WARNING, INFO), strict=True):
        assert rules[found["ruleIndex"]]["id"] == found["ruleId"] == rule.id
        assert found["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == f"tensor 1 {name}"
    assert [found["level"] for found in run["results"]] == ["error", "warning", "note"]


def check_text(name: str, shown: str) -> None:
    lines = shown.splitlines()
    assert [line.split(" ")[0] for line in lines[:3]] == [ERROR.id, WARNING.id, INFO.id]
    assert all(line.isprintable() for line in lines)
    assert lines[0] == f"{ERROR.id} error {printable(f'tensor 1 {name}: {name} is bad -> rename {name}')}"
    assert lines[-1].startswith("1 error, 1 warning, 1 info; ")


CHECKS = {
    "text": check_text, "json": check_json, "jsonl": check_jsonl, "github": check_github, "junit": check_junit,
    "sarif": check_sarif,
}  # fmt: skip


@pytest.mark.parametrize("name", [*HOSTILE, "stem"], ids=ascii)
@pytest.mark.parametrize("kind", FORMATS)
def test_no_name_breaks_a_form(kind: str, name: str) -> None:
    shown = text(named(name), kind)
    shown.encode()
    CHECKS[kind](name, shown)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([kind for kind in FORMATS if kind != "sarif"]), st.text(max_size=12))
def test_nor_does_any_other_name(kind: str, name: str) -> None:
    CHECKS[kind](name, text(named(name), kind))


@pytest.mark.parametrize("path", ["m.tflite", "a b/ü%.tflite", "C:\\x\\m.tflite", "a:b", "/abs/m.tflite", "x\ny"])
def test_the_path_is_a_uri_reference_in_sarif_and_one_property_in_github(path: str) -> None:
    data = json.loads(text(named("x"), "sarif", path))
    SARIF.validate(data)
    uri = data["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.isascii()
    assert unquote(uri) == path.replace("\\", "/")
    assert not urlsplit(uri).scheme
    properties = text(named("x"), "github", path).splitlines()[0].split("::")[1]
    assert properties.count(",") == 1
    assert ":" not in properties


def test_a_fingerprint_outlives_other_numbers() -> None:
    one, two = (
        json.loads(text(result_of(Finding(ERROR.id, "error", f"{n} bytes", "op 3", "fix")), "sarif")) for n in (1, 2)
    )
    prints = [data["runs"][0]["results"][0]["partialFingerprints"] for data in (one, two)]
    assert prints[0] == prints[1]


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_result_gives_the_same_bytes(kind: str) -> None:
    assert text(named("x"), kind) == text(named("x"), kind)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_clean_model_is_a_whole_report(kind: str) -> None:
    shown = text(result_of(), kind)
    if kind == "sarif":
        SARIF.validate(json.loads(shown))
    elif kind == "junit":
        JUNIT.validate(shown)
        assert len(ElementTree.fromstring(shown).findall(".//testcase")) == len(ALL_RULES)
    elif kind == "json":
        assert json.loads(shown)["findings"] == []
    elif kind == "text":
        assert "0 error, 0 warning, 0 info" in shown
    else:
        assert shown == ""


def test_rules_that_were_not_asked_did_not_pass() -> None:
    shown = text(result_of(rules_checked=[ERROR.id, WARNING.id]), "junit")
    classes = [case.attrib["classname"] for case in ElementTree.fromstring(shown).iter("testcase")]
    assert classes == [f"{ERROR.id}.{ERROR.name}", f"{WARNING.id}.{WARNING.name}"]


def test_text_says_the_target_and_the_limits_of_the_estimate() -> None:
    lines = text(result_of(), "text").splitlines()
    assert lines[-1].endswith("; target stm32n6570-dk (default)")
    assert lines[0].startswith("estimate: 0.06 ms on the NPU (0.04 to 0.07); weights 19,748 B of flash (")
    assert "not measured on this board" in lines[1]
    assert "  outside the fit: 3 layers, the rows have 13 to 64" in lines


def test_layers_and_plan_are_tables() -> None:
    shown = text(result_of(), "text", layers=True)
    assert re.search(r"^0  CONV_2D +hw +73,728 +1,216 +512 +1,024 +\d+\.\d % +1x8x8x16 +stem$", shown, re.MULTILINE)
    assert re.search(r"^npuRAM6 +1,024 +1,024 +1 to 3 +4, 6$", shown, re.MULTILINE)


def test_measured_stands_beside_the_estimate() -> None:
    run = parse_c_info(
        json.dumps(c_info()).encode(), StedgeaiRun(Path("network_c_info.json"), ("network_c_info.json",))
    )
    shown = text(result_of(measured={**run.to_json(), "macs": 9}), "text")
    assert "measured: ST Edge AI Core 3.0.0-20426, from network_c_info.json\n" in shown
    flat = re.sub(" +", " ", shown)
    assert " weights 19,748 B 212,609 B\n" in flat
    assert re.search(r"^ latency, these weights 0\.57 ms$", flat, re.MULTILINE)
    assert " epochs - 3, 1 in software: Softmax\n" in flat
    assert " pool npuRAM5 0 B 245,760 of 458,752 B\n" in flat
    assert "is it of this model? stedgeai counted 9 MAC" in shown


def test_statistics_count_by_rule() -> None:
    found = [Finding(rule.id, rule.severity, "m", f"op {i}", "f") for rule in (ERROR, INFO) for i in range(2)]
    shown = text(result_of(*found, found[-1]), "text", statistics=True)
    assert shown.splitlines()[:2] == [f"2 {ERROR.id} error {ERROR.name}", f"3 {INFO.id} info {INFO.name}"]
    data = json.loads(text(result_of(*found), "json", statistics=True))
    assert data["statistics"][0] == {"rule": ERROR.id, "severity": "error", "count": 2}
    assert len(data["findings"]) == 4


def test_a_narrow_terminal_wraps_and_says_a_fix_once() -> None:
    found = [Finding(ERROR.id, "error", "word " * 30, f"op {i}" + "\x1b" * 90 * (i == 2), "mend it") for i in range(3)]
    lines = text(result_of(*found), "text", width=72).splitlines()
    assert max(map(len, lines)) <= 72
    assert [line.strip() for line in lines].count("-> mend it") == 1
    heads = [line.split() for line in lines if line.startswith(ERROR.id)]
    assert heads[:2] == [[ERROR.id, "error", "op", str(i)] for i in range(2)]
    assert heads[2][3].startswith("2\\x1b\\x1b")


def on_a_terminal(*arguments: object, **environment: str) -> str:
    """Gives what a command shows on a terminal of its own."""
    ours, theirs = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm", **environment}
    command = [sys.executable, "-m", "birdnet_deploy", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=env)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # EIO: the other end is closed
        pass
    os.close(ours)
    process.wait(timeout=60)
    return shown.decode()


def test_colour_only_where_it_is_wanted(tflite_models: Path) -> None:
    path = tflite_models / "stem_12.tflite"
    assert "\x1b[31merror" in on_a_terminal("validate", path)
    assert "\x1b" not in on_a_terminal("validate", path, NO_COLOR="1")
    assert "\x1b" not in on_a_terminal("validate", path, TERM="dumb")
    assert "\x1b" not in birdnet_deploy("validate", path, NO_COLOR="").stdout


@pytest.mark.parametrize("kind", FORMATS)
def test_a_broken_model_exits_4_in_every_form_and_in_a_file(kind: str, tflite_models: Path, tmp_path: Path) -> None:
    path, output = tflite_models / "dynamic.tflite", tmp_path / "report"
    done = birdnet_deploy("validate", path, "--output-format", kind)
    assert (done.returncode, done.stderr) == (4, "")
    assert succeed("validate", path, "--output-format", kind, "-o", output, "--exit-zero") == ""
    assert output.read_text(encoding="utf-8") == done.stdout
    if kind == "sarif":
        SARIF.validate(json.loads(done.stdout))
    if kind == "junit":
        JUNIT.validate(done.stdout)
    assert (str(path) in unquote(done.stdout)) == (kind in ("json", "github", "junit", "sarif"))


def test_options_without_a_place_and_files_without_one_are_refused(tflite_models: Path, tmp_path: Path) -> None:
    path = tflite_models / "good.tflite"
    assert "--statistics" in fail(2, "validate", path, "--output-format", "sarif", "--statistics")
    assert "layers" in fail(2, "validate", path, "--output-format", "json", "--layers")
    assert "no such file" in fail(2, "validate", path, "--measured", tmp_path / "nothing")
    assert "nothing of stedgeai" in fail(3, "validate", path, "--measured", tmp_path)
    assert "cannot be written" in fail(5, "validate", path, "-o", tmp_path / "no" / "report")
    (tmp_path / "broken.tflite").write_bytes(b"12345678")
    for kind in FORMATS:
        done = birdnet_deploy("validate", tmp_path / "broken.tflite", "--output-format", kind)
        assert (done.returncode, done.stdout) == (3, "")


def test_what_stedgeai_measured_is_shown(tflite_models: Path, tmp_path: Path) -> None:
    (tmp_path / "network_generate_report.txt").write_text(report(validated=True))
    path = tflite_models / "good.tflite"
    shown = succeed("validate", path, "--measured", tmp_path, "--layers")
    assert "measured: ST Edge AI Core 2.2.0-20266, from network_generate_report.txt" in shown
    assert "0.15 ms" in shown
    data = json.loads(succeed("validate", path, "--measured", tmp_path, "--output-format", "json"))
    assert data["summary"]["measured"]["software_epochs"] == 1
    assert data["summary"]["estimate"]["layers"][0]["macs"] > 0


def test_the_plan_of_the_engine_is_shown_where_it_computes(tflite_models: Path) -> None:
    shown = succeed("validate", tflite_models / "good.tflite", "--target", "qemu-an547", "--layers")
    found = re.search(r"^engine: arena ([\d,]+) B \(no plan needs less than ([\d,]+)\)", shown, re.MULTILINE)
    assert found is not None, shown
    assert found.group(1) == found.group(2)
    assert re.search(r"^ ?\d+  CONV_2D +nn_depthwise +", shown, re.MULTILINE)  # one channel in
    assert "its latency is not estimated" in shown
    float_io = birdnet_deploy("validate", tflite_models / "float_io.tflite", "--target", "qemu-an547", "--layers")
    assert "engine: no plan, the model's input is float32" in float_io.stdout
    assert "engine:" not in succeed("validate", tflite_models / "good.tflite", "--layers")


def test_known_rules_have_a_name_in_every_form() -> None:
    assert {ERROR.id, WARNING.id, INFO.id} <= set(BY_ID)


def test_a_report_goes_into_a_pipe_and_leaves_it_there(tflite_models: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    succeed("validate", tflite_models / "hybrid.tflite", "--output-format", "jsonl", "-o", pipe)
    lines = os.read(reading, 1 << 16).decode().splitlines()
    os.close(reading)
    assert {json.loads(line)["rule"] for line in lines} == {"BD107"}
    assert pipe.is_fifo()


def test_a_report_goes_where_a_link_points(tflite_models: Path, tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "latest").symlink_to("reports/one.txt")
    succeed("validate", tflite_models / "good.tflite", "-o", tmp_path / "latest")
    assert (tmp_path / "latest").is_symlink()
    assert "0 error" in (tmp_path / "reports/one.txt").read_text()
    (tmp_path / "loop").symlink_to("loop")
    assert "cannot be written" in fail(5, "validate", tflite_models / "good.tflite", "-o", tmp_path / "loop")


@pytest.mark.parametrize("name", ["model.tflite", "report.json", "birdnet.lock"])
def test_a_report_never_replaces_what_is_checked(tflite_models: Path, tmp_path: Path, name: str) -> None:
    folder = write_bundle(tmp_path / "bundle", (tflite_models / "good.tflite").read_bytes())
    before = (folder / name).read_bytes()
    for checked, options in ((folder, {}), (".", {"cwd": folder}), (folder / "model.tflite", {})):
        if checked == folder / "model.tflite" and name != checked.name:
            continue
        assert "would replace what is checked" in fail(2, "validate", checked, "-o", folder / name, **options)
    assert (folder / name).read_bytes() == before
