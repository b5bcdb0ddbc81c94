"""Classes of errors, exit codes and their page agree, and one place turns the one into the other."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from birdnet_deploy import errors
from birdnet_deploy.cli import main
from birdnet_deploy.errors import DeployError

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/exit-codes.md").read_text(encoding="utf-8")
CLASSES = {
    name: found
    for name, found in vars(errors).items()
    if inspect.isclass(found) and issubclass(found, DeployError) and found is not DeployError
}
CODES = {0, 1, 2, 3, 4, 5, 6, 7, 8, 130}


def test_the_page_lists_every_class_with_its_code_and_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (.+) \|$", PAGE, re.MULTILINE)
    told = {name: (int(code), text) for name, code, text in rows}
    held = {name: (found.exit_code, " ".join(first_sentence(found).split())) for name, found in CLASSES.items()}
    assert told == held


def first_sentence(found: type) -> str:
    return (inspect.getdoc(found) or "").split("\n\n")[0].rstrip(".").replace("``", "`")


def test_the_page_lists_every_code() -> None:
    assert {int(code) for code in re.findall(r"^\| (\d+) \| ", PAGE, re.MULTILINE)} == CODES
    assert {found.exit_code for found in CLASSES.values()} | {0, errors.INTERRUPTED_EXIT_CODE} == CODES


def test_errors_are_defined_in_one_file_and_mapped_in_one() -> None:
    defining, mapping = set(), set()
    for path in (ROOT / "birdnet_deploy").rglob("*.py"):
        name = path.relative_to(ROOT / "birdnet_deploy").as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            bases = {base.id for base in getattr(node, "bases", ()) if isinstance(base, ast.Name)}
            if isinstance(node, ast.ClassDef) and bases & {*CLASSES, "DeployError"}:
                defining.add(name)
            caught = isinstance(node, ast.ExceptHandler) and isinstance(node.type, ast.Name) and node.type.id
            if caught == "DeployError" and name.startswith("cli/"):
                mapping.add(name)
    assert defining == {"errors.py"}
    assert mapping == {"cli/main.py"}


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_becomes_one_line_and_its_code(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {"SampleError": {"seconds": 1.0}, "GatesNotMet": {"frontier": [], "best": "stem"}}.get(name, {})

    def fail(*_: object, **__: object) -> None:
        raise CLASSES[name]("it\nhappened", where="here\x1b[31m", fix="do that", **more)

    monkeypatch.setattr(main.main, "main", fail)
    with pytest.raises(SystemExit) as caught:
        main.entry([])
    assert caught.value.code == CLASSES[name].exit_code
    assert capsys.readouterr().err == "error: here\\x1b[31m: it\\nhappened -> do that\n"
