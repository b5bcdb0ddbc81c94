"""``validate`` and ``rule`` as a user meets them, and the document of rules."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from birdnet_deploy.npu.explain import rules_markdown
from birdnet_deploy.npu.rules import ALL_RULES
from tests.support.bundles import write_bundle
from tests.support.command import birdnet_deploy, cpu_seconds, fail, succeed
from tests.support.tflite_models import tflite_models

__all__ = ["tflite_models"]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bundle(tflite_models: Path, tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "tiny_bundle", (tflite_models / "good.tflite").read_bytes())


def test_a_clean_bundle_exits_0_and_ends_with_a_line_of_facts(bundle: Path) -> None:
    lines = succeed("validate", bundle).splitlines()
    assert not [line for line in lines if line.startswith("BD")]
    assert lines[-1].startswith("0 error, 0 warning, 0 info; 6 operators")
    assert "activations at least 3,072 B; target stm32n6570-dk (default)" in lines[-1]


def test_warnings_exit_0_and_errors_4(tflite_models: Path) -> None:
    assert "BD109 warning op 4 LEAKY_RELU" in succeed("validate", tflite_models / "leaky_relu.tflite")
    done = birdnet_deploy("validate", tflite_models / "stem_12.tflite")
    assert done.returncode == 4
    assert done.stdout.startswith("BD105 error op 0 CONV_2D")
    assert ": 12 output channels are not divisible by 8 -> build the model with make_divisible" in done.stdout
    assert done.stderr == ""
    assert "3 error" in succeed("validate", tflite_models / "stem_12.tflite", "--exit-zero")


def test_text_and_json_agree(tflite_models: Path) -> None:
    path = tflite_models / "dynamic.tflite"
    text = birdnet_deploy("validate", path).stdout.splitlines()
    done = birdnet_deploy("validate", path, "--output-format", "json")
    assert done.returncode == 4
    report = json.loads(done.stdout)
    assert report["schema_version"] == 1
    assert {frozenset(finding) for finding in report["findings"]} == {
        frozenset({"rule", "severity", "message", "where", "fix"})
    }
    shown = [line.split()[:2] for line in text if line.startswith("BD")]
    assert shown == [[finding["rule"], finding["severity"]] for finding in report["findings"]]
    assert report["summary"]["counts"]["error"] == sum(severity == "error" for _, severity in shown)


def test_a_lone_model_says_that_the_contract_was_not_checked(tflite_models: Path) -> None:
    shown = succeed("validate", tflite_models / "good.tflite")
    assert "note: no bundle: labels, config and lock were not checked (BD301 to BD312)" in shown


def test_without_a_path_the_settings_or_this_folder_count(bundle: Path) -> None:
    assert "6 operators" in succeed("validate", cwd=bundle)
    settings = bundle.parent / "birdnet-deploy.toml"
    settings.write_text('bundle = "tiny_bundle"\ntarget = "qemu-an547"\n')
    assert "target qemu-an547" in succeed("validate", cwd=bundle.parent)
    settings.write_text('model = "tiny.keras"\n')
    assert "6 operators" in succeed("validate", cwd=bundle.parent)
    settings.unlink()
    assert "birdnet-deploy validate BUNDLE" in fail(2, "validate", cwd=bundle.parent)


def test_settings_ignore_and_select_rules(tflite_models: Path, tmp_path: Path) -> None:
    path = tflite_models / "stem_12.tflite"
    (tmp_path / "birdnet-deploy.toml").write_text('[rules]\nignore = ["BD105"]\n')
    assert "BD105" not in succeed("validate", path, cwd=tmp_path)
    (tmp_path / "birdnet-deploy.toml").write_text('[rules]\nselect = ["BD2"]\n')
    assert "BD105" not in succeed("validate", path, cwd=tmp_path)
    assert birdnet_deploy("validate", path, "--select", "BD1,BD2", cwd=tmp_path).returncode == 4
    assert "did you mean" in fail(2, "validate", path, "--ignore", "BD1O5")


def test_a_rule_is_explained(tmp_path: Path) -> None:
    text = succeed("rule", "bd105", cwd=tmp_path)
    for part in ("BD105 channels-not-multiple-of-8 (error)", "limit:", "source:", "fix:", "make_divisible"):
        assert part in text
    assert "did you mean BD1" in fail(2, "rule", "BD10")
    assert "rule --all" in fail(2, "rule")
    assert len(succeed("rule", "--all").splitlines()) == len(ALL_RULES)


def test_all_rules_as_json() -> None:
    rules = json.loads(succeed("rule", "--all", "--output-format", "json"))["rules"]
    assert [rule["id"] for rule in rules] == [rule.id for rule in ALL_RULES]
    for rule in rules:
        assert rule["summary"].endswith(".")
        assert len(rule["why"]) > 40
        assert rule["source"]
        assert rule["fix"]


def test_the_document_of_rules_is_current() -> None:
    written = (ROOT / "docs/rules.md").read_text(encoding="utf-8")
    assert written == rules_markdown(ALL_RULES), "birdnet-deploy rule --all --output-format markdown > docs/rules.md"


def test_validate_imports_no_heavy_package(bundle: Path) -> None:
    code = (
        "import sys\n"
        "from birdnet_deploy.cli.main import entry\n"
        "try:\n"
        "    entry(['validate', sys.argv[1]])\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'h5py', 'ai_edge_litert', 'rich', 'jinja2'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(bundle)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "heavy: []" in done.stdout


@pytest.mark.shared
def test_the_real_checkpoint_is_checked_in_a_blink(shared: Path) -> None:
    path = shared / "models" / "anchor_int8.tflite"
    assert min(cpu_seconds(lambda: birdnet_deploy("validate", path)) for _ in range(3)) < 0.4
