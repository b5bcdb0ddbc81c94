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
STAGES = ("board", "calibration", "codegen", "project", "quantization", "readback", "report", "toolchain")
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("stage", STAGES)
def test_stages_do_not_import_each_other(stage: str) -> None:
    others = tuple(f"birdnet_deploy.{name}" for name in (*STAGES, "cli") if name != stage)
    found = {
        (path.name, name)
        for path in (PACKAGE / stage).rglob("*.py")
        for name in imports_of(path)
        if name.startswith(others)
    }
    assert found == set()


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
