"""The rules of ARCHITECTURE.md that a machine can hold."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "birdnet_deploy"
# What stages share: modules and packages.
SHARED_MODULES = ("__version__", "artifacts", "bundle", "errors", "settings")
SHARED = ("audio", "model", "npu", "prologue", "support", "tflite")
STAGES = ("board", "calibration", "codegen", "project", "quantization", "readback", "report", "toolchain")
# Commands that are more than a stage, each with the others that it builds on; they join stages as `pipeline.py` does.
JOINS: dict[str, tuple[str, ...]] = {"boardtest": (), "evaluation": (), "flashing": (), "showing": ("boardtest",)}
# The rule that a network fits the C engine is that the generator takes it.
ASKED_BY_SHARED = {("npu/request.py", "codegen")}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "birdnet_deploy":
            yield from (f"birdnet_deploy.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def parts_used(package: str) -> set[tuple[str, str]]:
    """Gives (module, part): the parts of this project, beside its own package, that each module of one imports."""
    return {
        (path.relative_to(PACKAGE).as_posix(), name.split(".")[1])
        for path in (PACKAGE / package).rglob("*.py")
        for name in imports_of(path)
        if name.startswith("birdnet_deploy.") and name.split(".")[1] != package
    }


def test_every_package_is_of_one_kind() -> None:
    kinds = [*SHARED, *STAGES, *JOINS, "cli"]
    assert sorted(kinds) == sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


@pytest.mark.parametrize("stage", STAGES)
def test_stages_import_what_they_share_and_not_each_other(stage: str) -> None:
    assert {found for found in parts_used(stage) if found[1] not in (*SHARED, *SHARED_MODULES)} == set()


@pytest.mark.parametrize("package", SHARED)
def test_what_stages_share_imports_none_of_them(package: str) -> None:
    found = {found for found in parts_used(package) if found[1] not in (*SHARED, *SHARED_MODULES)}
    assert found - ASKED_BY_SHARED == set()


@pytest.mark.parametrize("join", JOINS)
def test_joins_import_stages_and_only_the_joins_that_are_named(join: str) -> None:
    others = {"cli", *JOINS} - set(JOINS[join])
    assert {found for found in parts_used(join) if found[1] in others} == set()


def test_only_the_command_line_prints_and_exits() -> None:
    found = []
    for path in MODULES:
        if path.parent.name == "cli":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        called = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
        names = {function.id for function in called if isinstance(function, ast.Name)}
        if "print" in names or "exit" in names or "click" in set(imports_of(path)):
            found.append(path.name)
    assert found == []


def test_no_module_grows_beyond_what_one_can_read() -> None:
    long = {path.name: count for path in MODULES if (count := len(path.read_text(encoding="utf-8").splitlines())) > 320}
    assert long == {}


def test_every_package_is_in_the_architecture() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    packages = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    modules = [path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__")]
    assert [name for name in packages if f"`{name}/`" not in text] == []
    assert [name for name in modules if f"`{name}`" not in text] == []


HEAVY = ("tensorflow", "keras", "numpy", "rich", "jinja2", "serial", "soundfile", "ai_edge_litert")


@pytest.mark.parametrize("arguments", [["--help"], ["validate", "BUNDLE"], ["rule", "BD101"], ["convert", "--help"]])
def test_light_commands_import_nothing_heavy(arguments: list[str], small_bundle: Path) -> None:
    code = (
        "import sys\nfrom birdnet_deploy.cli.main import entry\n"
        f"try:\n    entry({[str(small_bundle) if a == 'BUNDLE' else a for a in arguments]!r})\n"
        f"finally:\n    print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().splitlines()[-1] == "[]"
