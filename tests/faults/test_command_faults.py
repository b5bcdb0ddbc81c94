"""What goes wrong at the command line: one line, the right exit code, nothing that existed is lost."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import fail, succeed

ROOT = Path(__file__).resolve().parents[2]


def tree(folder: Path) -> dict[str, str]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture
def model(small_model: Path, tmp_path: Path) -> Path:
    """A copy of the small model without recordings beside it."""
    for name in ("small.keras", "small_labels.txt", "small_model_config.json"):
        shutil.copy(small_model / name, tmp_path / name)
    return tmp_path / "small.keras"


def test_convert_without_recordings_prints_the_command_to_type(model: Path) -> None:
    before = tree(model.parent)
    error = fail(3, "convert", "small.keras", cwd=model.parent)
    assert "birdnet-deploy convert small.keras --calibration" in error
    assert tree(model.parent) == before


def test_convert_takes_recordings_from_the_nearest_settings(model: Path, small_model: Path) -> None:
    recordings = (small_model / "recordings").as_posix()
    (model.parent / "birdnet-deploy.toml").write_text(f'[convert]\ncalibration = "{recordings}"\n')
    succeed("convert", "small.keras", cwd=model.parent)
    succeed("validate", cwd=model.parent / "small_bundle")


def test_f20_a_near_miss_in_the_settings_stops_everything(model: Path) -> None:
    (model.parent / "birdnet-deploy.toml").write_text('[convert]\ncalibraton = "x"\n')
    assert "convert.calibration" in fail(2, "convert", "small.keras", cwd=model.parent)


def test_a_near_miss_in_the_models_config(model: Path, small_model: Path) -> None:
    path = model.with_name("small_model_config.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "sample_rte": 1}))
    assert "sample_rate" in fail(2, "convert", model, "--calibration", small_model / "recordings")


def test_labels_that_do_not_match_the_outputs(model: Path, small_model: Path, tmp_path: Path) -> None:
    model.with_name("small_labels.txt").write_text("a\nb\nc\n")
    error = fail(3, "convert", model, "--calibration", small_model / "recordings", "-o", tmp_path / "o")
    assert "3" in error and "4" in error
    assert not (tmp_path / "o").exists()


def test_an_empty_calibration_folder(model: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    fail(3, "convert", model, "--calibration", tmp_path / "none", "-o", tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_a_foreign_output_folder_is_left_alone(model: Path, small_model: Path, tmp_path: Path) -> None:
    (tmp_path / "o").mkdir()
    (tmp_path / "o/thesis.tex").write_text("mine")
    error = fail(5, "convert", model, "--calibration", small_model / "recordings", "-o", tmp_path / "o")
    assert "thesis.tex" in error
    assert (tmp_path / "o/thesis.tex").read_text() == "mine"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"no zip at all"])
def test_a_model_that_is_no_archive(small_model: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.keras").write_bytes(content)
    error = fail(3, "convert", tmp_path / "bad.keras", "--calibration", small_model / "recordings", cwd=tmp_path)
    assert "not a readable .keras archive" in error
    assert [path.name for path in tmp_path.iterdir()] == ["bad.keras"]


@pytest.mark.parametrize("name", ["missing.keras", "hf://org/model", "gs://bucket/m.keras", "."])
def test_a_model_that_is_not_there(tmp_path: Path, name: str) -> None:
    fail(2, "convert", name, "--calibration", tmp_path, cwd=tmp_path)


def test_a_gate_that_is_not_met_publishes_nothing(model: Path, small_model: Path) -> None:
    (model.parent / "birdnet-deploy.toml").write_text("[gates]\nmin_cosine = 0.99999999\n")
    error = fail(4, "convert", "small.keras", "--calibration", small_model / "recordings", cwd=model.parent)
    assert "cosine" in error and "0.99999999" in error
    assert not (model.parent / "small_bundle").exists()


def test_a_changed_bundle_is_not_generated_from(small_bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(small_bundle, tmp_path / "b")
    (tmp_path / "b/labels.txt").write_text("a\nb\nc\nd\n")
    assert "labels.txt" in fail(4, "generate", tmp_path / "b", "-o", tmp_path / "fw")
    assert not (tmp_path / "fw").exists()


def test_an_unknown_target_names_the_known(small_bundle: Path, tmp_path: Path) -> None:
    assert "qemu-an547" in fail(2, "generate", small_bundle, "--target", "qemu-an574", "-o", tmp_path / "fw")


def test_a_folder_that_is_no_project(tmp_path: Path) -> None:
    fail(2, "build", tmp_path)
    fail(2, "run", tmp_path, "--audio", tmp_path)


def test_a_missing_compiler_is_told_with_the_package(small_project: Path, tmp_path: Path) -> None:
    error = fail(6, "build", small_project, PATH=str(tmp_path))
    assert "arm-none-eabi-gcc" in error
    assert "apt" in error


def test_f26_a_compile_error_names_its_first_line_and_leaves_no_elf(small_project: Path, tmp_path: Path) -> None:
    project = tmp_path / "fw"
    shutil.copytree(small_project, project)
    source = project / "generated/network.c"
    source.write_text(source.read_text() + "\nint broken(void) { return nonsense; }\n")
    error = fail(6, "build", project)
    assert "network.c" in error and "nonsense" in error
    assert list(project.rglob("*.elf")) == []


def test_a_run_without_recordings(small_project: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    fail(3, "run", small_project, "--audio", tmp_path / "none")
    fail(2, "run", small_project, "--audio", tmp_path / "missing")


def test_init_writes_once(tmp_path: Path) -> None:
    succeed("init", cwd=tmp_path)
    path = tmp_path / "birdnet-deploy.toml"
    path.write_text(path.read_text() + "# mine\n")
    fail(5, "init", cwd=tmp_path)
    assert path.read_text().endswith("# mine\n")
    succeed("init", "--force", cwd=tmp_path)
    succeed("init", "--force", cwd=tmp_path)
    assert (tmp_path / "birdnet-deploy.toml.bak-1").read_text().endswith("# mine\n")
    assert (tmp_path / "birdnet-deploy.toml.bak-2").read_text() == path.read_text()


def test_an_internal_error_is_one_line_and_debug_shows_the_traceback(monkeypatch, tmp_path: Path) -> None:
    from birdnet_deploy.cli import main

    def broken() -> str:
        raise RuntimeError("a mistake\nof ours")

    monkeypatch.setattr("birdnet_deploy.cli.init.settings_template", broken)
    with pytest.raises(SystemExit) as caught:
        main.entry(["init", str(tmp_path)])
    assert caught.value.code == 1
    with pytest.raises(RuntimeError):
        main.entry(["init", str(tmp_path), "--debug"])


def test_an_unknown_command_and_option_are_usage_errors() -> None:
    fail(2, "covnert")
    fail(2, "convert", "--no-such-option")


@pytest.mark.parametrize("arguments", ["--help", "convert --help", "rule --all", "rule --all --output-format json"])
@pytest.mark.parametrize("reader", ["true", "head -c 1"])
def test_f40_a_closed_stdout_is_no_error(arguments: str, reader: str) -> None:
    program = f"sleep 0.3; exec {shlex.quote(sys.executable)} -m birdnet_deploy {arguments}"
    command = f"({program}) | {reader}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_f40_an_interrupt_that_passes_an_eval_ends_with_130_and_not_by_a_signal(tmp_path: Path) -> None:
    """CPython remembers such an interrupt and ends itself by SIGINT; importing a dataclass or named tuple is one."""
    code = (
        "from birdnet_deploy.cli import main\n"
        "def interrupt(): raise KeyboardInterrupt\n"
        "main.main.main = lambda **_: eval('interrupt()', {'interrupt': interrupt})\n"
        "main.entry([])\n"
    )
    (tmp_path / "evals.py").write_text(code)
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    command = [sys.executable, "-m", "evals"]  # it does so for a module
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
