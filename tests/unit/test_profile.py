"""Choosing rules and lowering findings with a reason: settings, profile files, command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from birdnet_deploy import pipeline
from birdnet_deploy.errors import ConfigError, UsageError
from birdnet_deploy.npu.check import check_path
from birdnet_deploy.npu.finding import Finding
from birdnet_deploy.npu.profile import Lowering, Profile, apply, parse_lowerings, read_profile
from tests.support.command import birdnet_deploy, fail, succeed
from tests.support.tflite_models import tflite_models

__all__ = ["tflite_models"]
OLDER = {"rule": "BD105", "to": "warning", "reason": "an older model"}
LOWER = '[[rules.lower]]\nrule = "BD105"\nto = "warning"\nreason = "an older model"\n'


def test_a_finding_is_lowered_with_its_reason(tflite_models: Path, tmp_path: Path) -> None:
    path = tflite_models / "stem_12.tflite"
    (tmp_path / "birdnet-deploy.toml").write_text(LOWER)
    report = json.loads(succeed("validate", path, "--output-format", "json", cwd=tmp_path))
    assert [(f["rule"], f["severity"]) for f in report["findings"] if f["rule"] == "BD105"] == [
        ("BD105", "warning")
    ] * 3
    row = report["summary"]["lowered"][0]
    assert (row["from"], row["to"], row["reason"]) == ("error", "warning", "an older model")
    assert row["where"].startswith("op 0 CONV_2D")
    assert birdnet_deploy("validate", path).returncode == 4


def test_one_place_alone_is_lowered(tflite_models: Path) -> None:
    lower = parse_lowerings([{**OLDER, "to": "ignore", "where": "op 0 *"}], "x")
    result = check_path(tflite_models / "stem_12.tflite", lower=lower)
    assert [f.where.split()[1] for f in result.findings if f.rule == "BD105"] == ["1", "2"]
    assert [row["to"] for row in result.summary["lowered"]] == ["ignore"]
    assert result.summary["counts"]["error"] == 2


def test_a_lowering_for_another_board_changes_nothing(tflite_models: Path) -> None:
    lower = parse_lowerings([{**OLDER, "target": "qemu-an547"}], "x")
    path = tflite_models / "stem_12.tflite"
    assert check_path(path, lower=lower).errors == 3
    assert check_path(path, target="qemu-an547", lower=lower).errors == 0


def test_what_comes_first_decides_and_a_warning_may_be_raised() -> None:
    finding = Finding("BD109", "warning", "m", "op 1 TANH x", "f")
    lowerings = [Lowering("BD1", "error", "we compare with the emulator"), Lowering("BD109", "info", "later")]
    kept, changed = apply([finding], lowerings, "stm32n6570-dk")
    assert (kept[0].severity, kept[0].reason) == ("error", "we compare with the emulator")
    assert "reason" not in kept[0].to_json()
    assert changed == [
        {"rule": "BD109", "where": "op 1 TANH x", "from": "warning", "to": "error", "reason": kept[0].reason}
    ]


@pytest.mark.parametrize(
    ("row", "what", "fix"),
    [
        ({**OLDER, "rule": "BD10X"}, "unknown rule 'BD10X'", "did you mean BD1"),
        ({**OLDER, "to": "warn"}, "has to 'warn'", "valid: error, warning, info, ignore"),
        ({**OLDER, "target": "stm32n6"}, "unknown target", "valid: nucleo-n657x0-q, qemu-an547"),
        ({**OLDER, "reson": "x"}, "unknown key 'reson'", "'reason'"),
        ({"rule": "BD105", "to": "info"}, "no reason", "add reason"),
        ({**OLDER, "reason": " "}, "reason of rules.lower is ' '", "in quotes"),
        ({**OLDER, "rule": 105}, "rule of rules.lower is 105", "in quotes"),
    ],
)
def test_a_lowering_that_is_not_valid_is_named(row: dict[str, object], what: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_lowerings([row], "birdnet-deploy.toml")
    assert what in caught.value.what
    assert fix in (caught.value.fix or "")
    assert caught.value.where == "birdnet-deploy.toml"


def test_mistakes_in_the_settings_are_exit_2(tflite_models: Path, tmp_path: Path) -> None:
    path = tflite_models / "good.tflite"
    for text, words in (
        (LOWER.replace("BD105", "BD999"), "unknown rule 'BD999'"),
        ("[rules]\nlower = 3\n", "rules.lower is 3, not a list of tables"),
        ('[rules]\nprofile = "absent.toml"\n', "absent.toml: not readable TOML"),
    ):
        (tmp_path / "birdnet-deploy.toml").write_text(text)
        assert words in fail(2, "validate", path, cwd=tmp_path)


def test_a_profile_is_shared_and_the_own_settings_go_first(tflite_models: Path, tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(
        'ignore = ["BD2"]\n[[lower]]\nrule = "BD105"\nto = "info"\nreason = "the team agreed"\n'
    )
    (tmp_path / "birdnet-deploy.toml").write_text('[rules]\nprofile = "rules.toml"\n')
    path = tflite_models / "stem_12.tflite"
    told = json.loads(succeed("validate", path, "--output-format", "json", cwd=tmp_path))
    assert {row["to"] for row in told["summary"]["lowered"]} == {"info"}
    (tmp_path / "birdnet-deploy.toml").write_text(f'[rules]\nprofile = "rules.toml"\n{LOWER}')
    told = json.loads(succeed("validate", path, "--output-format", "json", cwd=tmp_path))
    assert {row["to"] for row in told["summary"]["lowered"]} == {"warning"}
    assert not [rule for rule in told["summary"]["rules_checked"] if rule.startswith("BD2")]


@pytest.mark.parametrize(
    "text", ["[", "lower = 1", 'select = "BD1"', "ignore = [1]", "[rules]\nselect = []", 'colour = "red"']
)
def test_a_profile_that_is_not_valid_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_profile(path)
    assert caught.value.where == str(path)


def test_profiles_add_up() -> None:
    own, said = Profile(("BD1",), ("BD101",)), Profile((), ("BD102",))
    assert own.and_(said).select == ("BD1",)
    assert own.and_(Profile(("BD2",))).select == ("BD2",)
    ids = {rule.id for rule in own.and_(said).rules()}
    assert "BD103" in ids and not ids & {"BD101", "BD102", "BD201"}


def test_the_function_takes_what_the_command_takes(tflite_models: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tflite_models / "dynamic.tflite"
    result = pipeline.validate(path, select=["BD1"], ignore=["BD107"])
    assert {finding.rule for finding in result.findings} == {"BD101", "BD102", "BD108", "BD109"}
    with pytest.raises(UsageError, match="unknown rule"):
        pipeline.validate(path, select=["BD9"])
    with pytest.raises(UsageError, match="unknown target"):
        pipeline.validate(path, target="stm32")
